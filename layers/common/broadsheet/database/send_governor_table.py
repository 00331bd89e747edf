"""The rate governor: one row that every sender reserves its slots from.

GCRA (the generic cell rate algorithm) on the database's clock: a reservation moves the theoretical
arrival time on by the length of its mails, and returns how long to wait. A sender that is a little
late loses nothing: slots that passed up to ``tolerance`` ago are used.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from psycopg.rows import args_row, class_row, scalar_row

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection


class Pace(NamedTuple):
    """How fast mails may leave. ``account_rate`` in mails a second, before share and headroom.

    ``age``: seconds since a caller last took on asking SES for it; infinite before the first.
    ``day``: today's number. ``first_day``: that of a warm-up. ``mails_today``: of issues.
    """

    account_rate: float | None
    slowdown: float
    is_quota_spent: bool
    age: float
    day: int
    first_day: int | None
    mails_today: int


def read(connection: Connection, day_seconds: float) -> Pace:
    """Return the pace as it is now."""
    with connection.cursor(row_factory=class_row(Pace)) as cursor:
        pace = cursor.execute(
            """
            SELECT account_rate, slowdown, is_quota_spent,
                   extract(epoch FROM clock_timestamp())::float8
                       - extract(epoch FROM refreshed_at)::float8 AS age,
                   today.number AS day,
                   first_day,
                   CASE WHEN newest_day = today.number THEN mails_that_day ELSE 0 END AS mails_today
            FROM send_governor, (
                SELECT floor(extract(epoch FROM clock_timestamp()) / %(day)s::float8)::integer
            ) AS today (number)
            """,
            {"day": day_seconds},
        ).fetchone()
    if pace is None:
        raise LookupError("the governor has no row: the schema is not up to date")
    return pace


def claim_refresh(connection: Connection, every: timedelta) -> bool:
    """Return whether this caller asks SES for the quota that is due; at most one does."""
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
    """Store SES's present quota, and recover a part of a slowdown.

    At a rate of 0 the last rate stays stored: batches are sized by it.
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


class Request(NamedTuple):
    """What a sender wants to reserve. ``per_day``: how many mails of issues a warm-up allows."""

    mails: int
    rate: float
    tolerance: timedelta
    horizon: timedelta
    day_seconds: float
    per_day: int | None


def reserve(connection: Connection, request: Request) -> timedelta | None:
    """Reserve consecutive slots for mails; return the delay until the first.

    It is negative, down to ``-tolerance``, if the first slot has passed: late mails leave at once,
    each not before its own slot. None when the first slot would be beyond the horizon, or the mails
    are too many for today, and then nothing is reserved.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(
            """
            UPDATE send_governor
            SET next_slot_at = greatest(next_slot_at, clock_timestamp() - %(tolerance)s)
                               + %(length)s,
                newest_day = today.number,
                mails_that_day =
                    CASE WHEN newest_day = today.number THEN mails_that_day ELSE 0 END + %(mails)s,
                first_day = CASE
                    WHEN %(per_day)s::integer IS NULL THEN first_day
                    ELSE coalesce(first_day, today.number)
                END
            FROM (
                SELECT floor(extract(epoch FROM clock_timestamp()) / %(day)s::float8)::integer
            ) AS today (number)
            WHERE next_slot_at <= clock_timestamp() + %(horizon)s
              AND (
                  %(per_day)s::integer IS NULL
                  OR CASE WHEN newest_day = today.number THEN mails_that_day ELSE 0 END + %(mails)s
                      <= %(per_day)s
              )
            RETURNING next_slot_at - %(length)s - clock_timestamp()
            """,
            {
                "tolerance": request.tolerance,
                "length": timedelta(seconds=request.mails / request.rate),
                "mails": request.mails,
                "horizon": request.horizon,
                "day": request.day_seconds,
                "per_day": request.per_day,
            },
        ).fetchone()


def queue_single_mails(
    connection: Connection, proven: timedelta, others: timedelta, tolerance: timedelta
) -> tuple[timedelta, timedelta]:
    """Add mails of these lengths to the ends of two lines; return each one's first delay.

    What is proven moves the others' line as well. The lines have no horizon: however long they are,
    each mail has its turn. A delay is negative, down to ``-tolerance``, if its line was empty.
    """
    with connection.cursor(row_factory=args_row(_delays)) as cursor:
        delays = cursor.execute(
            """
            UPDATE send_governor
            SET next_single_at = greatest(next_single_at, clock_timestamp() - %(tolerance)s)
                                 + %(proven)s,
                next_unproven_at = greatest(next_unproven_at, clock_timestamp() - %(tolerance)s)
                                   + %(proven)s + %(others)s
            RETURNING next_single_at - %(proven)s - clock_timestamp(),
                      next_unproven_at - %(others)s - clock_timestamp()
            """,
            {"proven": proven, "others": others, "tolerance": tolerance},
        ).fetchone()
    if delays is None:
        raise LookupError("the governor has no row: the schema is not up to date")
    return delays


def is_proven_line_within(connection: Connection, within: timedelta) -> bool:
    """Return whether the line of what is proven is no longer than this."""
    query = "SELECT next_single_at <= clock_timestamp() + %(within)s FROM send_governor"
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(query, {"within": within}).fetchone())


def take_answer_slots(
    connection: Connection,
    length: timedelta,
    tolerance: timedelta,
    within: timedelta,
    of_issues: timedelta,
) -> timedelta | None:
    """Take slots for answers that leave now; return the delay until the first.

    Late mails keep to SES's rate by these slots. The issues' slots move on by
    ``of_issues``. None when no slot is free within this time, and then nothing is taken.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(
            """
            UPDATE send_governor
            SET next_answer_at = greatest(next_answer_at, clock_timestamp() - %(tolerance)s)
                                 + %(length)s,
                next_slot_at = greatest(next_slot_at, clock_timestamp()) + %(of_issues)s
            WHERE next_answer_at <= clock_timestamp() + %(within)s
            RETURNING next_answer_at - %(length)s - clock_timestamp()
            """,
            {
                "length": length,
                "tolerance": tolerance,
                "within": within,
                "of_issues": of_issues,
            },
        ).fetchone()


def _delays(proven: timedelta, others: timedelta) -> tuple[timedelta, timedelta]:
    return proven, others


def push(connection: Connection, length: timedelta) -> None:
    """Move the next slot on, for a mail that is sent without one."""
    connection.execute(
        """
        UPDATE send_governor
        SET next_slot_at = greatest(next_slot_at, clock_timestamp()) + %(length)s
        """,
        {"length": length},
    )


def set_quota_spent(connection: Connection) -> None:
    """Store that the 24-hour quota is spent; a refresh clears it when the quota has room."""
    connection.execute("UPDATE send_governor SET is_quota_spent = true")


def slow_down(connection: Connection, factor: float, at_most_every: timedelta) -> bool:
    """Lower the rate, once for a burst of throttles; return whether this call lowered it."""
    slowed = connection.execute(
        """
        UPDATE send_governor
        SET slowdown = greatest(slowdown * %(factor)s, 0.05), slowed_at = clock_timestamp()
        WHERE slowed_at < clock_timestamp() - %(at_most_every)s
        """,
        {"factor": factor, "at_most_every": at_most_every},
    )
    return slowed.rowcount == 1
