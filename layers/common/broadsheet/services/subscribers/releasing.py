"""Has sign-ups mailed that were kept without a mail, when the operator asks for it.

Their mails are owed from then on, and each sign-up comes again through the queue, as it came first.
Repeating a release sends again what is still owed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.database import suspicious_sign_ups_table
from broadsheet.domain.requests import Origin, SubscribeRequest
from broadsheet.domain.subscribers import EmailAddress, SourceAddress, SubscriberName
from broadsheet.queues import requests_queue
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.database.suspicious_sign_ups_table import Released
    from broadsheet.domain.requests import ReleaseRequest

AT_ONCE = 500  # sign-ups; some seconds of sending messages. The rest follows as another request


def release(connection: Connection, request: ReleaseRequest) -> None:
    """Release the oldest sign-ups that a request describes, and queue them again.

    Raises ``DependencyUnavailable`` when SQS did not accept them all.
    """
    with connection.transaction():
        released = suspicious_sign_ups_table.release(connection, request, AT_ONCE)
        is_any_left = suspicious_sign_ups_table.is_any_left(connection, request)
    requests_queue.send_all([_as_it_came(each) for each in released], str(request.id))
    logger.info("sign-ups released", release_id=str(request.id), released=len(released))
    if is_any_left:
        requests_queue.send(request.next(), str(request.id))


def _as_it_came(released: Released) -> SubscribeRequest:
    return SubscribeRequest(
        id=released.id,
        received_at=released.received_at,
        origin=Origin(
            source_address=SourceAddress(released.source_address), user_agent=released.user_agent
        ),
        email=EmailAddress(released.email),
        name=SubscriberName(released.name) if released.name else None,
        language=released.language,
    )
