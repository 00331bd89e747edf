"""Buttondown: the export of its subscribers, of every type.

Tags are divided by semicolons. ``metadata`` is what Python prints for a dictionary, not JSON.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from broadsheet.domain.people import Standing
from broadsheet.transfer import cells, table
from broadsheet.transfer.cells import Fault, Said
from broadsheet.transfer.layout import by_word
from broadsheet.transfer.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broadsheet.domain.people import Person
    from broadsheet.transfer.peer import ReadRow
    from broadsheet.transfer.table import Columns

_COLUMNS = (
    "id", "secondary_id", "email", "notes", "subscriber_type", "referrer_url", "utm_source",
    "utm_medium", "utm_campaign", "creation_date", "ip_address", "subscription_date",
    "unsubscription_date", "tags", "metadata",
)  # fmt: skip
_TYPES = {
    Standing.SUBSCRIBED: ("regular", "premium", "trialed", "unpaid", "gifted", "churning",
                          "churned", "paused", "past_due"),
    Standing.TO_CONFIRM: ("unactivated",),
    Standing.UNSUBSCRIBED: ("unsubscribed",),
    Standing.BOUNCED: ("undeliverable",),
    Standing.COMPLAINED: ("complained",),
}  # fmt: skip
_STANDINGS = by_word(_TYPES)
_LEFT_OUT = {"blocked": "blocked", "spammy": "blocked", "removed": "deleted"}
_MAX_METADATA = 16384  # characters: what is parsed takes a hundred times its memory


def _recognises(columns: Columns, _name: str) -> bool:
    return columns.has("subscriber_type", "creation_date")


def _reader(columns: Columns, _name: str) -> ReadRow | None:
    email, kind = columns.find("email", "email_address"), columns.find("subscriber_type", "type")
    created = columns.find("creation_date")
    subscribed, left = columns.find("subscription_date"), columns.find("unsubscription_date")
    tags, metadata = columns.find("tags"), columns.find("metadata")
    person = cells.Assembly().person
    if email < 0:
        return None

    def read(row: list[str]) -> Person | Fault:
        word = row[kind].strip().lower()
        standing = _STANDINGS.get(word)
        if standing is None:
            return Fault(_LEFT_OUT.get(word, "unknown-status"), row[kind][: cells.MAX_DETAIL])
        about = _metadata(row[metadata]) if row[metadata] else {}
        is_dated = row[subscribed].strip() != ""
        return person(
            Said(
                row[email],
                standing,
                cells.name_in(about),
                row[subscribed] if is_dated else row[created],
                row[created],
                row[left],
                cells.tags(row[tags].split(";")) if row[tags] else (),
                cells.language_in(about),
                f"Buttondown {'subscription_date' if is_dated else 'creation_date'}",
            )
        )

    return read


def _metadata(text: str) -> dict[Any, Any]:
    """Return what ``metadata`` says; nothing if it can't be read."""
    if len(text) > _MAX_METADATA:
        return {}
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(people: Iterable[Person]) -> Iterator[bytes]:
    """Write all but sources; a semicolon in a tag becomes a comma."""
    return table.write(_COLUMNS, map(_row, people))


def _row(person: Person) -> Iterable[str]:
    metadata = {"name": person.name, "language": person.language}
    known = {key: value for key, value in metadata.items() if value}
    tags = ";".join(tag.replace(";", ",") for tag in person.tags)
    times = (person.signed_up_at, person.consented_at, person.left_at)
    signed_up, consented, left = map(cells.iso, times)
    kind = _TYPES[person.status][0]
    return (
        *("", "", person.email, "", kind, "", "", "", "", signed_up, "", consented, left, tags),
        repr(known) if known else "",
    )


PEER = Peer(recognises=_recognises, reader=_reader, write=_write)
