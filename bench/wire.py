"""What went between the functions and PostgreSQL, from libpq's own traces.

libpq writes a line per message: whether it went from the frontend (F) or the backend (B), its
length, its type and what is in it; a statement's text may go on over several lines.
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
    """Statements by their kind, and bytes both ways, their connections' set-up not included."""

    model_config = ConfigDict(frozen=True)

    statements: int
    transaction_control: int
    settings: int
    bytes_sent: int
    bytes_received: int
    connections: int
    by_text: dict[str, int]


def read(traces: Iterable[Path]) -> Traffic:
    """Add up what some processes' traces tell."""
    texts: Counter[str] = Counter()
    sent = received = connections = 0
    for trace in traces:
        text = trace.read_text(errors="replace")
        for side, length, kind, _ in _MESSAGE.findall(text):
            # The length in the trace counts itself and not the byte that tells the type.
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
