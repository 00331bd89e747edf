"""Stores and shows the text of the welcome mail for authors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.database import welcome_mail_table
from broadsheet.domain.errors import WelcomeNotFound
from broadsheet.domain.issue_requests import WrittenMail
from broadsheet.services import looks
from broadsheet.services.issues import checking
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.findings import Finding
    from broadsheet.domain.welcome import WelcomeMail, WelcomeRequest


def show(connection: Connection) -> WelcomeMail:
    """Return the welcome mail as it was written. Raises ``WelcomeNotFound``."""
    welcome = welcome_mail_table.find(connection)
    if welcome is None:
        raise WelcomeNotFound
    return welcome


def replace(
    connection: Connection, author: AuthorName, request: WelcomeRequest
) -> Sequence[Finding]:
    """Store a welcome mail, and return what its author is warned of. Raises ``UnsendableIssue``.

    Whoever confirms from now on gets it; a mail that is owed already has the new text.
    """
    with connection.transaction():
        welcome_mail_table.lock(connection)  # nobody chooses another theme meanwhile
        checked = checking.check(request, looks.newsletter(connection))
        checking.refuse_errors(checked.findings, request.accept_warnings)
        welcome_mail_table.replace(connection, author, request, checked.rendered)
    logger.info("welcome mail stored", author=str(author))
    return checked.findings


def render_again(connection: Connection) -> None:
    """Render the stored welcome mail in the newsletter's present theme.

    The caller holds the lock of ``welcome_mail_table``.
    """
    stored = welcome_mail_table.find(connection)
    if stored is not None:
        written = WrittenMail(
            title=stored.title, content=stored.content, preheader=stored.preheader
        )
        checked = checking.check(written, looks.newsletter(connection))
        welcome_mail_table.set_rendered(connection, checked.rendered)
