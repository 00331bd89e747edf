"""Exports of people, and the rows that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import args_row
from pydantic import TypeAdapter

from broadsheet.domain.exports import Export, ExportFormat
from broadsheet.domain.people import Person, Standing

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName

_AT_ONCE = 2_000  # rows that are in memory
_STANDINGS = {
    "pending": Standing.TO_CONFIRM,
    "confirmed": Standing.SUBSCRIBED,
    "unsubscribed": Standing.UNSUBSCRIBED,
    "bounced": Standing.BOUNCED,
    "complained": Standing.COMPLAINED,
}


def insert(
    connection: Connection, export_id: UUID, author: AuthorName, file_format: ExportFormat
) -> None:
    """Insert an export that is not written yet."""
    connection.execute(
        "INSERT INTO exports (id, author, format) VALUES (%(id)s, %(author)s, %(format)s)",
        {"id": export_id, "author": str(author), "format": file_format},
    )


def find(connection: Connection, export_id: UUID) -> Export | None:
    """Return an export, if there is one."""
    with connection.cursor(row_factory=args_row(_export)) as cursor:
        return cursor.execute(
            """
            SELECT id, author, format, people, created_at, ready_at
            FROM exports
            WHERE id = %(id)s
            """,
            {"id": export_id},
        ).fetchone()


def _export(  # noqa: PLR0913, PLR0917 - a row's columns
    export_id: UUID,
    author: str,
    file_format: str,
    people: int | None,
    created_at: datetime,
    ready_at: datetime | None,
) -> Export:
    return Export(
        export_id, author, _FORMAT.validate_python(file_format), people, created_at, ready_at
    )


_FORMAT: TypeAdapter[ExportFormat] = TypeAdapter(ExportFormat)


def store_ready(connection: Connection, export_id: UUID, people: int) -> None:
    """Store that an export's file is written, with how many people are in it."""
    connection.execute(
        "UPDATE exports SET people = %(people)s, ready_at = now() WHERE id = %(id)s",
        {"id": export_id, "people": people},
    )


def delete_older(connection: Connection, before: datetime) -> None:
    """Delete exports of before a time; the bucket has deleted their files by then."""
    connection.execute("DELETE FROM exports WHERE created_at < %(before)s", {"before": before})


def people(connection: Connection) -> Generator[Person]:
    """Yield everybody, by their address; in a transaction of the caller's."""
    with connection.cursor("people", row_factory=args_row(_person)) as cursor:
        cursor.itersize = _AT_ONCE
        yield from cursor.execute(
            """
            SELECT email, name, status::text, confirmed_at, signed_up_at,
                   CASE status
                       WHEN 'unsubscribed' THEN unsubscribed_at
                       WHEN 'bounced' THEN bounced_at
                       WHEN 'complained' THEN complained_at
                   END,
                   tags, language
            FROM subscribers
            ORDER BY email COLLATE "C"
            """
        )


def _person(  # noqa: PLR0913, PLR0917 - a row's columns
    email: str,
    name: str | None,
    status: str,
    confirmed_at: datetime | None,
    signed_up_at: datetime,
    left_at: datetime | None,
    tags: list[str],
    language: str,
) -> Person:
    return Person(
        email, name, _STANDINGS[status], confirmed_at, signed_up_at, left_at, tuple(tags), language
    )
