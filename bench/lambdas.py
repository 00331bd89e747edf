"""Plays Lambda's part around a function: keeps environments and passes them events."""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from bench.aws import Queue
from local.clocks import Clocks
from local.state import REPOSITORY

# The limits of template.yaml, in seconds.
LIMITS = {
    "deliver": 60,
    "dispatch": 300,
    "publish": 29,
    "preview": 29,
    "people": 29,
    "studio": 29,
    "feedback": 60,
    "enroll": 90,
    "subscribe": 29,
    "transfer": 900,
}
CLOCK_SECONDS = 60.0
POLL_SECONDS = 0.2  # within which a poller notices that it should stop


class InvocationError(Exception):
    """A function raised, or its process ended."""


class Invocation(BaseModel):
    """One invocation's answer and cost. ``cpu`` and ``peak_memory``: its worker's so far.

    ``seconds`` and ``cpu`` are seconds, ``peak_memory`` is bytes.
    """

    model_config = ConfigDict(frozen=True)

    answer: Any
    seconds: float
    cpu: float
    peak_memory: int


class Worker:
    """One Lambda environment: a process that handles one invocation at a time."""

    def __init__(self, function: str, environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.worker", function, str(LIMITS[function])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(environment),
                cwd=REPOSITORY,
                text=True,
                start_new_session=True,  # Ctrl-C reaches only us, and we end it
            )
        self.pid = self._process.pid
        self._log = log
        self.invocations: list[Invocation] = []

    def invoke(self, event: Mapping[str, Any]) -> Invocation:
        """Call the handler. Raises ``InvocationError``."""
        asking, answering = self._process.stdin, self._process.stdout
        if asking is None or answering is None:
            raise InvocationError("the worker has no pipes")
        with suppress(BrokenPipeError):  # then there is no answer either
            asking.write(json.dumps(event) + "\n")
            asking.flush()
        line = answering.readline()
        if not line:
            raise InvocationError(f"a worker ended: see {self._log}")
        invocation = Invocation.model_validate_json(line)
        self.invocations.append(invocation)
        return invocation

    @property
    def cpu(self) -> float:
        """Processor seconds that the process has used, including its start."""
        return self.invocations[-1].cpu if self.invocations else 0.0

    def close(self) -> None:
        """End the process after its current invocation."""
        self._process.communicate()

    def kill(self) -> None:
        """Kill the process; ``invoke`` then raises for whoever waits for its answer."""
        self._process.kill()
        self._process.wait()
        with suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.close()
                self._process.stdin = None  # `close` may follow


class EventSource:
    """Polls a queue and invokes the workers with its messages, each from its own thread."""

    def __init__(self, messages: Queue, workers: Sequence[Worker], batch_size: int) -> None:
        self._queue = messages
        self._batch_size = batch_size
        self._ends = threading.Event()
        self.failure: Exception | None = None
        self._threads = [threading.Thread(target=self._work, args=(one,)) for one in workers]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop polling, and wait for running invocations."""
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _work(self, worker: Worker) -> None:
        while not self._ends.is_set():
            messages = self._queue.take(self._batch_size, POLL_SECONDS)
            if not messages:
                continue
            try:
                answer = worker.invoke({"Records": [message.record() for message in messages]})
            except InvocationError as error:
                self.failure = error
                return
            failed = {one["itemIdentifier"] for one in answer.answer["batchItemFailures"]}
            self._queue.delete([message.id for message in messages if message.id not in failed])


class AsynchronousCalls:
    """Invokes dispatch at each kick, and once a minute for each running clock."""

    def __init__(self, clocks: Clocks, worker: Worker) -> None:
        self._clocks = clocks
        self._worker = worker
        self._ends = threading.Event()
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait for a running invocation."""
        self._ends.set()
        self._thread.join()

    def _work(self) -> None:
        next_minute = time.monotonic() + CLOCK_SECONDS
        try:
            while not self._ends.is_set():
                with suppress(queue.Empty):
                    kick = self._clocks.kicks.get(timeout=POLL_SECONDS)
                    if "issue_id" in kick:  # others are of imports, and of webhooks
                        self._worker.invoke(kick)
                if time.monotonic() >= next_minute:
                    next_minute += CLOCK_SECONDS
                    for tick in self._clocks.running():
                        self._worker.invoke(tick)
        except InvocationError as error:
            self.failure = error
