"""Brevo: the export of its contacts, with semicolons and the day before the month.

``EMAIL_BLACKLISTED`` doesn't say whether somebody left, bounced or complained; in each case they
get no mail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.domain.people import Standing
from broadsheet.transfer import cells, names, table
from broadsheet.transfer.layout import Layout
from broadsheet.transfer.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broadsheet.domain.people import Person
    from broadsheet.transfer.table import Columns

_COLUMNS = (
    "EMAIL", "LASTNAME", "FIRSTNAME", "SMS", "EMAIL_BLACKLISTED", "SMS_BLACKLISTED", "ADDED_TIME",
    "MODIFIED_TIME",
)  # fmt: skip
_STANDINGS = {
    **dict.fromkeys(cells.TRUE, Standing.UNSUBSCRIBED),
    **dict.fromkeys(cells.FALSE, Standing.SUBSCRIBED),
    "": Standing.SUBSCRIBED,
}


_LAYOUT = Layout(
    "Brevo ADDED_TIME",
    _STANDINGS,
    status=("email_blacklisted",),
    first=names.FIRST_NAME,
    last=names.LAST_NAME,
    consented=("added_time",),
    signed_up=("added_time",),
    language=names.LANGUAGE,
    times=cells.day_first,
)


def _recognises(columns: Columns, _name: str) -> bool:
    return columns.has("email", "email_blacklisted")


def _write(people: Iterable[Person]) -> Iterator[bytes]:
    """Write one date of each, in minutes; none of those who have still to confirm.

    It can't hold tags, languages, sources, times of leaving, and why somebody left.
    """
    return table.write(_COLUMNS, map(_row, people), delimiter=";")


def _row(person: Person) -> Iterable[str]:
    first, _, last = (person.name or "").partition(" ")
    since = person.consented_at or person.signed_up_at
    is_unknown = person.status is Standing.TO_CONFIRM or since is None
    added = "" if is_unknown else f"{since:%d-%m-%Y %H:%M}"
    is_blacklisted = str(person.status.has_left).lower()
    return (person.email, last, first, "", is_blacklisted, "", added, "")


PEER = Peer(
    recognises=_recognises,
    reader=_LAYOUT.reader,
    write=_write,
    notes=lambda _columns, _name: ("times-are-utc",),
)
