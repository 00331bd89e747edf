"""Pausing issues, and what the breaker knows of them: columns of the table ``issues``.

What an issue says of itself isn't needed for that: deliver and feedback, which pause issues, build
none of its types when they start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg.rows import class_row, scalar_row

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId


class Sample(NamedTuple):
    """How many recipients a careful start sends to first, of how many in all."""

    size: int
    audience: int


def pause(
    connection: Connection, issue_id: IssueId, because: str, *, ends_hold: bool = False
) -> bool:
    """Pause an issue that has not ended; return whether it was running before.

    ``ends_hold``: whether it holds no batch when it is resumed.
    """
    paused = connection.execute(
        """
        UPDATE issues
        SET status = 'paused',
            paused_because = %(because)s,
            held_after = CASE WHEN NOT %(ends_hold)s THEN held_after END,
            held_until = CASE
                WHEN %(ends_hold)s AND held_after IS NOT NULL THEN least(held_until, now())
                ELSE held_until
            END
        WHERE id = %(id)s AND status IN ('scheduled', 'sending')
        """,
        {"id": issue_id.root, "because": because, "ends_hold": ends_hold},
    )
    return paused.rowcount == 1


def accepted_when_last_counted(connection: Connection, issue_id: IssueId) -> int:
    """Return how many accepted mails the breaker counted last; there may be more by now."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                "SELECT breaker_accepted FROM issues WHERE id = %(id)s", {"id": issue_id.root}
            ).fetchone()
            or 0
        )


def note_accepted(connection: Connection, issue_id: IssueId, accepted: int) -> None:
    """Store how many accepted mails the breaker has counted."""
    connection.execute(
        "UPDATE issues SET breaker_accepted = %(accepted)s WHERE id = %(id)s",
        {"id": issue_id.root, "accepted": accepted},
    )


def find_sample(connection: Connection, issue_id: IssueId) -> Sample | None:
    """Return the sample of an issue with a careful start; None for any other."""
    with connection.cursor(row_factory=class_row(Sample)) as cursor:
        return cursor.execute(
            """
            SELECT sample_size AS size, audience FROM issues
            WHERE id = %(id)s AND sample_size IS NOT NULL AND audience IS NOT NULL
            """,
            {"id": issue_id.root},
        ).fetchone()
