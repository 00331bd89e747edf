"""The versions of an issue, as they were written."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from broadsheet.domain.authors import AuthorName
from broadsheet.domain.issue_requests import HtmlContent, IssueDraft, MarkdownContent
from broadsheet.domain.issues import IssueTitle, Preheader


class IssueVersion(BaseModel):
    """A version of an issue as it was written; ``author`` and ``created_at``: by whom and when."""

    model_config = ConfigDict(frozen=True)

    version: int
    author: AuthorName
    created_at: datetime
    title: IssueTitle
    preheader: Preheader | None
    content: MarkdownContent | HtmlContent

    @property
    def draft(self) -> IssueDraft:
        """Return what its author wrote."""
        return IssueDraft(title=self.title, content=self.content, preheader=self.preheader)


class VersionSummary(BaseModel):
    """Who wrote a version, and when. ``autosaved``: it was saved while its author typed."""

    model_config = ConfigDict(frozen=True)

    version: int
    author: AuthorName
    created_at: datetime
    title: IssueTitle
    autosaved: bool


class LatestText(NamedTuple):
    """When an issue's text was saved last, and how it begins; "" for HTML."""

    issue_id: UUID
    saved_at: datetime
    beginning: str
