"""What authors do with webhooks: add, look, test, replay, enable, rotate, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from broadsheet import settings, signed_tokens
from broadsheet.database import webhooks_table
from broadsheet.domain import errors
from broadsheet.domain.targets import Target
from broadsheet.domain.webhooks import MOST_WEBHOOKS, WebhookId, written_secret
from broadsheet.services.webhooks import outbox
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.webhooks import LoggedTry, ReplayRequest, Webhook, WebhookRequest

_TRIES_SHOWN = 100


class ShownWebhook(NamedTuple):
    """A webhook; how many messages it has, by status; and its newest tries."""

    webhook: Webhook
    messages: Mapping[str, int]
    tries: Sequence[LoggedTry]


def add(connection: Connection, author: AuthorName, wanted: WebhookRequest) -> tuple[Webhook, str]:
    """Store a webhook, and return it with its secret, which is not shown again.

    Raises ``InvalidFields`` for an address that is never called, and ``TooManyWebhooks``.
    """
    try:
        Target.parse(wanted.url, anywhere=settings.may_call_anywhere())
    except ValueError as error:
        raise errors.InvalidFields({"url": errors.InvalidField(str(error))}) from None
    webhook_id, key_id = WebhookId.new(), signed_tokens.signing_key_id()
    with connection.transaction():
        webhooks_table.lock_all(connection)
        if webhooks_table.count(connection) >= MOST_WEBHOOKS:
            raise errors.TooManyWebhooks(MOST_WEBHOOKS)
        webhooks_table.insert(connection, webhook_id, wanted, author, key_id)
        webhook = _find(connection, webhook_id)
    logger.info("webhook added", webhook_id=str(webhook_id))
    return webhook, _secret(webhook)


def _secret(webhook: Webhook) -> str:
    return written_secret(
        signed_tokens.webhook_secret(webhook.key_id, webhook.id.root, webhook.generation)
    )


def _key_id(webhook: Webhook) -> str:
    """Return the webhook's signing key, by which the old secret works on; or that of now."""
    try:
        _secret(webhook)
    except KeyError:  # retired
        return signed_tokens.signing_key_id()
    return webhook.key_id


def _find(connection: Connection, webhook_id: WebhookId) -> Webhook:
    webhook = webhooks_table.lock(connection, webhook_id)
    if webhook is None:
        raise errors.WebhookNotFound
    return webhook


def find_all(connection: Connection) -> Sequence[Webhook]:
    """Return all webhooks, the oldest first."""
    return webhooks_table.find_all(connection)


def show(connection: Connection, webhook_id: WebhookId) -> ShownWebhook:
    """Return a webhook with its log of tries. Raises ``WebhookNotFound``."""
    with connection.transaction():
        return ShownWebhook(
            _find(connection, webhook_id),
            webhooks_table.count_by_status(connection, webhook_id),
            webhooks_table.newest_tries(connection, webhook_id, _TRIES_SHOWN),
        )


def delete(connection: Connection, webhook_id: WebhookId) -> None:
    """Delete a webhook with its log. Raises ``WebhookNotFound``."""
    if not webhooks_table.delete(connection, webhook_id):
        raise errors.WebhookNotFound
    logger.info("webhook deleted", webhook_id=str(webhook_id))


def send_test(connection: Connection, webhook_id: WebhookId) -> UUID:
    """Send a message without data; return its id. Raises as ``replay``."""
    with connection.transaction():
        _require_enabled(_find(connection, webhook_id))
        message_id = webhooks_table.insert_test(connection, webhook_id)
    outbox.kick(connection)
    return message_id


def replay(connection: Connection, webhook_id: WebhookId, wanted: ReplayRequest) -> int:
    """Send messages again that have ended; return how many.

    Raises ``WebhookNotFound`` and ``WebhookDisabled``.
    """
    with connection.transaction():
        _require_enabled(_find(connection, webhook_id))
        reopened = webhooks_table.reopen(connection, webhook_id, wanted)
    outbox.kick(connection)
    logger.info("webhook replayed", webhook_id=str(webhook_id), messages=reopened)
    return reopened


def _require_enabled(webhook: Webhook) -> None:
    if webhook.disabled_at is not None:
        raise errors.WebhookDisabled


def enable(connection: Connection, webhook_id: WebhookId) -> Webhook:
    """Enable a webhook that was disabled. Raises ``WebhookNotFound``."""
    with connection.transaction():
        webhook = _find(connection, webhook_id)
        if webhook.disabled_at is not None:
            webhooks_table.enable(connection, webhook_id)
        return _find(connection, webhook_id)


def rotate(connection: Connection, webhook_id: WebhookId) -> tuple[Webhook, str]:
    """Make another secret, and return it; for a day, both sign. Raises ``WebhookNotFound``."""
    with connection.transaction():
        webhook = _find(connection, webhook_id)
        webhooks_table.rotate(connection, webhook_id, _key_id(webhook))
        webhook = _find(connection, webhook_id)
    logger.info("webhook's secret rotated", webhook_id=str(webhook_id))
    return webhook, _secret(webhook)
