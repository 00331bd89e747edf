"""Answers like SES's v2 API, and counts mails per recipient instead of sending them.

``python -m bench.sink`` serves on a free port and prints its address. The benchmarks set its
conditions and read its record under ``/bench``.
"""

import asyncio
import json
import sqlite3
import time
from collections import Counter
from uuid import uuid4

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from ses_server.account import Account
from ses_server.limits import UNLIMITED, Limits


class Conditions(BaseModel):
    """How the sink answers. ``latency`` in seconds, ``max_send_rate`` in mails a second."""

    model_config = ConfigDict(frozen=True)

    latency: float = 0.0
    max_send_rate: float
    enforces_rate: bool = False


class Call(BaseModel):
    """One call that sent mail, by the wall clock."""

    model_config = ConfigDict(frozen=True)

    at: float
    accepted: int
    throttled: int


class Record(BaseModel):
    """The calls since the conditions were last set. ``bytes``: size of their requests."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    calls: list[Call]

    @property
    def accepted(self) -> int:
        """The number of accepted mails."""
        return sum(call.accepted for call in self.calls)

    @property
    def throttled(self) -> int:
        """The number of mails refused because of the rate."""
        return sum(call.throttled for call in self.calls)

    @property
    def seconds(self) -> float:
        """The seconds from the first call to the last."""
        return self.calls[-1].at - self.calls[0].at if self.calls else 0.0


class Sink:
    """Counts the mails since the conditions were last set, and enforces the rate."""

    def __init__(self) -> None:
        self.set(Conditions(max_send_rate=1))

    def set(self, conditions: Conditions) -> None:
        """Forget all calls, and answer under these conditions from now on."""
        self.conditions = conditions
        account = Account(
            max_send_rate=conditions.max_send_rate,
            max_24_hour_send=UNLIMITED,
            enforces_rate=conditions.enforces_rate,
        )
        # Limits counts mails for the quota in a database; there is no quota here.
        self._limits = Limits(account, sqlite3.connect(":memory:"))
        self._message_suffix = f"{uuid4()}-000000"
        self._messages = 0
        self.received: Counter[str] = Counter()
        self.calls: list[Call] = []
        self.bytes = 0
        self._last_call = b""

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer one request, to SES's API or to ``/bench``."""
        body = await request.read()
        match request.method, request.path:
            case "POST", "/v2/email/outbound-bulk-emails":
                self._last_call = body
                entries = json.loads(body)["BulkEmailEntries"]
                results = self._take([entry["Destination"]["ToAddresses"] for entry in entries])
                return await self._sent(request, body, {"BulkEmailEntryResults": results})
            case "POST", "/v2/email/outbound-emails":
                (result,) = self._take([json.loads(body)["Destination"]["ToAddresses"]])
                return await self._sent(request, body, {"MessageId": result["MessageId"]})
            case "GET", "/v2/email/account":
                return web.json_response({"SendQuota": self._quota(), "SendingEnabled": True})
            case _:
                return self._answer_benchmark(request, body)

    def _answer_benchmark(self, request: web.BaseRequest, body: bytes) -> web.Response:
        """Answer a request to ``/bench``."""
        match request.method, request.path:
            case "PUT", "/bench/conditions":
                self.set(Conditions.model_validate_json(body))
                return web.Response()
            case "GET", "/bench/record":
                record = Record(bytes=self.bytes, calls=self.calls)
                return web.Response(text=record.model_dump_json())
            case "GET", "/bench/received":
                return web.json_response(self.received)
            case "GET", "/bench/last-call":
                return web.Response(body=self._last_call)
            case _:
                return web.Response(status=404)

    def _quota(self) -> dict[str, float]:
        return {
            "Max24HourSend": UNLIMITED,
            "MaxSendRate": self.conditions.max_send_rate,
            "SentLast24Hours": sum(self.received.values()),
        }

    def _take(self, messages: list[list[str]]) -> list[dict[str, str]]:
        limits = self._limits.admit([len(recipients) for recipients in messages])
        results = []
        for recipients, limit in zip(messages, limits, strict=True):
            if limit:
                results.append({"Status": limit.value, "Error": limit.message})
                continue
            self.received.update(recipients)
            self._messages += 1
            message_id = f"0100{self._messages:012x}-{self._message_suffix}"
            results.append({"Status": "SUCCESS", "MessageId": message_id})
        throttled = sum(limit is not None for limit in limits)
        self.calls.append(
            Call(at=time.time(), accepted=len(messages) - throttled, throttled=throttled)
        )
        return results

    async def _sent(
        self, request: web.BaseRequest, body: bytes, answer: dict[str, object]
    ) -> web.Response:
        self.bytes += len(body) + sum(len(name) + len(value) for name, value in request.raw_headers)
        if self.conditions.latency:
            await asyncio.sleep(self.conditions.latency)
        return web.json_response(answer)


async def serve() -> None:
    """Serve until the process ends."""
    runner = web.ServerRunner(web.Server(Sink().answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"listening on http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
