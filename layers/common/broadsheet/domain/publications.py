"""Publications: an issue to insert, and the keys by which authors name what they publish."""

import re
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, RootModel, field_validator

from broadsheet.domain.authors import AuthorName
from broadsheet.domain.careful_start import CarefulStart
from broadsheet.domain.issue_progress import Issue
from broadsheet.domain.issue_requests import HtmlContent, MarkdownContent
from broadsheet.domain.issues import (
    CorrectedVersion,
    IssueId,
    IssueStatus,
    IssueTitle,
    Preheader,
    RenderedIssue,
)
from broadsheet.domain.segments import SegmentName

MAX_IDEMPOTENCY_KEY_CHARACTERS = 255


class IdempotencyKey(RootModel[str]):
    """The author's own name for one publication: printable ASCII without spaces."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str) -> str:
        if not re.fullmatch(rf"[!-~]{{1,{MAX_IDEMPOTENCY_KEY_CHARACTERS}}}", text):
            raise ValueError(
                f"1 to {MAX_IDEMPOTENCY_KEY_CHARACTERS} printable ASCII characters, no spaces"
            )
        return text

    def __str__(self) -> str:
        return self.root


class KeyedIssue(Issue):
    """The issue that an idempotency key names. ``request_digest``: of the request with that key."""

    request_digest: bytes


class DraftPublication(NamedTuple):
    """With which key a draft was published; ``digest``: of the request with that key."""

    key: str
    digest: bytes


class NewIssue(BaseModel):
    """An issue to insert. ``request_digest``: SHA-256 of the author's request."""

    model_config = ConfigDict(frozen=True)

    id: IssueId
    author: AuthorName
    idempotency_key: IdempotencyKey
    request_digest: bytes
    title: IssueTitle
    content: MarkdownContent | HtmlContent
    preheader: Preheader | None
    archive: bool
    rendered: RenderedIssue
    status: IssueStatus
    publish_at: datetime | None
    careful: CarefulStart | None
    corrected: CorrectedVersion | None = None
    segment: SegmentName | None = None
