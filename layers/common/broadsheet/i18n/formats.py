"""How a language writes numbers and dates, and its name.

``locales/<language>/formats.json`` has it, from Unicode's CLDR; ``make catalogues`` writes it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

FILE = "formats.json"
# A date's pattern (UTS #35): a quoted text, or the day, the month in words, or the year.
_PART = re.compile(r"'([^']*)'|(d+)|(M+|L+)|(y+)")


@dataclass(frozen=True)
class Formats:
    """A language's name, separators, months and pattern of a date."""

    name: str
    group: str
    months: Sequence[str]
    date_pattern: str

    def number(self, number: int) -> str:
        """Return a whole number in groups of three digits."""
        return f"{number:,}".replace(",", self.group)

    def date(self, day: date) -> str:
        """Return a date with its month in words."""

        def part(found: re.Match[str]) -> str:
            text, day_, month, _year = found.groups()
            if text is not None:
                return text or "'"
            if day_:
                return f"{day.day:0{len(day_)}}"
            return self.months[day.month - 1] if month else str(day.year)

        return _PART.sub(part, self.date_pattern)


@cache
def of(folder: Path) -> Formats:
    """Return the formats of a language's folder."""
    return Formats(**json.loads((folder / FILE).read_text(encoding="utf-8")))
