"""Mails a reader the link to their subscription."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet import settings, signed_tokens
from broadsheet.database import subscribers_table
from broadsheet.domain.requests import ManageToken, now
from broadsheet.domain.subscribers import AskedMail, EmailAddress, SubscriberStatus
from broadsheet.mail.ses import single_mails
from broadsheet.services.subscribers import asked_mails
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import ManagingRequest
    from broadsheet.domain.subscriber_state import Subscriber
    from broadsheet.domain.subscribers import SubscriberId

# Whoever has not confirmed signs up again: a stranger's address may be pending without any mail.
# SES sends nothing to who complained. A mailbox that bounced may be back, as of those who sign up
# again.
_NOT_MANAGING = (SubscriberStatus.PENDING, SubscriberStatus.COMPLAINED)


def mail_link(
    connection: Connection, request: ManagingRequest, reader: EmailAddress | SubscriberId
) -> None:
    """Mail a reader the link to their subscription, to the address that it has now."""
    with connection.transaction():
        subscriber = _find(connection, reader)
        if subscriber is None or subscriber.status in _NOT_MANAGING:
            logger.info("nobody to mail a link to", request_id=str(request.id))
            return
        asked_mails.grant(connection, request, subscriber, AskedMail.MANAGE_LINK)
    asked_mails.send_owed(
        connection, request, AskedMail.MANAGE_LINK, lambda: _send_link(connection, subscriber)
    )


def _find(connection: Connection, reader: EmailAddress | SubscriberId) -> Subscriber | None:
    if isinstance(reader, EmailAddress):
        return subscribers_table.find_by_email(connection, reader)
    return subscribers_table.lock_by_id(connection, reader)


def _send_link(connection: Connection, subscriber: Subscriber) -> str:
    # Only some requests render: jinja2 and the CSS inliner take a fifth of enroll's import.
    from broadsheet.mail import subscription_mail  # noqa: PLC0415
    from broadsheet.services import looks  # noqa: PLC0415

    token = ManageToken(subscriber_id=subscriber.id, issued_at=now())
    link = settings.manage_link(signed_tokens.sign_manage(token))
    newsletter = looks.newsletter(connection)
    content = subscription_mail.render_manage_link(
        newsletter, link, asked_mails.language_of(subscriber.language)
    )
    return single_mails.send_to_subscriber(newsletter, subscriber.id, subscriber.email, content)
