"""Strict mode: confirmations asked for and given by the minute, and whether the mode is on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg.rows import args_row

from broadsheet.domain.strict_mode import SETTLED_AFTER, WINDOW, Completion

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from broadsheet.database.connection import Connection


class StrictMode(NamedTuple):
    """Since when it is on; None while it is off. ``age``: seconds since somebody checked."""

    since: datetime | None
    age: float


def read(connection: Connection) -> StrictMode:
    """Return whether the mode is on, as it was checked last."""
    with connection.cursor(row_factory=args_row(StrictMode)) as cursor:
        found = cursor.execute(
            """
            SELECT since,
                   extract(epoch FROM clock_timestamp())::float8
                       - extract(epoch FROM checked_at)::float8
            FROM strict_mode
            """
        ).fetchone()
    if found is None:
        raise LookupError("strict mode has no row: the schema is not up to date")
    return found


def claim_check(connection: Connection, every: timedelta) -> bool:
    """Return whether this caller makes the check that is due; at most one does."""
    claimed = connection.execute(
        """
        UPDATE strict_mode
        SET checked_at = clock_timestamp()
        WHERE checked_at < clock_timestamp() - %(every)s
        """,
        {"every": every},
    )
    return claimed.rowcount == 1


def completion(connection: Connection) -> Completion:
    """Return the confirmations of the last hour."""
    with connection.cursor(row_factory=args_row(Completion)) as cursor:
        found = cursor.execute(
            """
            SELECT coalesce(sum(asked) FILTER (WHERE minute <= now() - %(settled)s), 0)::integer,
                   coalesce(sum(confirmed), 0)::integer
            FROM confirmation_minutes
            WHERE minute > now() - %(window)s
            """,
            {"settled": SETTLED_AFTER, "window": WINDOW},
        ).fetchone()
    return found or Completion(0, 0)


def switch(connection: Connection, *, is_on: bool) -> None:
    """Turn the mode on or off."""
    connection.execute(
        "UPDATE strict_mode SET since = CASE WHEN %(is_on)s THEN now() END", {"is_on": is_on}
    )


def count(connection: Connection, asked: int, confirmed: int) -> None:
    """Count confirmations that were asked for and given just now."""
    connection.execute(
        """
        INSERT INTO confirmation_minutes AS counted (minute, asked, confirmed)
        VALUES (date_trunc('minute', now()), %(asked)s, %(confirmed)s)
        ON CONFLICT (minute) DO UPDATE
        SET asked = counted.asked + excluded.asked,
            confirmed = counted.confirmed + excluded.confirmed
        """,
        {"asked": asked, "confirmed": confirmed},
    )


def forget(connection: Connection, nonces_after: timedelta) -> None:
    """Delete what no rule reads any more."""
    connection.execute(
        """
        WITH nonces AS (
            DELETE FROM form_nonces WHERE used_at < now() - %(nonces_after)s
        ), hours AS (
            DELETE FROM domain_hours WHERE hour < now() - interval '1 day'
        )
        DELETE FROM confirmation_minutes WHERE minute < now() - 2 * %(window)s
        """,
        {"nonces_after": nonces_after, "window": WINDOW},
    )
