"""The rate governor: one row that every sender reserves its slots from.

GCRA (the generic cell rate algorithm) on the database's clock: a reservation moves the
theoretical arrival time on by what it sends, and is told how long to wait. A sender that is a
little late loses nothing: up to ``tolerance`` of the past is lent again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg.rows import class_row, scalar_row
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection


class Pace(BaseModel):
    """How fast mails may leave. ``account_rate`` in mails a second, before share and headroom.

    ``age``: seconds since a caller was to ask SES for it, infinite before the first.
    """

    model_config = ConfigDict(frozen=True)

    account_rate: float | None
    slowdown: float
    is_quota_spent: bool
    age: float


def read(connection: Connection) -> Pace:
    """Return the pace as it is now."""
    with connection.cursor(row_factory=class_row(Pace)) as cursor:
        pace = cursor.execute(
            """
            SELECT account_rate, slowdown, is_quota_spent,
                   extract(epoch FROM clock_timestamp())::float8
                       - extract(epoch FROM refreshed_at)::float8 AS age
            FROM send_governor
            """
        ).fetchone()
    if pace is None:
        raise LookupError("the governor has no row: the schema is not up to date")
    return pace


def claim_refresh(connection: Connection, every: timedelta) -> bool:
    """Tell whether this caller is the one who is to ask SES for its quota now."""
    claimed = connection.execute(
        """
        UPDATE send_governor
        SET refreshed_at = clock_timestamp()
        WHERE refreshed_at < clock_timestamp() - %(every)s
        """,
        {"every": every},
    )
    return claimed.rowcount == 1


def set_quota(
    connection: Connection, account_rate: float, recovery: float, *, is_quota_spent: bool
) -> None:
    """Take SES's quota as it is now, and recover a part of a slowdown.

    At a rate of 0 the last one stays known, to size batches by.
    """
    connection.execute(
        """
        UPDATE send_governor
        SET account_rate = coalesce(nullif(%(account_rate)s, 0), account_rate),
            slowdown = least(1, slowdown * %(recovery)s),
            is_quota_spent = %(is_quota_spent)s
        """,
        {
            "account_rate": account_rate,
            "recovery": recovery,
            "is_quota_spent": is_quota_spent,
        },
    )


def reserve(
    connection: Connection, mails: int, rate: float, tolerance: timedelta, horizon: timedelta
) -> timedelta | None:
    """Reserve the slots of a number of mails in a row; return how far the first is.

    Less than zero, by up to ``tolerance``, when it is past: mails that are late may leave at once,
    each not before its own slot. None when the first would be beyond the horizon: nothing is
    reserved then.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(
            """
            UPDATE send_governor
            SET next_slot_at = greatest(next_slot_at, clock_timestamp() - %(tolerance)s)
                               + %(length)s
            WHERE next_slot_at <= clock_timestamp() + %(horizon)s
            RETURNING next_slot_at - %(length)s - clock_timestamp()
            """,
            {
                "tolerance": tolerance,
                "length": timedelta(seconds=mails / rate),
                "horizon": horizon,
            },
        ).fetchone()


def push(connection: Connection, length: timedelta) -> None:
    """Move the next slot on, for a mail that did not wait for one."""
    connection.execute(
        """
        UPDATE send_governor
        SET next_slot_at = greatest(next_slot_at, clock_timestamp()) + %(length)s
        """,
        {"length": length},
    )


def set_quota_spent(connection: Connection) -> None:
    """Note that SES refused for the 24-hour quota; the next refresh tells when it has room."""
    connection.execute("UPDATE send_governor SET is_quota_spent = true")


def slow_down(connection: Connection, factor: float, at_most_every: timedelta) -> bool:
    """Lower the rate, since SES throttled; once for a burst of throttles. Tell whether it was."""
    slowed = connection.execute(
        """
        UPDATE send_governor
        SET slowdown = greatest(slowdown * %(factor)s, 0.05), slowed_at = clock_timestamp()
        WHERE slowed_at < clock_timestamp() - %(at_most_every)s
        """,
        {"factor": factor, "at_most_every": at_most_every},
    )
    return slowed.rowcount == 1
