"""Publications: new issues, drafts that are published, and the keys that authors name them by.

All of it is columns of the table ``issues``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from broadsheet.database.columns import columns_of
from broadsheet.domain.issue_progress import Issue
from broadsheet.domain.publications import DraftPublication, KeyedIssue

if TYPE_CHECKING:
    from datetime import datetime

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.issues import IssueId, RenderedIssue, Slug
    from broadsheet.domain.publications import IdempotencyKey, NewIssue


_FIND_BY_KEY = sql.SQL(
    """
    SELECT {columns}, request_digest
    FROM issues
    WHERE author = %(author)s AND idempotency_key = %(idempotency_key)s
    """
).format(columns=columns_of(Issue))


def insert(connection: Connection, issue: NewIssue, slug: Slug) -> bool:
    """Insert an issue; return False when its author's key or the slug is in use.

    Wait for another transaction that is inserting the same.
    """
    inserted = connection.execute(
        """
        INSERT INTO issues
            (id, author, idempotency_key, request_digest, title, content, preheader, slug,
             archive, subject, html, text, status, publish_at, careful, corrects,
             corrects_version, segment)
        VALUES
            (%(id)s, %(author)s, %(idempotency_key)s, %(request_digest)s, %(title)s, %(content)s,
             %(preheader)s, %(slug)s, %(archive)s, %(subject)s, %(html)s, %(text)s, %(status)s,
             %(publish_at)s, %(careful)s, %(corrects)s, %(corrects_version)s, %(segment)s)
        ON CONFLICT DO NOTHING
        """,
        {
            "id": issue.id.root,
            "author": str(issue.author),
            "idempotency_key": str(issue.idempotency_key),
            "request_digest": issue.request_digest,
            "title": str(issue.title),
            "content": Jsonb(issue.content.model_dump()),
            "preheader": str(issue.preheader) if issue.preheader else None,
            "slug": str(slug),
            "archive": issue.archive,
            "subject": issue.rendered.subject,
            "html": issue.rendered.html,
            "text": issue.rendered.text,
            "status": issue.status.value,
            "publish_at": issue.publish_at,
            "careful": Jsonb(issue.careful.model_dump(mode="json")) if issue.careful else None,
            "corrects": issue.corrected.issue_id.root if issue.corrected else None,
            "corrects_version": issue.corrected.version if issue.corrected else None,
            "segment": str(issue.segment) if issue.segment else None,
        },
    )
    return inserted.rowcount == 1


def find_by_key(
    connection: Connection, author: AuthorName, key: IdempotencyKey
) -> KeyedIssue | None:
    """Return the issue that the author's key names; None when the author has not used it."""
    with connection.cursor(row_factory=class_row(KeyedIssue)) as cursor:
        return cursor.execute(
            _FIND_BY_KEY,
            {"author": str(author), "idempotency_key": str(key)},
        ).fetchone()


def publish_draft(
    connection: Connection,
    issue_id: IssueId,
    *,
    publish_at: datetime,
    rendered: RenderedIssue,
    publication: DraftPublication,
) -> None:
    """Make a draft a scheduled issue, rendered with the newsletter's present parameters."""
    connection.execute(
        """
        UPDATE issues
        SET status = 'scheduled',
            publish_at = %(publish_at)s,
            subject = %(subject)s,
            html = %(html)s,
            text = %(text)s,
            publish_key = %(key)s,
            publish_digest = %(digest)s
        WHERE id = %(id)s AND status = 'draft'
        """,
        {
            "id": issue_id.root,
            "publish_at": publish_at,
            "subject": rendered.subject,
            "html": rendered.html,
            "text": rendered.text,
            "key": publication.key,
            "digest": publication.digest,
        },
    )


def find_publication(connection: Connection, issue_id: IssueId) -> DraftPublication | None:
    """Return how an issue that was a draft was published; None if it never was one."""
    with connection.cursor(row_factory=class_row(DraftPublication)) as cursor:
        return cursor.execute(
            """
            SELECT publish_key AS key, publish_digest AS digest FROM issues
            WHERE id = %(id)s AND publish_key IS NOT NULL
            """,
            {"id": issue_id.root},
        ).fetchone()


def is_undone(connection: Connection, issue_id: IssueId, key: str) -> bool:
    """Return whether a publication of an issue with this key was undone."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(
            cursor.execute(
                "SELECT %(key)s = ANY (undone_keys) FROM issues WHERE id = %(id)s",
                {"id": issue_id.root, "key": key},
            ).fetchone()
        )


def undo_publication(connection: Connection, issue_id: IssueId) -> None:
    """Return an issue that has not begun to a draft without a time.

    Its key stays, so that no request which is repeated publishes it again.
    """
    connection.execute(
        """
        UPDATE issues
        SET status = 'draft',
            publish_at = NULL,
            paused_because = NULL,
            publish_key = coalesce(publish_key, idempotency_key),
            publish_digest = coalesce(publish_digest, request_digest),
            undone_keys = undone_keys || coalesce(publish_key, idempotency_key)
        WHERE id = %(id)s AND status IN ('scheduled', 'paused') AND frozen_at IS NULL
        """,
        {"id": issue_id.root},
    )
