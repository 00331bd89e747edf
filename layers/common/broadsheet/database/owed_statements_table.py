"""Which statements of circulation are owed.

A statement is owed to a finished issue until there is one of now; then it is counted again once a
day until it is final.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import scalar_row

from broadsheet.domain.issues import IssueId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection


_AT_MOST = 50  # in one look at all issues: after an update, all issues of the past are owed theirs
_OWED = sql.SQL(
    """
    FROM issues LEFT JOIN statements ON statements.issue_id = issues.id
    LEFT JOIN statement_keys ON statement_keys.id = statements.key_id
    WHERE issues.status = 'finished'
      AND (
          statements.issue_id IS NULL
          OR statements.as_of < issues.finished_at
          OR statements.is_public <> issues.archive
          OR statements.statement ->> 'slug' <> issues.slug
          OR statement_keys.retired_at IS NOT NULL
          OR (
              issues.archived IS NOT NULL
              AND issues.archived ->> 'has_circulation' IS DISTINCT FROM 'true'
          )
          -- Shorter than a day, as the daily look doesn't come to the second.
          OR (NOT statements.is_final AND statements.as_of < now() - interval '20 hours')
      )
    """
)
_IS_OWED = sql.SQL("SELECT EXISTS (SELECT {owed} AND issues.id = %(id)s)").format(owed=_OWED)
_FIND_OWED = sql.SQL(
    "SELECT issues.id {owed} ORDER BY issues.finished_at DESC, issues.id LIMIT %(at_most)s"
).format(owed=_OWED)


def is_owed(connection: Connection, issue_id: IssueId) -> bool:
    """Return whether an issue's statement is to be made, or made again."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(_IS_OWED, {"id": issue_id.root}).fetchone())


def find_owed(connection: Connection) -> Sequence[IssueId]:
    """Return the newest issues whose statements are owed."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return [IssueId(each) for each in cursor.execute(_FIND_OWED, {"at_most": _AT_MOST})]
