"""Kit, once ConvertKit: the export of its subscribers, whose columns many other tables have, too.

So a table is surely of Kit only if its file's name says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.domain.people import Standing
from broadsheet.transfer import cells, names, table
from broadsheet.transfer.layout import Layout, by_word
from broadsheet.transfer.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broadsheet.domain.people import Person
    from broadsheet.transfer.table import Columns

_COLUMNS = ("first_name", "email", "created_at", "status")
_STATUSES = {
    Standing.SUBSCRIBED: ("active", "confirmed"),
    Standing.TO_CONFIRM: ("inactive", "unconfirmed"),
    Standing.UNSUBSCRIBED: ("cancelled", "unsubscribed"),
    Standing.BOUNCED: ("bounced",),
    Standing.COMPLAINED: ("complained",),
}


_LAYOUT = Layout(
    "Kit created_at",
    by_word(_STATUSES),
    first=("first_name",),
    last=("last_name",),
    consented=("created_at",),
    signed_up=("created_at",),
    tags=names.TAGS,
    language=names.LANGUAGE,
)


def _recognises(columns: Columns, name: str) -> bool:
    name = name.lower()
    return _could_be(columns, name) and ("convertkit" in name or name.startswith("kit"))


def _could_be(columns: Columns, _name: str) -> bool:
    return columns.has(*_COLUMNS)


def _write(people: Iterable[Person]) -> Iterator[bytes]:
    """Write one date of each. It can't hold tags, languages, sources and times of leaving."""
    return table.write(_COLUMNS, map(_row, people))


def _row(person: Person) -> Iterable[str]:
    since = cells.iso(person.consented_at or person.signed_up_at)
    return (person.name or "", person.email, since, _STATUSES[person.status][0])


PEER = Peer(recognises=_recognises, reader=_LAYOUT.reader, write=_write, could_be=_could_be)
