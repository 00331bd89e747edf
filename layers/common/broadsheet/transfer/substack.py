"""Substack: ``email_list.<publication>.csv``, alone or in the ZIP of everything.

``active_subscription`` means paid, and is not used: who reads for free is subscribed, too. Whoever
has unsubscribed is in no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.domain.people import Standing
from broadsheet.transfer import cells, table
from broadsheet.transfer.cells import Fault
from broadsheet.transfer.layout import Layout
from broadsheet.transfer.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broadsheet.domain.people import Person
    from broadsheet.transfer.peer import ReadRow
    from broadsheet.transfer.table import Columns

_COLUMNS = (
    "email", "active_subscription", "expiry", "plan", "email_disabled", "created_at",
    "first_payment_at",
)  # fmt: skip
_DELETED = "@deletion-request.substack.com"


_LAYOUT = Layout(
    "Substack created_at",
    {
        **dict.fromkeys(cells.TRUE, Standing.UNSUBSCRIBED),
        **dict.fromkeys(cells.FALSE, Standing.SUBSCRIBED),
        "": Standing.SUBSCRIBED,
    },
    status=("email_disabled",),
    first=("name",),
    consented=("created_at",),
    signed_up=("created_at",),
)


def _recognises(columns: Columns, _name: str) -> bool:
    is_paid_list = columns.has("email", "expiry", "stripe_connected_customer_id")
    return columns.has("email", "active_subscription") or is_paid_list


def _reader(columns: Columns, name: str) -> ReadRow | None:
    email, read_row = columns.find("email"), _LAYOUT.reader(columns, name)
    if read_row is None:
        return None

    def read(row: list[str]) -> Person | Fault:
        if row[email].strip().lower().endswith(_DELETED):
            return Fault("asked-for-deletion")
        return read_row(row)

    return read


def _write(people: Iterable[Person]) -> Iterator[bytes]:
    """Write one date of each, in milliseconds.

    It can't hold names, tags, languages, sources, times of leaving, and why somebody left; and it
    leaves out who has still to confirm.
    """
    rows = (_row(each) for each in people if each.status is not Standing.TO_CONFIRM)
    return table.write(_COLUMNS, rows)


def _row(person: Person) -> Iterable[str]:
    since = cells.iso_milliseconds(person.consented_at or person.signed_up_at)
    return (person.email, "false", "", "", str(person.status.has_left).lower(), since, "")


PEER = Peer(
    recognises=_recognises,
    reader=_reader,
    write=_write,
    notes=lambda _columns, _name: ("departures-not-in-file",),
)
