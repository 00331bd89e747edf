"""Stand in for EventBridge Scheduler and for Lambda's asynchronous calls of dispatch.

It stores the issues' clocks and the kicks; the tests and the benchmarks that use it make the
clocks tick, or lose them.
"""

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from aiohttp import web

from local import http_api


class Clocks:
    """The running clocks by name, and the kicks that wait."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()
        self.kicks: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.url = ""

    def running(self) -> list[dict[str, Any]]:
        """Return the event with which each running clock calls dispatch."""
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

    async def answer(request: web.BaseRequest) -> web.Response:
        return _answer(clocks, request, await request.read())

    with http_api.serving(answer) as port:
        clocks.url = f"http://127.0.0.1:{port}"
        yield clocks


def _answer(clocks: Clocks, request: web.BaseRequest, body: bytes) -> web.Response:
    name = request.path.rpartition("/")[2]
    match request.method:
        case "POST" if name == "invocations":
            clocks.kicks.put(json.loads(body))
            return web.Response(status=HTTPStatus.ACCEPTED)
        case "POST":
            if clocks.create(name, json.loads(body)["Target"]["Input"]):
                return web.json_response({"ScheduleArn": f"arn:aws:scheduler:::{request.path}"})
            return _refusal(HTTPStatus.CONFLICT, "ConflictException")
        case "GET":
            created_at = clocks.created_at(name)
            if created_at is not None:
                return web.json_response({"CreationDate": created_at})
        case "DELETE":
            if clocks.delete(name):
                return web.json_response({})
    return _refusal(HTTPStatus.NOT_FOUND, "ResourceNotFoundException")


def _refusal(status: HTTPStatus, error: str) -> web.Response:
    return web.Response(status=status, headers={"x-amzn-ErrorType": error})
