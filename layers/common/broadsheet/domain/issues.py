"""What authors publish: titles, contents, requests, and an issue with its status."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, NamedTuple, Self
from uuid import UUID, uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    RootModel,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)

from broadsheet.domain.authors import AuthorName
from broadsheet.domain.careful_start import CarefulStart
from broadsheet.domain.times import Timestamp
from broadsheet.domain.writing import has_controls, has_unstorable, is_blank

MAX_TITLE_CHARACTERS = 200  # a subject line; the longest that mail clients show is far shorter
# SES takes 1 MB of template as JSON; escaping and the frame take their part.
MAX_CONTENT_CHARACTERS = 400_000

Body = Annotated[str, StringConstraints(max_length=MAX_CONTENT_CHARACTERS)]


class IssueId(RootModel[UUID]):
    """Names one issue for good."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def new(cls) -> Self:
        """Make an id that no other issue has."""
        return cls(uuid4())

    def __str__(self) -> str:
        return str(self.root)


class IssueTitle(RootModel[str]):
    """An issue's subject line: one line, trimmed, not blank."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str) -> str:
        text = text.strip()
        if is_blank(text):
            raise ValueError("a title is needed")
        if len(text) > MAX_TITLE_CHARACTERS:
            raise ValueError(f"a title has at most {MAX_TITLE_CHARACTERS} characters")
        if has_controls(text):
            raise ValueError("a title is one line without control characters")
        return text

    def __str__(self) -> str:
        return self.root


def _readable(text: str) -> str:
    if not text.strip():
        raise ValueError("a text is needed")
    if has_unstorable(text):
        raise ValueError("may hold no control characters but tabs and line breaks")
    return text


class MarkdownContent(BaseModel):
    """An issue written in Markdown (CommonMark with tables)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    markdown: Body

    _readable = field_validator("markdown")(_readable)


class HtmlContent(BaseModel):
    """An issue written as HTML, with its plain-text alternative."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    html: Body
    text: Body

    _readable = field_validator("html", "text")(_readable)


type IssueContent = MarkdownContent | HtmlContent


def _form_of(content: object) -> str:
    """Return the form that a content is meant to have: errors are reported for that form."""
    is_markdown = isinstance(content, MarkdownContent) or (
        isinstance(content, dict) and "markdown" in content
    )
    return "markdown" if is_markdown else "html"


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("give a year from 2 to 9998") from None


PublishAt = Annotated[Timestamp, AfterValidator(_in_utc)]

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


class PublishRequest(BaseModel):
    """What an author asks for: ``{title, markdown}`` or ``{title, content: {html, text}}``.

    Without ``publish_at`` it is published at once; so is one whose time has passed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: IssueTitle
    content: Annotated[
        Annotated[MarkdownContent, Tag("markdown")] | Annotated[HtmlContent, Tag("html")],
        Discriminator(_form_of),
    ]
    publish_at: PublishAt | None = None
    careful: CarefulStart | None = None

    @model_validator(mode="before")
    @classmethod
    def _take_markdown(cls, request: object) -> object:
        if not isinstance(request, dict) or "markdown" not in request:
            return request
        if "content" in request:
            raise ValueError("give either markdown or content, not both")
        rest = {name: value for name, value in request.items() if name != "markdown"}
        return rest | {"content": {"markdown": request["markdown"]}}

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 by which this request differs from any other, 32 bytes."""
        return sha256(self.model_dump_json().encode()).digest()


class RescheduleRequest(BaseModel):
    """When an author wants an issue published instead."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    publish_at: PublishAt


class IssueStatus(StrEnum):
    """``scheduled → sending → finished``, with ``paused`` and ``canceled``."""

    SCHEDULED = "scheduled"
    SENDING = "sending"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELED = "canceled"


class RenderedIssue(BaseModel):
    """An issue as SES gets it: three templates in which only its own variables are open."""

    model_config = ConfigDict(frozen=True)

    subject: str
    html: str
    text: str


class PausedIssue(BaseModel):
    """An issue that stopped itself; ``because`` says why."""

    model_config = ConfigDict(frozen=True)

    issue_id: IssueId
    because: str


class OpenProblems(BaseModel):
    """What needs operator attention now, whatever the alarms say.

    ``unresolved_mails``: past their grace time. ``duplicate_mails``: beyond one to a recipient in a
    round, detected in the last 14 days.
    """

    model_config = ConfigDict(frozen=True)

    paused: list[PausedIssue]
    unresolved_mails: int
    duplicate_mails: int


class Issue(BaseModel):
    """An issue and its progress, without its content.

    ``sample_size``: how many recipients a careful start sends to first. ``held_after``: while the
    rest is held, the number of the sample's last batch. ``held_until``: set once each mail of the
    sample has an outcome.
    """

    model_config = ConfigDict(frozen=True)

    id: IssueId
    author: AuthorName
    title: IssueTitle
    status: IssueStatus
    publish_at: datetime
    created_at: datetime
    frozen_at: datetime | None
    audience: int | None
    finished_at: datetime | None
    paused_because: str | None
    careful: CarefulStart | None = None
    sample_size: int | None = None
    held_after: int | None = None
    held_until: datetime | None = None


class KeyedIssue(Issue):
    """The issue that an idempotency key names. ``request_digest``: of the request with that key."""

    request_digest: bytes


class NewIssue(BaseModel):
    """An issue to insert. ``request_digest``: SHA-256 of the author's request."""

    model_config = ConfigDict(frozen=True)

    id: IssueId
    author: AuthorName
    idempotency_key: IdempotencyKey
    request_digest: bytes
    title: IssueTitle
    content: MarkdownContent | HtmlContent
    rendered: RenderedIssue
    publish_at: datetime
    careful: CarefulStart | None


class FrozenAudience(NamedTuple):
    """The recipients of an issue. ``held_after``: the sample's last batch, if others are held."""

    size: int
    sample_size: int | None = None
    held_after: int | None = None
