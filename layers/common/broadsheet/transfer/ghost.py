"""Ghost: the export of its members, in which neither bounces nor single newsletters are.

``subscribed_to_emails`` is blank in files that people made: that says nothing, not false.
"""

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
    "id", "email", "name", "note", "subscribed_to_emails", "complimentary_plan",
    "stripe_customer_id", "created_at", "deleted_at", "labels", "tiers",
)  # fmt: skip
_STANDINGS = {
    **dict.fromkeys(cells.TRUE, Standing.SUBSCRIBED),
    **dict.fromkeys(cells.FALSE, Standing.UNSUBSCRIBED),
    "": Standing.TO_CONFIRM,
}


_LAYOUT = Layout(
    "Ghost created_at",
    _STANDINGS,
    status=("subscribed_to_emails",),
    first=("name",),
    consented=("created_at",),
    signed_up=("created_at",),
    deleted=("deleted_at",),
    tags=("labels",),
)


def _recognises(columns: Columns, _name: str) -> bool:
    return columns.has("email", "subscribed_to_emails")


def _write(people: Iterable[Person]) -> Iterator[bytes]:
    """Write one date of each, in milliseconds.

    It can't hold languages, sources, times of leaving, why somebody left, and commas in tags.
    """
    return table.write(_COLUMNS, map(_row, people))


def _row(person: Person) -> Iterable[str]:
    is_unknown = person.status is Standing.TO_CONFIRM
    is_subscribed = "" if is_unknown else str(person.status is Standing.SUBSCRIBED).lower()
    since = cells.iso_milliseconds(person.consented_at or person.signed_up_at)
    labels = ",".join(tag.replace(",", " ") for tag in person.tags)
    return ("", person.email, person.name or "", "", is_subscribed, "", "", since, "", labels, "")


PEER = Peer(
    recognises=_recognises,
    reader=_LAYOUT.reader,
    write=_write,
    notes=lambda _columns, _name: ("bounces-not-in-file",),
)
