"""The versions of issues: each text as it was written, and as SES receives it.

A trigger of the table ``issues`` inserts them, so that no issue lacks its current one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import class_row

from broadsheet.database.columns import columns_of
from broadsheet.domain.issue_versions import IssueVersion, LatestText, VersionSummary

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import timedelta

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.issues import IssueId


_FIND = sql.SQL(
    """
    SELECT {columns} FROM issue_versions
    WHERE issue_id = %(issue_id)s AND version = %(version)s
    """
).format(columns=columns_of(IssueVersion))
_FIND_NEWEST = sql.SQL(
    """
    SELECT {columns} FROM issue_versions
    WHERE issue_id = %(issue_id)s
    ORDER BY version DESC
    LIMIT %(limit)s
    """
).format(columns=columns_of(VersionSummary))


def find(connection: Connection, issue_id: IssueId, version: int) -> IssueVersion | None:
    """Return a version of an issue as it was written."""
    with connection.cursor(row_factory=class_row(IssueVersion)) as cursor:
        return cursor.execute(_FIND, {"issue_id": issue_id.root, "version": version}).fetchone()


def find_newest(connection: Connection, issue_id: IssueId, limit: int) -> Sequence[VersionSummary]:
    """Return who wrote an issue's versions, and when, newest first."""
    with connection.cursor(row_factory=class_row(VersionSummary)) as cursor:
        return cursor.execute(_FIND_NEWEST, {"issue_id": issue_id.root, "limit": limit}).fetchall()


def find_latest_texts(
    connection: Connection, issue_ids: Collection[IssueId], characters: int
) -> Sequence[LatestText]:
    """Return when issues were saved last, and the first ``characters`` of their Markdown."""
    with connection.cursor(row_factory=class_row(LatestText)) as cursor:
        return cursor.execute(
            """
            SELECT issues.id AS issue_id,
                   current.created_at AS saved_at,
                   coalesce(left(current.content->>'markdown', %(characters)s), '') AS beginning
            FROM issues
            JOIN issue_versions AS current
                ON current.issue_id = issues.id AND current.version = issues.version
            WHERE issues.id = ANY (%(issue_ids)s)
            """,
            {"issue_ids": [each.root for each in issue_ids], "characters": characters},
        ).fetchall()


def note_autosave(
    connection: Connection,
    issue_id: IssueId,
    version: int,
    author: AuthorName,
    sitting: timedelta,
) -> None:
    """Note that a version was saved by a program while its author typed.

    It replaces the one before if that was saved likewise, by the same author, and not longer ago
    than ``sitting``.
    """
    of_version = {"issue_id": issue_id.root, "version": version}
    connection.execute(
        """
        UPDATE issue_versions SET autosaved = true
        WHERE issue_id = %(issue_id)s AND version = %(version)s
        """,
        of_version,
    )
    connection.execute(
        """
        DELETE FROM issue_versions
        WHERE issue_id = %(issue_id)s
          AND version = %(version)s - 1
          AND autosaved
          AND author = %(author)s
          AND created_at > now() - %(sitting)s
        """,
        of_version | {"author": str(author), "sitting": sitting},
    )
