"""Stands in for EventBridge Scheduler and for Lambda's asynchronous calls of dispatch.

It keeps the issues' clocks and notes who was called; whoever drives the tests or the benchmarks
lets the clocks tick, or loses them.
"""

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Clocks:
    """The clocks that run, by their names, and the kicks that nobody has worked on yet."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()
        self.kicks: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.url = ""

    def running(self) -> list[dict[str, Any]]:
        """Return what each running clock calls dispatch with."""
        with self._lock:
            return [json.loads(called_with) for _, called_with in self._made.values()]

    def lose_all(self) -> int:
        with self._lock:
            lost = len(self._made)
            self._made.clear()
            return lost

    def taken_kicks(self) -> Iterator[dict[str, Any]]:
        while not self.kicks.empty():
            yield self.kicks.get()

    def create(self, name: str, called_with: str) -> bool:
        with self._lock:
            if name in self._made:
                return False
            self._made[name] = (time.time(), called_with)
            return True

    def created_at(self, name: str) -> float | None:
        with self._lock:
            return self._made[name][0] if name in self._made else None

    def delete(self, name: str) -> bool:
        with self._lock:
            return self._made.pop(name, None) is not None


@contextmanager
def serving() -> Iterator[Clocks]:
    """Serve both APIs on a free port."""
    clocks = Clocks()

    class Api(_Api):
        pass

    Api.clocks = clocks
    server = _Server(("127.0.0.1", 0), Api)
    clocks.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield clocks
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: who called was killed meanwhile."""


class _Api(BaseHTTPRequestHandler):
    clocks: Clocks
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves in one piece: Nagle's algorithm would hold a second one back

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path.endswith("/invocations"):
            self.clocks.kicks.put(json.loads(body))
            self._answer(202)
        elif self.clocks.create(_name(path), json.loads(body)["Target"]["Input"]):
            self._answer(200, {"ScheduleArn": f"arn:aws:scheduler:::{path}"})
        else:
            self._answer(409, {"Message": "it exists"}, "ConflictException")

    def do_GET(self) -> None:
        created_at = self.clocks.created_at(_name(urlsplit(self.path).path))
        if created_at is None:
            self._answer(404, {"Message": "there is none"}, "ResourceNotFoundException")
        else:
            self._answer(200, {"CreationDate": created_at})

    def do_DELETE(self) -> None:
        if self.clocks.delete(_name(urlsplit(self.path).path)):
            self._answer(200, {})
        else:
            self._answer(404, {"Message": "there is none"}, "ResourceNotFoundException")

    def _answer(
        self, status: int, document: dict[str, Any] | None = None, error: str | None = None
    ) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        if error:
            self.send_header("x-amzn-ErrorType", error)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - its parent's
        """Say nothing."""


def _name(path: str) -> str:
    return path.rpartition("/")[2]
