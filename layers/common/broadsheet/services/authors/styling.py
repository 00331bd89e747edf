"""Chooses the theme of the newsletter's mails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.database import theme_table, welcome_mail_table
from broadsheet.mail import theme_check
from broadsheet.mail.theme import InvalidTheme
from broadsheet.services.subscribers import welcome_text
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName


def choose(connection: Connection, author: AuthorName, name: str) -> None:
    """Set the theme of all mails rendered from now on; without a ``name``, the stack's parameter.

    An issue that is scheduled keeps its looks until it is edited. Raises as ``refuse_unusable``.
    """
    if name:
        refuse_unusable(name)
    with connection.transaction():
        welcome_mail_table.lock(connection)  # nobody stores another text meanwhile
        if name:
            theme_table.replace(connection, author, name)
        else:
            theme_table.delete(connection)
        welcome_text.render_again(connection)
    logger.info("theme chosen", author=str(author), theme=name or None)


def refuse_unusable(name: str) -> None:
    """Raise ``InvalidTheme`` for a theme that mails can't have, or whose colours can't be read."""
    try:
        faults = "; ".join(theme_check.faults(name))
    except InvalidTheme as error:
        faults = str(error)
    if faults:
        logger.warning("theme refused", reason=faults)  # for the operator
        raise InvalidTheme(faults)
