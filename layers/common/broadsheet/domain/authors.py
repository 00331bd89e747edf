"""Authors: their names, and their roles."""

import unicodedata
from enum import StrEnum

from pydantic import (
    ConfigDict,
    RootModel,
    field_validator,
)

from broadsheet.domain.errors import RoleNeeded
from broadsheet.domain.refusals import refusal

MAX_AUTHOR_NAME_CHARACTERS = 64
_PUNCTUATION = frozenset(" ._@'-\N{RIGHT SINGLE QUOTATION MARK}")
_LETTERS_MARKS_NUMBERS = ("L", "M", "N")  # Unicode's general categories


class AuthorName(RootModel[str]):
    """A name that logs, issues and a terminal can show: one line, trimmed, not blank."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str) -> str:
        text = text.strip()
        if not text:
            raise refusal("invalid-value-author-name-needed")
        if len(text) > MAX_AUTHOR_NAME_CHARACTERS:
            raise refusal("name-too-long", most=MAX_AUTHOR_NAME_CHARACTERS)
        if not all(_is_allowed(character) for character in text):
            raise refusal("invalid-value-author-name-with-signs")
        return text

    def __str__(self) -> str:
        return self.root


def _is_allowed(character: str) -> bool:
    return character in _PUNCTUATION or unicodedata.category(character).startswith(
        _LETTERS_MARKS_NUMBERS
    )


class Role(StrEnum):
    """What an author's token allows; each role includes those before it."""

    WRITE = "write"  # drafts, previews, test mails: nothing that reaches readers
    PUBLISH = "publish"  # what sends, stops or corrects an issue
    MANAGE = "manage"  # people and settings

    def includes(self, needed: "Role") -> bool:
        """Return whether this role allows what ``needed`` allows."""
        order = list(Role)
        return order.index(self) >= order.index(needed)

    def at_most(self, other: "Role") -> "Role":
        """Return the lesser of two roles."""
        return other if self.includes(other) else self


def require(needed: Role, role: Role | None) -> None:
    """Raise ``RoleNeeded`` when an author's role doesn't allow what ``needed`` allows."""
    if role is None or not role.includes(needed):
        raise RoleNeeded(needed.value)
