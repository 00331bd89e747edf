"""Remembers the addresses that somebody has left, by keyed digests, which name nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from broadsheet import signed_tokens
from broadsheet.database import tombstones_table

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from broadsheet.database.connection import Connection
    from broadsheet.database.tombstones_table import Departure
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.subscribers import EmailAddress


def depart(
    connection: Connection,
    email: EmailAddress,
    at: datetime,
    because: Literal["erased", "moved"],
    author: AuthorName | None = None,
) -> None:
    """Remember that an address was left; ``author``: who recorded it on somebody's behalf."""
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
    by_digest = {
        digest: email for email in emails for digest in signed_tokens.address_digests(email)
    }
    found: dict[EmailAddress, datetime] = {}
    for digest, at in tombstones_table.departures(connection, by_digest):
        email = by_digest[digest]
        found[email] = max(at, found.get(email, at))
    return found


def departed(connection: Connection, emails: Collection[str]) -> set[str]:
    """Return those of many addresses, in the form we store, that were left at any time."""
    digests = signed_tokens.digests_of(emails)
    return {digests[digest] for digest, _ in tombstones_table.departures(connection, digests)}
