"""A newsletter's numbers, within a time that doesn't grow with its readers."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from broadsheet.database import statistics
from broadsheet.database.connection import snapshot
from broadsheet.domain.statistics import Day, Statistics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from broadsheet.database.connection import Connection
    from broadsheet.domain.statistics import IssueStatistics, Period

_FOR_COUNTING = 0.1  # seconds a request; a million mails take some 0.4, and are counted alone
_LEFT = ("unsubscribed", "bounced", "complained")


def gather(connection: Connection, period: Period) -> Statistics:
    """Return the numbers of a period. Issues that were counted long ago are counted again."""
    _count_again(connection, statistics.issues(connection, period))
    with snapshot(connection):
        return Statistics(
            readers=statistics.count_by_status(connection),
            days=_days(period, statistics.count_changes(connection, period)),
            opt_in=statistics.count_opt_in(connection, period),
            issues=list(statistics.issues(connection, period)),
        )


def _count_again(connection: Connection, issues: Sequence[IssueStatistics]) -> None:
    """Count those that need it, at least one, until the time is up; the rest the next time."""
    ends = time.monotonic() + _FOR_COUNTING
    for issue in issues:
        if _is_stale(issue):
            with connection.transaction():
                statistics.count_issue(connection, issue.id)
            if time.monotonic() >= ends:
                return


def _is_stale(issue: IssueStatistics) -> bool:
    """Return whether an issue's counts may be wrong by now: the older it is, the rarer its news."""
    if issue.counted_at is None:
        return True
    now = datetime.now(UTC)
    age_then = issue.counted_at - issue.frozen_at
    return now - issue.counted_at > max(age_then / 50, timedelta(minutes=1))


def _days(period: Period, changes: Sequence[tuple[date, str, int]]) -> list[Day]:
    counted: dict[date, dict[str, int]] = defaultdict(dict)
    for day, change, number in changes:
        counted[day][change] = number
    return [_day(day, counted[day]) for day in period.days]


def _day(day: date, counted: dict[str, int]) -> Day:
    growth = counted.get("confirmed", 0) - sum(counted.get(change, 0) for change in _LEFT)
    known = {name: number for name, number in counted.items() if name in Day.model_fields}
    return Day.model_validate({"day": day, "growth": growth} | known)
