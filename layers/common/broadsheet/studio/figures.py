"""An issue's figures as its author reads them: rows of a table, and the bars of a small chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.domain.books import Books

_CHART = 300  # units across
_LEAST = 2  # units: what is more than nothing is seen


class Bar(NamedTuple):
    """One figure. ``width``: of ``_CHART`` units. ``share``: of what was sent, in percent."""

    name: str
    number: int
    width: int
    share: str


def bars(books: Books, unsubscribed: int) -> Sequence[Bar]:
    """Return what became of the mails that were sent."""
    numbers = {
        "delivered": books.delivered,
        "bounced": books.bounced,
        "complained": books.complained,
        "unsubscribed": unsubscribed,
    }
    return [_bar(name, number, books.accepted) for name, number in numbers.items()]


def _bar(name: str, number: int, of: int) -> Bar:
    if not number or not of:
        return Bar(name, number, 0, "0")
    share = 100 * number / of
    width = min(_CHART, max(_LEAST, round(_CHART * number / of)))
    return Bar(name, number, width, f"{share:.1f}" if share < 10 else f"{share:.0f}")  # noqa: PLR2004 - two digits


def done(books: Books, audience: int) -> int:
    """Return of how many recipients the outcome is known, or nothing more is done."""
    return audience - books.waiting
