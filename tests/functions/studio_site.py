"""The studio as a browser with scripts reaches it: a server in front of its handler."""

from __future__ import annotations

import base64
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from functions.studio.app import handler
from local.lambda_events import api_event
from tests.cloud import context

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

_ONE_AT_A_TIME = Lock()  # as in an environment of Lambda


class _Studio(BaseHTTPRequestHandler):
    """Passes requests to the function, as API Gateway does."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        below = parts.path.removeprefix("/studio").removeprefix("/")
        if not f"{parts.path}/".startswith("/studio/"):  # the icon, of another function
            self.send_error(404)
            return
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        event = api_event(
            self.command,
            "/studio/{path+}" if below else "/studio",
            path_parameters={"path": below} if below else None,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers=dict(self.headers.items()),
            body=base64.b64encode(sent).decode(),
        )
        event |= {"path": parts.path, "isBase64Encoded": True}
        event["requestContext"]["path"] = parts.path
        with _ONE_AT_A_TIME:
            answer = handler(event, context())
        self.send_response(answer["statusCode"])
        body = answer["body"].encode()
        self.send_header("Content-Length", str(len(body)))
        for name, value in answer["headers"].items():
            self.send_header(name, value)
        for cookie in answer.get("multiValueHeaders", {}).get("Set-Cookie", ()):
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        with suppress(ConnectionError):  # of a page that was closed
            self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve the studio on a free port, and return the newsletter's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Studio)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("PUBLIC_URL", address)
    try:
        yield address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
