"""Applies readers' requests to subscribers, and sends the mails that subscribers are owed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from broadsheet import settings
from broadsheet.database import consents_table, subscribers_table
from broadsheet.domain.issues import NO_ISSUE
from broadsheet.domain.requests import (
    ConfirmRequest,
    QueuedRequest,
    ReleaseRequest,
    SubscribeRequest,
    UnsubscribeRequest,
    WrongCodeRequest,
)
from broadsheet.domain.subscribers import SubscriberStatus
from broadsheet.mail.ses import account
from broadsheet.services.subscribers import (
    confirming,
    departing,
    managing,
    releasing,
    signing_up,
    strictness,
    welcoming,
)
from broadsheet.services.subscribers.signing_up import ReceivedSignUp
from broadsheet.services.webhooks import outbox
from broadsheet.telemetry import correlated, count, logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import ManagingRequest
    from broadsheet.domain.subscriber_state import Subscriber
    from broadsheet.domain.subscribers import DueWelcome
    from broadsheet.queues.worker import Received, Unfinished


def apply(
    connection: Connection, received: Sequence[Received[QueuedRequest]], deadline: datetime
) -> dict[int, Unfinished]:
    """Apply requests, harmless when repeated, late or out of order; return what is unfinished.

    Wrong codes come first: a right one in the same set may be too late. Sign-ups come last: a
    confirmation or an unsubscribe in the same set, whatever its time, then decides which mail
    answers them. ``deadline``: nothing begins later.
    """
    unfinished: dict[int, Unfinished] = {}
    sign_ups = []
    for position, each in sorted(enumerate(received), key=_is_no_wrong_code):
        if isinstance(each.message, SubscribeRequest):
            sign_ups.append(ReceivedSignUp(position, each.message, each.correlation_id))
        elif datetime.now(UTC) >= deadline:
            unfinished[position] = settings.timings().left_message_retry
        else:
            try:
                with correlated(each.correlation_id):
                    _apply_one(connection, each.message)
            except Exception as error:
                if connection.closed:  # then it is nothing about this request
                    raise
                unfinished[position] = error
    unfinished |= signing_up.sign_up(connection, sign_ups, deadline)
    outbox.kick(connection)
    return unfinished


def _is_no_wrong_code(numbered: tuple[int, Received[QueuedRequest]]) -> bool:
    return not isinstance(numbered[1].message, WrongCodeRequest)


def _apply_one(
    connection: Connection,
    request: (
        ConfirmRequest | WrongCodeRequest | UnsubscribeRequest | ManagingRequest | ReleaseRequest
    ),
) -> None:
    match request:
        case ConfirmRequest():
            confirm(connection, request)
        case WrongCodeRequest():
            confirming.count_wrong_code(connection, request)
        case UnsubscribeRequest():
            unsubscribe(connection, request)
        case ReleaseRequest():
            releasing.release(connection, request)
        case _:
            managing.apply(connection, request)


class _AddressLeft(Exception):
    """The address was erased, or moved away from, after the request was made."""


def confirm(connection: Connection, request: ConfirmRequest) -> None:
    """Confirm the subscriber, unless they unsubscribed after the token was made.

    An address that bounced is taken off the account's suppression list, or no issue would arrive.
    A new subscriber is welcomed.
    """
    if not confirming.may_confirm(connection, request):
        return
    try:
        before, status, is_newest, due = _merge(connection, request)
    except _AddressLeft:
        logger.info("confirmation of an address that was left", request_id=str(request.id))
        return
    token = request.token
    if is_newest:
        count("Confirmations")
        strictness.count_confirmations(connection, given=1)
    logger.info(
        "confirmation applied", subscriber_id=str(before.id), status=status, way=request.way
    )
    if status is SubscriberStatus.CONFIRMED:
        account.lift_bounce_suppression(token.email)
        if due is not None:
            welcoming.send_due(connection, before, token, due)


def _merge(
    connection: Connection, request: ConfirmRequest
) -> tuple[Subscriber, SubscriberStatus, bool, DueWelcome | None]:
    """Merge a confirmation; return the subscriber before and the status after it.

    Returns also whether it is the newest, and which mails of welcome are due. Raises
    ``_AddressLeft``, and then nothing is changed.
    """
    token = request.token
    with connection.transaction():
        subscribers_table.insert_pending(connection, token, token.issued_at)
        before = subscribers_table.lock_by_email(connection, token.email)
        # Under the lock, since somebody may have been erased until just now.
        left_at = departing.departures(connection, [token.email]).get(token.email)
        if left_at is not None and token.issued_at <= left_at:
            raise _AddressLeft
        status = subscribers_table.merge_confirmation(
            connection, before.id, token.issued_at, request.received_at
        )
        is_newest = _is_newer(token.issued_at, before.confirmation_issued_at)
        if is_newest:
            subscribers_table.update_profile(connection, before.id, token, settings.offered_tags())
            consents_table.append(connection, before.id, "confirmed", request)
        due = welcoming.owe(connection, before)
    return before, status, is_newest, due


def unsubscribe(connection: Connection, request: UnsubscribeRequest) -> None:
    """Unsubscribe, unless the subscriber has confirmed again since."""
    with connection.transaction():
        before = subscribers_table.lock_by_id(
            connection, request.token.subscriber_id, request.received_at
        )
        if before is None:
            logger.warning("nobody to unsubscribe", subscriber_id=str(request.token.subscriber_id))
            return
        status = subscribers_table.merge_unsubscribe(connection, before.id, request.received_at)
        is_newest = _is_newer(request.received_at, before.unsubscribed_at)
        if is_newest:
            consents_table.append(
                connection,
                before.id,
                "unsubscribed",
                request,
                None if request.token.issue_id == NO_ISSUE else request.token.issue_id,
            )
    if is_newest:
        count("Unsubscribes")
    logger.info("unsubscribe applied", subscriber_id=str(before.id), status=status)


def _is_newer(at: datetime, than: datetime | None) -> bool:
    """Return whether a request is the newest of its kind: only that is logged, or renames."""
    return than is None or at > than
