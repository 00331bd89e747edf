"""Mails a reader all that is stored about them, as JSON.

It goes to the address that the subscription has, as an attachment: no copy of it is kept anywhere
else, and whoever has an old link learns nothing from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import to_json

from broadsheet.database import personal_data, subscribers_table
from broadsheet.domain.requests import now
from broadsheet.domain.subscribers import AskedMail, SubscriberStatus
from broadsheet.mail.ses import single_mails
from broadsheet.services.subscribers import asked_mails
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import ExportRequest
    from broadsheet.domain.subscriber_state import Subscriber


def export(connection: Connection, request: ExportRequest) -> None:
    """Mail the export, within the budgets of confirmation mails."""
    with connection.transaction():
        subscriber = subscribers_table.lock_by_id(connection, request.token.subscriber_id)
        if subscriber is None or subscriber.status is SubscriberStatus.COMPLAINED:
            logger.info("nobody to export", request_id=str(request.id))
            return
        asked_mails.grant(connection, request, subscriber, AskedMail.EXPORT)
    asked_mails.send_owed(
        connection, request, AskedMail.EXPORT, lambda: _send(connection, subscriber)
    )


def _send(connection: Connection, subscriber: Subscriber) -> str:
    # Only some requests render: jinja2 and the CSS inliner take a fifth of enroll's import.
    from broadsheet.mail import subscription_mail  # noqa: PLC0415
    from broadsheet.services import looks  # noqa: PLC0415

    newsletter = looks.newsletter(connection)
    document = {"newsletter": newsletter.name, "exported_at": now()} | (
        personal_data.read(connection, subscriber.id) or {}
    )
    content = subscription_mail.render_export(
        newsletter, to_json(document, indent=2), asked_mails.language_of(subscriber.language)
    )
    return single_mails.send_to_subscriber(newsletter, subscriber.id, subscriber.email, content)
