"""Issues: what they are called, the states that they go through, and what SES gets."""

import re
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING, LiteralString, NamedTuple, Self
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, RootModel, field_validator

from broadsheet.domain.refusals import refusal
from broadsheet.domain.writing import has_controls, is_blank

if TYPE_CHECKING:
    from broadsheet.domain.segments import SegmentFilter

MAX_TITLE_CHARACTERS = 200  # a subject line; the longest that mail clients show is far shorter
MAX_PREHEADER_CHARACTERS = 200  # likewise: mail clients show 40 to 140 of them
MAX_SLUG_CHARACTERS = 100


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


class CorrectedVersion(NamedTuple):
    """Which mails a correction is about: those of an issue with an older version than this."""

    issue_id: IssueId
    version: int


class IssueStatus(StrEnum):
    """``draft → scheduled → sending → finished``, with ``paused`` and ``canceled``."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELED = "canceled"


EDITABLE = frozenset({IssueStatus.DRAFT, IssueStatus.SCHEDULED, IssueStatus.PAUSED})


class RenderedIssue(BaseModel):
    """An issue as SES gets it: three templates in which only its own variables are open."""

    model_config = ConfigDict(frozen=True)

    subject: str
    html: str
    text: str


class RenderedVersion(RenderedIssue):
    """A version as SES gets it. ``slug``: the issue's; the archive redirects from any before."""

    slug: str


class FrozenAudience(NamedTuple):
    """The recipients of an issue. ``held_after``: the sample's last batch, if others are held.

    ``segment``: the filter that chose them, if one did.
    """

    size: int
    sample_size: int | None = None
    held_after: int | None = None
    segment: "SegmentFilter | None" = None
