"""The emulator with the gate in front of it: a program for the emulator's own interpreter.

``emulator.py ROLES RECORD``, both files; everything else is the emulator's environment.
"""

import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Its functions inherit the environment, so the path to this package must not be in it.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from local.iam.calls import HttpCall
from local.iam.gate import Gate

type Message = dict[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Application = Callable[[Message, Receive, Send], Coroutine[Any, Any, None]]


def guarded(application: Application, gate: Gate) -> Application:
    """Return an ASGI application that refuses what the gate refuses."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        headers = {
            name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        if "app/" not in headers.get("user-agent", ""):
            await application(scope, receive, send)
            return
        body = await _body(receive)
        query = scope["query_string"].decode()
        url = scope.get("raw_path", b"").decode() or scope["path"]
        http = HttpCall(scope["method"], f"{url.partition('?')[0]}?{query}", headers, body)
        refusal = gate.refusal(http)
        if refusal is None:
            await application(scope, _again(body, receive), send)
            return
        raw = [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
        await send({"type": "http.response.start", "status": refusal.status, "headers": raw})
        await send({"type": "http.response.body", "body": refusal.body})

    return answer


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a receiver of a body that has been read, and of what follows."""
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def message() -> Message:
        return unread.pop() if unread else await receive()

    return message


def main() -> None:
    """Run the emulator until a signal ends it."""
    from ministack import app as emulator  # noqa: PLC0415 - only its own interpreter has it

    roles, record = map(Path, sys.argv[1:])
    sys.argv[1:] = []  # the emulator reads its own
    emulator.app = guarded(emulator.app, Gate(roles, record))
    emulator.main()


if __name__ == "__main__":
    main()
