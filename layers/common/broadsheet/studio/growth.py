"""The chart of growth: how many readers there were at the end of each day."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import date

    from broadsheet.domain.statistics import Statistics

_WIDTH, _HEIGHT = 640, 160  # units of the picture
_CONFIRMED = "confirmed"


class Growth(NamedTuple):
    """The line, and the numbers beside it. ``points``: as SVG's ``polyline`` has them."""

    points: str
    least: int
    most: int
    first: date
    last: date
    totals: list[int]


def chart(statistics: Statistics) -> Growth:
    """Return the readers at the end of each day, counted back from those of now."""
    total = statistics.readers.get(_CONFIRMED, 0)
    totals = [total]
    for day in reversed(statistics.days[1:]):
        totals.append(max(totals[-1] - day.growth, 0))
    totals.reverse()
    least, most = min(totals), max(totals)
    step = _WIDTH / max(len(totals) - 1, 1)
    # From zero, so that a small change looks small.
    points = " ".join(
        f"{place * step:.1f},{_HEIGHT - each / max(most, 1) * _HEIGHT:.1f}"
        for place, each in enumerate(totals)
    )
    first, last = statistics.days[0].day, statistics.days[-1].day
    return Growth(points, least, most, first, last, totals)
