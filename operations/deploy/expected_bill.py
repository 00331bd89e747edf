"""The bill that a stack will cause, shown before anything of it is made."""

from rich.console import Console
from rich.table import Table

from operations.bill.__main__ import NAMES
from operations.bill.model import Counted, Item, Month, Prices, Standing, bill, used

OF_A_DATABASE = {"acu_hours", "database_gigabytes", "database_io"}
CENT = 0.005
ISSUES = 4


def show(readers: int, *, makes_database: bool) -> None:
    """Print a month's bill for so many readers, and that of a month in which nothing happens."""
    prices, standing, counted = Prices.read(), Standing.read(), Counted.read()

    def items(month: Month) -> list[Item]:
        return [
            item
            for item in bill(used(month, counted, standing), prices)
            if makes_database or item.name not in OF_A_DATABASE
        ]

    month = items(Month.usual(readers, ISSUES))
    table = Table(box=None, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for item in sorted(month, key=lambda each: -each.dollars):
        if item.dollars >= CENT:
            table.add_row(NAMES[item.name], f"${item.dollars:.2f}")
    table.add_row(f"A month with {readers:,} readers and {ISSUES} issues", _total(month))
    table.add_row("A month in which nothing happens", _total(items(Month.idle())))
    print(f"\nWhat it will cost, at prices of {prices.as_of} in {prices.region} (make bill):\n")
    Console().print(table)


def _total(items: list[Item]) -> str:
    return f"${sum(item.dollars for item in items):.2f}"
