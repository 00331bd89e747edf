"""Small HTTP stand-ins, served from a thread of this process."""

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingTCPServer
from typing import Any

STOP_SECONDS = 0.05  # how long an ended server may go on listening


class JsonApi(BaseHTTPRequestHandler):
    """Answers one request of a JSON API, and logs nothing."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves in one piece: Nagle's algorithm would hold a second one back
    content_type = "application/json"

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(
        self,
        status: int,
        document: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer with a JSON document, or with nothing in it."""
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", self.content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class HttpServer(ThreadingHTTPServer):
    """Callers may be killed while they are answered: a connection that breaks is no error here."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - its parent's
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(server: HttpServer | ThreadingTCPServer) -> Iterator[int]:
    """Serve until the end of the context; give the port."""
    thread = threading.Thread(target=server.serve_forever, args=(STOP_SECONDS,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
