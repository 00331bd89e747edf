"""Mailchimp: a ZIP of a CSV for each state, which is in the file's name and nowhere else.

Columns are as the audience has them, in its language; the first is the address. ``TAGS`` is CSV in
a cell of CSV, and times are UTC without saying so.
"""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from broadsheet.domain.people import Standing
from broadsheet.transfer import cells, names, table
from broadsheet.transfer.cells import Fault, Said
from broadsheet.transfer.packing import packed
from broadsheet.transfer.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from broadsheet.domain.people import Person
    from broadsheet.transfer.peer import ReadRow
    from broadsheet.transfer.table import Columns

_STATE = re.compile(r"(?<![a-z])(unsubscribed|nonsubscribed|cleaned|subscribed|sms_only)(?![a-z])")
_STANDINGS = {
    "subscribed": Standing.SUBSCRIBED,
    "unsubscribed": Standing.UNSUBSCRIBED,
    "cleaned": Standing.BOUNCED,
}
_LEFT_OUT = {
    "nonsubscribed": Fault("never-subscribed"),  # buyers and the like: a mail to them is spam
    "sms_only": Fault("no-address"),
}
_TIME = "%Y-%m-%d %H:%M:%S"
_START = ("Email Address", "First Name", "Last Name", "LANGUAGE", "OPTIN_TIME", "CONFIRM_TIME")


def _recognises(columns: Columns, _name: str) -> bool:
    return columns.has("leid", "euid") or columns.has("optin_time", "confirm_time", "member_rating")


def _reader(columns: Columns, name: str) -> ReadRow:
    email = columns.find("email address")
    email = columns.use(0) if email < 0 else email
    state = _state(columns, name)
    first, last = columns.find(*names.FIRST_NAME), columns.find(*names.LAST_NAME)
    confirmed = columns.find_last("confirm_time")
    opted_in = columns.find_last("optin_time")
    left = max(columns.find_last("unsub_time"), columns.find_last("clean_time"))
    tags = columns.find_last("tags")
    language = columns.find(*names.LANGUAGE)
    # Without a state nobody is known to be subscribed.
    standing = _STANDINGS.get(state, Standing.TO_CONFIRM)
    left_out = _LEFT_OUT.get(state)
    person = cells.Assembly().person

    def read(row: list[str]) -> Person | Fault:
        if left_out is not None:
            return left_out
        is_confirmed = row[confirmed] != ""
        return person(
            Said(
                row[email],
                standing,
                cells.full_name(row[first], row[last]),
                row[confirmed] if is_confirmed else row[opted_in],
                row[opted_in],
                row[left],
                _tags(row[tags]),
                row[language],
                "Mailchimp CONFIRM_TIME" if is_confirmed else "Mailchimp OPTIN_TIME",
            )
        )

    return read


def _notes(columns: Columns, name: str) -> tuple[str, ...]:
    has_state = _state(columns, name) != ""
    return ("times-are-utc", *(() if has_state else ("no-state-in-file-name",)))


def _state(columns: Columns, name: str) -> str:
    """Return the state of a file's people: departures by their columns, whatever its name."""
    if columns.has("unsub_time"):
        return "unsubscribed"
    if columns.has("clean_time"):
        return "cleaned"
    found = _STATE.search(name.rpartition("/")[2].lower())
    return found[1] if found else ""


@lru_cache(maxsize=4096)  # few combinations of tags, in a million rows
def _tags(text: str) -> tuple[str, ...]:
    if not text:
        return ()
    try:
        return cells.tags(cell for row in csv.reader([text]) for cell in row)
    except csv.Error:
        return cells.tags([text])


def _write(people: Iterable[Person]) -> Iterator[bytes]:
    """Write a ZIP of four files.

    It can't hold sources, fractions of seconds, complaints, which become departures, and the dates
    of those who have still to confirm: they are among the nonsubscribed, whom we don't import.
    """
    end = "email_audience_export_broadsheet.csv"
    tables = {
        f"subscribed_{end}": (*_START, "TAGS", "LEID", "EUID"),
        f"unsubscribed_{end}": (*_START, "UNSUB_TIME", "TAGS", "LEID", "EUID"),
        f"cleaned_{end}": (*_START, "CLEAN_TIME", "TAGS", "LEID", "EUID"),
        f"nonsubscribed_{end}": (*_START, "TAGS", "LEID", "EUID"),
    }
    files = {
        Standing.SUBSCRIBED: f"subscribed_{end}",
        Standing.UNSUBSCRIBED: f"unsubscribed_{end}",
        Standing.COMPLAINED: f"unsubscribed_{end}",
        Standing.BOUNCED: f"cleaned_{end}",
        Standing.TO_CONFIRM: f"nonsubscribed_{end}",
    }
    return packed(tables, ((files[person.status], _row(person)) for person in people))


def _row(person: Person) -> Iterable[str]:
    first, _, last = (person.name or "").partition(" ")
    departure = (_time(person.left_at),) if person.status.has_left else ()
    return (
        person.email,
        first,
        last,
        person.language or "",
        _time(person.signed_up_at),
        _time(person.consented_at),
        *departure,
        table.line(person.tags, quoted=True) if person.tags else "",
        "",
        "",
    )


def _time(at: datetime | None) -> str:
    return at.strftime(_TIME) if at else ""


PEER = Peer(
    recognises=_recognises,
    reader=_reader,
    write=_write,
    notes=_notes,
)
