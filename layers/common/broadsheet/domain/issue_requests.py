"""What authors write, and what they ask for: an issue's content, and requests about it."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)

from broadsheet.domain.careful_start import CarefulStart
from broadsheet.domain.issues import IssueTitle, Preheader, Slug
from broadsheet.domain.refusals import refusal
from broadsheet.domain.segments import SegmentName
from broadsheet.domain.times import Timestamp
from broadsheet.domain.writing import has_unstorable

if TYPE_CHECKING:
    from broadsheet.domain.issue_progress import Issue


# SES takes 1 MB of template as JSON; escaping and the frame take their part.
MAX_CONTENT_CHARACTERS = 400_000

Body = Annotated[str, StringConstraints(max_length=MAX_CONTENT_CHARACTERS)]


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

MAX_ACCEPTED_CODES = 100  # there are fewer codes

FindingCode = Annotated[str, StringConstraints(pattern=r"^[a-z-]{1,60}$")]

AcceptedCodes = Annotated[list[FindingCode], Field(max_length=MAX_ACCEPTED_CODES)]


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
