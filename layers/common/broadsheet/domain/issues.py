"""What authors publish: titles, contents, requests, and an issue with its status."""

import re
import unicodedata
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Literal, LiteralString, NamedTuple, Self
from uuid import UUID, uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    StrictBool,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)

from broadsheet.domain.authors import AuthorName
from broadsheet.domain.careful_start import CarefulStart
from broadsheet.domain.confirming import Completion
from broadsheet.domain.refusals import refusal
from broadsheet.domain.segments import SegmentFilter, SegmentName
from broadsheet.domain.times import Timestamp
from broadsheet.domain.writing import has_controls, has_unstorable, is_blank

MAX_TITLE_CHARACTERS = 200  # a subject line; the longest that mail clients show is far shorter
MAX_PREHEADER_CHARACTERS = 200  # likewise: mail clients show 40 to 140 of them
MAX_SLUG_CHARACTERS = 100
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


NO_ISSUE = IssueId(UUID(int=0))  # in the unsubscribe link of a mail that is not an issue's


def _line(text: str, what: LiteralString, most: int) -> str:
    """Return a text, trimmed, that is one line of at most ``most`` characters, and not blank."""
    text = text.strip()
    if is_blank(text):
        raise refusal(f"invalid-value-{what}-needed")
    if len(text) > most:
        raise refusal(f"invalid-value-{what}-too-long", most=most)
    if has_controls(text):
        raise refusal(f"invalid-value-{what}-with-controls")
    return text


class IssueTitle(RootModel[str]):
    """An issue's subject line: one line, trimmed, not blank."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str) -> str:
        return _line(text, "title", MAX_TITLE_CHARACTERS)

    def __str__(self) -> str:
        return self.root


class Preheader(RootModel[str]):
    """The line that mail clients show beside the subject: one line, trimmed, not blank."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str) -> str:
        return _line(text, "preheader", MAX_PREHEADER_CHARACTERS)

    def __str__(self) -> str:
        return self.root


class Slug(RootModel[str]):
    """An issue's name in addresses: no other issue has it."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str) -> str:
        if len(text) > MAX_SLUG_CHARACTERS or not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", text):
            raise refusal("invalid-value-slug", most=MAX_SLUG_CHARACTERS)
        return text

    @classmethod
    def of_title(cls, title: IssueTitle) -> Self:
        """Return the slug of a title: ``Zoë's 2nd`` is ``zoe-s-2nd``; ``issue`` if nothing stays.

        It leaves room for a number after it.
        """
        return cls.of_text(str(title))

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Return the slug of any text, as ``of_title`` does of a title."""
        plain = unicodedata.normalize("NFKD", text.casefold())
        plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
        dashed = re.sub("[^a-z0-9]+", "-", plain)[: MAX_SLUG_CHARACTERS - 10].strip("-")
        return cls(dashed or "issue")

    def __str__(self) -> str:
        return self.root


def _readable(text: str) -> str:
    if not text.strip():
        raise refusal("invalid-value-text-needed")
    if has_unstorable(text):
        raise refusal("invalid-value-text-with-controls")
    return text


class MarkdownContent(BaseModel):
    """An issue written in Markdown (CommonMark with tables)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    markdown: Body

    _readable = field_validator("markdown")(_readable)


class HtmlContent(BaseModel):
    """An issue written as HTML. ``text``: its plain text; without it, it is made from the HTML."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    html: Body
    text: Body | None = None

    @field_validator("html", "text")
    @classmethod
    def _parse(cls, text: str | None) -> str | None:
        return text if text is None else _readable(text)


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
MAX_ACCEPTED_CODES = 100  # there are fewer codes

FindingCode = Annotated[str, StringConstraints(pattern=r"^[a-z-]{1,60}$")]
AcceptedCodes = Annotated[list[FindingCode], Field(max_length=MAX_ACCEPTED_CODES)]


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


class WrittenMail(BaseModel):
    """What an author writes: ``{title, markdown}`` or ``{title, content: {html, text?}}``.

    ``accept_warnings``: the codes of errors in spite of which it is published.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: IssueTitle
    content: Annotated[
        Annotated[MarkdownContent, Tag("markdown")] | Annotated[HtmlContent, Tag("html")],
        Discriminator(_form_of),
    ]
    preheader: Preheader | None = None
    accept_warnings: AcceptedCodes = []

    @model_validator(mode="before")
    @classmethod
    def _take_markdown(cls, request: object) -> object:
        if not isinstance(request, dict) or "markdown" not in request:
            return request
        if "content" in request:
            raise ValueError("give either markdown or content, not both")
        rest = {name: value for name, value in request.items() if name != "markdown"}
        return rest | {"content": {"markdown": request["markdown"]}}


class IssueDraft(WrittenMail):
    """An issue as its author writes it.

    ``slug``: made from the title if there is none yet. ``archive``: whether the issue will be in
    the public archive; it will, unless the author says otherwise.
    """

    slug: Slug | None = None
    archive: StrictBool | None = None


class AddressedDraft(IssueDraft):
    """An issue as its author writes it, and whom it is for.

    ``segment``: of the confirmed subscribers, those of this segment get it; without one, all do.
    """

    segment: SegmentName | None = None


class PublishRequest(AddressedDraft):
    """What an author asks for with an issue's text.

    Without ``publish_at`` it is published at once; so is one whose time has passed. A ``draft`` is
    stored, and published later; its ``publish_at`` is then the default.
    """

    publish_at: PublishAt | None = None
    careful: CarefulStart | None = None
    draft: StrictBool = False

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 by which this request differs from any other, 32 bytes.

        A field that 0.1.0 did not have counts only if it is given: a request that is repeated
        after an update is still the same. What the author accepts never counts.
        """
        fields = type(self).model_fields.items()
        absent = {name for name, field in fields if getattr(self, name) == field.default}
        document = self.model_dump_json(exclude=absent - {"publish_at"} | {"accept_warnings"})
        return sha256(document.encode()).digest()


class CorrectionRequest(IssueDraft):
    """What an author writes to those who got an older version of an issue."""

    publish_at: PublishAt | None = None

    def publication(self) -> PublishRequest:
        """Return the request by which the correction is published as an issue of its own."""
        return PublishRequest(**{name: getattr(self, name) for name in type(self).model_fields})


class CorrectedVersion(NamedTuple):
    """Which mails a correction is about: those of an issue with an older version than this."""

    issue_id: IssueId
    version: int


class Plan(BaseModel):
    """How an issue starts, and with whom, from now on; what is left out stays as it is.

    ``careful``: null for no careful start. ``segment``: null for everybody.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    careful: CarefulStart | None = None
    segment: SegmentName | None = None

    @property
    def changes_start(self) -> bool:
        """Return whether it says how the issue starts."""
        return "careful" in self.model_fields_set

    def segment_of(self, issue: "Issue") -> SegmentName | None:
        """Return the segment that an issue is for from now on."""
        return self.segment if "segment" in self.model_fields_set else issue.segment


class PublishDraftRequest(Plan):
    """When an author wants a draft published: at this time, else the draft's, else at once."""

    publish_at: PublishAt | None = None
    accept_warnings: AcceptedCodes = []

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 by which this request differs from any other, 32 bytes.

        A plan counts only if it is given: a request that is repeated after an update is the same.
        """
        absent = {"careful", "segment"} - self.model_fields_set
        document = self.model_dump_json(exclude=absent | {"accept_warnings"})
        return sha256(document.encode()).digest()


class EditRequest(AddressedDraft, Plan):
    """A text that replaces an issue's, and, if it says so, how it starts and with whom."""


class ArchiveRequest(BaseModel):
    """Whether a finished issue is in the public archive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    archive: StrictBool


class RescheduleRequest(BaseModel):
    """When an author wants an issue published instead."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    publish_at: PublishAt


_NEVER = datetime.max.replace(tzinfo=UTC)


class IssueStatus(StrEnum):
    """``draft → scheduled → sending → finished``, with ``paused`` and ``canceled``."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELED = "canceled"


EDITABLE = frozenset({IssueStatus.DRAFT, IssueStatus.SCHEDULED, IssueStatus.PAUSED})


class ExpectedVersion(NamedTuple):
    """The entity tags of ``If-Match``: the version that an author has read (RFC 9110 §13.1.1)."""

    tags: frozenset[str]

    @classmethod
    def parse(cls, header: str) -> Self:
        """Return the tags of a header; what is none matches no version."""
        return cls(frozenset(tag.strip() for tag in header.split(",")))

    def allows(self, version: int) -> bool:
        """Return whether the author has seen this version; weak tags never match."""
        return self.is_any or f'"{version}"' in self.tags

    @property
    def is_any(self) -> bool:
        """Return whether the author takes any version, read or not."""
        return "*" in self.tags


class RenderedIssue(BaseModel):
    """An issue as SES gets it: three templates in which only its own variables are open."""

    model_config = ConfigDict(frozen=True)

    subject: str
    html: str
    text: str


class RenderedVersion(RenderedIssue):
    """A version as SES gets it. ``slug``: the issue's; the archive redirects from any before."""

    slug: str


class PausedIssue(BaseModel):
    """An issue that stopped itself; ``because`` says why."""

    model_config = ConfigDict(frozen=True)

    issue_id: IssueId
    because: str


class OpenProblems(BaseModel):
    """What needs operator attention now, whatever the alarms say, and how many readers confirm.

    ``unresolved_mails``: past their grace time. ``duplicate_mails``: beyond one to a recipient in a
    round, detected in the last 14 days. ``strict_since``: set while sign-ups need proof.
    ``suspicious_sign_ups``: kept without a mail, by their reasons. ``owed_pages``: issues that
    began over an hour ago, and whose page in the archive is not what it should be.
    ``disabled_webhooks``: why each was disabled, by its id.
    """

    model_config = ConfigDict(frozen=True)

    paused: list[PausedIssue]
    unresolved_mails: int
    duplicate_mails: int
    completion: dict[Literal["days_30", "always"], Completion]
    strict_since: datetime | None = None
    suspicious_sign_ups: dict[str, int] = {}
    owed_pages: int = 0
    disabled_webhooks: dict[str, str] = {}


class Issue(BaseModel):
    """An issue and its progress, without its content.

    ``version``: the current one. ``publish_at``: None for a draft without a time.
    ``sample_size``: how many recipients a careful start sends to first. ``held_after``: while the
    rest is held, the number of the sample's last batch. ``held_until``: set once each mail of the
    sample has an outcome. ``corrects``, ``corrects_version``: this issue goes to those who have an
    older version of that issue. ``segment``: the name of whom it is for, if not for everybody;
    ``segment_filter``: as the segment was when the audience was frozen.
    """

    model_config = ConfigDict(frozen=True)

    id: IssueId
    author: AuthorName
    title: IssueTitle
    version: int
    preheader: str | None
    slug: str
    archive: bool
    status: IssueStatus
    publish_at: datetime | None
    created_at: datetime
    frozen_at: datetime | None
    audience: int | None
    finished_at: datetime | None
    paused_because: str | None
    careful: CarefulStart | None = None
    sample_size: int | None = None
    held_after: int | None = None
    held_until: datetime | None = None
    corrects: IssueId | None = None
    corrects_version: int | None = None
    segment: SegmentName | None = None
    segment_filter: SegmentFilter | None = None

    @property
    def corrected(self) -> CorrectedVersion | None:
        """Return which mails the issue corrects; None unless it is a correction."""
        if self.corrects is None or self.corrects_version is None:
            return None
        return CorrectedVersion(self.corrects, self.corrects_version)

    @property
    def due_at(self) -> datetime:
        """Return when sending may begin: for a draft, at the end of time."""
        if self.status is IssueStatus.DRAFT or self.publish_at is None:
            return _NEVER
        return self.publish_at


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


class FrozenAudience(NamedTuple):
    """The recipients of an issue. ``held_after``: the sample's last batch, if others are held.

    ``segment``: the filter that chose them, if one did.
    """

    size: int
    sample_size: int | None = None
    held_after: int | None = None
    segment: SegmentFilter | None = None
