"""Numbered SQL migrations: each applied once, in order, all of it or nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from broadsheet.database.connection import Connection

SECONDS_FOR_A_TABLE = 10  # as long as everybody else waits for a lock
_LOCK = 0x62726F6164736865  # "broadshe": only one migrates at a time


def migrate(connection: Connection, directory: Path, up_to: int | None = None) -> list[int]:
    """Apply what ``directory`` has and the database has not; return the numbers applied.

    Files are named ``0001_what_it_does.sql``; those numbered above ``up_to`` are left. Two that
    migrate at once wait for each other.
    Raises ``ValueError`` when a file's number is used twice.
    """
    files = numbered_files(directory)
    with connection.transaction():
        alone(connection)
        connection.execute(
            """
            CREATE TABLE IF NOT EXISTS schema_migrations (
                number integer PRIMARY KEY,
                name text NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now()
            )
            """
        )
    wanted = {number: file for number, file in files.items() if up_to is None or number <= up_to}
    return [number for number, file in wanted.items() if _apply(connection, number, file)]


def _apply(connection: Connection, number: int, file: Path) -> bool:
    with connection.transaction():
        alone(connection)
        noted = connection.execute(
            "SELECT FROM schema_migrations WHERE number = %(number)s", {"number": number}
        ).fetchone()
        if noted is not None:
            return False
        connection.execute(file.read_bytes())
        connection.execute(
            "INSERT INTO schema_migrations (number, name) VALUES (%(number)s, %(name)s)",
            {"number": number, "name": file.stem},
        )
        return True


def alone(connection: Connection) -> None:
    """Wait until nobody else changes the schema or its roles, until this transaction's end.

    The lock and the settings are the transaction's and not the session's, so that it goes through
    a pooler. A statement may take its time; but behind one that waits for a table everybody else
    waits as well, so that it gives up soon, and with it the deployment.
    """
    connection.execute("SET LOCAL statement_timeout = 0")
    connection.execute("SET LOCAL lock_timeout = 0")
    connection.execute("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})
    connection.execute(
        "SELECT set_config('lock_timeout', %(timeout)s, true)",
        {"timeout": f"{SECONDS_FOR_A_TABLE}s"},
    )


def numbered_files(directory: Path) -> dict[int, Path]:
    """Return a directory's migrations by their numbers, in order."""
    files: dict[int, Path] = {}
    for file in sorted(directory.glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_[a-z0-9_]+", file.stem)
        if match is None:
            raise ValueError(f"{file.name}: name it as in 0002_add_something.sql")
        number = int(match[1])
        if number in files:
            raise ValueError(f"two migrations have the number {number}")
        files[number] = file
    return files
