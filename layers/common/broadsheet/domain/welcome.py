"""The mail that welcomes a new subscriber: written by an author, sent once, after confirming."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, StrictBool

from broadsheet.domain.authors import AuthorName
from broadsheet.domain.issue_requests import HtmlContent, MarkdownContent, WrittenMail
from broadsheet.domain.issues import IssueTitle, RenderedIssue


class WelcomeRequest(WrittenMail):
    """A welcome mail as its author writes it.

    ``with_newest_issue``: whether the newest finished issue follows as a mail of its own.
    """

    with_newest_issue: StrictBool = False


class WelcomeMail(BaseModel):
    """The welcome mail as it was written last."""

    model_config = ConfigDict(frozen=True)

    title: IssueTitle
    preheader: str | None
    content: MarkdownContent | HtmlContent
    with_newest_issue: bool
    author: AuthorName
    edited_at: datetime


class RenderedWelcome(RenderedIssue):
    """The welcome mail's templates, and whether the newest issue follows."""

    with_newest_issue: bool
