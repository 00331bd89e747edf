"""The theme that an author chose: one row, unless the stack's parameter applies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import scalar_row

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName


def find(connection: Connection) -> str | None:
    """Return the name of the chosen theme, or None."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute("SELECT theme FROM chosen_theme").fetchone()


def replace(connection: Connection, author: AuthorName, theme: str) -> None:
    """Store the theme in place of the one before."""
    connection.execute(
        """
        INSERT INTO chosen_theme (theme, edited_by)
        VALUES (%(theme)s, %(edited_by)s)
        ON CONFLICT (is_the_row) DO UPDATE
        SET theme = excluded.theme, edited_by = excluded.edited_by, edited_at = now()
        """,
        {"theme": theme, "edited_by": str(author)},
    )


def delete(connection: Connection) -> None:
    """Let the stack's parameter apply."""
    connection.execute("DELETE FROM chosen_theme")
