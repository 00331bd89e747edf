"""Measures the sink alone, to show that it is not the bottleneck."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from bench.sink import Conditions
from bench.stage import CALLERS
from bench.tables import table as table_of

if TYPE_CHECKING:
    from bench.stage import Stage

CALLS = 1_000


class SinkCapacity(BaseModel):
    """What the sink can take; ``cpu``: its processor seconds per 100,000 mails."""

    model_config = ConfigDict(frozen=True)

    mails_per_second: float
    cpu: float


def measure(stage: Stage) -> SinkCapacity:
    """Repeat deliver's last call, without deliver."""
    body = stage.sink.last_call()
    stage.sink.set(Conditions(max_send_rate=1))

    def call_again() -> None:
        for _ in range(CALLS // CALLERS):
            stage.sink.send(body)

    callers = [threading.Thread(target=call_again) for _ in range(CALLERS)]
    cpu, began = stage.sink.cpu, time.monotonic()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    seconds, used = time.monotonic() - began, stage.sink.cpu - cpu
    mails = stage.sink.record().accepted
    return SinkCapacity(mails_per_second=mails / seconds, cpu=used / mails * 100_000)


def table(capacity: SinkCapacity) -> str:
    """Return a table of the capacity."""
    return table_of(
        ("the sink alone", "mails/s", "CPU s / 100,000"),
        [("repeated calls", capacity.mails_per_second, capacity.cpu)],
    )
