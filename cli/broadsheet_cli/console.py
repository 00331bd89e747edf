"""How commands print: colours for a terminal, plain lines for a pipe, JSON for a program."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 120  # of a table that goes to a file or a program, whatever the terminal's width
STYLES = {"error": "red", "warning": "yellow"}


def console(*, stderr: bool = False) -> Console:
    """Return a console for standard output or error as they are now.

    Rich leaves colours out unless the stream is a terminal, and with NO_COLOR.
    """
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream, highlight=False, width=None if stream.isatty() else PIPED_WIDTH, emoji=False
    )


def say(text: str = "", style: str = "") -> None:
    """Print a text as it is: without markup, and never wrapped, so that commands can be copied."""
    console().print(Text(text, style=style), soft_wrap=True)


def note(text: str, style: str = "dim") -> None:
    """Print what is no result, such as a wait, to standard error."""
    console(stderr=True).print(Text(text, style=style), soft_wrap=True)


def complain(text: str) -> None:
    """Print what went wrong to standard error."""
    note(text, "red")


def print_json(document: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Print a document for a program."""
    print(json.dumps(document, indent=2))


def table(*columns: str, numbers: tuple[str, ...] = ()) -> Table:
    """Return an empty table; the columns in ``numbers`` are aligned to the right."""
    made = Table(box=None)
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left")
    return made


def is_interactive() -> bool:
    """Return whether somebody is there who can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def readers(number: int) -> str:
    """Return so many readers in words."""
    return f"{number:,} reader{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a duration as a person says it."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - a minute
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
