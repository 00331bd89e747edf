"""Issues: what was published, and how far it has come."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict

from broadsheet.domain.issues import (
    IssueContent,
    IssueId,
    IssueStatus,
    IssueTitle,
    RenderedIssue,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection


class Issue(BaseModel):
    """A row of ``issues``, without what is sent."""

    model_config = ConfigDict(frozen=True)

    id: IssueId
    author: str
    title: IssueTitle
    status: IssueStatus
    publish_at: datetime
    created_at: datetime
    frozen_at: datetime | None
    audience: int | None
    finished_at: datetime | None
    paused_because: str | None


class NewIssue(BaseModel):
    """What ``insert`` puts into a row. ``request_digest``: SHA-256 of the author's request."""

    model_config = ConfigDict(frozen=True)

    id: IssueId
    author: str
    idempotency_key: str
    request_digest: bytes
    title: IssueTitle
    content: IssueContent
    rendered: RenderedIssue
    publish_at: datetime


class KeyedIssue(BaseModel):
    """The issue that an idempotency key names, and of what request."""

    model_config = ConfigDict(frozen=True)

    issue: Issue
    request_digest: bytes


def insert(connection: Connection, issue: NewIssue) -> bool:
    """Insert an issue; False when the author has used the key before.

    Timings for another transaction that is just inserting the same key.
    """
    inserted = connection.execute(
        """
        INSERT INTO issues
            (id, author, idempotency_key, request_digest, title, content, subject, html, text,
             publish_at)
        VALUES
            (%(id)s, %(author)s, %(idempotency_key)s, %(request_digest)s, %(title)s, %(content)s,
             %(subject)s, %(html)s, %(text)s, %(publish_at)s)
        ON CONFLICT (author, idempotency_key) DO NOTHING
        """,
        {
            "id": issue.id.root,
            "author": issue.author,
            "idempotency_key": issue.idempotency_key,
            "request_digest": issue.request_digest,
            "title": str(issue.title),
            "content": Jsonb(issue.content.model_dump()),
            "subject": issue.rendered.subject,
            "html": issue.rendered.html,
            "text": issue.rendered.text,
            "publish_at": issue.publish_at,
        },
    )
    return inserted.rowcount == 1


def find_by_key(connection: Connection, author: str, idempotency_key: str) -> KeyedIssue:
    """Return the issue that the author's key names."""
    with connection.cursor(row_factory=class_row(_KeyedRow)) as cursor:
        row = cursor.execute(
            """
            SELECT id, author, title, status, publish_at, created_at, frozen_at, audience,
                   finished_at, paused_because, request_digest
            FROM issues
            WHERE author = %(author)s AND idempotency_key = %(idempotency_key)s
            """,
            {"author": author, "idempotency_key": idempotency_key},
        ).fetchone()
    if row is None:
        raise LookupError("the author has not used this key")
    return KeyedIssue(issue=row, request_digest=row.request_digest)


class _KeyedRow(Issue):
    request_digest: bytes


def find(connection: Connection, issue_id: IssueId) -> Issue | None:
    """Return the issue with this id."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(
            """
            SELECT id, author, title, status, publish_at, created_at, frozen_at, audience,
                   finished_at, paused_because
            FROM issues
            WHERE id = %(id)s
            """,
            {"id": issue_id.root},
        ).fetchone()


def find_newest(
    connection: Connection, limit: int, before: tuple[datetime, UUID] | None
) -> Sequence[Issue]:
    """Return issues, newest first; ``before`` is where the page before this one ended."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(
            """
            SELECT id, author, title, status, publish_at, created_at, frozen_at, audience,
                   finished_at, paused_because
            FROM issues
            WHERE %(created_at)s::timestamptz IS NULL
               OR (created_at, id) < (%(created_at)s, %(id)s::uuid)
            ORDER BY created_at DESC, id DESC
            LIMIT %(limit)s
            """,
            {
                "created_at": before[0] if before else None,
                "id": before[1] if before else None,
                "limit": limit,
            },
        ).fetchall()


def find_open(connection: Connection) -> Sequence[Issue]:
    """Return the issues that have not ended, and the canceled ones of which something is open."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(
            """
            SELECT id, author, title, status, publish_at, created_at, frozen_at, audience,
                   finished_at, paused_because
            FROM issues
            WHERE status IN ('scheduled', 'sending', 'paused')
               OR status = 'canceled'
                  AND (
                      EXISTS (
                          SELECT FROM delivery_batches
                          WHERE issue_id = issues.id AND state <> 'closed'
                      )
                      OR EXISTS (
                          SELECT FROM deliveries
                          WHERE issue_id = issues.id AND outcome = 'unresolved'
                      )
                  )
            """
        ).fetchall()


def try_lock(connection: Connection, issue_id: IssueId) -> Issue | None:
    """Lock an issue until the transaction ends; None when another holds it, or there is none.

    The ledger's and the batches' references to the issue stay possible meanwhile.
    """
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(
            """
            SELECT id, author, title, status, publish_at, created_at, frozen_at, audience,
                   finished_at, paused_because
            FROM issues
            WHERE id = %(id)s
            FOR NO KEY UPDATE SKIP LOCKED
            """,
            {"id": issue_id.root},
        ).fetchone()


def rendered(connection: Connection, issue_id: IssueId) -> RenderedIssue:
    """Return what SES is to get of an issue."""
    with connection.cursor(row_factory=class_row(RenderedIssue)) as cursor:
        row = cursor.execute(
            "SELECT subject, html, text FROM issues WHERE id = %(id)s", {"id": issue_id.root}
        ).fetchone()
    if row is None:
        raise LookupError("no issue has this id")
    return row


def set_frozen(connection: Connection, issue_id: IssueId, audience: int) -> None:
    """Note that the audience is fixed: the issue is sending from now on."""
    connection.execute(
        """
        UPDATE issues
        SET frozen_at = now(), audience = %(audience)s, status = 'sending'
        WHERE id = %(id)s AND frozen_at IS NULL
        """,
        {"id": issue_id.root, "audience": audience},
    )


def set_finished(connection: Connection, issue_id: IssueId) -> bool:
    """Finish an issue in which nobody is waiting, claimed or unresolved; tell whether it did."""
    finished = connection.execute(
        """
        UPDATE issues
        SET status = 'finished', finished_at = now()
        WHERE id = %(id)s
          AND status = 'sending'
          AND NOT EXISTS (
              SELECT FROM delivery_batches WHERE issue_id = %(id)s AND state <> 'closed'
          )
          AND NOT EXISTS (
              SELECT FROM deliveries WHERE issue_id = %(id)s AND outcome = 'unresolved'
          )
        """,
        {"id": issue_id.root},
    )
    return finished.rowcount == 1


def lock(connection: Connection, issue_id: IssueId) -> Issue | None:
    """Lock an issue until the transaction ends, after whoever holds it; None: there is none."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(
            """
            SELECT id, author, title, status, publish_at, created_at, frozen_at, audience,
                   finished_at, paused_because
            FROM issues
            WHERE id = %(id)s
            FOR NO KEY UPDATE
            """,
            {"id": issue_id.root},
        ).fetchone()


def pause(connection: Connection, issue_id: IssueId, because: str) -> bool:
    """Pause an issue that has not ended; tell whether it was not paused before."""
    paused = connection.execute(
        """
        UPDATE issues SET status = 'paused', paused_because = %(because)s
        WHERE id = %(id)s AND status IN ('scheduled', 'sending')
        """,
        {"id": issue_id.root, "because": because},
    )
    return paused.rowcount == 1


def resume(connection: Connection, issue_id: IssueId) -> None:
    """Let a paused issue go on where it was; its breaker counts anew."""
    connection.execute(
        """
        UPDATE issues
        SET status = CASE WHEN frozen_at IS NULL THEN 'scheduled' ELSE 'sending' END::issue_status,
            paused_because = NULL,
            breaker_since = now(),
            breaker_accepted = 0
        WHERE id = %(id)s AND status = 'paused'
        """,
        {"id": issue_id.root},
    )


def cancel(connection: Connection, issue_id: IssueId) -> None:
    """End an issue before its time."""
    connection.execute(
        """
        UPDATE issues SET status = 'canceled', canceled_at = now(), paused_because = NULL
        WHERE id = %(id)s AND status IN ('scheduled', 'sending', 'paused')
        """,
        {"id": issue_id.root},
    )


def reopen(connection: Connection, issue_id: IssueId) -> None:
    """Let a finished issue send again, to those of a new round."""
    connection.execute(
        """
        UPDATE issues SET status = 'sending', finished_at = NULL
        WHERE id = %(id)s AND status = 'finished'
        """,
        {"id": issue_id.root},
    )


def reschedule(connection: Connection, issue_id: IssueId, publish_at: datetime) -> None:
    """Move an issue that has not begun."""
    connection.execute(
        "UPDATE issues SET publish_at = %(publish_at)s WHERE id = %(id)s AND frozen_at IS NULL",
        {"id": issue_id.root, "publish_at": publish_at},
    )


def accepted_when_last_counted(connection: Connection, issue_id: IssueId) -> int:
    """Return how many mails the breaker had counted as accepted; a lower bound of what are."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                "SELECT breaker_accepted FROM issues WHERE id = %(id)s", {"id": issue_id.root}
            ).fetchone()
            or 0
        )


def note_accepted(connection: Connection, issue_id: IssueId, accepted: int) -> None:
    """Note how many mails the breaker has counted as accepted."""
    connection.execute(
        "UPDATE issues SET breaker_accepted = %(accepted)s WHERE id = %(id)s",
        {"id": issue_id.root, "accepted": accepted},
    )
