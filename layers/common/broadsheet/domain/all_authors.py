"""The whole authors' secret, and how it changes: authors are added, changed and removed."""

from __future__ import annotations

import hashlib
import json
import secrets
import unicodedata
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict

from broadsheet.domain import errors
from broadsheet.domain.authors import AuthorName, Role
from broadsheet.domain.authors_secret import Author
from broadsheet.domain.subscribers import EmailAddress, StoredAddress

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pydantic import JsonValue

TOKEN_PREFIX = "bs_"  # noqa: S105 - makes a leaked token recognisable, to people and scanners
_TOKEN_BYTES = 32
_MOST_BYTES = 65_536  # of a secret


class Rights(BaseModel):
    """What an author may do, and where their mails go."""

    model_config = ConfigDict(frozen=True)

    role: Role
    email: StoredAddress | None = None
    test_addresses: tuple[StoredAddress, ...] = ()


class NewAuthor(BaseModel):
    """Somebody whom an author adds."""

    model_config = ConfigDict(frozen=True)

    name: AuthorName
    role: Role
    email: EmailAddress | None = None


class NewToken(NamedTuple):
    """A token, which its author keeps, and its digest, which the secret does."""

    token: str
    digest: str
    made_at: datetime

    @classmethod
    def make(cls, random: bytes | None = None) -> NewToken:
        """Make a token of 32 bytes that nobody can guess."""
        text = urlsafe_b64encode(random or secrets.token_bytes(_TOKEN_BYTES)).decode().rstrip("=")
        token = TOKEN_PREFIX + text
        return cls(token, hashlib.sha256(token.encode()).hexdigest(), datetime.now(UTC))

    def entry(self, name: AuthorName, rights: Rights) -> Author:
        """Return the entry of an author who has it."""
        return Author(name=name, token_sha256=self.digest, created_at=self.made_at, **dict(rights))


@dataclass(frozen=True)
class AllAuthors:
    """The authors' secret as it is stored. What this release can't read stays as it is.

    An author has an entry for each token.
    """

    document: dict[str, JsonValue]

    @classmethod
    def parse(cls, secret: str) -> AllAuthors:
        """Parse the secret."""
        return cls(json.loads(secret))

    @property
    def text(self) -> str:
        """The secret, to be stored."""
        return json.dumps(self.document)

    @cached_property
    def readable(self) -> tuple[Author, ...]:
        """The entries that authorize, oldest first."""
        return tuple(author for each in self._entries if (author := Author.read(each)))

    @property
    def malformed(self) -> int:
        """How many entries can't be read, and authorize nobody."""
        return len(self._entries) - len(self.readable)

    def entries_of(self, name: AuthorName) -> Sequence[Author]:
        """Return an author's entries, the newest last. Raises ``AuthorNotFound``."""
        found = [entry for entry in self.readable if entry.name == name]
        if not found:
            raise errors.AuthorNotFound
        return sorted(found, key=lambda entry: entry.created_at)

    def with_author(self, author: Author) -> AllAuthors:
        """Add an author, unless they are there with the same token and rights.

        Raises ``AuthorExists``, also for a name that looks the same, ``AuthorsAddressTaken``,
        ``WorkflowNeverManages`` and ``TooManyAuthors``.
        """
        there = self._entry_with(author.name, author.token_sha256)
        if there and (there.role, there.email) == (author.role, author.email):
            return self
        if any(_folded(entry.name) == _folded(author.name) for entry in self.readable):
            raise errors.AuthorExists
        if author.oidc and author.role is Role.MANAGE:
            raise errors.WorkflowNeverManages
        self._refuse_taken(author.email, author.name)
        return self._larger([*self._entries, author.model_dump(mode="json")])

    def changed(self, name: AuthorName, **fields: object) -> AllAuthors:
        """Change what all entries of an author say: ``role``, ``email`` or ``test_addresses``.

        Raises ``AuthorNotFound``, ``WorkflowNeverManages``, ``AuthorsAddressTaken`` and
        ``TooManyAuthors``.
        """
        newest = self.entries_of(name)[-1].model_copy(update=fields)
        if "role" in fields and newest.oidc and newest.role is Role.MANAGE:
            raise errors.WorkflowNeverManages
        if "email" in fields:
            self._refuse_taken(newest.email, name)
        written = newest.model_dump(mode="json", include=set(fields))
        return self._larger([_merged(each, written, name) for each in self._entries])

    def expecting(self, name: AuthorName, **fields: object) -> AllAuthors:
        """Return these, if an author has such fields.

        Raises ``AuthorNotFound`` and ``AuthorChanged``.
        """
        newest = self.entries_of(name)[-1]
        if any(getattr(newest, field) != value for field, value in fields.items()):
            raise errors.AuthorChanged
        return self

    def with_token(self, name: AuthorName, token: NewToken) -> AllAuthors:
        """Add a token beside an author's, unless they have it.

        Raises ``AuthorNotFound``, ``WorkflowHasNoToken`` and ``TooManyAuthors``.
        """
        newest = self.entries_of(name)[-1]
        if newest.oidc:
            raise errors.WorkflowHasNoToken
        if self._entry_with(name, token.digest):
            return self
        fields = {"token_sha256": token.digest, "created_at": token.made_at}
        entry = newest.model_copy(update=fields).model_dump(mode="json")
        return self._larger([*self._entries, entry])

    def without_older(self, name: AuthorName) -> AllAuthors:
        """Leave an author their newest token. Raises ``AuthorNotFound`` and ``NoOlderToken``."""
        *older, _ = self.entries_of(name)
        if not older:
            raise errors.NoOlderToken
        return self._without(older)

    def without(self, name: AuthorName) -> AllAuthors:
        """Remove an author with all their tokens. Raises ``AuthorNotFound``."""
        return self._without(self.entries_of(name))

    @property
    def _entries(self) -> list[JsonValue]:
        entries = self.document["authors"]
        assert isinstance(entries, list)  # noqa: S101 - as the template makes it
        return entries

    def _entry_with(self, name: AuthorName, digest: str) -> Author | None:
        theirs = (entry for entry in self.readable if digest and entry.name == name)
        return next((entry for entry in theirs if entry.token_sha256 == digest), None)

    def _refuse_taken(self, email: StoredAddress | None, name: AuthorName) -> None:
        if email and any(entry.email == email and entry.name != name for entry in self.readable):
            raise errors.AuthorsAddressTaken

    def _without(self, removed: Collection[Author]) -> AllAuthors:
        return self._with([each for each in self._entries if Author.read(each) not in removed])

    def _larger(self, entries: list[JsonValue]) -> AllAuthors:
        larger = self._with(entries)
        if len(larger.text) > _MOST_BYTES:  # ``json.dumps`` writes ASCII
            raise errors.TooManyAuthors
        return larger

    def _with(self, entries: list[JsonValue]) -> AllAuthors:
        return AllAuthors(self.document | {"authors": entries})


def _folded(name: AuthorName) -> str:
    """Return a name so that it equals those that differ in capitals, spaces or forms of signs."""
    text = str(name).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _merged(entry: JsonValue, fields: dict[str, JsonValue], name: AuthorName) -> JsonValue:
    author = Author.read(entry)
    if author is None or author.name != name or not isinstance(entry, dict):
        return entry
    return entry | fields
