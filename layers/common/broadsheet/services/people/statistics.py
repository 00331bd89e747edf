"""A newsletter's numbers, within a time that doesn't grow with its readers."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

from broadsheet import dispatch_kick
from broadsheet.database import links_table, statistics
from broadsheet.database.connection import snapshot
from broadsheet.domain import audiences
from broadsheet.domain.issues import IssueId
from broadsheet.domain.statistics import Day, LinkStatistics, Statistics
from broadsheet.services.issues import counting, links

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.statistics import IssueStatistics, Period

_FOR_COUNTING = 0.1  # seconds a request; dispatch counts large issues
_LEFT = ("unsubscribed", "bounced", "complained")


def gather(connection: Connection, period: Period) -> Statistics:
    """Return the numbers of a period. Issues that were counted long ago are counted again."""
    _count_again(connection, statistics.issues(connection, period))
    links.count_clicks(connection, links.FOR_AUTHORS)
    with snapshot(connection):
        return Statistics(
            readers=statistics.count_by_status(connection),
            days=_days(period, statistics.count_changes(connection, period)),
            opt_in=statistics.count_opt_in(connection, period),
            issues=_with_clicks(connection, statistics.issues(connection, period)),
        )


def of_issues(connection: Connection, ids: Sequence[UUID]) -> Sequence[IssueStatistics]:
    """Return the numbers of those issues that have begun, as ``gather`` does."""
    _count_again(connection, statistics.some_issues(connection, ids))
    return statistics.some_issues(connection, ids)


def have_counted(counted: Sequence[IssueStatistics], correlation_id: str) -> None:
    """Ask dispatch to count large issues again whose counts are old."""
    for each in counted:
        if audiences.is_large(each.audience) and counting.is_stale(each.frozen_at, each.counted_at):
            dispatch_kick.kick(IssueId(each.id), correlation_id)


def _with_clicks(
    connection: Connection, issues: Sequence[IssueStatistics]
) -> list[IssueStatistics]:
    """Return the issues with their links, of those that have any."""
    of_issue: dict[UUID, list[LinkStatistics]] = defaultdict(list)
    for link in links_table.clicks_of(connection, [issue.id for issue in issues]):
        shown = LinkStatistics(number=link.number, target=link.target, clicks=link.clicks)
        of_issue[link.issue_id].append(shown)
    return [issue.model_copy(update={"links": of_issue[issue.id]}) for issue in issues]


def _count_again(connection: Connection, counted: Sequence[IssueStatistics]) -> None:
    """Count those that need it, at least one, until the time is up; the rest the next time."""
    ends = time.monotonic() + _FOR_COUNTING
    for each in counted:
        is_dispatchs = audiences.is_large(each.audience) and each.counted_at is not None
        if not is_dispatchs and counting.is_stale(each.frozen_at, each.counted_at):
            counting.store(connection, IssueId(each.id))
            if time.monotonic() >= ends:
                return


def count_days(connection: Connection) -> None:
    """Count the log's days, so that nobody who asks for them counts them all."""
    with connection.transaction():
        statistics.count_days(connection)


def _days(period: Period, changes: Sequence[tuple[date, str, int]]) -> list[Day]:
    counted: dict[date, dict[str, int]] = defaultdict(dict)
    for day, change, number in changes:
        counted[day][change] = number
    return [_day(day, counted[day]) for day in period.days]


def _day(day: date, counted: dict[str, int]) -> Day:
    growth = counted.get("confirmed", 0) - sum(counted.get(change, 0) for change in _LEFT)
    known = {name: number for name, number in counted.items() if name in Day.model_fields}
    return Day.model_validate({"day": day, "growth": growth} | known)
