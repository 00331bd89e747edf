"""The one place where a segment becomes SQL: the condition for the subscribers it is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql

if TYPE_CHECKING:
    from broadsheet.domain.segments import SegmentFilter
    from broadsheet.domain.tags import Tags

_IS_CONFIRMED = sql.SQL("status = 'confirmed'")
_OF_LANGUAGE = sql.SQL(
    "(lower(language) = lower(%(segment_language)s)"
    " OR starts_with(lower(language), lower(%(segment_language)s) || '-'))"
)


class Part(NamedTuple):
    """A part of a query, and its parameters."""

    sql: sql.Composable
    parameters: dict[str, object]


def audience(segment: SegmentFilter | None) -> Part:
    """Return the query for the ids of who gets an issue.

    That of everybody needs an index alone, which has them in their order. That of a segment reads
    the table: in the order of the index it would take five times as long, which OFFSET 0 keeps
    PostgreSQL from.
    """
    chosen = condition(segment)
    ids = sql.SQL("SELECT id FROM subscribers WHERE ") + chosen.sql
    return Part(ids if segment is None else ids + sql.SQL(" OFFSET 0"), chosen.parameters)


def condition(segment: SegmentFilter | None) -> Part:
    """Return what stands after ``WHERE`` for the confirmed subscribers of a segment."""
    if segment is None:
        return Part(_IS_CONFIRMED, {})
    tags = segment.tags
    # `tags <> '{}'` is what the index of tags is limited to.
    conditions: dict[str, tuple[sql.SQL, object]] = {
        "tags_any": (
            sql.SQL("tags <> '{}' AND tags && %(segment_tags_any)s::text[]"),
            _texts(tags.any if tags else None),
        ),
        "tags_all": (
            sql.SQL("tags <> '{}' AND tags @> %(segment_tags_all)s::text[]"),
            _texts(tags.all if tags else None),
        ),
        "tags_none": (
            sql.SQL("NOT tags && %(segment_tags_none)s::text[]"),
            _texts(tags.none if tags else None),
        ),
        "language": (_OF_LANGUAGE, segment.language),
        "after": (sql.SQL("confirmed_at >= %(segment_after)s"), segment.confirmed_after),
        "before": (sql.SQL("confirmed_at < %(segment_before)s"), segment.confirmed_before),
    }
    given = {name: each for name, each in conditions.items() if each[1] is not None}
    return Part(
        sql.SQL(" AND ").join([_IS_CONFIRMED, *(written for written, _ in given.values())]),
        {f"segment_{name}": value for name, (_, value) in given.items()},
    )


def _texts(tags: Tags | None) -> list[str] | None:
    return None if tags is None else [str(tag) for tag in tags]
