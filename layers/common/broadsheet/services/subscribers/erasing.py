"""Erases a reader: everything about them goes, and the ledger's counts stay.

A keyed digest of the address remains, so that a request that was queued earlier, or an import,
doesn't bring them back. They can sign up again, as somebody new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet import settings
from broadsheet.database import personal_data, subscribers_table
from broadsheet.services.subscribers import departing, link_by_mail
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import EraseRequest


def erase(connection: Connection, request: EraseRequest) -> None:
    """Erase a subscriber; of one who has signed up and confirmed since, what is older.

    A link that was mailed to an earlier address erases nobody: the present one gets a link of its
    own.
    """
    at = request.received_at
    with connection.transaction():
        subscriber = subscribers_table.lock_by_id(connection, request.token.subscriber_id, at)
        is_erased = subscriber is not None and request.token.was_mailed_since(subscriber.moved_at)
        if subscriber is not None and is_erased:
            departing.depart(connection, subscriber.email, at, "erased")
            came_back = subscriber.confirmation_issued_at
            if came_back is not None and came_back > at:
                personal_data.delete_before(connection, subscriber.id, at, settings.offered_tags())
            else:
                personal_data.delete(connection, subscriber.id)
    if subscriber is not None and is_erased:
        logger.info("subscriber erased", subscriber_id=str(subscriber.id))
    else:
        link_by_mail.mail_link(connection, request, request.token.subscriber_id)
