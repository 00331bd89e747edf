"""The one place where a segment becomes SQL: the condition for the subscribers it is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql

from broadsheet.domain.segments import TagFilter

if TYPE_CHECKING:
    from broadsheet.domain.segments import SegmentFilter
    from broadsheet.domain.tags import Tags

_IS_CONFIRMED = sql.SQL("status = 'confirmed'")
_OF_LANGUAGE = sql.SQL(
    "(lower(language) = lower(%(segment_language)s)"
    " OR starts_with(lower(language), lower(%(segment_language)s) || '-'))"
)


class Condition(NamedTuple):
    """What stands after ``WHERE`` in a query of ``subscribers``, and its parameters."""

    sql: sql.Composable
    parameters: dict[str, object]


def condition(segment: SegmentFilter | None) -> Condition:
    """Return the condition for who gets an issue: the confirmed subscribers of the segment."""
    if segment is None:
        return Condition(_IS_CONFIRMED, {})
    tags = segment.tags or TagFilter()
    conditions: dict[str, tuple[sql.SQL, object]] = {
        "tags_any": (sql.SQL("tags && %(segment_tags_any)s::text[]"), _texts(tags.any)),
        "tags_all": (sql.SQL("tags @> %(segment_tags_all)s::text[]"), _texts(tags.all)),
        "tags_none": (
            sql.SQL("NOT tags && %(segment_tags_none)s::text[]"),
            _texts(tags.none),
        ),
        "language": (_OF_LANGUAGE, segment.language),
        "after": (sql.SQL("confirmed_at >= %(segment_after)s"), segment.confirmed_after),
        "before": (sql.SQL("confirmed_at < %(segment_before)s"), segment.confirmed_before),
    }
    given = {name: each for name, each in conditions.items() if each[1] is not None}
    return Condition(
        sql.SQL(" AND ").join([_IS_CONFIRMED, *(written for written, _ in given.values())]),
        {f"segment_{name}": value for name, (_, value) in given.items()},
    )


def _texts(tags: Tags | None) -> list[str] | None:
    return None if tags is None else [str(tag) for tag in tags]
