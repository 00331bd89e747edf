"""The welcome mail: one row, once an author has written it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from broadsheet.database.columns import columns_of
from broadsheet.domain.welcome import RenderedWelcome, WelcomeMail

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.issues import RenderedIssue
    from broadsheet.domain.welcome import WelcomeRequest

_COLUMNS = columns_of(WelcomeMail)
_FIND = sql.SQL("SELECT {columns} FROM welcome_mail").format(columns=_COLUMNS)
_FIND_RENDERED = sql.SQL("SELECT {columns} FROM welcome_mail").format(
    columns=columns_of(RenderedWelcome)
)


def find(connection: Connection) -> WelcomeMail | None:
    """Return the welcome mail as it was written; None until an author has written one."""
    with connection.cursor(row_factory=class_row(WelcomeMail)) as cursor:
        return cursor.execute(_FIND).fetchone()


def find_rendered(connection: Connection) -> RenderedWelcome | None:
    """Return the templates of the welcome mail; None until an author has written one."""
    with connection.cursor(row_factory=class_row(RenderedWelcome)) as cursor:
        return cursor.execute(_FIND_RENDERED).fetchone()


def set_rendered(connection: Connection, rendered: RenderedIssue) -> None:
    """Store other templates of the same text."""
    connection.execute(
        "UPDATE welcome_mail SET subject = %(subject)s, html = %(html)s, text = %(text)s",
        {"subject": rendered.subject, "html": rendered.html, "text": rendered.text},
    )


def replace(
    connection: Connection, author: AuthorName, request: WelcomeRequest, rendered: RenderedIssue
) -> None:
    """Store the welcome mail in place of the one before."""
    connection.execute(
        """
        INSERT INTO welcome_mail
            (title, preheader, content, subject, html, text, with_newest_issue, author)
        VALUES
            (%(title)s, %(preheader)s, %(content)s, %(subject)s, %(html)s, %(text)s,
             %(with_newest_issue)s, %(author)s)
        ON CONFLICT (is_the_row) DO UPDATE
        SET title = excluded.title,
            preheader = excluded.preheader,
            content = excluded.content,
            subject = excluded.subject,
            html = excluded.html,
            text = excluded.text,
            with_newest_issue = excluded.with_newest_issue,
            author = excluded.author,
            edited_at = now()
        """,
        {
            "title": str(request.title),
            "preheader": str(request.preheader) if request.preheader else None,
            "content": Jsonb(request.content.model_dump()),
            "subject": rendered.subject,
            "html": rendered.html,
            "text": rendered.text,
            "with_newest_issue": request.with_newest_issue,
            "author": str(author),
        },
    )
