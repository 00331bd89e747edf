"""What is wrong with an issue: errors that stop its publication, and warnings.

A finding has a code and the parameters of its sentence, which ``web/sentences.py`` makes.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MOST_OF_A_CODE = 20  # nobody reads more, and a text of 400,000 characters could have 60,000
LONGEST_PARAMETER = 200  # characters
_LINE = re.compile(r"line (\d+)")


class Severity(StrEnum):
    """How bad a finding is: an error stops a publication unless the author accepts its code."""

    ERROR = "error"
    WARNING = "warning"


# Every code that is an error; all others are warnings.
ERRORS = frozenset(
    (
        *("unknown-placeholder", "relative-link", "relative-image", "no-address"),
        *("name-in-host", "placeholder-in-markup", "unfinished-markup", "unfinished-comment"),
        *("too-complex", "too-large", "front-matter-in-body", "footnote-unused"),
        *("no-archive-page", "unknown-segment"),
    )
)
# No mail can carry these, or it would harm its readers, or would have none: accepting them has no
# effect.
NEVER_ACCEPTED = frozenset(
    (
        *("name-in-host", "placeholder-in-markup", "unfinished-markup", "too-complex"),
        *("too-large", "unknown-segment"),
    )
)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. ``where``: its place in what the author wrote, as in "line 3"."""

    code: str
    where: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """Return how bad it is."""
        return Severity.ERROR if self.code in ERRORS else Severity.WARNING

    @property
    def line(self) -> int:
        """Return the line of the text that it is about, from 1; 0 if it is about no line."""
        found = _LINE.match(self.where or "")
        return int(found[1]) if found else 0


class Findings:
    """Collects findings in order: each once, and at most ``MOST_OF_A_CODE`` of a code."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Finding] = {}
        self._count = Counter[str]()

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found.values())

    def add(self, code: str, where: str | None = None, **parameters: object) -> None:
        """Add a finding; a text among its parameters is shortened to one line."""
        shown = {
            name: _shortened(value) if isinstance(value, str) else value
            for name, value in parameters.items()
        }
        key = (code, where, *shown.values())
        if key not in self._found and self._count[code] < MOST_OF_A_CODE:
            self._count[code] += 1
            self._found[key] = Finding(code, where, shown)


def unaccepted(findings: Iterable[Finding], accepted: Iterable[str]) -> Sequence[Finding]:
    """Return the errors that stop a publication whose author accepts some codes."""
    passed = frozenset(accepted) - NEVER_ACCEPTED
    return [
        finding
        for finding in findings
        if finding.severity is Severity.ERROR and finding.code not in passed
    ]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings as people read them: errors first, each kind in the order of the text."""
    return sorted(findings, key=lambda each: (each.severity is not Severity.ERROR, each.line))


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_PARAMETER else f"{line[: LONGEST_PARAMETER - 1]}…"
