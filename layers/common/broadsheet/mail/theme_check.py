"""Judges a theme before mails are made with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import TemplateError, TemplateSyntaxError

from broadsheet.domain.issue_requests import MarkdownContent
from broadsheet.domain.issues import IssueTitle
from broadsheet.domain.newsletter import Newsletter
from broadsheet.domain.subscribers import MailAddress
from broadsheet.mail import confirmation_mail, subscription_mail, theme
from broadsheet.mail.issue_mail import render_issue

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANYBODY = MailAddress("jo@example.com")


def unreadable(name: str) -> Sequence[str]:
    """Render every kind of mail; return a sentence for each two colours with too little contrast.

    Raises ``theme.InvalidTheme`` for a theme that no mail can be made with.
    """
    found = list(theme.unreadable(theme.load(name)))
    try:
        _render(name)
    except TemplateError as error:
        place = ""
        if isinstance(error, TemplateSyntaxError):
            place = f"{error.name}, line {error.lineno}: "
        raise theme.InvalidTheme(f"the theme {name!r}: {place}{error.message}") from error
    return found


def _render(name: str) -> None:
    newsletter = Newsletter(name="A newsletter", sender=_ANYBODY, sender_name="Jo", theme=name)
    confirmation_mail.render_confirmation(newsletter, "https://example.com/", "12345678")
    confirmation_mail.render_confirmation(newsletter, "https://example.com/", code="")
    confirmation_mail.render_already_subscribed(newsletter)
    subscription_mail.render_manage_link(newsletter, "https://example.com/")
    subscription_mail.render_new_address(newsletter, "https://example.com/")
    subscription_mail.render_export(newsletter, b"{}")
    render_issue(IssueTitle("A title"), MarkdownContent(markdown="A text"), newsletter)
