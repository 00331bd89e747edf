"""How the operator's commands print: tables and colours for a terminal, plain lines for a pipe."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 120  # of a table that goes to a file or a program, whatever the terminal's width


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


def complain(text: str) -> None:
    """Print what went wrong to standard error."""
    console(stderr=True).print(Text(text, style="red"), soft_wrap=True)


def print_json(document: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Print a document for a program."""
    print(json.dumps(document, indent=2))


def table(*columns: str, title: str = "", numbers: tuple[str, ...] = ()) -> Table:
    """Return an empty table; the columns in ``numbers`` are aligned to the right."""
    made = Table(title=title or None, title_justify="left", title_style="bold", box=None)
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left")
    return made
