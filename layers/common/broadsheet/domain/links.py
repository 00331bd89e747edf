"""The counted links of an issue: where each leads, and a click, which names nobody."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, RootModel, StrictInt, field_validator

from broadsheet.domain.issues import IssueId

MAX_TARGET_CHARACTERS = 2000
# What an address may have beside letters and digits (RFC 3986 §2); a percent sign stays as it is.
_KEPT = "%!#$&'()*+,-./:;=?@[]_~"
_UNSAFE = re.compile(r"[\s\x00-\x1f\x7f<>\"\\{}|^`]")  # §2: none of them belongs into an address
# A host in ASCII: without names before it, of which an @ is the sign.
_WEB_ADDRESS = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(?:[/?#][!-;=?-~]*)?", re.IGNORECASE)


class LinkTarget(RootModel[str]):
    """An address on the web, in ASCII: a header of HTTP and a template can carry it."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _parse(cls, text: str) -> str:
        if _UNSAFE.search(text.strip()):
            raise ValueError("an address has no spaces, braces or control characters")
        address = quote(text.strip(), safe=_KEPT)
        if len(address) > MAX_TARGET_CHARACTERS:
            raise ValueError(f"an address has at most {MAX_TARGET_CHARACTERS} characters")
        if not _WEB_ADDRESS.fullmatch(address):
            raise ValueError("give a whole address, as in https://example.com/page")
        return address

    def __str__(self) -> str:
        return self.root


class LinkRequest(BaseModel):
    """Where a link shall lead from now on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: LinkTarget


class IssueLink(BaseModel):
    """A link of an issue. ``written``: its address in the text; ``target``: where it leads now.

    ``clicks``: those that were counted by now.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    written: str
    target: str
    clicks: int
    corrected_at: datetime | None
    corrected_by: str | None


class LinkTargets(BaseModel):
    """Where the links of an issue lead, by their numbers."""

    model_config = ConfigDict(frozen=True)

    targets: dict[int, str]


class Click(BaseModel):
    """A click on a link.

    ``group``: two bytes of a digest of the reader's address and browser, by which a robot is known
    that follows many links at once. Of the IPv4 addresses alone, 65,536 have the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    issue_id: IssueId
    number: Annotated[StrictInt, Field(ge=1)]
    group: Annotated[str, Field(pattern="^[0-9a-f]{4}$")]


class LinkClicks(BaseModel):
    """How often a link was clicked."""

    model_config = ConfigDict(frozen=True)

    issue_id: UUID
    number: int
    target: str
    clicks: int
