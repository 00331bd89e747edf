"""Finds subscribers by a part of their address or name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import class_row

from broadsheet.database.columns import columns_of
from broadsheet.domain.search import FoundSubscriber

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.search import Place, Search

_FIND = sql.SQL(
    """
    SELECT {columns}
    FROM subscribers
    WHERE (%(status)s::subscriber_status IS NULL OR status = %(status)s)
      AND lower(concat_ws(' ', email, name)) LIKE '%%' || lower(%(pattern)s) || '%%'
      AND (
          %(after)s::text IS NULL
          OR (lower(email) NOT LIKE lower(%(pattern)s) || '%%', email COLLATE "C")
             > (NOT %(begins_with_query)s, %(after)s)
      )
    ORDER BY lower(email) NOT LIKE lower(%(pattern)s) || '%%', email COLLATE "C"
    LIMIT %(limit)s
    """
).format(columns=columns_of(FoundSubscriber))


def find(
    connection: Connection, search: Search, limit: int, after: Place | None
) -> Sequence[FoundSubscriber]:
    """Return subscribers, those whose address begins with the query first, then by address."""
    with connection.cursor(row_factory=class_row(FoundSubscriber)) as cursor:
        return cursor.execute(
            _FIND,
            {
                "pattern": _literally(search.query),
                "status": search.status,
                "begins_with_query": after.begins_with_query if after else True,
                "after": after.email if after else None,
                "limit": limit,
            },
        ).fetchall()


def _literally(text: str) -> str:
    """Return a pattern of LIKE that stands for the text itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
