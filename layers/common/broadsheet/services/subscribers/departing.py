"""Remembers the addresses that somebody has left, by keyed digests, which name nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from broadsheet import signed_tokens
from broadsheet.database import tombstones_table

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from broadsheet.database.connection import Connection
    from broadsheet.database.tombstones_table import Departure
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.subscribers import EmailAddress

type Digests = Mapping[bytes, str]


def depart(
    connection: Connection,
    email: EmailAddress,
    at: datetime,
    because: Literal["erased", "moved", "expired"],
    author: AuthorName | None = None,
) -> None:
    """Remember that an address was left; ``author``: who recorded it on somebody's behalf.

    Whoever has expired had unsubscribed, and is kept no longer.
    """
    (digest, *_) = signed_tokens.address_digests(email)
    recorded_by = None if author is None else str(author)
    tombstones_table.raise_over(connection, digest, at, because, recorded_by)


def departure(connection: Connection, email: EmailAddress) -> Departure | None:
    """Return when and why an address was left last."""
    return tombstones_table.find(connection, signed_tokens.address_digests(email))


def departures(
    connection: Connection, emails: Collection[EmailAddress]
) -> dict[EmailAddress, datetime]:
    """Return when some addresses were left last; what was asked for them until then is void."""
    by_text = {str(email): email for email in emails}
    return {by_text[text]: at for text, at in left_at(connection, digests(by_text)).items()}


def digests(emails: Collection[str]) -> Digests:
    """Return many addresses, in the form we store, by each of their digests."""
    return signed_tokens.digests_of(emails)


def departed(connection: Connection, digests: Digests) -> set[str]:
    """Return those of many addresses that were left at any time: nobody of them is kept."""
    return set(left_at(connection, digests))


def left_at(connection: Connection, digests: Digests) -> dict[str, datetime]:
    """Return when those of many addresses that were left were left last."""
    found: dict[str, datetime] = {}
    for digest, at in tombstones_table.departures(connection, digests):
        email = digests[digest]
        found[email] = max(at, found.get(email, at))
    return found
