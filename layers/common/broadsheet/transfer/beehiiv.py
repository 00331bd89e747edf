"""beehiiv: the export of its subscribers, with a column for each paid tier and custom field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.domain.people import Standing
from broadsheet.transfer import names, table
from broadsheet.transfer.layout import Layout, by_word
from broadsheet.transfer.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from broadsheet.domain.people import Person
    from broadsheet.transfer.table import Columns

_COLUMNS = (
    "email", "First Name", "Last Name", "status", "tier", "created_at", "stripe_customer_id",
    "unsubscribed_at",
)  # fmt: skip
_STATUSES = {
    Standing.SUBSCRIBED: ("active",),
    Standing.TO_CONFIRM: ("pending", "validating", "needs_attention"),
    Standing.UNSUBSCRIBED: ("inactive", "unsubscribed"),
    Standing.BOUNCED: ("invalid",),
}


_LAYOUT = Layout(
    "beehiiv created_at",
    by_word(_STATUSES),
    first=names.FIRST_NAME,
    last=names.LAST_NAME,
    consented=("created_at",),
    signed_up=("created_at",),
    left=("unsubscribed_at",),
    tags=names.TAGS,
    language=names.LANGUAGE,
)


def _recognises(columns: Columns, _name: str) -> bool:
    return columns.has("email", "status", "tier", "created_at")


def _write(people: Iterable[Person]) -> Iterator[bytes]:
    """Write one date of each, in seconds, and when they left.

    It can't hold tags, languages, sources, and complaints: they have left.
    """
    return table.write(_COLUMNS, map(_row, people))


def _row(person: Person) -> Iterable[str]:
    first, _, last = (person.name or "").partition(" ")
    since = _time(person.consented_at or person.signed_up_at)
    is_complaint = person.status is Standing.COMPLAINED
    standing = Standing.UNSUBSCRIBED if is_complaint else person.status
    status = _STATUSES[standing][0]
    return (person.email, first, last, status, "free", since, "", _time(person.left_at))


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else ""


PEER = Peer(recognises=_recognises, reader=_LAYOUT.reader, write=_write)
