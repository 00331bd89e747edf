"""Stores and shows what authors say of the newsletter on its sign-up page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.database import archive_table, voice_table
from broadsheet.domain.authors_voice import AuthorsVoice
from broadsheet.services.issues import archive_pages
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName


def show(connection: Connection) -> AuthorsVoice:
    """Return what authors say, all of it empty until one of them has written it."""
    return voice_table.find(connection) or AuthorsVoice()


def replace(connection: Connection, author: AuthorName, voice: AuthorsVoice) -> None:
    """Store what authors say; the sign-up page says it at most half a minute later.

    Readers' edge finds it in the archive's index. Whoever writes that next reads it from the
    database, under the same lock. Raises ``DependencyUnavailable``; then nothing has changed.
    """
    with connection.transaction():
        archive_table.lock(connection)
        voice_table.replace(connection, author, voice)
        archive_pages.store_index(connection)
    logger.info("voice stored", author=str(author))
