"""What authors say on the sign-up page: one row, once one of them has written it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import class_row

from broadsheet.database.columns import columns_of
from broadsheet.domain.authors_voice import AuthorsVoice

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName

_FIND = sql.SQL("SELECT {columns} FROM authors_voice").format(columns=columns_of(AuthorsVoice))


def find(connection: Connection) -> AuthorsVoice | None:
    """Return what authors say; None until one of them has written it."""
    with connection.cursor(row_factory=class_row(AuthorsVoice)) as cursor:
        return cursor.execute(_FIND).fetchone()


def replace(connection: Connection, author: AuthorName, voice: AuthorsVoice) -> None:
    """Store what authors say in place of what they said before."""
    connection.execute(
        """
        INSERT INTO authors_voice (description, author_name, frequency, edited_by)
        VALUES (%(description)s, %(author_name)s, %(frequency)s, %(edited_by)s)
        ON CONFLICT (is_the_row) DO UPDATE
        SET description = excluded.description,
            author_name = excluded.author_name,
            frequency = excluded.frequency,
            edited_by = excluded.edited_by,
            edited_at = now()
        """,
        voice.model_dump() | {"edited_by": str(author)},
    )
