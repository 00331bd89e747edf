"""Sessions of the studio, and the links that begin them."""

from datetime import timedelta
from hashlib import sha256
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from broadsheet.domain.authors import AuthorName, Role
from broadsheet.domain.authors_secret import Author
from broadsheet.domain.subscribers import EmailAddress
from broadsheet.domain.times import Timestamp

SESSION_LASTS = timedelta(hours=12)
_DIGITS = 32  # 128 bits


class StudioSession(BaseModel):
    """The signed content of a session's cookie.

    ``token``: from ``token_of``. The session ends with that token, with the address that the author
    has, or after ``SESSION_LASTS``.
    """

    model_config = ConfigDict(frozen=True)

    author: AuthorName
    token: str = Field(min_length=_DIGITS, max_length=_DIGITS)
    began_at: Timestamp

    def is_of(self, entry: Author) -> bool:
        """Return whether an entry of the authors' secret is that of the session."""
        return entry.name == self.author and token_of(entry) == self.token


class SignInLink(BaseModel):
    """The signed content of a link that signs an author in once.

    ``id``: spent when the link is used. ``token``: as of the session that it begins.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    author: AuthorName
    token: str = Field(min_length=_DIGITS, max_length=_DIGITS)
    expires_at: Timestamp


class SignInMailRequest(BaseModel):
    """What the studio calls itself with to mail a link, so that nobody waits for it.

    ``site``: the newsletter's address, as the author came in.
    """

    model_config = ConfigDict(frozen=True)

    email: EmailAddress
    site: str
    language: str


class Invitation(BaseModel):
    """What the studio calls itself with to invite an author. ``by``: who made them an author."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["invitation"] = "invitation"
    email: EmailAddress
    by: AuthorName
    role: Role
    site: str


def token_of(entry: Author) -> str:
    """Return what names an author's token and address in sessions and links, as a digest."""
    named = f"{entry.token_sha256} {entry.email or ''}"
    return sha256(named.encode()).hexdigest()[:_DIGITS]
