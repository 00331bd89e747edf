"""Addresses that somebody has left, remembered by keyed digests, which name nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from psycopg.rows import tuple_row

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from broadsheet.database.connection import Connection


def raise_over(
    connection: Connection,
    digest: bytes,
    departed_at: datetime,
    because: Literal["erased", "moved"],
) -> None:
    """Remember that an address was left; an older departure counts no more."""
    connection.execute(
        """
        INSERT INTO tombstones AS known (address_digest, departed_at, because)
        VALUES (%(digest)s, %(departed_at)s, %(because)s)
        ON CONFLICT (address_digest) DO UPDATE
        SET departed_at = excluded.departed_at, because = excluded.because
        WHERE excluded.departed_at > known.departed_at
        """,
        {"digest": digest, "departed_at": departed_at, "because": because},
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
