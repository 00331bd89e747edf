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
_BLOCK = 1 << 16  # characters that are read at once
_LONGEST_KEY = 64  # characters, with what is around it
_BETWEEN = re.compile(r"[\s,]*")
_DECODER = json.JSONDecoder()


def is_json(head: str) -> bool:
    """Return whether a file that begins so has JSON, not a table."""
    return head.lstrip()[:1] in {"[", "{"}


def read(
    text: TextIO, key: str, most: int = MAX_DOCUMENT
) -> Iterator[tuple[int, dict[str, Any] | Unusable]]:
    """Yield the objects of a list, each with its number from 1.

    The list is the file, or the first under ``key``. A list that is cut off, an object of more
    characters than ``most``, and anything that is no object are reported.
    """
    buffer = _beginning(text, key)
    if buffer is None:
        yield 1, Unusable(1, "damaged-json")
        return
    at = number = 0
    while True:
        at = _BETWEEN.match(buffer, at).end()  # type: ignore[union-attr] # it matches anything
        number += 1
        if buffer[at : at + 1] == "]":
            return
        try:
            found, end = _DECODER.raw_decode(buffer, at)
        except (ValueError, RecursionError):
            more = text.read(_BLOCK)
            if not more or len(buffer) - at > most:
                yield number, Unusable(number, "damaged-json")
                return
            buffer, at, number = buffer[at:] + more, 0, number - 1
            continue
        at = end
        yield number, found if isinstance(found, dict) else Unusable(number, "damaged-json")


def _beginning(text: TextIO, key: str) -> str | None:
    """Return the text after the bracket with which the list begins, as far as it is read."""
    begins = re.compile(rf'(?<!\\)"{key}"\s*:\s*\[')
    buffer = text.read(_BLOCK)
    if opening := re.match(r"\s*\[", buffer):
        return buffer[opening.end() :]
    while True:
        if opening := begins.search(buffer):
            return buffer[opening.end() :]
        more = text.read(_BLOCK)
        if not more:
            return None
        buffer = buffer[-_LONGEST_KEY:] + more


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
