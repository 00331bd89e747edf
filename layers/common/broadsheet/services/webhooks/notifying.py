"""Sends webhooks their messages, and decides from the answers what comes next.

A webhook's message on the queue sends up to ten messages of the outbox at once, and comes back, by
its visibility timeout, when the next of them is due: no one looks meanwhile. While a webhook fails,
one message at a time is tried, on the schedule of ``DELAYS``; a new one is a probe as well, since
the database is awake for it.

A claim keeps two invocations from sending to one webhook. An invocation that dies after sending
has recorded nothing: the same messages are sent again, with the same ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from broadsheet import outbound_calls, settings, signed_tokens
from broadsheet.database import webhooks_table
from broadsheet.domain.webhooks import (
    DELAYS,
    DISABLED_AFTER,
    OLD_SECRET_VALID,
    Try,
    delay_after,
    signed_headers,
)
from broadsheet.outbound_calls import Call
from broadsheet.queues import webhooks_queue
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection, Session
    from broadsheet.domain.webhooks import Webhook, WebhookId, WebhookMessage
    from broadsheet.outbound_calls import Called
    from broadsheet.queues.webhooks_queue import Kick
    from broadsheet.queues.worker import Received, Unfinished

_AT_ONCE = 10  # messages to one webhook
_LONGEST_REST = timedelta(hours=11, minutes=50)  # SQS hides a message for 12 h at most
_EARLY = timedelta(seconds=2)  # what SQS's whole seconds may bring a message back too soon


@dataclass(frozen=True)
class _Round:
    """What is sent to a webhook now. ``is_expected``: no other message comes back for it."""

    webhook: Webhook
    messages: Sequence[WebhookMessage]
    secrets: Sequence[bytes]
    is_expected: bool


def notify(session: Session, received: Sequence[Received[Kick]]) -> dict[int, Unfinished]:
    """Send webhooks what is due; return which of their messages come back, and when."""
    timeout = settings.timings().worker_connect_timeout
    positions = {each.message.webhook_id: place for place, each in enumerate(received)}
    unfinished: dict[int, Unfinished] = {}
    rounds: list[tuple[int, _Round]] = []
    with session.connected(timeout) as connection:
        for webhook_id, position in positions.items():
            begun = _begin(connection, webhook_id)
            if isinstance(begun, _Round):
                rounds.append((position, begun))
            elif begun is not None:
                unfinished[position] = begun.total_seconds()
    if not rounds:
        return unfinished
    tries = _call([each for _, each in rounds])
    with session.connected(timeout) as connection:
        for (position, each), tried in zip(rounds, tries, strict=True):
            rest = _record(connection, each, tried)
            if rest is not None:
                unfinished[position] = rest.total_seconds()
    return unfinished


def _begin(connection: Connection, webhook_id: WebhookId) -> _Round | timedelta | None:
    """Claim a webhook, and return what is sent now.

    Otherwise return after how long its message comes back; None when it has ended.
    """
    with connection.transaction():
        webhook = webhooks_table.lock(connection, webhook_id)
        if webhook is None or webhook.disabled_at is not None:
            return None
        now = datetime.now(UTC)
        if webhook.claimed_until is not None and webhook.claimed_until > now:
            return timedelta(seconds=settings.timings().left_message_retry)
        is_expected = webhook.wakes_at is None or webhook.wakes_at <= now + _EARLY
        if not is_expected and webhook.quiet_until is not None and webhook.quiet_until > now:
            return None
        return _take(connection, webhook, now, is_expected=is_expected)


def _take(
    connection: Connection, webhook: Webhook, now: datetime, *, is_expected: bool
) -> _Round | timedelta | None:
    try:
        secrets = _secrets(webhook, now)
    except KeyError:
        _disable(connection, webhook, "its signing key was retired")
        return None
    limit = 1 if webhook.failures else _AT_ONCE
    due = webhooks_table.find_due(connection, webhook.id, now + _EARLY, limit)
    if due:
        claimed_until = now + timedelta(seconds=settings.timings().webhook_claim)
        webhooks_table.claim(connection, webhook.id, claimed_until)
        return _Round(webhook, due, secrets, is_expected)
    if not is_expected:
        return None
    wakes_at = webhooks_table.next_due(connection, webhook.id)
    webhooks_table.rest(connection, webhook.id, wakes_at)
    return None if wakes_at is None else _rest(wakes_at - now)


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


def _asked_pause(retry_after: str | None) -> timedelta | None:
    """Return how long a receiver wants to rest (RFC 9110 §10.2.3): seconds, or a date."""
    if retry_after is None:
        return None
    try:
        if retry_after.isdecimal():
            return _rest(timedelta(seconds=int(retry_after[:9])))
        until = parsedate_to_datetime(retry_after)
        return _rest(until - datetime.now(UTC))
    except (TypeError, ValueError):
        return None


def _record(connection: Connection, sent: _Round, tries: Sequence[Try]) -> timedelta | None:
    """Store how the calls of a webhook ended; return after how long its message comes back."""
    with connection.transaction():
        webhook = webhooks_table.lock(connection, sent.webhook.id)
        if webhook is None:
            return None
        webhooks_table.log_tries(connection, webhook.id, tries)
        delivered = [each.message_id for each in tries if each.has_succeeded]
        webhooks_table.set_delivered(connection, webhook.id, delivered)
        if webhook.disabled_at is not None:
            return None
        now = datetime.now(UTC)
        for message, each in zip(sent.messages, tries, strict=True):
            if not each.has_succeeded:
                _put_off(connection, webhook, message, each)
        if because := _reason_to_disable(webhook, tries, now):
            _disable(connection, webhook, because)
            return None
        return _settle(connection, sent, webhook, tries)


def _put_off(
    connection: Connection, webhook: Webhook, message: WebhookMessage, failed: Try
) -> None:
    delay = delay_after(message.attempts + 1)
    next_at = None
    if delay is not None:
        next_at = datetime.now(UTC) + max(delay, failed.retry_after or timedelta())
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
    has_failed_long = (
        webhook.failing_since is not None and now - webhook.failing_since >= DISABLED_AFTER
    )
    if has_failed_long and not any(each.has_succeeded for each in tries):
        return f"nothing was delivered for {DISABLED_AFTER.days} days"
    return None


def _disable(connection: Connection, webhook: Webhook, because: str) -> None:
    """Disable a webhook, and raise the alarm, which is a mail to the operator."""
    webhooks_table.disable(connection, webhook.id, because)
    count("WebhooksDisabled")
    logger.error("webhook disabled", webhook_id=str(webhook.id), because=because)


def _settle(
    connection: Connection, sent: _Round, webhook: Webhook, tries: Sequence[Try]
) -> timedelta | None:
    """Store how the webhook stands; return after how long its message comes back, if it does."""
    now = datetime.now(UTC)
    asked = max((each.retry_after for each in tries if each.retry_after), default=timedelta())
    if any(each.has_succeeded for each in tries):
        if webhook.failures:
            webhooks_table.hasten(connection, webhook.id)
        failures, pause = 0, asked
        quiet_until = now + asked if asked else None
    else:
        failures = webhook.failures + (sent.is_expected or not webhook.failures)
        pause = max(delay_after(min(failures, len(DELAYS))) or timedelta(), asked)
        probe = timedelta(seconds=settings.timings().webhook_probe_every)
        quiet_until = now + max(asked, min(pause, probe))
    due = webhooks_table.next_due(connection, webhook.id)
    wakes_at = None if due is None else max(due, now + pause)
    comes_back = False
    if wakes_at is not None and wakes_at <= now + _EARLY:
        webhooks_queue.kick([webhook.id])  # a new message, whose receives count from zero
        wakes_at = None
    elif _comes_sooner(sent, wakes_at):
        wakes_at = sent.webhook.wakes_at
    else:
        comes_back = wakes_at is not None
    webhooks_table.set_state(
        connection,
        webhook.id,
        failing_since=(webhook.failing_since or now) if failures else None,
        failures=failures,
        wakes_at=wakes_at,
        quiet_until=quiet_until,
    )
    return _rest(wakes_at - now) if comes_back and wakes_at is not None else None


def _comes_sooner(sent: _Round, wakes_at: datetime | None) -> bool:
    """Return whether another message comes back for the webhook before it has to be looked at."""
    other = sent.webhook.wakes_at
    return not sent.is_expected and other is not None and (wakes_at is None or other <= wakes_at)


def _rest(duration: timedelta) -> timedelta:
    return min(max(duration, timedelta()), _LONGEST_REST)
