"""A page in the browser that shows a file as its readers will see it, and follows its changes.

Only this machine reaches it, only under its own name: another site's page that was led here by its
domain's DNS gets nothing.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self, override

from broadsheet_cli.console import complain, note
from broadsheet_cli.errors import CommandFailed
from broadsheet_cli.preparing import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from broadsheet_cli.api import Newsletter

HOST = "127.0.0.1"
LOOK_SECONDS = 0.3  # between two looks at the file
HOLD_SECONDS = 20  # a page asks for the next change, and asks again after so long
DARK = "(prefers-color-scheme: dark)"
# The mail runs nothing and reaches nothing but its images. It has the page's origin, so that the
# page can ask how far it is scrolled.
MAIL_POLICY = (
    "default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'; "
    "sandbox allow-same-origin; "
    "frame-ancestors 'self'"
)
# The page runs its own script, and shows text of others.
PAGE_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class PreviewServer:
    """Serves a file's preview on a free port until the end of the context."""

    def __init__(self, newsletter: Newsletter, path: Path) -> None:
        self._newsletter = newsletter
        self._path = path
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._number = 0
        self._shown: dict[str, Any] = {"error": "It is being rendered.", "html": "", "text": ""}
        self._http = _Server(self)

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with self._changed:
            self._changed.notify_all()
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        """Return where the page is."""
        return f"http://{HOST}:{self._http.server_port}/"

    def watch(self) -> None:
        """Render the file whenever it is saved, until the end or an interruption."""
        seen: object = None
        while not self._ended.wait(LOOK_SECONDS):
            now = self._state_of_file()
            if now != seen:
                seen = now
                self._render()

    def next_change(self, after: int) -> dict[str, Any]:
        """Return what to show once it is newer than ``after``, or as it is after a while."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._number > after or self._ended.is_set(), HOLD_SECONDS
            )
            return {"number": self._number, **self._shown}

    def mail(self, view: str) -> str:
        """Return the mail's HTML, in light or dark as its own styles say."""
        html = str(self._shown["html"])
        return html.replace(DARK, "all" if view == "dark" else "not all")

    def _state_of_file(self) -> object:
        try:
            stat = self._path.stat()
        except OSError:  # some editors replace a file when they save it
            return None
        return stat.st_mtime_ns, stat.st_size

    def _render(self) -> None:
        try:
            ready = prepare(self._newsletter, self._path)
            preview = self._newsletter.preview(ready.request)
        except CommandFailed as error:
            complain(str(error))
            shown = {**self._shown, "error": str(error)}
        else:
            note(f"{time.strftime('%H:%M:%S')} {self._path}: {len(preview.warnings)} to look at.")
            findings = [ready.in_file(each) for each in preview.warnings]
            shown = {**preview.document, "warnings": findings, "error": None}
        with self._changed:
            self._shown = shown
            self._number += 1
            self._changed.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, preview: PreviewServer) -> None:
        self.preview = preview
        super().__init__((HOST, 0), _Handler)

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a page that was closed
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        port = self.server.server_port
        if self.headers.get("Host") not in {f"{HOST}:{port}", f"localhost:{port}"}:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        path, _, query = self.path.partition("?")
        match path:
            case "/":
                nonce = secrets.token_urlsafe(16)
                self._answer("text/html", _page(nonce), PAGE_POLICY.format(nonce=nonce))
            case "/mail":
                self._answer("text/html", self.server.preview.mail(query), MAIL_POLICY)
            case "/next":
                after = int(query) if query.isdecimal() else 0
                shown = self.server.preview.next_change(after)
                self._answer("application/json", json.dumps(shown), "default-src 'none'")
            case _:
                self.send_error(HTTPStatus.NOT_FOUND)

    def _answer(self, content_type: str, text: str, policy: str) -> None:
        body = text.encode()
        self.send_response(HTTPStatus.OK)
        for name, value in {
            "Content-Type": f"{content_type}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing: a page asks again and again."""


def _page(nonce: str) -> str:
    page = (files("broadsheet_cli") / "preview.html").read_text(encoding="utf-8")
    for tag in ("style", "script"):
        page = page.replace(f"<{tag}>", f'<{tag} nonce="{nonce}">')
    return page
