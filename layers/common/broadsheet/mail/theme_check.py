"""Judges a theme before mails are made with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jinja2 import TemplateSyntaxError

from broadsheet.domain.authors import AuthorName, Role
from broadsheet.domain.issue_progress import Issue
from broadsheet.domain.issue_requests import MarkdownContent
from broadsheet.domain.issues import IssueId, IssueStatus, IssueTitle
from broadsheet.domain.newsletter import Newsletter
from broadsheet.domain.subscribers import MailAddress
from broadsheet.mail import (
    approval_mail,
    confirmation_mail,
    invitation_mail,
    sign_in_mail,
    subscription_mail,
    theme,
)
from broadsheet.mail.issue_mail import render_issue

if TYPE_CHECKING:
    from collections.abc import Sequence

_URL = "https://example.com/"
_ANYBODY = MailAddress("jo@example.com")


def faults(name: str) -> Sequence[str]:
    """Render every kind of mail; return a sentence for each pair of colours that can't be read.

    Raises ``theme.InvalidTheme`` for a theme that some mail can't be made with.
    """
    found = list(theme.unreadable(theme.load(name)))
    try:
        _render(name)
    except theme.InvalidTheme:
        raise
    except Exception as error:  # a template can raise anything
        place = ""
        if isinstance(error, TemplateSyntaxError):
            place = f"{error.name}, line {error.lineno}: "
        said = str(error).removesuffix(".")
        raise theme.InvalidTheme(f"the theme {name!r}: {place}{said}") from error
    return found


def _render(name: str) -> None:
    newsletter = Newsletter(name="A newsletter", sender=_ANYBODY, sender_name="Jo", theme=name)
    confirmation_mail.render_confirmation(newsletter, _URL, "12345678")
    confirmation_mail.render_confirmation(newsletter, _URL, code="")
    confirmation_mail.render_already_subscribed(newsletter)
    subscription_mail.render_manage_link(newsletter, _URL)
    subscription_mail.render_new_address(newsletter, _URL)
    subscription_mail.render_export(newsletter, b"{}")
    sign_in_mail.render_sign_in(newsletter, _URL)
    invitation_mail.render_invitation(newsletter, AuthorName("jo"), Role.WRITE, _URL)
    draft = _draft()
    approval_mail.render_approval_request(newsletter, draft.author, draft, _URL, 1)
    render_issue(draft.title, MarkdownContent(markdown="A text"), newsletter)


def _draft() -> Issue:
    return Issue(
        id=IssueId.new(),
        author=AuthorName("jo"),
        title=IssueTitle("A title"),
        version=1,
        preheader=None,
        slug="a-title",
        archive=True,
        status=IssueStatus.DRAFT,
        publish_at=None,
        created_at=datetime.now(UTC),
        frozen_at=None,
        audience=None,
        finished_at=None,
        paused_because=None,
    )
