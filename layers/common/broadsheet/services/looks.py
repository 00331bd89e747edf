"""The newsletter with the looks of its mails: a theme that an author chose, or the operator's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet import settings
from broadsheet.database import theme_table
from broadsheet.mail import theme
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.newsletter import Newsletter


def newsletter(connection: Connection) -> Newsletter:
    """Return the newsletter as its next mails look."""
    return in_theme(chosen(connection) or "")


def chosen(connection: Connection) -> str | None:
    """Return the theme that an author chose; None if the operator's applies."""
    return theme_table.find(connection)


def in_theme(name: str) -> Newsletter:
    """Return the newsletter in a theme; in the operator's, if there is none with this ``name``.

    A theme that the operator has taken out since it was chosen keeps no mail from leaving.
    """
    of_operator = settings.newsletter()
    if not name:
        return of_operator
    try:
        theme.load(name)
    except theme.InvalidTheme:
        logger.warning("the chosen theme is not deployed")
        return of_operator
    return of_operator.model_copy(update={"theme": name})
