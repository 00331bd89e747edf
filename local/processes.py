"""The stack's child processes: detached from the terminal, and never left running."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

# Every process of a stack, and its children, has the state folder in this variable, so that the
# processes that survive a kill -9 of the supervisor are found, and no others are ended.
MARK = "BROADSHEET_STACK_OF"
POLL_SECONDS = 0.05
# The emulator's poller says so of each queue until its concurrency is set as a number, right after
# a deployment (deployment._put_concurrencies).
NOISE = "ESM SQS poller error: '>=' not supported between instances of"


class ChildError(Exception):
    """A process of the stack did not start, or ended by itself."""


@dataclass(frozen=True)
class Child:
    """A running process of the stack, with a session of its own.

    So Ctrl-C reaches only the supervisor, which ends its children in order.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: dict[str, str],
        state_folder: Path,
        cwd: Path | None = None,
    ) -> Self:
        """Start a program; append its output to its log file."""
        log = state_folder / "logs" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment | {MARK: str(state_folder)},
                start_new_session=True,
                cwd=cwd,
            )
        return cls(name, process, log)

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self.process.poll() is None

    def wait_until(self, is_ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until the program is ready. Raises ``ChildError`` if it ends or takes longer."""
        deadline = time.monotonic() + seconds
        while not is_ready():
            if not self.is_running:
                raise ChildError(f"{self.name} ended as it started.\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise ChildError(
                    f"{self.name} is not ready after {seconds} s.\n{self.last_words()}"
                )
            time.sleep(POLL_SECONDS)

    def last_words(self) -> str:
        """Return the end of the program's log."""
        return tail(self.log)

    def stop(self, *, by: signal.Signals = signal.SIGTERM, seconds: float = 10) -> None:
        """Ask the program to end; kill it and its group after ``seconds``."""
        if self.is_running:
            self.process.send_signal(by)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def of_stack(state_folder: Path) -> Iterator[psutil.Process]:
    """Yield the running processes of a stack, without its supervisor."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(state_folder):
                yield process
        except (psutil.Error, OSError):  # it has ended, or is another user's
            continue


def end_leftovers(state_folder: Path) -> int:
    """End the processes that an earlier supervisor left; return their number."""
    leftovers = list(of_stack(state_folder))
    for process in leftovers:
        _signal(process, signal.SIGTERM)
    # On SIGTERM PostgreSQL waits for its clients, which may be other processes.
    _, stubborn = psutil.wait_procs(leftovers, timeout=5)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=5)
    return len(leftovers)


def tail(log: Path, lines: int = 15) -> str:
    """Return the end of a log, indented."""
    text = log.read_text(errors="replace") if log.exists() else ""
    shown = [line for line in text.splitlines() if line.strip() and NOISE not in line]
    return "\n".join(f"    {line}" for line in shown[-lines:])


def _signal(process: psutil.Process, by: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(by)
