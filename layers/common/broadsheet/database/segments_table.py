"""Segments: named filters of subscribers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from broadsheet.database.columns import columns_of
from broadsheet.domain.segments import Segment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.segments import SegmentFilter, SegmentName

_SELECT = sql.SQL("SELECT {columns} FROM segments ").format(columns=columns_of(Segment))
_FIND = _SELECT + sql.SQL("WHERE name = %(name)s")
# An issue that names it is inserted in the same transaction: it can't be deleted in between.
_FIND_TO_USE = _FIND + sql.SQL(" FOR KEY SHARE")
_FIND_TO_DELETE = _FIND + sql.SQL(" FOR UPDATE")
_LIST = _SELECT + sql.SQL("ORDER BY name")


def put(
    connection: Connection, name: SegmentName, segment: SegmentFilter, author: AuthorName
) -> None:
    """Store a segment, or replace its filter."""
    connection.execute(
        """
        INSERT INTO segments (name, filter, author)
        VALUES (%(name)s, %(filter)s, %(author)s)
        ON CONFLICT (name) DO UPDATE
        SET filter = excluded.filter, author = excluded.author, edited_at = now()
        """,
        {"name": str(name), "filter": Jsonb(document(segment)), "author": str(author)},
    )


def document(segment: SegmentFilter) -> dict[str, object]:
    """Return a filter as it is stored, here and with an issue."""
    return segment.model_dump(mode="json", exclude_none=True)


def find(connection: Connection, name: SegmentName) -> Segment | None:
    """Return a segment, if there is one with this name."""
    return _find(connection, _FIND, name)


def find_to_use(connection: Connection, name: SegmentName) -> Segment | None:
    """Return a segment that can't be deleted before the transaction ends."""
    return _find(connection, _FIND_TO_USE, name)


def lock(connection: Connection, name: SegmentName) -> Segment | None:
    """Return a segment after all transactions that use it, locked until this one ends."""
    return _find(connection, _FIND_TO_DELETE, name)


def _find(connection: Connection, query: sql.Composed, name: SegmentName) -> Segment | None:
    with connection.cursor(row_factory=class_row(Segment)) as cursor:
        return cursor.execute(query, {"name": str(name)}).fetchone()


def find_all(connection: Connection) -> Sequence[Segment]:
    """Return all segments, by name."""
    with connection.cursor(row_factory=class_row(Segment)) as cursor:
        return cursor.execute(_LIST).fetchall()


def delete(connection: Connection, name: SegmentName) -> None:
    """Delete a segment."""
    connection.execute("DELETE FROM segments WHERE name = %(name)s", {"name": str(name)})


class User(NamedTuple):
    """An issue whose audience a segment still has to choose."""

    issue_id: UUID
    title: str


def user_of(connection: Connection, name: SegmentName) -> User | None:
    """Return the first issue whose audience a segment still has to choose, if any."""
    with connection.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(
            """
            SELECT id AS issue_id, title FROM issues
            WHERE segment = %(name)s AND frozen_at IS NULL AND status IN ('scheduled', 'paused')
            ORDER BY publish_at
            LIMIT 1
            """,
            {"name": str(name)},
        ).fetchone()
