"""Count how often each mail was accepted, to judge its sender."""

import sqlite3
from typing import NamedTuple


class Taking(NamedTuple):
    """What a mail was for: its recipient, and three tags, each None if the mail lacks it."""

    issue: str | None
    subscriber: str | None
    round: str | None
    recipient: str


def counts_by_recipient(
    connection: sqlite3.Connection, *, issue: str | None = None, at_least: int = 1
) -> dict[Taking, int]:
    """Count the accepted mails, whatever became of them, answered or not."""
    rows = connection.execute(
        "SELECT json_extract(entry, '$.tags.issue') AS issue,"
        " json_extract(entry, '$.tags.subscriber'), json_extract(entry, '$.tags.round'),"
        " recipient, count(*) FROM mails"
        " WHERE :issue IS NULL OR json_extract(entry, '$.tags.issue') = :issue"
        " GROUP BY 1, 2, 3, 4 HAVING count(*) >= :at_least",
        {"issue": issue, "at_least": at_least},
    )
    return {Taking(*of): count for *of, count in rows}
