"""Segments: stored, counted, deleted, and found for the issue that names one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from broadsheet.database import segments_table, subscribers_table
from broadsheet.domain import errors
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.segments import Segment, SegmentFilter, SegmentName


class CountedSegment(NamedTuple):
    """A segment, and how many confirmed subscribers are in it now."""

    segment: Segment
    audience: int


def put(
    connection: Connection, name: SegmentName, segment: SegmentFilter, author: AuthorName
) -> CountedSegment:
    """Store a segment, or replace its filter: issues that name it and have not begun follow."""
    segments_table.put(connection, name, segment, author)
    logger.info("segment stored", segment=str(name), author=str(author))
    return show(connection, name)


def show(connection: Connection, name: SegmentName) -> CountedSegment:
    """Return a segment. Raises ``SegmentNotFound``."""
    segment = segments_table.find(connection, name)
    if segment is None:
        raise errors.SegmentNotFound
    return CountedSegment(segment, subscribers_table.count_confirmed_of(connection, segment.filter))


def find_all(connection: Connection) -> Sequence[Segment]:
    """Return all segments, by name."""
    return segments_table.find_all(connection)


def delete(connection: Connection, name: SegmentName) -> None:
    """Delete a segment. Raises ``SegmentNotFound`` and ``SegmentInUse``."""
    with connection.transaction():
        if segments_table.lock(connection, name) is None:
            raise errors.SegmentNotFound
        user = segments_table.user_of(connection, name)
        if user is not None:
            raise errors.SegmentInUse(issue=str(user.issue_id), title=user.title)
        segments_table.delete(connection, name)
    logger.info("segment deleted", segment=str(name))


def audience_now(connection: Connection, name: SegmentName | None) -> int:
    """Return how many readers an issue would have now; 0 without the segment that it names.

    For everybody, above 10,000, about how many.
    """
    if name is None:
        return subscribers_table.count_confirmed(connection)
    segment = segments_table.find(connection, name)
    if segment is None:
        return 0
    return subscribers_table.count_confirmed_of(connection, segment.filter)
