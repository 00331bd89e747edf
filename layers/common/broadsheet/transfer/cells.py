"""Turns what cells say into a person, by the same rules for every peer."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from broadsheet.domain.people import Person, Standing
from broadsheet.domain.subscribers import FORBIDDEN_NAME_CHARACTERS, MAX_NAME_GRAPHEMES
from broadsheet.domain.writing import is_blank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MAX_ADDRESS = 320  # more than any address has (RFC 3696, erratum 1690)
MAX_DETAIL = 80
MAX_DOCUMENT = 1 << 16  # characters of a cell
TRUE = frozenset({"true", "yes", "1", "t", "y", "ja", "oui", "sí", "si"})
FALSE = frozenset({"false", "no", "0", "f", "n", "nein", "non"})

_FIRST_YEAR = 1990  # zeros of Go (year 1), MySQL (0000) and Unix (1970) are no dates
_UNDECODED = re.compile("[\ud800-\udfff\ufffd]")  # what the decoder leaves of a bad byte
_USUAL_NAME = re.compile("[A-Za-z0-9À-ɏ .,'\u2019&+_-]{1,256}")
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # UAX #9
_GO = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) ([+-]\d{4})\b.*")
_MAIL = re.compile(r"(?:[A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} [1-9]\d{3} \d\d:\d\d:\d\d.*")
_DAY_FIRST = re.compile(r"(\d\d)([.-])(\d\d)\2(\d{4})(?:,? (\d\d?):(\d\d)(?::(\d\d))?)?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


class Fault(NamedTuple):
    """Why a row can't become a person."""

    code: str
    detail: str = ""


class Said(NamedTuple):
    """What a row says, as text. ``consented``, ``signed_up``, ``left``: times."""

    email: str
    standing: Standing
    name: str = ""
    consented: str = ""
    signed_up: str = ""
    left: str = ""
    tags: tuple[str, ...] = ()
    language: str = ""
    source: str = ""


class UnreadableTimeError(ValueError):
    """A text is not a time, or could be two."""


def time(text: str) -> datetime | None:
    """Return a time, in UTC if the text names no zone; None for a blank or a zero.

    Reads ISO 8601, SQL's form, each also with a ``UTC`` after it, Go's own, and that of mails
    (RFC 5322 §3.3).
    Raises ``UnreadableTimeError``.
    """
    text = text.strip().removesuffix(" UTC")
    if not text or text.startswith("0000"):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        parsed = _otherwise_written(text)
    if parsed.year < _FIRST_YEAR:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _otherwise_written(text: str) -> datetime:
    go = _GO.fullmatch(text)
    if go is not None:
        return datetime.fromisoformat(go[1] + go[2])
    if _MAIL.fullmatch(text) is None:
        raise UnreadableTimeError
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        raise UnreadableTimeError from None


def day_first(text: str) -> datetime | None:
    """Return a time as ``time`` does, or written DD-MM-YYYY. Raises ``UnreadableTimeError``."""
    written = _DAY_FIRST.fullmatch(text.strip())
    if written is None:
        return time(text)
    day, _, month, year, hour, minute, second = written.groups(default="0")
    try:
        return datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
    except ValueError:
        raise UnreadableTimeError from None


def dotted(text: str) -> datetime | None:
    """Return a time as ``time`` does, or written DD.MM.YYYY, which no one writes month first.

    Raises ``UnreadableTimeError``.
    """
    return day_first(text) if "." in text[:3] else time(text)


def iso(at: datetime | None) -> str:
    """Return a time as ``time`` reads it without loss; nothing for None."""
    return at.isoformat() if at else ""


def full_name(first: str, last: str) -> str:
    """Return a name of its parts, of which either may be blank."""
    return f"{first.strip()} {last.strip()}".strip() if first and last else first or last


def iso_milliseconds(at: datetime | None) -> str:
    """Return a time as JavaScript writes it."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z" if at else ""


def document(text: str) -> dict[str, Any]:
    """Return a cell's JSON object; nothing if it is none."""
    if not text.startswith("{") or len(text) > MAX_DOCUMENT:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def text_in(known: Mapping[str, Any], *keys: str) -> str:
    """Return the first of these values that is a text, and not a blank."""
    values = (known.get(key) for key in keys)
    return next((value for value in values if isinstance(value, str) and value.strip()), "")


def name_in(known: Mapping[str, Any]) -> str:
    """Return the name that custom fields have."""
    first, last = text_in(known, "first_name", "firstname"), text_in(known, "last_name", "lastname")
    return text_in(known, "name", "full_name") or full_name(first, last)


def language_in(known: Mapping[str, Any]) -> str:
    """Return the language that custom fields have."""
    return text_in(known, "language", "lang", "locale")


def tags_in(known: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tags that custom fields have."""
    found = known.get("tags")
    return tags(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def about(person: Person) -> dict[str, Any]:
    """Return a person's tags and language as custom fields."""
    known = {"language": person.language, "tags": list(person.tags)}
    return {key: value for key, value in known.items() if value}


class Assembly:
    """Makes persons of what rows say, with a peer's way to write times."""

    def __init__(self, parse: Callable[[str], datetime | None] = time) -> None:
        """Begin now: a consent from after tomorrow is none."""
        self._parse = parse
        self._latest = datetime.now(UTC) + timedelta(days=1)  # clocks differ, zones are missing

    def person(self, said: Said) -> Person | Fault:
        """Return the person, or what is wrong.

        Nothing but the address can be wrong with somebody who has left: that they have must not
        get lost for a date or a name.
        """
        email = said.email.strip()
        fault = _fault_of(email)
        if fault is not None:
            return fault
        return self._departed(email, said) if said.standing.has_left else self._staying(email, said)

    def _staying(self, email: str, said: Said) -> Person | Fault:
        if is_undecoded(said.name) or any(map(is_undecoded, said.tags)):
            return Fault("bad-encoding")
        consented = self._consent(said.consented)
        if isinstance(consented, Fault):
            return consented
        is_subscribed = said.standing is Standing.SUBSCRIBED and consented is not None
        return Person(
            email,
            name(said.name),
            Standing.SUBSCRIBED if is_subscribed else Standing.TO_CONFIRM,
            consented if is_subscribed else None,
            self._past(said.signed_up) or consented,
            None,
            said.tags,
            language(said.language),
            said.source,
        )

    def _consent(self, text: str) -> datetime | Fault | None:
        try:
            consented = self._parse(text)
        except UnreadableTimeError:
            return Fault("unreadable-time", text[:MAX_DETAIL])
        if consented and consented > self._latest:
            return Fault("time-in-future", text[:MAX_DETAIL])
        return consented

    def _departed(self, email: str, said: Said) -> Person:
        return Person(
            email,
            None if is_undecoded(said.name) else name(said.name),
            said.standing,
            self._past(said.consented),
            self._past(said.signed_up) or self._past(said.consented),
            self._past(said.left),
            tuple(tag for tag in said.tags if not is_undecoded(tag)),
            language(said.language),
            said.source,
        )

    def _past(self, text: str) -> datetime | None:
        try:
            found = self._parse(text)
        except UnreadableTimeError:
            return None
        return found if found and found <= self._latest else None


def _fault_of(email: str) -> Fault | None:
    if not email:
        return Fault("no-address")
    if len(email) > MAX_ADDRESS:
        return Fault("cell-too-long", email[:MAX_DETAIL])
    return Fault("bad-encoding") if is_undecoded(email) else None


def is_undecoded(text: str) -> bool:
    """Return whether a text has bytes that its file's encoding doesn't have."""
    return not text.isascii() and _UNDECODED.search(text) is not None


def name(text: str) -> str | None:
    """Return a name as a ``SubscriberName`` may be: without markup and controls, and cut."""
    text = text.strip()
    if _USUAL_NAME.fullmatch(text):
        return text
    shown = "".join(" " if _is_forbidden(each) else each for each in text[:MAX_NAME_GRAPHEMES])
    shown = " ".join(shown.split())
    return None if is_blank(shown) else shown


def _is_forbidden(character: str) -> bool:
    return (
        character in FORBIDDEN_NAME_CHARACTERS
        or character in _TURNING
        or unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
    )


def tags(texts: Iterable[str]) -> tuple[str, ...]:
    """Return tags without blanks and repetitions."""
    return tuple(dict.fromkeys(tag for text in texts if (tag := " ".join(text.split()))))


def language(text: str) -> str | None:
    """Return a language's tag (BCP 47), if the text is one and not a name such as ``German``."""
    text = text.strip().replace("_", "-")
    return text if _LANGUAGE.fullmatch(text) else None
