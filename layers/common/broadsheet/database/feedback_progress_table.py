"""How far SES's events are known to have been recorded.

An event takes a while to arrive, and a later mail's event may overtake it, but not one of a mail
sent a grace period later. So once that later event has been recorded, and the queues have been
seen empty after it, every event of a mail sent a grace period earlier is recorded or lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg.rows import class_row

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from broadsheet.database.connection import Connection


class Progress(NamedTuple):
    """How far SES's events have been recorded.

    ``latest_mail_at``: when the newest mail with a recorded event was sent. ``candidate_mail_at``:
    the mail whose proof is under way. ``current_until``: no event of a mail sent before then is
    still to arrive.
    """

    latest_mail_at: datetime | None
    candidate_mail_at: datetime | None
    current_until: datetime | None


def read(connection: Connection) -> Progress:
    """Return the progress now; a time that was never set is None."""
    with connection.cursor(row_factory=class_row(Progress)) as cursor:
        progress = cursor.execute(
            """
            SELECT nullif(latest_mail_at, '-infinity') AS latest_mail_at,
                   candidate_mail_at,
                   nullif(current_until, '-infinity') AS current_until
            FROM feedback_progress
            """
        ).fetchone()
    if progress is None:
        raise LookupError("feedback_progress has no row: the schema is not up to date")
    return progress


def note_mail(connection: Connection, sent_at: datetime) -> None:
    """Store when a mail was sent whose event has been recorded, if it is the newest."""
    connection.execute(
        """
        UPDATE feedback_progress SET latest_mail_at = %(sent_at)s
        WHERE latest_mail_at < %(sent_at)s
        """,
        {"sent_at": sent_at},
    )


def start_proof(connection: Connection) -> None:
    """Start a proof from the newest mail, unless one is under way."""
    connection.execute(
        """
        UPDATE feedback_progress
        SET candidate_mail_at = latest_mail_at, seen_empty_at = NULL
        WHERE candidate_mail_at IS NULL AND latest_mail_at > '-infinity'
        """
    )


def see_queues(
    connection: Connection, *, are_empty: bool, apart: timedelta, grace: timedelta
) -> None:
    """Store whether the queues are empty; seen empty twice, ``apart``, they complete the proof."""
    connection.execute(
        """
        UPDATE feedback_progress
        SET current_until = CASE
                WHEN %(are_empty)s AND seen_empty_at <= now() - %(apart)s
                THEN greatest(current_until, candidate_mail_at - %(grace)s)
                ELSE current_until
            END,
            candidate_mail_at = CASE
                WHEN %(are_empty)s AND seen_empty_at <= now() - %(apart)s THEN NULL
                ELSE candidate_mail_at
            END,
            seen_empty_at = CASE
                WHEN NOT %(are_empty)s OR seen_empty_at <= now() - %(apart)s THEN NULL
                ELSE coalesce(seen_empty_at, now())
            END
        WHERE candidate_mail_at IS NOT NULL
        """,
        {"are_empty": are_empty, "apart": apart, "grace": grace},
    )


def claim_probe(connection: Connection, every: timedelta) -> bool:
    """Return whether this caller sends the probe that is due; at most one does."""
    claimed = connection.execute(
        """
        UPDATE feedback_progress SET probed_at = now() WHERE probed_at < now() - %(every)s
        """,
        {"every": every},
    )
    return claimed.rowcount == 1
