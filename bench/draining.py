"""Empties a full queue as fast as its workers can."""

from __future__ import annotations

import time
from statistics import quantiles
from typing import TYPE_CHECKING, NamedTuple

from bench.aws import Message
from bench.lambdas import EventSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.lambdas import Invocation, Worker
    from bench.stage import Stage

POLL_SECONDS = 0.02


class Drained(NamedTuple):
    """What emptying a queue took, in seconds; ``cpu_…`` in processor seconds."""

    seconds: float
    cpu_workers: float
    cpu_database: float
    invocation_p50: float
    invocation_p99: float


def warm(worker: Worker, bodies: Iterable[str]) -> None:
    """Invoke a worker once with some messages, outside of any queue."""
    worker.invoke({"Records": [Message(body, {}, 0.0).record() for body in bodies]})


def drain(
    stage: Stage, queue: str, workers: Sequence[Worker], bodies: Iterable[str], batch_size: int
) -> Drained:
    """Fill a queue, and measure how the workers empty it."""
    messages = stage.aws.queues[queue]
    for body in bodies:
        messages.put(body, {})
    before = [len(worker.invocations) for worker in workers]
    cpu, database = sum(worker.cpu for worker in workers), stage.postgres_cpu
    began = time.monotonic()
    source = EventSource(messages, workers, batch_size)
    try:
        while len(messages):
            if source.failure:
                raise source.failure
            time.sleep(POLL_SECONDS)
        seconds = time.monotonic() - began
    finally:
        source.close()
    invoked = [
        one
        for worker, number in zip(workers, before, strict=True)
        for one in worker.invocations[number:]
    ]
    return Drained(
        seconds,
        sum(worker.cpu for worker in workers) - cpu,
        stage.postgres_cpu - database,
        *percentiles(invoked),
    )


def percentiles(invoked: Sequence[Invocation]) -> tuple[float, float]:
    """Return the 50th and 99th percentile of the invocations' seconds."""
    of_hundred = quantiles((one.seconds for one in invoked), n=100, method="inclusive")
    return of_hundred[49], of_hundred[98]
