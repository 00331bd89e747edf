"""``python -m bench``: measures, prints tables, and writes build/bench.json."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from pydantic import BaseModel

from bench import delivery, governor, stage
from bench.delivery import Conclusion
from bench.governor import Utilization
from bench.wire import Traffic
from local.state import REPOSITORY

RESULTS = REPOSITORY / "build" / "bench.json"
SIZES = (10_000, 100_000, 1_000_000)  # subscribers
LATENCIES = (0.0, 0.05)  # seconds; in one region SES answers in about fifty milliseconds
WORKERS = 2  # deliver's MaximumConcurrency in template.yaml
COUNTED = 10_000  # mails of the run whose statements are counted
PARTS = ("delivery", "governor")


class Results(BaseModel):
    """What a run of the benchmarks showed; a part that was not run is empty."""

    machine: str
    began_at: float
    seconds: float = 0.0
    delivery: list[Conclusion] = []
    traffic: Traffic | None = None
    governor: list[Utilization] = []


def main() -> int:
    """Measure what is asked for; 1 when the governor misses its target."""
    arguments = _arguments()
    results = Results(machine=_machine(), began_at=time.time())
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as folder,
        stage.running(Path(folder)) as here,
    ):
        if "delivery" in arguments.only:
            for size in arguments.size:
                for latency in LATENCIES:
                    results.delivery.append(delivery.run(here, size, latency, WORKERS))
                    _say(delivery.table(results.delivery[-1:]))
            results.traffic = delivery.count(here, COUNTED, WORKERS)
            _say(delivery.traffic_table(results.traffic, COUNTED))
        if "governor" in arguments.only:
            for rate in governor.RATES:
                for workers in governor.WORKERS:
                    results.governor.append(governor.run(here, rate, workers, arguments.seconds))
            _say(governor.table(results.governor))
    results.seconds = time.time() - results.began_at
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(results.model_dump_json(indent=1))
    return 0 if all(each.is_good for each in results.governor) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--size", type=int, nargs="+", default=SIZES, help="subscribers")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=20.0, help="of sending at each rate")
    return parser.parse_args()


def _machine() -> str:
    return f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
