"""Counts clicks on the links of issues, and corrects where links lead, without knowing readers."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from broadsheet import settings
from broadsheet.database import issues_table, links_table
from broadsheet.domain.errors import DependencyUnavailable, IssueNotFound, LinkNotFound
from broadsheet.queues import clicks_queue
from broadsheet.storage import links as stored_links
from broadsheet.telemetry import log_failure, logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.issues import IssueId
    from broadsheet.domain.links import IssueLink, LinkTarget
    from broadsheet.queues.clicks_queue import WaitingClick

FOR_AUTHORS = 2.0  # seconds that an author waits; what is left is counted the next time
FOR_DAILY_LOOK = 60.0
# Nobody opens three different links within two seconds by hand; robots open all within one.
BURST_SECONDS = 2
BURST_LINKS = 3


def known(connection: Connection, issue_id: IssueId | None = None) -> Mapping[str, int] | None:
    """Return the numbers of an issue's links, None unless the stack counts clicks.

    ``issue_id``: None for a new issue.
    """
    if not settings.counts_links():
        return None
    return links_table.numbers(connection, issue_id) if issue_id else {}


def keep(connection: Connection, issue_id: IssueId, numbers: Mapping[str, int] | None) -> None:
    """Store the links of an issue's version, so that they lead somewhere before anybody has them.

    The caller holds a transaction, which commits the version. If it does not, S3 has links that are
    in no mail. Raises ``DependencyUnavailable``.
    """
    if not numbers:
        return
    links_table.lock(connection, issue_id)
    links_table.insert(connection, issue_id, numbers)
    stored_links.store(issue_id, links_table.targets(connection, issue_id))


def look(connection: Connection) -> None:
    """Count clicks, and store the links that S3 doesn't have, as after a move to this stack."""
    for issue_id in links_table.issues_owed(connection):
        try:
            with connection.transaction():
                links_table.lock(connection, issue_id)
                stored_links.store(issue_id, links_table.targets(connection, issue_id))
                links_table.record_stored(connection, issue_id)
        except DependencyUnavailable as error:  # they stay owed
            log_failure("links could not be stored", error, issue_id=str(issue_id))
            break
    count_clicks(connection, FOR_DAILY_LOOK)


def show(connection: Connection, issue_id: IssueId) -> Sequence[IssueLink]:
    """Return the links of an issue, with all clicks by now. Raises ``IssueNotFound``."""
    if issues_table.find(connection, issue_id) is None:
        raise IssueNotFound
    count_clicks(connection, FOR_AUTHORS)
    return links_table.find_all(connection, issue_id)


def correct(
    connection: Connection, issue_id: IssueId, number: int, target: LinkTarget, author: AuthorName
) -> IssueLink:
    """Have a link lead elsewhere, also in the mails that readers have.

    Raises ``IssueNotFound``, ``LinkNotFound`` and ``DependencyUnavailable``.
    """
    if issues_table.find(connection, issue_id) is None:
        raise IssueNotFound
    with connection.transaction():
        links_table.lock(connection, issue_id)
        if not links_table.correct(connection, issue_id, number, str(target), str(author)):
            raise LinkNotFound
        stored_links.store(issue_id, links_table.targets(connection, issue_id))
        links = links_table.find_all(connection, issue_id)
    logger.info("link corrected", issue_id=str(issue_id), number=number)
    return next(link for link in links if link.number == number)


def count_clicks(connection: Connection, seconds: float) -> None:
    """Count the clicks that wait, as far as the time allows; without SQS, none.

    If the process dies between the commit and the deletion, the same clicks are counted again.
    """
    if not settings.counts_links():
        return
    try:
        taken = clicks_queue.take(seconds)
        counted = Counter(_of_people(taken))
        if counted:
            with connection.transaction():
                links_table.count(connection, counted)
        clicks_queue.delete(taken)
    except DependencyUnavailable as error:
        log_failure("clicks could not be counted", error)
        return
    if taken:
        logger.info("clicks counted", taken=len(taken), counted=counted.total())


class _At(NamedTuple):
    seconds: float
    number: int


def _of_people(taken: Iterable[WaitingClick]) -> Iterator[tuple[UUID, int]]:
    """Yield the links that people clicked: bursts of one address are a robot's."""
    together: dict[tuple[UUID, str], list[_At]] = defaultdict(list)
    for click, at, _ in taken:
        if click is not None:
            group = click.issue_id.root, click.group
            together[group].append(_At(at.timestamp(), click.number))
    for (issue_id, _), clicks in together.items():
        for number in _outside_bursts(sorted(clicks)):
            yield issue_id, number


def _outside_bursts(clicks: Sequence[_At]) -> Iterator[int]:
    """Yield the numbers of the clicks that are in no burst. ``clicks``: in the order of time."""
    is_in_burst = [False] * len(clicks)
    near: Counter[int] = Counter()
    first = burst_ends = 0
    for last, click in enumerate(clicks):
        near[click.number] += 1
        while click.seconds - clicks[first].seconds > BURST_SECONDS:
            near[clicks[first].number] -= 1
            first += 1
        near = +near  # without those of which none is near
        if len(near) >= BURST_LINKS:
            for each in range(max(first, burst_ends), last + 1):
                is_in_burst[each] = True
            burst_ends = last + 1
    return (
        click.number for click, is_robot in zip(clicks, is_in_burst, strict=True) if not is_robot
    )
