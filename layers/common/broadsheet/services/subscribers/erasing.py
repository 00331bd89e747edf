"""Erases a reader: everything about them goes, and the ledger's counts stay.

A keyed digest of the address remains, so that a request that was queued earlier, or an import,
doesn't bring them back. They can sign up again, as somebody new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet import signed_tokens
from broadsheet.database import personal_data, subscribers_table, tombstones_table
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from datetime import datetime

    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import EraseRequest
    from broadsheet.domain.subscribers import EmailAddress


def erase(connection: Connection, request: EraseRequest) -> None:
    """Erase a subscriber; of one who has signed up and confirmed since, what is older."""
    subscriber_id, at = request.token.subscriber_id, request.received_at
    with connection.transaction():
        subscriber = subscribers_table.lock_by_id(connection, subscriber_id)
        if subscriber is None or not request.token.was_mailed_since(subscriber.address_issued_at):
            logger.info("nobody to erase", request_id=str(request.id))
            return
        (digest, *_) = signed_tokens.address_digests(subscriber.email)
        tombstones_table.raise_over(connection, digest, at, "erased")
        came_back = subscriber.confirmation_issued_at
        if came_back is not None and came_back > at:
            personal_data.delete_before(connection, subscriber_id, at)
        else:
            personal_data.delete(connection, subscriber_id)
    logger.info("subscriber erased", subscriber_id=str(subscriber_id))


def has_departed_since(connection: Connection, email: EmailAddress, asked_at: datetime) -> bool:
    """Return whether an address was left after something was asked for it."""
    digests = signed_tokens.address_digests(email)
    departed_at = tombstones_table.departed_at(connection, digests)
    return departed_at is not None and departed_at >= asked_at
