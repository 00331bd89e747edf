"""Numbered SQL migrations: each applied once, in order, all of it or nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from broadsheet.database.connection import Connection

_LOCK = 0x62726F6164736865  # "broadshe": only one migrates at a time


def migrate(connection: Connection, directory: Path) -> list[int]:
    """Apply what ``directory`` has and the database has not; return the numbers applied.

    Files are named ``0001_what_it_does.sql``. Two that migrate at once wait for each other.
    Raises ``ValueError`` when a file's number is used twice.
    """
    files = numbered_files(directory)
    connection.execute("SET lock_timeout = 0")
    connection.execute("SET statement_timeout = 0")
    connection.execute("SELECT pg_advisory_lock(%(lock)s)", {"lock": _LOCK})
    try:
        connection.execute(
            """
            CREATE TABLE IF NOT EXISTS schema_migrations (
                number integer PRIMARY KEY,
                name text NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now()
            )
            """
        )
        rows = connection.execute("SELECT number FROM schema_migrations").fetchall()
        applied = {number for (number,) in rows}
        missing = {number: file for number, file in files.items() if number not in applied}
        for number, file in missing.items():
            with connection.transaction():
                connection.execute(file.read_bytes())
                connection.execute(
                    "INSERT INTO schema_migrations (number, name) VALUES (%(number)s, %(name)s)",
                    {"number": number, "name": file.stem},
                )
    finally:
        connection.execute("SELECT pg_advisory_unlock(%(lock)s)", {"lock": _LOCK})
    return list(missing)


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
