"""Applies readers' requests to subscribers, and sends the mails that subscribers are owed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from broadsheet import i18n, settings, signed_tokens
from broadsheet.database import consents_table, sign_ups_table, subscribers_table
from broadsheet.domain.issues import NO_ISSUE
from broadsheet.domain.requests import (
    ConfirmationToken,
    ConfirmRequest,
    SubscribeRequest,
    SubscriberRequest,
    UnsubscribeRequest,
)
from broadsheet.domain.subscribers import DueMail, SubscriberStatus
from broadsheet.mail.ses import account, sending
from broadsheet.services.sending import pacing
from broadsheet.services.subscribers import welcoming
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from datetime import datetime

    from broadsheet.database.connection import Connection
    from broadsheet.domain.subscribers import Subscriber


def apply(connection: Connection, request: SubscriberRequest) -> None:
    """Apply one request; harmless when repeated, late or out of order."""
    match request:
        case SubscribeRequest():
            subscribe(connection, request)
        case ConfirmRequest():
            confirm(connection, request)
        case UnsubscribeRequest():
            unsubscribe(connection, request)
        case _:
            assert_never(request)


def subscribe(connection: Connection, request: SubscribeRequest) -> None:
    """Insert the subscriber if new, and send the mail that answers the sign-up.

    The mark of the due mail commits with the subscriber's state. The mail is sent after that, and
    then the mark is cleared. When sending fails, the redelivered request finds the mark and sends.
    """
    is_first_time = False
    with connection.transaction():
        subscribers_table.insert_pending(connection, request, request.received_at)
        subscriber = subscribers_table.lock_by_email(connection, request.email)
        if not sign_ups_table.has(connection, request.id):
            _enroll(connection, request, subscriber)
            subscriber = subscribers_table.lock_by_email(connection, request.email)
            is_first_time = True
    if is_first_time:
        count("SignUps")
    if subscriber.due_mail is not None:
        _send_due_mail(connection, subscriber, request)
        subscribers_table.clear_due_mail(connection, subscriber)


def _enroll(connection: Connection, request: SubscribeRequest, subscriber: Subscriber) -> None:
    mail = _mail_for(request, subscriber)
    granted = mail is not None and _is_within_budget(connection, request, subscriber)
    sign_ups_table.insert(connection, request, subscriber.id, granted=granted)
    if mail is DueMail.CONFIRMATION:
        consents_table.append(connection, subscriber.id, "signed_up", request)
    if mail is not None and granted:
        subscribers_table.owe_mail(connection, subscriber.id, mail, request.received_at)
    logger.info(
        "signed up",
        subscriber_id=str(subscriber.id),
        status=subscriber.status,
        mail=mail,
        within_budget=granted,
    )


def _mail_for(request: SubscribeRequest, subscriber: Subscriber) -> DueMail | None:
    """Return the mail that answers a sign-up; None after a newer request of the subscriber."""
    newer = [subscriber.confirmed_at, subscriber.unsubscribed_at]
    if any(at is not None and at >= request.received_at for at in newer):
        return None
    match subscriber.status:
        case SubscriberStatus.COMPLAINED:
            return None
        case SubscriberStatus.CONFIRMED:
            return DueMail.ALREADY_SUBSCRIBED
        case _:
            return DueMail.CONFIRMATION


def _is_within_budget(
    connection: Connection, request: SubscribeRequest, subscriber: Subscriber
) -> bool:
    budgets, timings = settings.budgets(), settings.timings()
    to_address = sign_ups_table.granted_to_subscriber(
        connection, subscriber.id, request, timedelta(seconds=timings.address_budget_window)
    )
    to_source = sign_ups_table.granted_to_source(
        connection, request, timedelta(seconds=timings.source_budget_window)
    )
    return to_address < budgets.per_address_per_day and to_source < budgets.per_source_per_hour


def _send_due_mail(
    connection: Connection, subscriber: Subscriber, request: SubscribeRequest
) -> None:
    # Only a sign-up renders: jinja2 and the CSS inliner take a fifth of enroll's import.
    from broadsheet.mail import confirmation_mail  # noqa: PLC0415

    newsletter = settings.newsletter()
    if subscriber.due_mail is DueMail.CONFIRMATION:
        token = ConfirmationToken.of(request)
        link = settings.confirmation_link(signed_tokens.sign_confirmation(token))
        content = confirmation_mail.render_confirmation(
            newsletter, link, i18n.language(request.language)
        )
    else:
        content = confirmation_mail.render_already_subscribed(
            newsletter, i18n.language(subscriber.language)
        )
    pacing.count_single_mail(connection)
    message_id = sending.send_to_subscriber(newsletter, subscriber.id, subscriber.email, content)
    count("ConfirmationMails")
    logger.info(
        "mail sent",
        subscriber_id=str(subscriber.id),
        mail=subscriber.due_mail,
        message_id=message_id,
    )


def confirm(connection: Connection, request: ConfirmRequest) -> None:
    """Confirm the subscriber, unless they unsubscribed after the token was made.

    An address that bounced is taken off the account's suppression list, or no issue would arrive.
    A new subscriber is welcomed.
    """
    token = request.token
    with connection.transaction():
        subscribers_table.insert_pending(connection, token, token.issued_at)
        before = subscribers_table.lock_by_email(connection, token.email)
        status = subscribers_table.merge_confirmation(
            connection, before.id, token.issued_at, request.received_at
        )
        is_newest = _is_newer(token.issued_at, before.confirmation_issued_at)
        if is_newest:
            subscribers_table.update_profile(connection, before.id, token)
            consents_table.append(connection, before.id, "confirmed", request)
        due = welcoming.owe(connection, before)
    if is_newest:
        count("Confirmations")
    logger.info("confirmation applied", subscriber_id=str(before.id), status=status)
    if status is SubscriberStatus.CONFIRMED:
        account.lift_bounce_suppression(token.email)
        if due is not None:
            welcoming.send_due(connection, before, token.name, due)


def unsubscribe(connection: Connection, request: UnsubscribeRequest) -> None:
    """Unsubscribe, unless the subscriber has confirmed again since."""
    with connection.transaction():
        before = subscribers_table.lock_by_id(connection, request.token.subscriber_id)
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
