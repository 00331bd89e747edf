"""Addresses that somebody has left, remembered by keyed digests, which name nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from psycopg.rows import args_row, tuple_row

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from broadsheet.database.connection import Connection


def raise_over(
    connection: Connection,
    digest: bytes,
    departed_at: datetime,
    because: Literal["erased", "moved", "expired"],
    author: str | None = None,
) -> None:
    """Remember that an address was left; an older departure counts no more.

    ``author``: who recorded it, if the reader did not ask for it here.
    """
    connection.execute(
        """
        INSERT INTO tombstones AS known (address_digest, departed_at, because, recorded_by)
        VALUES (%(digest)s, %(departed_at)s, %(because)s, %(author)s)
        ON CONFLICT (address_digest) DO UPDATE
        SET departed_at = excluded.departed_at, because = excluded.because,
            recorded_by = excluded.recorded_by
        WHERE excluded.departed_at > known.departed_at
        """,
        {"digest": digest, "departed_at": departed_at, "because": because, "author": author},
    )


def departures(
    connection: Connection, digests: Collection[bytes]
) -> Sequence[tuple[bytes, datetime]]:
    """Return those of some digests that are known, with when their addresses were left."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(
            """
            SELECT address_digest, departed_at FROM tombstones
            WHERE address_digest = ANY (%(digests)s)
            """,
            {"digests": list(digests)},
        ).fetchall()


class Departure(NamedTuple):
    """When an address was left, why, and who recorded it."""

    at: datetime
    because: str
    recorded_by: str | None


def find(connection: Connection, digests: Collection[bytes]) -> Departure | None:
    """Return the newest departure from an address, by its digests."""
    with connection.cursor(row_factory=args_row(Departure)) as cursor:
        return cursor.execute(
            """
            SELECT departed_at, because, recorded_by FROM tombstones
            WHERE address_digest = ANY (%(digests)s)
            ORDER BY departed_at DESC
            LIMIT 1
            """,
            {"digests": list(digests)},
        ).fetchone()
