"""Sends webhooks their messages, and decides from the answers what comes next.

Up to ten messages of each of ten webhooks are sent at once. While a webhook fails, one message at
a time is tried, on the schedule of ``DELAYS``; one that was never tried is a probe as well, since
the database is awake for it. When nothing is due, a clock calls when the next try is, and nobody
looks meanwhile.

A claim keeps two invocations from sending to one webhook. An invocation that dies after sending
has recorded nothing: the same messages are sent again, with the same ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from broadsheet import (
    operator_notice,
    outbound_calls,
    settings,
    signed_tokens,
    webhook_clock,
)
from broadsheet.database import outbox_table, webhooks_table
from broadsheet.domain.webhooks import (
    DELAYS,
    DISABLED_AFTER,
    OLD_SECRET_VALID,
    Try,
    WebhookId,
    delay_after,
    signed_headers,
)
from broadsheet.outbound_calls import Call
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.webhooks import Webhook, WebhookMessage
    from broadsheet.outbound_calls import Called

_WEBHOOKS_AT_ONCE = 10
_MESSAGES_AT_ONCE = 10  # to one webhook
_LONGEST_PAUSE = timedelta(days=1)  # that a receiver may ask for


@dataclass(frozen=True)
class _Round:
    """What is sent to a webhook now."""

    webhook: Webhook
    messages: Sequence[WebhookMessage]
    secrets: Sequence[bytes]


def notify(connection: Connection, deadline: datetime) -> None:
    """Send webhooks what is due, and have the clock call for the rest.

    ``deadline``: no calls begin later. Raises ``DependencyUnavailable`` when outbound can't be
    called, or the clock can't be set.
    """
    while _send_some(connection) and datetime.now(UTC) < deadline:
        pass
    with connection.transaction():
        webhooks_table.lock_clock(connection)
        next_due = outbox_table.next_due(connection)
        if next_due is not None:
            # Also if it is due already: Lambda ends a function that calls itself again and again.
            webhook_clock.set_to(next_due)


def _send_some(connection: Connection) -> bool:
    """Send each webhook some of what is due; return whether there was anything."""
    due = outbox_table.find_due(connection)[:_WEBHOOKS_AT_ONCE]
    rounds = [begun for each in due if (begun := _begin(connection, WebhookId(each)))]
    if not rounds:
        return False
    for each, tries in zip(rounds, _call(rounds), strict=True):
        _record(connection, each, tries)
    return True


def _begin(connection: Connection, webhook_id: WebhookId) -> _Round | None:
    """Claim a webhook, and return what is sent; None if somebody else has claimed it."""
    with connection.transaction():
        webhook = webhooks_table.lock(connection, webhook_id)
        now = datetime.now(UTC)
        if webhook is None or webhook.disabled_at is not None or webhook.is_claimed(now):
            return None
        try:
            secrets = _secrets(webhook, now)
        except KeyError:
            _disable(connection, webhook, "its signing key was retired")
            return None
        limit = 1 if webhook.failures else _MESSAGES_AT_ONCE
        messages = webhooks_table.find_messages(connection, webhook_id, limit)
        if not messages:
            return None
        claimed_until = now + timedelta(seconds=settings.timings().webhook_claim)
        webhooks_table.claim(connection, webhook_id, claimed_until)
    return _Round(webhook, messages, secrets)


def _secrets(webhook: Webhook, now: datetime) -> list[bytes]:
    """Return what messages are signed with now: for a day after a rotation, also the old secret."""
    generations = [webhook.generation]
    if webhook.rotated_at is not None and now - webhook.rotated_at < OLD_SECRET_VALID:
        generations.append(webhook.generation - 1)
    return [
        signed_tokens.webhook_secret(webhook.key_id, webhook.id.root, generation)
        for generation in generations
    ]


def _call(rounds: Sequence[_Round]) -> list[list[Try]]:
    """Send all messages at once, and return how each ended, by round."""
    at = datetime.now(UTC)
    calls = [
        Call(
            url=each.webhook.url,
            headers=signed_headers(message.id, at, message.body, each.secrets),
            body=message.body.decode(),
        )
        for each in rounds
        for message in each.messages
    ]
    called = iter(outbound_calls.make(calls))
    return [[_try(message, at, next(called)) for message in each.messages] for each in rounds]


def _try(message: WebhookMessage, at: datetime, called: Called) -> Try:
    return Try(
        message.id,
        at,
        called.status,
        called.error,
        called.milliseconds,
        _asked_pause(called.retry_after),
    )


def _asked_pause(retry_after: str | None) -> timedelta:
    """Return how long a receiver wants to rest (RFC 9110 §10.2.3): seconds, or a date."""
    if retry_after is None:
        return timedelta()
    try:
        asked = (
            timedelta(seconds=int(retry_after[:9]))
            if retry_after.isdecimal()
            else parsedate_to_datetime(retry_after) - datetime.now(UTC)
        )
    except (TypeError, ValueError, OverflowError):
        return timedelta()
    return min(max(asked, timedelta()), _LONGEST_PAUSE)


def _record(connection: Connection, sent: _Round, tries: Sequence[Try]) -> None:
    """Store how the calls of a webhook ended, and how it stands; disable it if it has to be."""
    with connection.transaction():
        webhook = webhooks_table.lock(connection, sent.webhook.id)
        if webhook is None:
            return
        webhooks_table.log_tries(connection, webhook.id, tries)
        delivered = [each.message_id for each in tries if each.has_succeeded]
        webhooks_table.set_delivered(connection, webhook.id, delivered)
        if webhook.disabled_at is not None:
            return
        now = datetime.now(UTC)
        for message, each in zip(sent.messages, tries, strict=True):
            if not each.has_succeeded:
                _put_off(connection, webhook, message, each)
        because = _reason_to_disable(webhook, tries, now)
        if because is None:
            _settle(connection, webhook, tries, now)
        else:
            _disable(connection, webhook, because)


def _put_off(
    connection: Connection, webhook: Webhook, message: WebhookMessage, failed: Try
) -> None:
    delay = delay_after(message.attempts + 1)
    next_at = None if delay is None else datetime.now(UTC) + max(delay, failed.asked_pause)
    webhooks_table.set_failed(connection, webhook.id, message.id, next_at)
    logger.info(
        "webhook not delivered",
        webhook_id=str(webhook.id),
        message_id=str(message.id),
        status=failed.status,
        error=failed.error,
        is_last=next_at is None,
    )


def _reason_to_disable(webhook: Webhook, tries: Sequence[Try], now: datetime) -> str | None:
    if any(each.is_gone for each in tries):
        return "it answered 410 Gone"
    if any(each.has_succeeded for each in tries) or webhook.failing_since is None:
        return None
    if now - webhook.failing_since < DISABLED_AFTER:
        return None
    return f"nothing was delivered for {DISABLED_AFTER.days} days"


def _disable(connection: Connection, webhook: Webhook, because: str) -> None:
    """Disable a webhook, and notify the operator."""
    webhooks_table.disable(connection, webhook.id, because)
    count("WebhooksDisabled")
    logger.error("webhook disabled", webhook_id=str(webhook.id), because=because)
    operator_notice.publish(
        f"{settings.stack_name()}: a webhook was disabled"[:100],
        f"The webhook {webhook.id} is disabled: {because}.\n\n"
        f'"broadsheet webhooks show {webhook.id}" shows its last calls. When its receiver works '
        f'again, "broadsheet webhooks enable {webhook.id}" enables it, and "broadsheet webhooks '
        f'replay {webhook.id}" sends what it has missed until it was disabled.\n',
    )


def _settle(connection: Connection, webhook: Webhook, tries: Sequence[Try], now: datetime) -> None:
    """Store how a webhook stands after its calls."""
    asked = max(each.asked_pause for each in tries)
    if any(each.has_succeeded for each in tries):
        if webhook.failures:
            webhooks_table.hasten(connection, webhook.id)
        webhooks_table.set_working(connection, webhook.id, quiet_until=now + asked)
        return
    # A new message that tried its luck before the next retry counts no further.
    counts = webhook.retry_at is None or webhook.retry_at <= now
    failures = webhook.failures + counts
    delay = delay_after(min(failures, len(DELAYS))) or timedelta()
    retry_at = now + max(delay, asked) if counts else webhook.retry_at
    rest = timedelta(seconds=settings.timings().webhook_rest)
    webhooks_table.set_failing(
        connection,
        webhook.id,
        failing_since=webhook.failing_since or now,
        failures=failures,
        retry_at=retry_at,
        quiet_until=now + max(asked, rest),
    )
