"""Which pages the archive owes: columns of the table ``issues``.

A page is owed while what is stored (``archived``) differs from what should be: the current version,
under the current slug, of an issue that has begun, and nothing of one that was canceled or that its
author keeps out of the archive. So whatever changes an issue needs to mark nothing. While a page is
written or removed, ``is_archiving`` keeps it owed. No lock of the issue's row is needed meanwhile,
for which sending would wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import scalar_row

from broadsheet.domain.issues import IssueId

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from broadsheet.database.connection import Connection


WANTED = sql.SQL("(frozen_at IS NOT NULL AND archive AND status <> 'canceled')")
OWED = sql.SQL(
    """
    (
        is_archiving
        OR CASE
            WHEN {wanted} THEN archived IS NULL
                OR archived ->> 'version' <> version::text
                OR archived ->> 'slug' <> slug
            ELSE archived IS NOT NULL
        END
    )
    """
).format(wanted=WANTED)
_IS_OWED = sql.SQL("SELECT EXISTS (SELECT FROM issues WHERE id = %(id)s AND {owed})").format(
    owed=OWED
)
_FIND_ALL = sql.SQL(
    "SELECT id FROM issues WHERE {owed} ORDER BY frozen_at DESC NULLS FIRST, id"
).format(owed=OWED)
_COUNT_OWED = sql.SQL(
    "SELECT count(*) FROM issues WHERE frozen_at < %(begun_before)s AND {owed}"
).format(owed=OWED)


def is_owed(connection: Connection, issue_id: IssueId) -> bool:
    """Return whether the archive owes anything to an issue."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(_IS_OWED, {"id": issue_id.root}).fetchone())


def find_all_owed(connection: Connection) -> Sequence[IssueId]:
    """Return the issues whose pages are owed, the newest first."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return [IssueId(each) for each in cursor.execute(_FIND_ALL).fetchall()]


def count_owed(connection: Connection, begun_before: datetime) -> int:
    """Return how many issues that began before a time have an owed page."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(cursor.execute(_COUNT_OWED, {"begun_before": begun_before}).fetchone() or 0)
