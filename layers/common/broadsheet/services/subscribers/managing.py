"""Applies what readers ask for on the page that manages their subscription."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from broadsheet import settings
from broadsheet.database import subscribers_table
from broadsheet.domain.requests import (
    ChangeAddressRequest,
    ChangeLanguageRequest,
    ChangeNameRequest,
    ChangeTagsRequest,
    ConfirmAddressRequest,
    EraseRequest,
    ExportRequest,
    ManageLinkRequest,
)
from broadsheet.services.subscribers import address_change, erasing, exporting, link_by_mail
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import ManagingRequest


def apply(connection: Connection, request: ManagingRequest) -> None:
    """Apply one request; harmless when repeated, late or out of order."""
    match request:
        case ManageLinkRequest():
            link_by_mail.mail_link(connection, request, request.reader)
        case ChangeNameRequest():
            change_name(connection, request)
        case ChangeLanguageRequest():
            change_language(connection, request)
        case ChangeTagsRequest():
            change_tags(connection, request)
        case ChangeAddressRequest():
            address_change.ask(connection, request)
        case ConfirmAddressRequest():
            address_change.confirm(connection, request)
        case ExportRequest():
            exporting.export(connection, request)
        case EraseRequest():
            erasing.erase(connection, request)
        case _:
            assert_never(request)


def change_name(connection: Connection, request: ChangeNameRequest) -> None:
    """Store a name; the newest request counts."""
    subscriber_id = request.token.subscriber_id
    subscribers_table.change_name(connection, subscriber_id, request.name, request.received_at)
    logger.info("name changed", subscriber_id=str(subscriber_id))


def change_language(connection: Connection, request: ChangeLanguageRequest) -> None:
    """Store a language; the newest request counts."""
    subscriber_id = request.token.subscriber_id
    subscribers_table.change_language(
        connection, subscriber_id, request.language, request.received_at
    )
    logger.info("language changed", subscriber_id=str(subscriber_id))


def change_tags(connection: Connection, request: ChangeTagsRequest) -> None:
    """Store which of the offered tags a reader has; the newest request counts."""
    subscriber_id = request.token.subscriber_id
    subscribers_table.choose_tags(
        connection, subscriber_id, request.tags, settings.offered_tags(), request.received_at
    )
    logger.info("tags changed", subscriber_id=str(subscriber_id))
