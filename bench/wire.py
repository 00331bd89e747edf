"""Counts the traffic between the functions and PostgreSQL, by libpq's traces.

libpq writes a line per message: its side (F for frontend, B for backend), length, type and content.
A statement's text may span several lines.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

_MESSAGE = re.compile(r"^([FB])\t(\d+)\t(\w+)(?:\t (.*))?$", re.MULTILINE)
_STATEMENT = re.compile(r'(?:Parse|Query)\t (?:"" )?"\s*([^"]*)')
_FIRST_WORD = re.compile(r"[A-Za-z]+")
_TRANSACTION = {"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"}


class Traffic(BaseModel):
    """Statements by kind, and bytes both ways, without setting up connections."""

    model_config = ConfigDict(frozen=True)

    statements: int
    transaction_control: int
    settings: int
    bytes_sent: int
    bytes_received: int
    connections: int
    by_text: dict[str, int]


def read(traces: Iterable[Path]) -> Traffic:
    """Add up the traces of some processes."""
    texts: Counter[str] = Counter()
    sent = received = connections = 0
    for trace in traces:
        text = trace.read_text(errors="replace")
        for side, length, kind, _ in _MESSAGE.findall(text):
            # The length in the trace includes itself, but not the byte for the type.
            if side == "F":
                sent += int(length) + 1
            else:
                received += int(length) + 1
            connections += kind == "Terminate"
        texts.update(" ".join(found.split()) for found in _STATEMENT.findall(text))
    kinds: Counter[str] = Counter()
    for statement, number in texts.items():
        kinds[_kind(statement)] += number
    return Traffic(
        statements=kinds["statement"],
        transaction_control=kinds["transaction"],
        settings=kinds["setting"],
        bytes_sent=sent,
        bytes_received=received,
        connections=connections,
        by_text=dict(texts.most_common()),
    )


def _kind(statement: str) -> str:
    first = _FIRST_WORD.match(statement)
    word = first[0].upper() if first else ""
    if word in _TRANSACTION:
        return "transaction"
    return "setting" if word == "SET" else "statement"
