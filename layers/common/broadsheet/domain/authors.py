"""Authors: the authors' secret holds their names, roles, and the digests of their tokens."""

import json
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    RootModel,
    ValidationError,
    field_validator,
    model_validator,
)

from broadsheet.domain.errors import RoleNeeded
from broadsheet.domain.subscribers import StoredAddress
from broadsheet.domain.times import Timestamp
from broadsheet.domain.workflows import Reach, WorkflowBinding, WorkflowClaims

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

    def at_most(self, other: "Role") -> "Role":
        """Return the lesser of two roles."""
        return other if self.includes(other) else self


def require(needed: Role, role: Role | None) -> None:
    """Raise ``RoleNeeded`` when an author's role doesn't allow what ``needed`` allows."""
    if role is None or not role.includes(needed):
        raise RoleNeeded(needed.value)


class Author(BaseModel):
    """An entry of the authors' secret: of somebody with a token, or of a repository's workflows.

    ``token_sha256``: in hexadecimals; the token is nowhere. ``oidc``: whose workflows sign in.
    ``role``: entries from before roles have none, and allow everything. ``email``: where requests
    for approval go. ``test_addresses``: where this author may send test mails, beside ``email``.
    """

    model_config = ConfigDict(frozen=True)

    name: AuthorName
    token_sha256: str = ""
    created_at: Timestamp
    role: Role = Role.MANAGE
    email: StoredAddress | None = None
    test_addresses: tuple[StoredAddress, ...] = ()
    oidc: WorkflowBinding | None = None

    @model_validator(mode="after")
    def _has_one_way_in(self) -> Self:
        if bool(self.token_sha256) == bool(self.oidc):
            raise ValueError("an author has either a token or a repository")
        return self

    def role_of_workflow(self, claims: WorkflowClaims) -> Role | None:
        """Return what a workflow may do as this author; None if it is none of theirs.

        A pull request may write, whatever its author may: it runs what nobody has agreed to yet.
        A push to the branch may do what its author may, but never manage readers.
        """
        match self.oidc and self.oidc.reach_of(claims):
            case Reach.BRANCH:
                return self.role.at_most(Role.PUBLISH)
            case Reach.PULL_REQUEST:
                return Role.WRITE
            case _:
                return None


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
