"""Finds subscribers by a part of their address or name, in the order of their addresses.

Whatever is asked for, little is read. The next subscribers in order are looked through first, which
fills a page if many fit. If few do, an index finds them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import class_row, scalar_row

from broadsheet.database.columns import columns_of
from broadsheet.domain.search import FoundSubscriber, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.search import Search
    from broadsheet.domain.subscribers import SubscriberId

_NEAR = 3_000  # subscribers; some 10 ms. A part that one in 60 has fills a page from them
_PART = 3  # characters, as migration 0007 makes them
_BEHIND_ALL = "\x7f"  # an address has no such character, and none after it

_EDGE = sql.SQL(
    """
    SELECT email FROM subscribers
    WHERE email COLLATE "C" > %(after)s AND {status}
    ORDER BY email COLLATE "C"
    OFFSET %(near)s LIMIT 1
    """
)
_FIND = sql.SQL(
    """
    WITH fitting AS MATERIALIZED (
        SELECT {columns} FROM subscribers
        WHERE email COLLATE "C" > %(after)s AND {place} AND {status} AND {tag}
    )
    SELECT {columns} FROM fitting ORDER BY email COLLATE "C" LIMIT %(limit)s
    """
)
_IN_ORDER = sql.SQL(
    """
    SELECT {columns} FROM subscribers
    WHERE email COLLATE "C" > %(after)s AND {place} AND {status} AND {tag}
    ORDER BY email COLLATE "C"
    LIMIT %(limit)s
    """
)
_BY_ID = sql.SQL("SELECT {columns} FROM subscribers WHERE id = %(id)s").format(
    columns=columns_of(FoundSubscriber)
)
_BEGINNING_OF_ALL = Place(begins_with_query=True, email="")
_BEGINNING_OF_OTHERS = Place(begins_with_query=False, email="")
_ANY = sql.SQL("true")
_STATUS = sql.SQL("status = %(status)s::subscriber_status")
_TAG = sql.SQL("tags <> '{}' AND tags @> ARRAY[%(tag)s::text]")
_BEGINS = sql.SQL('email COLLATE "C" >= %(query)s AND email COLLATE "C" < %(beyond)s')
_NEARBY = sql.SQL('email COLLATE "C" <= %(edge)s')
_ELSEWHERE = sql.SQL(
    """
    search_text(email, name) LIKE lower(%(pattern)s)
    AND left(email, length(%(query)s)) <> %(query)s
    """
)
_BY_PARTS = sql.SQL(
    "search_parts(search_text(email, name)) @> search_parts(lower(%(sought)s)) AND {elsewhere}"
).format(elsewhere=_ELSEWHERE)


def find(
    connection: Connection, search: Search, limit: int, after: Place | None
) -> Sequence[FoundSubscriber]:
    """Return subscribers, those whose address begins with the query first, then by address."""
    return _Finding(connection, search).page(limit, after or _BEGINNING_OF_ALL)


def find_by_id(connection: Connection, subscriber_id: SubscriberId) -> FoundSubscriber | None:
    """Return a subscriber as a search shows them."""
    with connection.cursor(row_factory=class_row(FoundSubscriber)) as cursor:
        return cursor.execute(_BY_ID, {"id": subscriber_id.root}).fetchone()


class _Finding:
    """A search, with what its statements have in common."""

    def __init__(self, connection: Connection, search: Search) -> None:
        self._connection = connection
        self._query = search.query.lower()
        self._filters = {
            "columns": columns_of(FoundSubscriber),
            "status": _STATUS if search.status else _ANY,
            "tag": _TAG if search.tag else _ANY,
        }
        sought = _sought(search.query)
        self._given = {
            "query": self._query,
            "beyond": self._query + _BEHIND_ALL,
            "sought": sought,
            "pattern": f"%{_literally(sought)}%",
            "status": search.status,
            "tag": search.tag,
        }

    def page(self, limit: int, after: Place) -> list[FoundSubscriber]:
        """Return a page of it."""
        found: list[FoundSubscriber] = []
        if self._query and after.begins_with_query:
            found = self._rows(_IN_ORDER, _BEGINS, limit, after.email)
            after = _BEGINNING_OF_OTHERS
        if len(found) < limit:
            found += self._others(limit - len(found), after.email)
        return found

    def _others(self, limit: int, after: str) -> list[FoundSubscriber]:
        is_narrowed = self._query or self._given["tag"]
        edge = self._edge(after) if is_narrowed else None  # else the first that come fit
        nearby = _NEARBY if edge else _ANY
        fits = _ELSEWHERE if self._query else _ANY
        place = sql.SQL("{} AND {}").format(nearby, fits)
        found = self._rows(_IN_ORDER, place, limit, after, edge=edge)
        if edge and len(found) < limit:
            rest = limit - len(found)
            if self._query:
                found += self._rows(_FIND, _BY_PARTS, rest, edge)
            elif self._given["tag"]:
                found += self._rows(_FIND, _ANY, rest, edge)
        return found

    def _edge(self, after: str) -> str | None:
        """Return the last address of those that are looked through; None if all are."""
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            edge = cursor.execute(
                _EDGE.format(status=self._filters["status"]),
                self._given | {"after": after, "near": _NEAR},
            ).fetchone()
        return None if edge is None else str(edge)

    def _rows(
        self,
        query: sql.SQL,
        place: sql.Composable,
        limit: int,
        after: str,
        **more: object,
    ) -> list[FoundSubscriber]:
        given: Mapping[str, object] = self._given | {"after": after, "limit": limit} | more
        with self._connection.cursor(row_factory=class_row(FoundSubscriber)) as cursor:
            return cursor.execute(query.format(place=place, **self._filters), given).fetchall()


def _sought(query: str) -> str:
    """Return a query as the text that is searched has it: spaces are doubled there.

    A short one is looked for where a word begins, since parts have three characters.
    """
    doubled = "  ".join(query.split())
    return doubled.rjust(_PART) if query else ""


def _literally(text: str) -> str:
    """Return a pattern of LIKE that stands for the text itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
