"""Plain CSV: our own columns, which hold all that an import takes, and whatever others call them.

A file may also be a list of addresses without any header. Without a column of states, who has a
date of consent is subscribed, and everybody else is to confirm. A list of those who left, such as
the suppressions of a mail service, often says so by its name alone: its author is asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broadsheet.domain.people import Standing
from broadsheet.transfer import cells, names, table
from broadsheet.transfer.cells import Fault, Said
from broadsheet.transfer.layout import by_word
from broadsheet.transfer.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broadsheet.domain.people import Person
    from broadsheet.transfer.peer import ReadRow
    from broadsheet.transfer.table import Columns

COLUMNS = (
    "email", "name", "status", "consented_at", "signed_up_at", "left_at", "tags", "language",
    "source",
)  # fmt: skip
CONSENTED = (
    "consented_at", "consent date", "confirmed_at", "confirmation date", "confirm_time",
    "opt-in date", "opt-in time", "optin time", "optin date", "optin", "opted in at",
    "subscribed_at", "subscription date", "date subscribed", "einwilligung am", "bestätigt am",
    "angemeldet am",
)  # fmt: skip
SIGNED_UP = (
    "signed_up_at", "sign-up date", "signup date", "created_at", "created", "creation date",
    "date added", "added_at", "added time", "joined", "joined_at", "registered_at", "erstellt am",
)  # fmt: skip
LEFT = (
    "left_at", "unsubscribed_at", "unsubscription date", "unsubscribe date", "unsub_time",
    "opted out at", "bounced_at", "complained_at", "clean_time", "suppressed_at", "abgemeldet am",
)  # fmt: skip
# Mailgun's lists of bounces, complaints and unsubscribes, and columns of other services' lists.
_MAILGUN = {"address", "code", "error", "tags", "created at"}
_WHY_LEFT = (
    "error", "reason", "suppression reason", "suppressionreason", "bounce reason", "bounce type",
    "bounce code", "complaint type",
)  # fmt: skip
_SUPPRESSED = ("created_at", "created", "createdat", "date", "timestamp")
_OF_DEPARTED = re.compile(
    "bounce|suppress|complain|unsub|spam|opt(ed)?[ _-]?out|block(ed|[ _-]?list)|black[ _-]?list"
    "|abgemeldet"
)
STATUS = ("status", "state", "subscription status", "subscriber status", "email status")
SOURCE = ("source", "consent source", "signup source", "quelle")
STANDINGS = {
    Standing.SUBSCRIBED: ("subscribed", "active", "confirmed", "enabled", "aktiv", "bestätigt"),
    Standing.TO_CONFIRM: ("to confirm", "pending", "unconfirmed", "unactivated", "waiting", ""),
    Standing.UNSUBSCRIBED: (
        "unsubscribed", "inactive", "left", "opted out", "optout", "canceled", "cancelled",
        "disabled", "blocklisted", "blacklisted", "blocked", "suppressed", "abgemeldet",
    ),
    Standing.BOUNCED: ("bounced", "bounce", "hard bounce", "cleaned", "undeliverable",
                       "unreachable", "invalid"),
    Standing.COMPLAINED: ("complained", "complaint", "spam", "abuse", "marked as spam"),
}  # fmt: skip
_BY_WORD = by_word(STANDINGS)


def _recognises(columns: Columns, _name: str) -> bool:
    return _email(columns) >= 0


def _email(columns: Columns) -> int:
    """Return the column of addresses: by its name, or the first in which one stands."""
    found = columns.find(*names.EMAIL)
    if found >= 0:
        return found
    row = columns.sample
    return next((columns.use(at) for at, cell in enumerate(row) if "@" in cell), -1)


def _reader(columns: Columns, _name: str) -> ReadRow | None:
    email = _email(columns)
    if email < 0:
        return None
    first, last = columns.find(*names.FIRST_NAME), columns.find(*names.LAST_NAME)
    whole = columns.find(*names.NAME)
    status = columns.find(*STATUS)
    consented, signed_up = columns.find(*CONSENTED), columns.find(*SIGNED_UP)
    left, source = columns.find(*LEFT), columns.find(*SOURCE)
    tags, language = columns.find(*names.TAGS), columns.find(*names.LANGUAGE)
    is_dated = consented >= 0 and source < 0
    origin = f"column {columns.names[consented]}" if is_dated else ""
    person = cells.Assembly(cells.dotted).person
    has_status = status >= 0

    def read(row: list[str]) -> Person | Fault:
        if has_status:
            standing = _BY_WORD.get(table.plain(row[status]))
            if standing is None:
                return Fault("unknown-status", row[status][: cells.MAX_DETAIL])
        else:
            standing = Standing.UNSUBSCRIBED if row[left].strip() else Standing.SUBSCRIBED
        return person(
            Said(
                row[email],
                standing,
                row[whole].strip() or cells.full_name(row[first], row[last]),
                row[consented],
                row[signed_up],
                row[left],
                _tags(row[tags]),
                row[language],
                row[source].strip() or origin,
            )
        )

    return read


def seems_to_be_of_departed(columns: Columns, name: str) -> bool:
    """Return whether a table seems to list those who left, and doesn't say so of each."""
    status = columns.find(*STATUS)
    sample = columns.sample[status : status + 1] if status >= 0 else ()
    if status >= 0 and all(table.plain(cell) in _BY_WORD for cell in sample):
        return False
    if _OF_DEPARTED.search(name.casefold()) or _is_of_suppressions(columns):
        return True
    says_when = any(columns.has(each) for each in LEFT)
    return not says_when and any(_OF_DEPARTED.search(each.casefold()) for each in columns.names)


def _is_of_suppressions(columns: Columns) -> bool:
    """Return whether these are the columns of a mail service's list, by when it has added whom."""
    is_mailguns = columns.has("address", "created_at") and _MAILGUN.issuperset(
        map(table.plain, columns.names)
    )
    return is_mailguns or any(columns.has(each) for each in _WHY_LEFT)


def reader_of_departed(columns: Columns, standing: Standing) -> ReadRow | None:
    """Return what makes persons who have left of all rows, whatever stands in them.

    When somebody was added to a mail service's list is when they left; in any other file that may
    be when they signed up, which would be before a consent.
    """
    email = _email(columns)
    if email < 0:
        return None
    first, last = columns.find(*names.FIRST_NAME), columns.find(*names.LAST_NAME)
    whole, language = columns.find(*names.NAME), columns.find(*names.LANGUAGE)
    left = columns.find(*LEFT, *(_SUPPRESSED if _is_of_suppressions(columns) else ()))
    person = cells.Assembly(cells.dotted).person

    def read(row: list[str]) -> Person | Fault:
        name = row[whole].strip() or cells.full_name(row[first], row[last])
        return person(Said(row[email], standing, name, left=row[left], language=row[language]))

    return read


def _notes(columns: Columns, _name: str) -> tuple[str, ...]:
    if columns.find(*CONSENTED) < 0:
        return ("no-consent-dates",)
    return ("times-without-zone-are-utc",)


def _tags(text: str) -> tuple[str, ...]:
    """Return tags, by semicolons or else by commas: ours may hold a comma, no semicolon."""
    return cells.tags(text.split(";" if ";" in text else ",")) if text else ()


def _write(people: Iterable[Person]) -> Iterator[bytes]:
    """Write all that a person has; a semicolon in a tag becomes a comma."""
    return table.write(COLUMNS, map(_row, people))


def _row(person: Person) -> Iterable[str]:
    tags = ";".join(tag.replace(";", ",") for tag in person.tags)
    return (
        person.email,
        person.name or "",
        person.status,
        cells.iso(person.consented_at),
        cells.iso(person.signed_up_at),
        cells.iso(person.left_at),
        f"{tags};" if "," in tags and ";" not in tags else tags,
        person.language or "",
        person.source,
    )


PEER = Peer(
    recognises=_recognises,
    reader=_reader,
    write=_write,
    notes=_notes,
)
