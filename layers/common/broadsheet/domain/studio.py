"""Sessions of the studio, and the links that begin them."""

from datetime import timedelta
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from broadsheet.domain.authors import AuthorName
from broadsheet.domain.authors_secret import Author
from broadsheet.domain.subscribers import EmailAddress
from broadsheet.domain.times import Timestamp

SESSION_LASTS = timedelta(hours=12)
_DIGITS = 32  # of the token's digest: 128 bits name one token


class StudioSession(BaseModel):
    """The signed content of a session's cookie.

    ``token``: the beginning of the SHA-256 digest of the author's API token. The session ends with
    that token, or after ``SESSION_LASTS``.
    """

    model_config = ConfigDict(frozen=True)

    author: AuthorName
    token: str = Field(min_length=_DIGITS, max_length=_DIGITS)
    began_at: Timestamp

    def is_of(self, entry: Author) -> bool:
        """Return whether an entry of the authors' secret holds the session's token."""
        return entry.name == self.author and entry.token_sha256[:_DIGITS] == self.token


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
    """What the studio calls itself with, so that nobody waits for the mail.

    ``site``: the newsletter's address, as the author came in.
    """

    model_config = ConfigDict(frozen=True)

    email: EmailAddress
    site: str
    language: str


def token_of(entry: Author) -> str:
    """Return what names an author's token in sessions and links."""
    return entry.token_sha256[:_DIGITS]
