"""Pages of the archive that are written or removed, and what it shows: columns of ``issues``.

``owed_pages_table`` has the rule by which one is owed.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict

from broadsheet.database.owed_pages_table import OWED, WANTED
from broadsheet.domain.archive import ArchivedIssue
from broadsheet.domain.issues import IssueId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection

_LOCK = 6_287_391_544_006  # any number that no other lock has
_FIND = sql.SQL(
    """
    SELECT id, slug, version, frozen_at, {wanted} AS is_wanted, archived,
           ARRAY(
               SELECT earlier.slug FROM earlier_slugs AS earlier WHERE issue_id = issues.id
               UNION
               SELECT archived ->> 'slug' -- from before earlier ones were noted
               WHERE archived ->> 'slug' <> issues.slug
               ORDER BY 1
           ) AS earlier_slugs
    FROM issues
    WHERE id = %(id)s AND {owed}
    """
).format(wanted=WANTED, owed=OWED)
_BEGIN = sql.SQL(
    """
    UPDATE issues
    SET is_archiving = true, archived = CASE WHEN {wanted} THEN archived END
    WHERE id = %(id)s AND {owed}
    """
).format(wanted=WANTED, owed=OWED)
_RECORD = sql.SQL(
    """
    UPDATE issues SET is_archiving = false, archived = %(archived)s
    WHERE id = %(id)s AND version = %(version)s AND slug = %(slug)s AND {wanted}
    """
).format(wanted=WANTED)
_RECORD_REMOVAL = sql.SQL(
    "UPDATE issues SET is_archiving = false WHERE id = %(id)s AND NOT {wanted}"
).format(wanted=WANTED)


class OwedPage(BaseModel):
    """An issue whose page is to be written, or removed unless it ``is_wanted``.

    ``archived``: what is stored. ``earlier_slugs``: those that it had since it began, which may be
    its own again.
    """

    model_config = ConfigDict(frozen=True)

    id: IssueId
    slug: str
    version: int
    frozen_at: datetime | None
    is_wanted: bool
    archived: ArchivedIssue | None
    earlier_slugs: tuple[str, ...]


def lock(connection: Connection) -> None:
    """Wait until no other transaction changes the archive's index, until this one ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})


def try_lock(connection: Connection) -> bool:
    """Keep others from changing the archive's index until this transaction ends.

    Returns False at once if another one does so, which may wait for S3.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(
            cursor.execute("SELECT pg_try_advisory_xact_lock(%(lock)s)", {"lock": _LOCK}).fetchone()
        )


def find_owed(connection: Connection, issue_id: IssueId) -> OwedPage | None:
    """Return what the archive owes to an issue, if anything."""
    with connection.cursor(row_factory=class_row(OwedPage)) as cursor:
        return cursor.execute(_FIND, {"id": issue_id.root}).fetchone()


def find_archived(connection: Connection) -> Sequence[ArchivedIssue]:
    """Return the entries of all issues and imported posts whose pages are stored, in any order."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        rows = cursor.execute(
            """
            SELECT archived FROM issues
            WHERE archived IS NOT NULL
            UNION ALL
            SELECT page -> 'issue' FROM imported_posts
            WHERE is_stored
            """
        ).fetchall()
    return [ArchivedIssue.model_validate(row) for row in rows]


def begin(connection: Connection, issue_id: IssueId) -> None:
    """Note that an owed page is about to be written or removed; until it is recorded, it is owed.

    A page to be removed is no longer listed.
    """
    connection.execute(_BEGIN, {"id": issue_id.root})


def record(connection: Connection, entry: ArchivedIssue) -> None:
    """Note that an issue's page is stored, unless another one is wanted by now."""
    connection.execute(
        _RECORD,
        {
            "id": entry.id.root,
            "version": entry.version,
            "slug": entry.slug,
            "archived": Jsonb(entry.model_dump(mode="json")),
        },
    )


def set_has_circulation(connection: Connection, issue_id: IssueId) -> None:
    """Note in the entry of an issue, if it has one, that its circulation is certified."""
    connection.execute(
        """
        UPDATE issues SET archived = archived || '{"has_circulation": true}'
        WHERE id = %(id)s AND archived IS NOT NULL
        """,
        {"id": issue_id.root},
    )


def record_removal(connection: Connection, issue_id: IssueId) -> None:
    """Note that an issue has no page, unless one is wanted by now."""
    connection.execute(_RECORD_REMOVAL, {"id": issue_id.root})
