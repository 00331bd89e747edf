"""Keila: the export of its contacts, without any dates, so that everybody in it is to confirm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from broadsheet.domain.people import Standing
from broadsheet.transfer import cells, table
from broadsheet.transfer.layout import Layout
from broadsheet.transfer.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broadsheet.domain.people import Person
    from broadsheet.transfer.table import Columns

_COLUMNS = ("Email", "First name", "Last name", "Data", "Status", "External ID")
_STANDINGS = {
    "active": Standing.SUBSCRIBED,
    "unsubscribed": Standing.UNSUBSCRIBED,
    "unreachable": Standing.BOUNCED,
}
_STATUSES = {
    Standing.SUBSCRIBED: "active",
    Standing.UNSUBSCRIBED: "unsubscribed",
    Standing.COMPLAINED: "unsubscribed",
    Standing.BOUNCED: "unreachable",
}


_LAYOUT = Layout("Keila", _STANDINGS, first=("first name",), last=("last name",), about=("data",))


def _recognises(columns: Columns, _name: str) -> bool:
    return columns.has("email", "data", "status", "external id")


def _write(people: Iterable[Person]) -> Iterator[bytes]:
    """Write who is active and who has left.

    It can't hold dates, sources, and complaints: they have unsubscribed. It leaves out who has
    still to confirm, whom Keila would mail.
    """
    rows = (_row(each) for each in people if each.status is not Standing.TO_CONFIRM)
    return table.write(_COLUMNS, rows)


def _row(person: Person) -> Iterable[str]:
    first, _, last = (person.name or "").partition(" ")
    data = json.dumps(cells.about(person), ensure_ascii=False)
    return (person.email, first, last, data, _STATUSES[person.status], "")


PEER = Peer(
    recognises=_recognises,
    reader=_LAYOUT.reader,
    write=_write,
    notes=lambda _columns, _name: ("no-consent-dates",),
)
