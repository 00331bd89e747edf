"""Checks a theme before it is built and deployed."""

from jinja2 import TemplateError, TemplateSyntaxError

from broadsheet.domain.issue_requests import MarkdownContent
from broadsheet.domain.issues import IssueTitle
from broadsheet.domain.newsletter import Newsletter
from broadsheet.domain.subscribers import MailAddress
from broadsheet.mail import subscription_mail, theme
from broadsheet.mail.confirmation_mail import render_already_subscribed, render_confirmation
from broadsheet.mail.issue_mail import render_issue
from operations.errors import OperationFailed

DEFAULT = theme.DEFAULT
ANYBODY = MailAddress("jo@example.com")


class UnusableTheme(OperationFailed):
    """A theme that mails can't be made with, or whose text can't be read."""


def check(name: str) -> None:
    """Render every kind of mail, and measure the contrast of the colours.

    Raises ``UnusableTheme`` with what is wrong.
    """
    try:
        faults = list(theme.unreadable(theme.load(name)))
        _render(name)
    except theme.InvalidTheme as error:
        raise UnusableTheme(f"Theme: {error}. See docs/themes.md.") from error
    except TemplateError as error:
        place = ""
        if isinstance(error, TemplateSyntaxError):
            place = f"{error.name}, line {error.lineno}: "
        raise UnusableTheme(f"The theme {name!r}: {place}{error.message}.") from error
    if faults:
        raise UnusableTheme(
            f"Readers couldn't read mails of the theme {name!r} (WCAG 2.2 §1.4.3):\n  "
            + "\n  ".join(faults)
        )


def _render(name: str) -> None:
    newsletter = Newsletter(name="A newsletter", sender=ANYBODY, sender_name="Jo", theme=name)
    render_confirmation(newsletter, "https://example.com/", "12345678")
    render_confirmation(newsletter, "https://example.com/", code="")
    render_already_subscribed(newsletter)
    subscription_mail.render_manage_link(newsletter, "https://example.com/")
    subscription_mail.render_new_address(newsletter, "https://example.com/")
    subscription_mail.render_export(newsletter, b"{}")
    render_issue(IssueTitle("A title"), MarkdownContent(markdown="A text"), newsletter)
