"""Issues: what was published, and how far it has come."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from broadsheet.database.columns import columns_of
from broadsheet.database.segments_table import document
from broadsheet.domain.errors import SlugTaken
from broadsheet.domain.issue_progress import Issue
from broadsheet.domain.issues import Slug

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.careful_start import CarefulStart
    from broadsheet.domain.issue_requests import IssueContent, IssueDraft
    from broadsheet.domain.issues import (
        CorrectedVersion,
        FrozenAudience,
        IssueId,
        IssueStatus,
        RenderedIssue,
    )
    from broadsheet.domain.segments import SegmentName
    from broadsheet.domain.subscribers import SubscriberId


_COLUMNS = columns_of(Issue)
_FIND = sql.SQL("SELECT {columns} FROM issues WHERE id = %(id)s").format(columns=_COLUMNS)
_FIND_CORRECTION = sql.SQL(
    """
    SELECT {columns}
    FROM issues
    WHERE corrects = %(corrects)s
      AND corrects_version = %(version)s
      AND (status <> 'canceled' OR frozen_at IS NOT NULL)
    """
).format(columns=_COLUMNS)
_FIND_BY_SLUG = sql.SQL("SELECT {columns} FROM issues WHERE slug = %(slug)s").format(
    columns=_COLUMNS
)
_FIND_NEWEST = sql.SQL(
    """
    SELECT {columns}
    FROM issues
    WHERE (
              %(created_at)s::timestamptz IS NULL
              OR (created_at, id) < (%(created_at)s, %(id)s::uuid)
          )
      AND status::text = ANY (%(statuses)s)
    ORDER BY created_at DESC, id DESC
    LIMIT %(limit)s
    """
).format(columns=_COLUMNS)
_FIND_FROZEN_SINCE = sql.SQL(
    "SELECT {columns} FROM issues WHERE frozen_at >= %(since)s ORDER BY frozen_at"
).format(columns=_COLUMNS)
_FIND_NEWEST_FINISHED = sql.SQL(
    """
    SELECT {columns}
    FROM (
        SELECT * FROM issues
        WHERE status = 'finished' AND archive AND corrects IS NULL AND segment IS NULL
        ORDER BY frozen_at DESC
        LIMIT 1
    ) AS newest
    WHERE NOT EXISTS (
        SELECT FROM deliveries
        WHERE issue_id = newest.id AND subscriber_id = %(subscriber_id)s
    )
    """
).format(columns=_COLUMNS)
_FIND_OPEN = sql.SQL(
    """
    SELECT {columns}
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
).format(columns=_COLUMNS)
_HOLD = sql.SQL(
    "UPDATE issues SET held_until = now() + %(hold)s WHERE id = %(id)s RETURNING {columns}"
).format(columns=_COLUMNS)
# NO KEY: the ledger's and the batches' references to the issue stay possible meanwhile.
_LOCK = _FIND + sql.SQL(" FOR NO KEY UPDATE")
# Claims hold FOR KEY SHARE: an edit waits for those that are under way.
_LOCK_FOR_EDIT = _FIND + sql.SQL(" FOR UPDATE")
_TRY_LOCK = _LOCK + sql.SQL(" SKIP LOCKED")


def free_slug(connection: Connection, like: Slug) -> Slug:
    """Return a slug that no issue or post has: this one, or the first with a number behind it."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        taken = cursor.execute(
            """
            SELECT slug
            FROM (SELECT slug FROM issues UNION ALL SELECT slug FROM imported_posts) AS taken
            WHERE slug = %(slug)s OR slug ~ ('^' || %(slug)s || '-[0-9]+$')
            """,
            {"slug": str(like)},
        ).fetchall()
    if str(like) not in taken:
        return like
    return next(Slug(name) for number in count(2) if (name := f"{like}-{number}") not in taken)


def find_correction(connection: Connection, corrected: CorrectedVersion) -> Issue | None:
    """Return the correction of an issue's older versions than this, if it may reach anybody."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(
            _FIND_CORRECTION,
            {"corrects": corrected.issue_id.root, "version": corrected.version},
        ).fetchone()


class Precedent(NamedTuple):
    """An earlier issue that a new one resembles."""

    title: str
    publish_at: datetime


def find_sent_with(
    connection: Connection, content: IssueContent, but: IssueId | None
) -> Precedent | None:
    """Return the last issue that was sent with this text; ``but``: one that doesn't count."""
    with connection.cursor(row_factory=class_row(Precedent)) as cursor:
        return cursor.execute(
            """
            SELECT title, publish_at
            FROM issues
            WHERE md5(content::text) = md5(%(content)s::jsonb::text)
              AND content = %(content)s::jsonb
              AND frozen_at IS NOT NULL
              AND id IS DISTINCT FROM %(but)s::uuid
            ORDER BY frozen_at DESC
            LIMIT 1
            """,
            {"content": Jsonb(content.model_dump()), "but": but.root if but else None},
        ).fetchone()


def find_last(connection: Connection, but: IssueId | None) -> Precedent | None:
    """Return the newest issue that has been published; ``but``: one that doesn't count."""
    with connection.cursor(row_factory=class_row(Precedent)) as cursor:
        return cursor.execute(
            """
            SELECT title, publish_at
            FROM issues
            WHERE status NOT IN ('draft', 'canceled') AND id IS DISTINCT FROM %(but)s::uuid
            ORDER BY created_at DESC, id DESC
            LIMIT 1
            """,
            {"but": but.root if but else None},
        ).fetchone()


def find(connection: Connection, issue_id: IssueId) -> Issue | None:
    """Return the issue with this id."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(
            _FIND,
            {"id": issue_id.root},
        ).fetchone()


def is_any_sending(connection: Connection) -> bool:
    """Return whether an issue is being sent."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(
            cursor.execute("SELECT EXISTS (SELECT FROM issues WHERE status = 'sending')").fetchone()
        )


def find_newest(
    connection: Connection,
    limit: int,
    before: tuple[datetime, UUID] | None,
    statuses: Collection[IssueStatus],
) -> Sequence[Issue]:
    """Return issues, newest first; ``before`` is where the previous page ended."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(
            _FIND_NEWEST,
            {
                "created_at": before[0] if before else None,
                "id": before[1] if before else None,
                "statuses": [str(each) for each in statuses],
                "limit": limit,
            },
        ).fetchall()


def find_frozen_since(connection: Connection, since: datetime) -> Sequence[Issue]:
    """Return the issues whose audience was chosen since a moment, oldest first."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(_FIND_FROZEN_SINCE, {"since": since}).fetchall()


def find_by_slug(connection: Connection, slug: str) -> Issue | None:
    """Return the issue with this slug."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(_FIND_BY_SLUG, {"slug": slug}).fetchone()


def find_newest_finished(connection: Connection, but_for: SubscriberId) -> Issue | None:
    """Return the newest finished public issue for everybody, unless this subscriber has had it."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(_FIND_NEWEST_FINISHED, {"subscriber_id": but_for.root}).fetchone()


def find_open(connection: Connection) -> Sequence[Issue]:
    """Return issues that have not ended, and canceled ones with work left."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(_FIND_OPEN).fetchall()


def try_lock(connection: Connection, issue_id: IssueId) -> Issue | None:
    """Lock an issue until the transaction ends; None when it is locked, or does not exist."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(
            _TRY_LOCK,
            {"id": issue_id.root},
        ).fetchone()


def set_frozen(connection: Connection, issue_id: IssueId, audience: FrozenAudience) -> None:
    """Store the size of the frozen audience: the issue is sending from now on."""
    connection.execute(
        """
        UPDATE issues
        SET frozen_at = now(),
            frozen_under = 6,
            status = 'sending',
            audience = %(audience)s,
            sample_size = %(sample_size)s,
            held_after = %(held_after)s,
            segment_filter = %(segment_filter)s
        WHERE id = %(id)s AND frozen_at IS NULL
        """,
        {
            "id": issue_id.root,
            "audience": audience.size,
            "sample_size": audience.sample_size,
            "held_after": audience.held_after,
            "segment_filter": Jsonb(document(audience.segment)) if audience.segment else None,
        },
    )


def hold(connection: Connection, issue_id: IssueId, duration: timedelta) -> Issue:
    """Hold the batches that are not of the sample for a while from now."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        issue = cursor.execute(_HOLD, {"id": issue_id.root, "hold": duration}).fetchone()
    if issue is None:
        raise LookupError("no issue has this id")
    return issue


def end_hold(connection: Connection, issue_id: IssueId) -> None:
    """Hold no batch any longer; the time until which they were held is not after now."""
    connection.execute(
        """
        UPDATE issues SET held_after = NULL, held_until = least(held_until, now())
        WHERE id = %(id)s AND held_after IS NOT NULL
        """,
        {"id": issue_id.root},
    )


def set_finished(connection: Connection, issue_id: IssueId) -> bool:
    """Finish an issue without open batches and unresolved sends; return whether it did."""
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
    """Wait for an issue's lock, and hold it until the transaction ends; None without an issue."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(
            _LOCK,
            {"id": issue_id.root},
        ).fetchone()


def lock_for_edit(connection: Connection, issue_id: IssueId) -> Issue | None:
    """Lock as ``lock``, and also wait for claims of the issue's batches to commit."""
    with connection.cursor(row_factory=class_row(Issue)) as cursor:
        return cursor.execute(
            _LOCK_FOR_EDIT,
            {"id": issue_id.root},
        ).fetchone()


def edit(
    connection: Connection,
    issue_id: IssueId,
    *,
    editor: AuthorName,
    draft: IssueDraft,
    rendered: RenderedIssue,
) -> None:
    """Replace an issue's text by its next version. Raises ``SlugTaken``.

    A draft without ``slug`` or ``archive`` leaves these as they are.
    """
    try:
        connection.execute(
            """
            UPDATE issues
            SET version = version + 1,
                edited_by = %(editor)s,
                title = %(title)s,
                content = %(content)s,
                preheader = %(preheader)s,
                slug = coalesce(%(slug)s, slug),
                archive = coalesce(%(archive)s, archive),
                subject = %(subject)s,
                html = %(html)s,
                text = %(text)s,
                -- An issue that an older release froze is sent by this one from here on.
                frozen_under = CASE WHEN frozen_at IS NOT NULL THEN 6 END
            WHERE id = %(id)s
            """,
            {
                "id": issue_id.root,
                "editor": str(editor),
                "title": str(draft.title),
                "content": Jsonb(draft.content.model_dump()),
                "preheader": str(draft.preheader) if draft.preheader else None,
                "slug": str(draft.slug) if draft.slug else None,
                "archive": draft.archive,
                "subject": rendered.subject,
                "html": rendered.html,
                "text": rendered.text,
            },
        )
    except UniqueViolation:
        raise SlugTaken(str(draft.slug)) from None


def set_segment(connection: Connection, issue_id: IssueId, segment: SegmentName | None) -> None:
    """Store whom an issue is for that has no audience yet."""
    connection.execute(
        "UPDATE issues SET segment = %(segment)s WHERE id = %(id)s AND frozen_at IS NULL",
        {"id": issue_id.root, "segment": str(segment) if segment else None},
    )


def set_careful(connection: Connection, issue_id: IssueId, careful: CarefulStart | None) -> None:
    """Change how an issue starts; None: without a sample."""
    connection.execute(
        "UPDATE issues SET careful = %(careful)s WHERE id = %(id)s",
        {"id": issue_id.root, "careful": _written(careful)},
    )


def _written(careful: CarefulStart | None) -> Jsonb | None:
    return Jsonb(careful.model_dump(mode="json")) if careful else None


def set_archive(connection: Connection, issue_id: IssueId, *, archive: bool) -> None:
    """Change whether the archive owes a page to an issue."""
    connection.execute(
        "UPDATE issues SET archive = %(archive)s WHERE id = %(id)s",
        {"id": issue_id.root, "archive": archive},
    )


def delete_draft(connection: Connection, issue_id: IssueId) -> None:
    """Delete a draft with all its versions."""
    connection.execute(
        "DELETE FROM issues WHERE id = %(id)s AND status = 'draft'", {"id": issue_id.root}
    )


def resume(connection: Connection, issue_id: IssueId) -> None:
    """Continue a paused issue where it stopped, and reset its breaker.

    While a careful start holds the rest, the breaker goes on counting: it judges the whole sample.
    """
    connection.execute(
        """
        UPDATE issues
        SET status = CASE WHEN frozen_at IS NULL THEN 'scheduled' ELSE 'sending' END::issue_status,
            paused_because = NULL,
            breaker_since = CASE WHEN held_after IS NULL THEN now() ELSE breaker_since END,
            breaker_accepted = CASE WHEN held_after IS NULL THEN 0 ELSE breaker_accepted END
        WHERE id = %(id)s AND status = 'paused'
        """,
        {"id": issue_id.root},
    )


def cancel(connection: Connection, issue_id: IssueId) -> None:
    """End an issue before its time. One that reached nobody leaves its slug to another."""
    connection.execute(
        """
        UPDATE issues
        SET status = 'canceled',
            canceled_at = now(),
            paused_because = NULL,
            slug = CASE WHEN frozen_at IS NULL THEN id::text ELSE slug END
        WHERE id = %(id)s AND status IN ('scheduled', 'sending', 'paused')
        """,
        {"id": issue_id.root},
    )


def reopen(connection: Connection, issue_id: IssueId) -> None:
    """Return a finished issue to sending, for a new round."""
    connection.execute(
        """
        UPDATE issues SET status = 'sending', finished_at = NULL
        WHERE id = %(id)s AND status = 'finished'
        """,
        {"id": issue_id.root},
    )


def reschedule(connection: Connection, issue_id: IssueId, publish_at: datetime) -> None:
    """Change the time of an issue that has not begun."""
    connection.execute(
        "UPDATE issues SET publish_at = %(publish_at)s WHERE id = %(id)s AND frozen_at IS NULL",
        {"id": issue_id.root, "publish_at": publish_at},
    )
