"""Segments: named filters, each of which says who of the confirmed subscribers an issue is for."""

import re
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    RootModel,
    field_validator,
    model_validator,
)

from broadsheet.domain.authors import AuthorName
from broadsheet.domain.refusals import refusal
from broadsheet.domain.subscribers import Language
from broadsheet.domain.tags import SomeTags
from broadsheet.domain.times import Timestamp

MAX_NAME_CHARACTERS = 64


class SegmentName(RootModel[str]):
    """A segment's name, which its address and the front matter of an issue hold."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str) -> str:
        if len(text) > MAX_NAME_CHARACTERS or not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", text):
            raise refusal("invalid-value-segment-name", most=MAX_NAME_CHARACTERS)
        return text

    def __str__(self) -> str:
        return self.root


_Moment = Annotated[Timestamp, AfterValidator(lambda moment: moment.astimezone(UTC))]


class TagFilter(BaseModel):
    """Which tags a subscriber has: one of ``any``, each of ``all``, and none of ``none``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # None at all is a mistake: a filter without the condition would mean everybody.
    any: SomeTags | None = None
    all: SomeTags | None = None
    none: SomeTags | None = None


class SegmentFilter(BaseModel):
    """What a subscriber of a segment fulfils, all of it.

    ``language``: a tag of a language, which also stands for its regions: ``pt`` for ``pt-BR``.
    ``confirmed_after``, ``confirmed_before``: when they confirmed last, from the one until the
    other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tags: TagFilter | None = None
    language: Language | None = None
    confirmed_after: _Moment | None = None
    confirmed_before: _Moment | None = None

    @model_validator(mode="after")
    def _filters(self) -> Self:
        if not any(getattr(self, name) for name in SegmentFilter.model_fields) or (
            self.tags is not None and not (self.tags.any or self.tags.all or self.tags.none)
        ):
            raise refusal("invalid-value-condition")
        after, before = self.confirmed_after, self.confirmed_before
        if after is not None and before is not None and after >= before:
            raise refusal("invalid-value-order")
        return self


class Segment(BaseModel):
    """A stored segment. ``author``, ``edited_at``: who wrote it last, and when."""

    model_config = ConfigDict(frozen=True)

    name: SegmentName
    filter: SegmentFilter
    author: AuthorName
    edited_at: datetime
