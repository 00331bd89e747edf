"""Requests to addresses that an author has chosen: only to the public internet, and only briefly.

Against server-side request forgery (OWASP API7:2023): the name is resolved once, each of its
addresses must be public, and the connection goes to one of them; the certificate is checked against
the name. There are no redirects and no proxies, and a deadline holds for all of it.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from http.client import HTTP_PORT, HTTPConnection, HTTPException, HTTPResponse
from typing import TYPE_CHECKING, override

from broadsheet import __version__, settings
from broadsheet.domain.targets import HTTPS_PORT, Target, is_public

if TYPE_CHECKING:
    from collections.abc import Buffer, Mapping

MOST_HEAD_BYTES = 64 * 1024  # of an answer: its status and headers
_MOST_ADDRESSES = 4  # that are tried, one after another


class OutboundFailed(Exception):
    """No answer came; ``code`` says why, in words for a log, and never holds the address."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Answer:
    """An answer: its status, its headers by their names in lower case, and its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send(  # noqa: PLR0913 - a request
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    seconds: float,
    most_bytes: int = 0,
) -> Answer:
    """Send a request, and return the answer whatever its status.

    ``seconds``: for all of it. ``most_bytes``: of the answer's body, which is left unread if that
    is 0. Raises ``OutboundFailed``.
    """
    deadline = time.monotonic() + seconds
    anywhere = settings.may_call_anywhere()
    try:
        target = Target.parse(url, anywhere=anywhere)
    except ValueError as error:
        raise OutboundFailed(str(error)) from None
    try:
        addresses = _resolve(target, deadline)
        if not anywhere and not all(is_public(address) for address in addresses):
            raise OutboundFailed("address-not-public")
        with _connect(target, addresses, deadline) as connected:
            return _exchange(connected, target, (method, headers, body), deadline, most_bytes)
    except TimeoutError:
        raise OutboundFailed("timed-out") from None
    except ssl.SSLCertVerificationError:
        raise OutboundFailed("certificate-invalid") from None
    except ssl.SSLError:
        raise OutboundFailed("tls-failed") from None
    except (HTTPException, ValueError):
        raise OutboundFailed("answer-invalid") from None
    except OSError:
        raise OutboundFailed("connection-failed") from None


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _resolve(target: Target, deadline: float) -> list[str]:
    """Return the addresses of a name, IPv4 first: Lambda has no IPv6 outside of a network."""
    found: list[str] = []
    failures: list[OSError] = []

    def look_up() -> None:
        try:
            entries = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            failures.append(OSError(str(error)))
        else:
            entries.sort(key=lambda entry: entry[0] != socket.AF_INET)
            found.extend(dict.fromkeys(str(entry[4][0]) for entry in entries))

    # The resolver knows no deadline of ours: a thread that it holds is left behind.
    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(_left(deadline))
    if thread.is_alive():
        raise TimeoutError
    if failures or not found:
        raise OutboundFailed("name-not-found")
    return found


def _connect(target: Target, addresses: list[str], deadline: float) -> socket.socket:
    """Return a connection to the first address that takes one; with TLS, as the name."""
    failure: OSError = OSError()
    tried = addresses[:_MOST_ADDRESSES]
    for number, address in enumerate(tried):
        patience = _left(deadline) / (len(tried) - number)
        try:
            plain = socket.create_connection((address, target.port), timeout=patience)
        except OSError as error:
            failure = error
            continue
        if not target.is_secure:
            return plain
        try:
            plain.settimeout(_left(deadline))
            return _tls().wrap_socket(plain, server_hostname=target.host)
        except BaseException:
            plain.close()
            raise
    raise failure


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Received(io.RawIOBase):
    """What a connection receives, up to a number of bytes and a deadline."""

    def __init__(self, connected: socket.socket, deadline: float, most_bytes: int) -> None:
        super().__init__()
        self._connected = connected
        self._deadline = deadline
        self._room = most_bytes

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the file that ``HTTPResponse`` reads."""
        return io.BufferedReader(self)

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer, /) -> int:
        if not self._room:
            raise OutboundFailed("answer-too-large")
        self._connected.settimeout(_left(self._deadline))
        room = memoryview(buffer)[: self._room]
        received = self._connected.recv_into(room)
        self._room -= received
        return received


def _exchange(
    connected: socket.socket,
    target: Target,
    request: tuple[str, Mapping[str, str], bytes],
    deadline: float,
    most_bytes: int,
) -> Answer:
    method, headers, body = request
    client = HTTPConnection(target.host, target.port)
    client.default_port = HTTPS_PORT if target.is_secure else HTTP_PORT  # left out of Host
    client.sock = connected
    connected.settimeout(_left(deadline))
    own = {"User-Agent": f"Broadsheet/{__version__}", "Connection": "close"}
    client.request(method, target.path, body=body, headers={**own, **headers})
    received = _Received(connected, deadline, MOST_HEAD_BYTES + most_bytes)
    # Of a socket, HTTPResponse only wants the file.
    with closing(HTTPResponse(received, method=method)) as answer:  # type: ignore[arg-type]
        answer.begin()
        named = {name.lower(): value for name, value in answer.getheaders()}
        content = answer.read(most_bytes + 1) if most_bytes else b""
    if len(content) > most_bytes:
        raise OutboundFailed("answer-too-large")
    return Answer(answer.status, named, content)
