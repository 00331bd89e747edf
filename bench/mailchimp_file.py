"""Writes a file of people as Mailchimp exports it, and knows what becomes of each row."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEAD = (
    '"Email Address","First Name","Last Name",LANGUAGE,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,'
    "CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,"
)
_TAIL = "LEID,EUID,NOTES,TAGS\r\n"
_FIRST = ("Ursula", "Genly", "Thérèse", "Shevek", "Tenar", "Ged", "Takver", "Zoë", "Odo", "Laia")
_LAST = ("Le Guin", "O'Brien", "Harth", "Keng", "Müller", "Vetch", "Yarrow")
_TAGS = ('""fair"",""2024""', '""letters""', "", '""customers"",""boats, small""')
# Of a thousand rows: who left, whose mails bounced, what can't be read, and what is there twice.
_LEFT, _BOUNCED, _UNUSABLE, _TWICE = 20, 10, 2, 3
_OF = 1000
_BLOCK = 10_000


class Written(NamedTuple):
    """A file. ``size``: its bytes unpacked; ``outcomes``: what is to become of its rows."""

    rows: int
    size: int
    outcomes: Counter[str]


def write(path: Path, rows: int, known: int) -> Written:
    """Write rows, of which the first are of readers whom the stage has seeded, up to ``known``."""
    size, outcomes = 0, Counter[str]()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for state, column in (("unsubscribed", "UNSUB"), ("cleaned", "CLEAN"), ("subscribed", "")):
            name = f"{state}_email_audience_export_0a1b2c3d4e.csv"
            with archive.open(name, "w", force_zip64=True) as member:
                extra = f"{column}_TIME,{column}_CAMPAIGN_TITLE," if column else ""
                size += member.write(f"\ufeff{_HEAD}{extra}{_TAIL}".encode())
                for block in _blocks(state, rows, known, outcomes):
                    size += member.write(block)
    return Written(rows, size, outcomes)


def _blocks(state: str, rows: int, known: int, outcomes: Counter[str]) -> Iterator[bytes]:
    text = io.StringIO()
    for number in range(1, rows + 1):
        its_state, outcome = _fate(number, known)
        if its_state != state:
            continue
        outcomes[outcome] += 1
        text.write(_row(number, state, outcome, known))
        if text.tell() > _BLOCK:
            yield text.getvalue().encode()
            text = io.StringIO()
    yield text.getvalue().encode()


def _fate(number: int, known: int) -> tuple[str, str]:
    place = number % _OF
    if number <= known:
        return "subscribed", "completed"  # by a tag
    if place < _LEFT:
        return "unsubscribed", "added_as_left"
    if place < _LEFT + _BOUNCED:
        return "cleaned", "added_as_left"
    place -= _LEFT + _BOUNCED
    if place < _UNUSABLE:
        return "subscribed", "unusable:address-invalid"
    # The row before has the same address.
    return "subscribed", "duplicate" if _UNUSABLE < place <= _UNUSABLE + _TWICE else "added"


def _row(number: int, state: str, outcome: str, known: int) -> str:
    whose = number
    if outcome == "duplicate":
        whose -= number % _OF - (_LEFT + _BOUNCED + _UNUSABLE)
    digest = hashlib.md5(str(whose).encode(), usedforsecurity=False).hexdigest()
    email = f"{digest[:8]}.{whose}@mail{whose % 5000}.example"
    if whose <= known:
        email = f"reader-{whose}@page.example"
    if outcome.startswith("unusable"):
        email = f"{digest}.example"
    day, clock = f"2023-{1 + number % 12:02}-{1 + number % 28:02}", f"{number % 24:02}:10:00"
    at = f'"{day} {clock}"'
    left = f'{at},"Letter {number % 90}",' if state != "subscribed" else ""
    return (
        f'{email},{_FIRST[number % 10]},"{_LAST[number % 7]}",en,{number % 5 + 1},{at},'
        f"192.0.2.{number % 250},{at},192.0.2.{number % 250},52.5243700,13.4105300,1,2,"
        f'Europe/Berlin,DE,BE,"2024-03-02 {clock}",{left}'
        f'{number},{digest[:10]},,"{_TAGS[number % 4] if number > known else _TAGS[1]}"\r\n'
    )
