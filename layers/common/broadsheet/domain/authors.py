"""Authors: the authors' secret holds their names, roles, and the digests of their tokens."""

import json
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError, field_validator

from broadsheet.domain.errors import RoleNeeded
from broadsheet.domain.subscribers import StoredAddress
from broadsheet.domain.times import Timestamp

MAX_AUTHOR_NAME_CHARACTERS = 64
_PUNCTUATION = frozenset(" ._@'-")
_LETTERS_MARKS_NUMBERS = ("L", "M", "N")  # Unicode's general categories


class AuthorName(RootModel[str]):
    """A name that logs, issues and a terminal can show: one line, trimmed, not blank."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str) -> str:
        text = text.strip()
        if not text:
            raise ValueError("an author needs a name")
        if len(text) > MAX_AUTHOR_NAME_CHARACTERS:
            raise ValueError(f"a name has at most {MAX_AUTHOR_NAME_CHARACTERS} characters")
        if not all(_is_allowed(character) for character in text):
            raise ValueError("a name has letters, digits, spaces and . _ @ ' - only")
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


def require(needed: Role, role: Role | None) -> None:
    """Raise ``RoleNeeded`` when an author's role doesn't allow what ``needed`` allows."""
    if role is None or not role.includes(needed):
        raise RoleNeeded(needed.value)


class Author(BaseModel):
    """An entry of the authors' secret. ``token_sha256``: in hexadecimals; the token is nowhere.

    ``role``: entries from before roles have none, and allow everything. ``email``: where requests
    for approval go. ``test_addresses``: where this author may send test mails, beside ``email``.
    """

    model_config = ConfigDict(frozen=True)

    name: AuthorName
    token_sha256: str
    created_at: Timestamp
    role: Role = Role.MANAGE
    email: StoredAddress | None = None
    test_addresses: tuple[StoredAddress, ...] = ()


class Authors(NamedTuple):
    """The entries of the secret that can be read, and how many can't."""

    entries: Sequence[Author]
    malformed: int

    @classmethod
    def parse(cls, secret: str) -> "Authors":
        """Parse the secret; one malformed entry doesn't lock out the other authors."""
        entries, malformed = list[Author](), 0
        for entry in json.loads(secret)["authors"]:
            try:
                entries.append(Author.model_validate(entry))
            except ValidationError:
                malformed += 1
        return cls(entries, malformed)
