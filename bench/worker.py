"""Plays a Lambda environment: runs one function's handler, one invocation at a time.

``python -m bench.worker deliver 60`` reads events from standard input, one JSON document a line,
and answers each on standard output. The function's log goes to standard error.
"""

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.pq import Trace


class Context:
    """An invocation's Lambda context. ``limit``: the function's timeout in seconds."""

    log_stream_name = "2026/11/22/[$LATEST]bench"

    def __init__(self, limit: float) -> None:
        self.aws_request_id = str(uuid4())
        self._ends_at = time.monotonic() + limit

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the invocation may still run."""
        return max(0, int((self._ends_at - time.monotonic()) * 1000))


def main() -> None:
    """Handle events until the input ends."""
    function, limit = sys.argv[1], float(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if folder := os.environ.get("BENCH_TRACES"):
        _trace_databases(Path(folder))
    app = importlib.import_module(f"functions.{function}.app")
    for line in sys.stdin:
        event = json.loads(line)
        began = time.perf_counter()
        answer = app.handler(event, Context(limit))
        seconds = time.perf_counter() - began
        print(
            json.dumps({"answer": answer, "seconds": seconds} | _used()), file=answers, flush=True
        )


def _used() -> dict[str, Any]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    # ru_maxrss includes the process before it became this program.
    status = Path("/proc/self/status").read_text()
    (peak,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return {"cpu": used.ru_utime + used.ru_stime, "peak_memory": int(peak) * 1024}


def _trace_databases(folder: Path) -> None:
    """Make libpq trace every message to and from PostgreSQL, with its length."""
    connect = psycopg.connect

    def connect_traced(*args: Any, **options: Any) -> psycopg.Connection[Any]:  # noqa: ANN401
        connection = connect(*args, **options)
        file = os.open(folder / f"{os.getpid()}.trace", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        connection.pgconn.trace(file)
        connection.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        return connection

    psycopg.connect = connect_traced


if __name__ == "__main__":
    main()
