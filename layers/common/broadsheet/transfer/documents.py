"""Reads and writes a list of JSON objects one by one: a million are more than memory holds."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from broadsheet.domain.people import Unusable
from broadsheet.transfer.table import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

MAX_DOCUMENT = 1 << 20  # characters
_RESULTS = re.compile(r'"results"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")
_DECODER = json.JSONDecoder()


def is_json(head: str) -> bool:
    """Return whether a file that begins so has JSON, not a table."""
    return head.lstrip()[:1] in {"[", "{"}


def read(text: TextIO) -> Iterator[tuple[int, dict[str, Any] | Unusable]]:
    """Yield the objects of a list, each with its number from 1.

    The list is the file, or what is under ``results``. A list that is cut off, or anything that is
    no object, is reported.
    """
    buffer = text.read(MAX_DOCUMENT)
    begins = _RESULTS.search(buffer) or re.match(r"\s*\[", buffer)
    if begins is None:
        yield 1, Unusable(1, "damaged-json")
        return
    at, number = begins.end(), 0
    while True:
        at = _BETWEEN.match(buffer, at).end()  # type: ignore[union-attr] # it matches anything
        number += 1
        if buffer[at : at + 1] == "]":
            return
        try:
            found, end = _DECODER.raw_decode(buffer, at)
        except (ValueError, RecursionError):
            more = text.read(MAX_DOCUMENT)
            if not more or len(buffer) - at > MAX_DOCUMENT:
                yield number, Unusable(number, "damaged-json")
                return
            buffer, at, number = buffer[at:] + more, 0, number - 1
            continue
        at = end
        yield number, found if isinstance(found, dict) else Unusable(number, "damaged-json")


def write(start: str, found: Iterable[dict[str, Any]], end: str) -> Iterator[bytes]:
    """Yield a list of objects between its beginning and its end."""
    parts, size, divider = [start], 0, "\n"
    for each in found:
        part = divider + json.dumps(each, ensure_ascii=False)
        parts.append(part)
        size += len(part)
        divider = ",\n"
        if size >= CHUNK:
            yield "".join(parts).encode()
            parts, size = [], 0
    yield "".join([*parts, end]).encode()
