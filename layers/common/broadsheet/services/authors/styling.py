"""Lets authors choose the theme of the newsletter's mails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.database import theme_table
from broadsheet.mail import theme_check
from broadsheet.mail.theme import InvalidTheme
from broadsheet.services.subscribers import welcome_text
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName


def choose(connection: Connection, author: AuthorName, name: str) -> None:
    """Give all mails from now on a theme; without a ``name``, that of the stack's parameter.

    An issue that is scheduled keeps the looks that it has, until it is edited. Raises
    ``InvalidTheme``, also for colours that can't be read on each other.
    """
    if name and (faults := theme_check.unreadable(name)):
        raise InvalidTheme("; ".join(faults))
    with connection.transaction():
        if name:
            theme_table.replace(connection, author, name)
        else:
            theme_table.delete(connection)
        welcome_text.render_again(connection)
    logger.info("theme chosen", author=str(author), theme=name or None)
