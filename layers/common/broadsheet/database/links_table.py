"""The counted links of issues: the table ``issue_links``. It knows of no reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import class_row, scalar_row, tuple_row

from broadsheet.domain.issues import IssueId
from broadsheet.domain.links import IssueLink, LinkClicks, LinkTargets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection

MOST_OF_ISSUE = 20  # links of an issue in the statistics


def lock(connection: Connection, issue_id: IssueId) -> None:
    """Keep others from changing an issue's links until this transaction ends.

    Not by a lock of the issue's row, for which sending would wait.
    """
    connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('links ' || %(id)s::text, 0))",
        {"id": issue_id.root},
    )


def numbers(connection: Connection, issue_id: IssueId) -> Mapping[str, int]:
    """Return the numbers of an issue's links, by their addresses as they are written."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return dict(
            cursor.execute(
                "SELECT written, number FROM issue_links WHERE issue_id = %(id)s ORDER BY number",
                {"id": issue_id.root},
            ).fetchall()
        )


def insert(connection: Connection, issue_id: IssueId, numbers: Mapping[str, int]) -> None:
    """Insert the links that an issue does not have yet; each leads to where it is written."""
    connection.execute(
        """
        INSERT INTO issue_links (issue_id, number, written, target)
        SELECT %(id)s, number, written, written
        FROM unnest(%(numbers)s::int[], %(written)s::text[]) AS given (number, written)
        WHERE NOT EXISTS (
            SELECT FROM issue_links AS known
            WHERE known.issue_id = %(id)s AND known.written = given.written
        )
        """,
        {"id": issue_id.root, "numbers": list(numbers.values()), "written": list(numbers)},
    )


def delete(connection: Connection, issue_id: IssueId) -> None:
    """Delete the links of an issue that nobody was sent."""
    connection.execute("DELETE FROM issue_links WHERE issue_id = %(id)s", {"id": issue_id.root})


def find_all(connection: Connection, issue_id: IssueId) -> Sequence[IssueLink]:
    """Return the links of an issue, by number."""
    with connection.cursor(row_factory=class_row(IssueLink)) as cursor:
        return cursor.execute(
            """
            SELECT number, written, target, clicks, corrected_at, corrected_by
            FROM issue_links WHERE issue_id = %(id)s ORDER BY number
            """,
            {"id": issue_id.root},
        ).fetchall()


def targets(connection: Connection, issue_id: IssueId) -> LinkTargets:
    """Return where the links of an issue lead."""
    links = find_all(connection, issue_id)
    return LinkTargets(targets={link.number: link.target for link in links})


def issues_owed(connection: Connection) -> Sequence[IssueId]:
    """Return the issues of which S3 doesn't have all links."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        found = cursor.execute("SELECT DISTINCT issue_id FROM issue_links WHERE NOT is_stored")
        return [IssueId(each) for each in found.fetchall()]


def record_stored(connection: Connection, issue_id: IssueId) -> None:
    """Note that S3 has all links of an issue."""
    connection.execute(
        "UPDATE issue_links SET is_stored = true WHERE issue_id = %(id)s AND NOT is_stored",
        {"id": issue_id.root},
    )


def correct(
    connection: Connection, issue_id: IssueId, number: int, target: str, author: str
) -> bool:
    """Have a link lead elsewhere; return whether there is such a link."""
    corrected = connection.execute(
        """
        UPDATE issue_links
        SET target = %(target)s, corrected_at = now(), corrected_by = %(author)s
        WHERE issue_id = %(id)s AND number = %(number)s
        """,
        {"id": issue_id.root, "number": number, "target": target, "author": author},
    )
    return corrected.rowcount > 0


def count(connection: Connection, clicks: Mapping[tuple[UUID, int], int]) -> None:
    """Add clicks to links; those on links that there are not are dropped."""
    connection.execute(
        """
        UPDATE issue_links AS links
        SET clicks = links.clicks + given.clicks
        FROM (
            SELECT known.issue_id, known.number, given.clicks
            FROM unnest(%(issues)s::uuid[], %(numbers)s::int[], %(clicks)s::int[])
                AS given (issue_id, number, clicks)
            JOIN issue_links AS known USING (issue_id, number)
            ORDER BY issue_id, number -- of two that count at once, none waits for the other's rows
            FOR UPDATE OF known
        ) AS given
        WHERE links.issue_id = given.issue_id AND links.number = given.number
        """,
        {
            "issues": [issue for issue, _ in clicks],
            "numbers": [number for _, number in clicks],
            "clicks": list(clicks.values()),
        },
    )


def clicks_of(connection: Connection, issue_ids: Sequence[UUID]) -> Sequence[LinkClicks]:
    """Return the links of each issue that were clicked most, the most clicked first."""
    with connection.cursor(row_factory=class_row(LinkClicks)) as cursor:
        return cursor.execute(
            """
            SELECT links.issue_id, links.number, links.target, links.clicks
            FROM unnest(%(ids)s::uuid[]) AS wanted (id)
            CROSS JOIN LATERAL (
                SELECT issue_id, number, target, clicks FROM issue_links
                WHERE issue_id = wanted.id
                ORDER BY clicks DESC, number
                LIMIT %(limit)s
            ) AS links
            ORDER BY links.issue_id, links.clicks DESC, links.number
            """,
            {"ids": list(issue_ids), "limit": MOST_OF_ISSUE},
        ).fetchall()
