"""Tags: short names that subscribers have, given by an author, an import, or their own choice."""

import unicodedata
from collections.abc import Iterable
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, ConfigDict, Field, RootModel, field_validator

from broadsheet.domain.errors import InvalidField, InvalidFields
from broadsheet.domain.refusals import refusal
from broadsheet.domain.writing import has_controls, is_blank

MAX_TAG_CHARACTERS = 64
MAX_TAGS = 100  # in one list
MAX_OFFERED = 12  # a form with more is a questionnaire; web/body.py reads 20 fields of a form


class Tag(RootModel[str]):
    """A tag in the one form we store: small letters, single spaces, composed (Unicode's NFC)."""

    model_config = ConfigDict(frozen=True)

    @staticmethod
    def normalized(text: str) -> str:
        """Return a tag's text as it is stored; for those who read a million. Raises ValueError."""
        text = text.replace(";", ",")  # which divides the tags of a subscriber in files
        text = unicodedata.normalize("NFC", " ".join(text.lower().split()))
        if is_blank(text):
            raise refusal("invalid-value-tag-needed")
        if len(text) > MAX_TAG_CHARACTERS:
            raise refusal("invalid-value-tag-too-long", most=MAX_TAG_CHARACTERS)
        if has_controls(text):
            raise refusal("invalid-value-tag-with-controls")
        return text

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str) -> str:
        return cls.normalized(text)

    def __str__(self) -> str:
        return self.root


def _each_once(tags: tuple[Tag, ...]) -> tuple[Tag, ...]:
    return tuple(sorted(set(tags), key=str))


Tags = Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS), AfterValidator(_each_once)]
SomeTags = Annotated[
    tuple[Tag, ...], Field(min_length=1, max_length=MAX_TAGS), AfterValidator(_each_once)
]


class OfferedTag(NamedTuple):
    """A tag that readers may choose, and what a form calls it."""

    tag: Tag
    title: str


class OfferedTags(tuple[OfferedTag, ...]):
    """The tags that readers may choose, in the order of the forms."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the tags in a text such as ``jobs=Job offers; events=Events near you``.

        A tag without a title is its own. Raises ``ValueError``.
        """
        parts = (part.partition("=") for part in text.split(";") if part.strip())
        offered = [OfferedTag(Tag(tag), title.strip() or tag.strip()) for tag, _, title in parts]
        if len({each.tag for each in offered}) < len(offered):
            raise ValueError("a tag is offered twice")
        if len(offered) > MAX_OFFERED:
            raise ValueError(f"at most {MAX_OFFERED} tags can be offered")
        return cls(offered)

    @property
    def names(self) -> list[str]:
        """The tags alone."""
        return [str(each.tag) for each in self]

    def require(self, chosen: Iterable[Tag]) -> None:
        """Raise ``InvalidFields`` if a reader has chosen something else."""
        if set(chosen) <= {each.tag for each in self}:
            return
        if not self:
            raise InvalidFields({"tags": InvalidField("no-tags-offered")})
        offered = ", ".join(self.names)
        raise InvalidFields({"tags": InvalidField("tag-not-offered", {"offered": offered})})
