"""Moves a subscription to another address, once its owner has confirmed there.

The subscriber keeps id, history and consents. Neither address learns of the other: the old one
gets no mail, and the mail to the new one says nothing of who asked.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid5

from broadsheet import settings, signed_tokens
from broadsheet.database import (
    asked_mails_table,
    consents_table,
    personal_data,
    subscribers_table,
)
from broadsheet.domain.requests import AddressToken, SubscribeRequest
from broadsheet.domain.subscribers import AskedMail, SubscriberStatus
from broadsheet.mail.ses import account, single_mails
from broadsheet.queues import requests_queue
from broadsheet.services.subscribers import asked_mails, departing, link_by_mail
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import ChangeAddressRequest, ConfirmAddressRequest
    from broadsheet.domain.subscriber_state import Subscriber


def ask(connection: Connection, request: ChangeAddressRequest) -> None:
    """Mail the new address a link to confirm; or that it is subscribed, if it is.

    No mail goes to an address whose owner complained, or to the one that the subscriber has. A link
    that was mailed to an earlier address moves nobody: the present one gets a link of its own.
    """
    token = request.token
    with connection.transaction():
        subscriber, owner = subscribers_table.lock_both(
            connection, token.subscriber_id, request.email
        )
        is_current = subscriber is not None and token.was_mailed_since(subscriber.moved_at)
        if subscriber is not None and is_current:
            if _may_be_mailed(subscriber, owner):
                _grant(connection, request, subscriber)
            else:  # perhaps only since it was granted
                asked_mails_table.clear(connection, request.id)
    if subscriber is None or not is_current:
        link_by_mail.mail_link(connection, request, token.subscriber_id)
        return
    asked_mails.send_owed(
        connection,
        request,
        AskedMail.NEW_ADDRESS,
        lambda: _send(connection, request, subscriber, owner),
    )


def _may_be_mailed(subscriber: Subscriber, owner: Subscriber | None) -> bool:
    if owner is None:
        return True
    return owner.id != subscriber.id and owner.status is not SubscriberStatus.COMPLAINED


def _grant(connection: Connection, request: ChangeAddressRequest, subscriber: Subscriber) -> None:
    """Grant the mail within the budgets of who asks and of the address that gets it."""
    window = timedelta(seconds=settings.timings().address_budget_window)
    digests = signed_tokens.address_digests(request.email)
    to_address = asked_mails_table.granted_to_address(
        connection, digests, request.received_at, window
    )
    if to_address >= settings.budgets().per_address_per_day:
        logger.info("new address has had enough mails", request_id=str(request.id))
        return
    if asked_mails.grant(connection, request, subscriber, AskedMail.NEW_ADDRESS):
        asked_mails_table.insert_to_address(connection, request, subscriber.id, digests[0])


def _send(
    connection: Connection,
    request: ChangeAddressRequest,
    subscriber: Subscriber,
    owner: Subscriber | None,
) -> str:
    # Only some requests render: jinja2 and the CSS inliner take a fifth of enroll's import.
    from broadsheet.mail import confirmation_mail, subscription_mail  # noqa: PLC0415
    from broadsheet.services import looks  # noqa: PLC0415

    newsletter = looks.newsletter(connection)
    if owner is not None and owner.status is SubscriberStatus.CONFIRMED:
        language = asked_mails.language_of(owner.language)
        content = confirmation_mail.render_already_subscribed(newsletter, language)
    else:
        token = AddressToken(subscriber_id=request.token.subscriber_id, email=request.email)
        link = settings.address_link(signed_tokens.sign_address(token))
        language = asked_mails.language_of(subscriber.language)
        content = subscription_mail.render_new_address(newsletter, link, language)
    return single_mails.send_to_new_address(newsletter, request.email, content)


def confirm(connection: Connection, request: ConfirmAddressRequest) -> None:
    """Move the subscription, unless a newer link has moved it, or the address is taken.

    The row of somebody who had the address, and gets no mail there, gives it up and is erased: the
    owner of the address wants this subscription, and links in mails to the erased row act for it.
    An address that bounced is taken off the account's suppression list. Who never confirmed is
    mailed to confirm at the new address. If nobody can be moved, whoever confirmed is answered as
    if they had signed up there: that they are subscribed already, or how to be.
    """
    token = request.token
    with connection.transaction():
        subscriber, owner = subscribers_table.lock_both(
            connection, token.subscriber_id, token.email
        )
        if subscriber is not None and _is_older(token, subscriber):
            logger.info("a newer link has moved the subscription", request_id=str(request.id))
            return
        status = None
        if subscriber is not None:
            has_moved = _has_moved(token, subscriber)
            status = (
                subscriber.status if has_moved else _move(connection, request, subscriber, owner)
            )
    logger.info(
        "address changed" if status else "nobody to move, or the new address is taken",
        subscriber_id=str(token.subscriber_id),
        status=status,
    )
    if status is SubscriberStatus.CONFIRMED:
        account.lift_bounce_suppression(token.email)
    elif status in {SubscriberStatus.PENDING, None}:
        language = subscriber.language if subscriber else request.language
        requests_queue.send(_sign_up_at_new_address(request, language), str(request.id))


def _sign_up_at_new_address(request: ConfirmAddressRequest, language: str) -> SubscribeRequest:
    """Return the sign-up whose mail answers a confirmation that alone leads to no subscription."""
    sign_up_id = uuid5(request.id, "sign-up")
    return SubscribeRequest(
        id=sign_up_id,
        received_at=request.received_at,
        origin=request.origin,
        email=request.token.email,
        language=language,
        proof="form",  # a button behind a link that we mailed
        nonce=sign_up_id,
    )


def _move(
    connection: Connection,
    request: ConfirmAddressRequest,
    subscriber: Subscriber,
    owner: Subscriber | None,
) -> SubscriberStatus | None:
    """Move a subscriber, and return their status; None if the ``owner`` of the address keeps it.

    Both are locked.
    """
    token = request.token
    if owner is not None and owner.id != subscriber.id:
        if owner.status in {SubscriberStatus.CONFIRMED, SubscriberStatus.COMPLAINED}:
            return None
        subscribers_table.merge(connection, owner.id, subscriber.id, request.received_at)
        personal_data.delete(connection, owner.id)
    if token.email != subscriber.email:
        departing.depart(connection, subscriber.email, request.received_at, "moved")
    status = subscribers_table.move(connection, subscriber.id, token, request.received_at)
    consents_table.append(connection, subscriber.id, "address_changed", request)
    return status


def _is_older(token: AddressToken, subscriber: Subscriber) -> bool:
    moved_at = subscriber.address_issued_at
    is_older = moved_at is not None and token.issued_at <= moved_at
    return is_older and not _has_moved(token, subscriber)


def _has_moved(token: AddressToken, subscriber: Subscriber) -> bool:
    """Return whether this very link has moved the subscriber, whose lift may have failed."""
    return (subscriber.address_issued_at, subscriber.email) == (token.issued_at, token.email)
