"""What a newsletter certifies of an issue: how many got it. It names nobody."""

import json
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from broadsheet.domain.issues import IssueId


class Statement(BaseModel):
    """The circulation of a finished issue.

    The audience is ``accepted``, ``failed``, ``skipped`` and ``unresolved`` together; the others
    count accepted mails. ``versions``: how many of these had each version. ``possibly_twice``:
    mails whose outcome was unknown, and that were sent again. ``as_of``: when it was counted;
    once it ``is_final``, it isn't counted again. ``keys``: where the keys are that verify it.
    """

    model_config = ConfigDict(frozen=True)

    newsletter: str
    issue: IssueId
    slug: str
    segment: str | None
    published_at: datetime
    finished_at: datetime
    as_of: datetime
    is_final: bool
    audience: int
    accepted: int
    failed: int
    skipped: int
    unresolved: int
    delivered: int
    bounced: int
    complained: int
    possibly_twice: int
    versions: dict[str, int]
    keys: str

    def canonical(self) -> bytes:
        """Return what is signed: canonical JSON (RFC 8785).

        That is what ``json`` writes here, as the names are ASCII, and the numbers integers.
        """
        document = self.model_dump(mode="json")
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode()


class SignedStatement(BaseModel):
    """A statement with its signature: a JWS with a detached payload (RFC 7515, appendix F)."""

    model_config = ConfigDict(frozen=True)

    statement: Statement
    signature: str


class PublicKey(BaseModel):
    """An Ed25519 key as a JSON Web Key (RFC 8037); ``kid`` is its thumbprint (RFC 7638)."""

    model_config = ConfigDict(frozen=True)

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"
    kid: str
    x: str
    retired_at: datetime | None = None


class KeySet(BaseModel):
    """All keys that ever signed statements, the newest first (RFC 7517 §5)."""

    model_config = ConfigDict(frozen=True)

    keys: tuple[PublicKey, ...] = ()
