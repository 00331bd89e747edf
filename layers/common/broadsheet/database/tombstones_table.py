"""Addresses that somebody has left, remembered by keyed digests, which name nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from psycopg.rows import scalar_row

if TYPE_CHECKING:
    from collections.abc import Sequence
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


def departed_at(connection: Connection, digests: Sequence[bytes]) -> datetime | None:
    """Return when an address, given its digests by each key, was left last; None if never.

    What was asked for it until then counts no more, and no import brings it back.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        found: datetime | None = cursor.execute(
            "SELECT max(departed_at) FROM tombstones WHERE address_digest = ANY (%(digests)s)",
            {"digests": list(digests)},
        ).fetchone()
    return found
