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
from typing import Any
from urllib.parse import urlsplit

from local import http_api
from local.http_api import HttpServer, JsonApi


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
    with http_api.serving(HttpServer(("127.0.0.1", 0), Api)) as port:
        clocks.url = f"http://127.0.0.1:{port}"
        yield clocks


class _Api(JsonApi):
    clocks: Clocks

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        body = self.body()
        if path.endswith("/invocations"):
            self.clocks.kicks.put(json.loads(body))
            self.answer(202)
        elif self.clocks.create(_name(path), json.loads(body)["Target"]["Input"]):
            self.answer(200, {"ScheduleArn": f"arn:aws:scheduler:::{path}"})
        else:
            self._refuse(409, "ConflictException")

    def do_GET(self) -> None:
        created_at = self.clocks.created_at(_name(urlsplit(self.path).path))
        if created_at is None:
            self._refuse(404, "ResourceNotFoundException")
        else:
            self.answer(200, {"CreationDate": created_at})

    def do_DELETE(self) -> None:
        if self.clocks.delete(_name(urlsplit(self.path).path)):
            self.answer(200, {})
        else:
            self._refuse(404, "ResourceNotFoundException")

    def _refuse(self, status: int, error: str) -> None:
        self.answer(status, headers={"x-amzn-ErrorType": error})


def _name(path: str) -> str:
    return path.rpartition("/")[2]
