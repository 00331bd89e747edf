"""The bill that a stack will cause, shown before anything of it is made."""

from rich.table import Table

from operations.bill.command import NAMES, total
from operations.bill.model import (
    DEFAULT_REGION,
    Counted,
    Item,
    Month,
    Prices,
    Standing,
    bill,
    regions,
    used,
)
from operations.console import console, say

CENT = 0.005  # what is less is shown as nothing
ISSUES = 4


def monthly(readers: int, region: str) -> str:
    """Return what a month costs in a region; nothing where the prices aren't known."""
    if region not in regions():
        return ""
    return f"${total(_items(Month.usual(readers, ISSUES), region)):.2f} a month"


def show(readers: int, region: str, *, makes_database: bool, has_zone: bool) -> None:
    """Print a month's bill for so many readers, and that of a month in which nothing happens."""
    priced = region if region in regions() else DEFAULT_REGION
    changed = {"own_database": not makes_database, "zone": has_zone}
    month = _items(Month.usual(readers, ISSUES).model_copy(update=changed), priced)
    idle = _items(Month.idle().model_copy(update=changed), priced)
    table = Table(box=None, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for item in sorted(month, key=lambda each: -each.dollars):
        if item.dollars >= CENT:
            table.add_row(NAMES[item.name], f"${item.dollars:.2f}")
    table.add_row(f"A month with {readers:,} readers and {ISSUES} issues", f"${total(month):.2f}")
    table.add_row("A month in which nothing happens", f"${total(idle):.2f}")
    say(f"\nWhat it will cost, at prices of {Prices.read(priced).as_of} in {priced} (make bill):\n")
    console().print(table)


def _items(month: Month, region: str) -> list[Item]:
    return bill(used(month, Counted.read(), Standing.read()), Prices.read(region))
