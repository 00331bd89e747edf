"""A person at a terminal: a program asks, and is answered when it has asked."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

SECONDS = 180
_COLOURS = re.compile(r"\x1b\[(?!\d*A|2K)[0-9;?]*[A-Za-z]")
# Up so many lines; the next line, or an empty one; or text. Nothing is written over without that.
_PIECES = re.compile(r"\x1b\[(\d+)A|(\n|\x1b\[2K)|([^\x1b\r\n]+)")


def converse(
    command: list[str],
    answers: Iterable[tuple[str, str | signal.Signals]],
    *,
    cwd: Path,
    environment: dict[str, str],
    status: int = 0,
) -> str:
    """Run a command at a pseudo-terminal; return all that stood on it at the end.

    ``answers``: the end of each question, and what is typed then; or a signal, as Ctrl-C sends one.
    Raises ``TimeoutError`` when a question doesn't come, and ``AssertionError`` when the command
    ends with another status.
    """
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env=environment,
        # Who starts the tests may ignore Ctrl-C, as a shell does for what runs in its background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
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
                if isinstance(answer, signal.Signals):
                    process.send_signal(answer)
                else:
                    os.write(ours, f"{answer}\n".encode())
            while more := _read(ours):
                shown += more
            process.wait(SECONDS)
        finally:
            os.close(ours)
            process.kill()
    assert process.returncode == status, shown
    return on_screen(shown)


def on_screen(printed: str) -> str:
    """Return what stands on a terminal after all that was printed: lines may be written over."""
    lines, at = [""], 0
    for up, line, text in _PIECES.findall(_COLOURS.sub("", printed)):
        if up:
            at = max(0, at - int(up))
        elif line == "\n":
            at += 1
            lines += [""] * (at == len(lines))
        elif line == "\x1b[2K":
            lines[at] = ""
        else:
            lines[at] += text
    return "\n".join(lines)


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
