"""Curated: the export of its subscribers, who are all subscribed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.domain.people import Standing
from broadsheet.transfer import cells, table
from broadsheet.transfer.layout import Layout
from broadsheet.transfer.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broadsheet.domain.people import Person
    from broadsheet.transfer.table import Columns

_COLUMNS = (
    "Email Address", "Subscribed at", "UTM Source", "UTM Medium", "UTM Term", "UTM Content",
    "UTM Campaign", "UTM Last Path", "UTM Referrer",
)  # fmt: skip


_LAYOUT = Layout(
    "Curated Subscribed at",
    {"": Standing.SUBSCRIBED},
    email=("email address",),
    status=(),
    consented=("subscribed at",),
    signed_up=("subscribed at",),
)


def _recognises(columns: Columns, _name: str) -> bool:
    return columns.has("email address", "subscribed at", "utm last path")


def _write(people: Iterable[Person]) -> Iterator[bytes]:
    """Write who is subscribed, and since when; it can't hold anybody or anything else."""
    rows = (_row(each) for each in people if each.status is Standing.SUBSCRIBED)
    return table.write(_COLUMNS, rows)


def _row(person: Person) -> Iterable[str]:
    return (person.email, cells.iso(person.consented_at), "", "", "", "", "", "", "")


PEER = Peer(
    recognises=_recognises,
    reader=_LAYOUT.reader,
    write=_write,
    notes=lambda _columns, _name: ("departures-not-in-file",),
)
