"""Renders the mail that asks those who may publish for their approval of a draft."""

from broadsheet.domain.authors import AuthorName
from broadsheet.domain.issue_progress import Issue
from broadsheet.domain.newsletter import Newsletter
from broadsheet.mail import frame
from broadsheet.mail.content import MailContent

_LANGUAGE = "en"  # of the templates


def render_approval_request(
    newsletter: Newsletter, author: AuthorName, issue: Issue, issue_url: str, audience: int
) -> MailContent:
    """Render it. ``audience``: how many readers the issue would have now."""
    values = {
        "author": str(author),
        "title": str(issue.title),
        "version": issue.version,
        "issue_id": str(issue.id),
        "issue_url": issue_url,
        "audience": audience,
        "segment": None if issue.segment is None else str(issue.segment),
    }
    subject = frame.subject("approval", newsletter, **values)
    return MailContent(
        subject=subject,
        html=frame.framed(
            "approval/html.html",
            newsletter,
            language=_LANGUAGE,
            adapts_to_dark=True,
            **values | {"title": subject},
        ),
        text=frame.filled("approval/text.txt", newsletter, **values),
    )
