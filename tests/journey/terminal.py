"""A person at a terminal: a program asks, and is answered when it has asked."""

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

SECONDS = 180
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def converse(
    command: list[str],
    answers: Iterable[tuple[str, str]],
    *,
    cwd: Path,
    environment: dict[str, str],
) -> str:
    """Run a command at a pseudo-terminal; return all that stood on it at the end.

    ``answers``: the end of each question, and what is typed then. Raises ``TimeoutError`` when a
    question doesn't come, and ``AssertionError`` when the command fails.
    """
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment
    ) as process:
        os.close(theirs)
        shown = seen = ""
        try:
            for question, answer in answers:
                while question not in seen:
                    seen += (more := _read(ours))
                    shown += more
                    assert more, shown
                seen = seen.partition(question)[2]
                os.write(ours, f"{answer}\n".encode())
            while more := _read(ours):
                shown += more
            process.wait(SECONDS)
        finally:
            os.close(ours)
            process.kill()
    assert process.returncode == 0, shown
    return _COLOURS.sub("", shown).replace("\r\n", "\n")


def _read(terminal: int) -> str:
    """Return what was printed since; nothing at the end."""
    deadline = time.monotonic() + SECONDS
    while not select.select([terminal], [], [], 1)[0]:
        if time.monotonic() > deadline:
            raise TimeoutError
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError:  # Linux's way to say that nobody has the other side open any more
        return ""
