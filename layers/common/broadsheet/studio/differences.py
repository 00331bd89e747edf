"""What differs between two texts: by lines, and within a changed line by words."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CONTEXT = 2  # unchanged lines around a change
_MOST_WORDS = 2_000  # of a changed passage whose words are compared; more takes seconds
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


class Change(StrEnum):
    """What became of a piece of text."""

    KEPT = "kept"
    REMOVED = "removed"
    ADDED = "added"
    SKIPPED = "skipped"  # unchanged lines that aren't shown


class Piece(NamedTuple):
    """A piece of text, and what became of it."""

    change: Change
    text: str = ""


def between(before: str, after: str) -> Sequence[Piece]:
    """Return the pieces of which two texts consist; empty if they are the same."""
    if before == after:
        return []
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    pieces: list[Piece] = []
    shown_until = 0
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes(_CONTEXT):
        if group[0][1] > shown_until:
            pieces.append(Piece(Change.SKIPPED))
        for tag, *bounds in group:
            old_from, old_to, new_from, new_to = bounds
            removed, added = "".join(old[old_from:old_to]), "".join(new[new_from:new_to])
            pieces += [Piece(Change.KEPT, added)] if tag == "equal" else _changed(removed, added)
        shown_until = group[-1][2]
    if shown_until < len(old):
        pieces.append(Piece(Change.SKIPPED))
    return pieces


def _changed(before: str, after: str) -> Iterator[Piece]:
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if not (old and new) or len(old) + len(new) > _MOST_WORDS:
        yield from _pieces(before, after)
        return
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        removed, added = "".join(old[old_from:old_to]), "".join(new[new_from:new_to])
        if tag == "equal":
            yield Piece(Change.KEPT, added)
        else:
            yield from _pieces(removed, added)


def _pieces(removed: str, added: str) -> Iterator[Piece]:
    if removed:
        yield Piece(Change.REMOVED, removed)
    if added:
        yield Piece(Change.ADDED, added)
