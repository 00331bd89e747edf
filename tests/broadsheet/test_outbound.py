"""Whatever address an author gives, nothing but the public internet is called, and only briefly."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import trustme

from broadsheet import outbound, settings
from broadsheet.domain.targets import Target, is_public
from broadsheet.outbound import OutboundFailed
from functions.outbound.app import handler as call_outbound
from tests.cloud import context
from tests.conftest import forget_what_was_read
from tests.receiver import Answer, Receiver, receiving

SECONDS = 0.5
PUBLIC = "198.41.0.4"

NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104 - an address
    *("10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1"),
    *("192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:10.0.0.1", "::ffff:198.41.0.4", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:a9fe:a9fe::1", "3fff::1"),
    *("fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "nonsense"),
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "2a00:1450::1"])
def test_a_public_address_is_not(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.com/", "url-insecure"),
        ("ftp://example.com/", "url-insecure"),
        ("//example.com/", "url-insecure"),
        ("https://ada:secret@example.com/", "url-with-user"),
        ("https://trusted.example@evil.example/", "url-with-user"),
        ("https://:pass@example.com/", "url-with-user"),
        ("https://example.com:22/", "url-port"),
        ("https://example.com:80/", "url-port"),
        ("https://example.com:99999/", "url-invalid"),
        ("https:///path", "url-invalid"),
        ("https://[::1", "url-invalid"),
        ("https://example.com/a b", "url-invalid"),
        ("https://example.com/\r\nHost: evil", "url-invalid"),
        ("https://ex\tample.com/", "url-invalid"),
        ("https://example.com\\evil.example/", "url-invalid"),
        ("https://evil.example\\@example.com/", "url-with-user"),
        ("https://exämple.com/", "url-invalid"),
        (f"https://example.com/{'a' * 2000}", "url-invalid"),
    ],
)
def test_an_address_that_would_mislead_is_refused(url: str, code: str) -> None:
    with pytest.raises(ValueError, match=f"^{code}$"):
        Target.parse(url)


@pytest.fixture(autouse=True)
def fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.may_call_anywhere.cache_clear()
    yield
    settings.may_call_anywhere.cache_clear()


class Resolver:
    """A name server whose answers change; and which addresses were connected to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.connected: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self.look_up)
        monkeypatch.setattr(socket, "create_connection", self.connect)

    def look_up(self, _host: str, port: int, **_more: object) -> list[Any]:
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port),
            )
            for address in self.answers.pop(0)
        ]

    def connect(self, address: tuple[str, int], **_more: object) -> socket.socket:
        self.connected.append(address[0])
        raise ConnectionRefusedError


def failure(url: str, seconds: float = SECONDS) -> str:
    with pytest.raises(OutboundFailed) as failed:
        outbound.send("POST", url, {}, b"{}", seconds=seconds)
    return failed.value.code


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::1]"]
)
def test_a_private_address_is_not_called_however_it_is_written(host: str) -> None:
    assert failure(f"https://{host}/latest/meta-data/") == "address-not-public"


def test_a_name_with_one_private_address_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch, [PUBLIC, "10.0.0.1"])

    assert failure("https://example.com/") == "address-not-public"
    assert resolver.connected == []


def test_a_name_that_changes_after_the_look_is_called_at_what_was_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolver = Resolver(monkeypatch, [PUBLIC], ["127.0.0.1"])

    assert failure("https://rebinding.example/") == "connection-failed"
    assert resolver.connected == [PUBLIC]
    assert resolver.answers == [["127.0.0.1"]]  # nobody asked a second time


def test_a_name_that_nobody_has_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failure("https://nobody.invalid./", seconds=5) in {"name-not-found", "timed-out"}


def test_a_name_server_that_never_answers_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_arguments: object, **_more: object) -> list[object]:
        time.sleep(1)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    assert failure("https://example.com/", seconds=0.1) == "timed-out"


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on one machine: its own addresses may be called."""
    monkeypatch.setenv("CALLS_ANYWHERE", "true")
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # nobody listens: it must not be asked


@pytest.fixture
def receiver(anywhere: None) -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def test_an_answer_is_returned_without_its_body(receiver: Receiver) -> None:
    answer = outbound.send("POST", receiver.url, {"X-Own": "1"}, b"{}", seconds=5)

    assert (answer.status, answer.body) == (204, b"")
    (received,) = receiver.received
    assert (received.path, received.body) == ("/hook", b"{}")
    assert received.headers["x-own"] == "1"
    assert received.headers["host"] == f"localhost:{receiver.port}"
    assert received.headers["user-agent"].startswith("Broadsheet/")


def test_a_body_is_returned_up_to_its_limit(receiver: Receiver) -> None:
    receiver.usually = _body(b"x" * 100)

    assert outbound.send("GET", receiver.url, {}, b"", seconds=5, most_bytes=100).body == b"x" * 100
    with pytest.raises(OutboundFailed, match="answer-too-large"):
        outbound.send("GET", receiver.url, {}, b"", seconds=5, most_bytes=99)


def _body(content: bytes) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://169.254.169.254/latest/meta-data/")
        handler.end_headers()

    receiver.usually = redirect

    assert outbound.send("POST", receiver.url, {}, b"{}", seconds=5).status == 302
    assert len(receiver.received) == 1


def _drip(handler: BaseHTTPRequestHandler) -> None:
    """Answer a byte at a time: no wait is long, and there is no end."""
    with suppress(OSError):
        for _ in range(100):
            handler.wfile.write(b"H")
            handler.wfile.flush()
            time.sleep(0.02)


def _silent(_handler: BaseHTTPRequestHandler) -> None:
    time.sleep(2)


def _continuing(handler: BaseHTTPRequestHandler) -> None:
    """Send interim answers without end."""
    with suppress(OSError):
        while True:
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def _huge_headers(handler: BaseHTTPRequestHandler) -> None:
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(90):
            handler.wfile.write(b"X-%d: %b\r\n" % (number, b"x" * 60_000))


def _many_headers(handler: BaseHTTPRequestHandler) -> None:
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n")


def _no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")


@pytest.mark.parametrize(
    ("hostile", "code"),
    [
        (_drip, "timed-out"),
        (_silent, "timed-out"),
        (_continuing, "answer-too-large"),
        (_huge_headers, "answer-too-large"),
        (_many_headers, "answer-invalid"),
        (_no_http, "answer-invalid"),
        (lambda handler: handler.connection.close(), "answer-invalid"),
    ],
    ids=["drip", "silent", "continuing", "huge-headers", "many-headers", "no-http", "hangs-up"],
)
def test_a_hostile_receiver_takes_neither_time_nor_memory(
    receiver: Receiver, hostile: Answer, code: str
) -> None:
    receiver.usually = hostile
    began = time.monotonic()

    assert failure(receiver.url) == code
    assert time.monotonic() - began < SECONDS + 0.5


@pytest.mark.parametrize(
    ("kilobytes", "more", "ends"),
    [pytest.param(64, 0, 200, id="64-kb"), pytest.param(64, 1, "answer-too-large", id="one-more")],
)
def test_a_webhooks_answer_may_have_a_head_of_64_kilobytes(
    receiver: Receiver, kilobytes: int, more: int, ends: int | str
) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        head = b"HTTP/1.1 200 OK\r\n" + b"X-Long: %b\r\n" % (b"x" * 60_000)
        rest = kilobytes * 1024 + more - len(head) - len(b"X: \r\n\r\n")
        with suppress(OSError):
            handler.wfile.write(head + b"X: %b\r\n\r\n" % (b"x" * rest) + b"the body" * 1000)

    receiver.usually = answer

    (called,) = call_outbound([{"url": receiver.url, "headers": {}, "body": "{}"}], context())

    assert called["status" if isinstance(ends, int) else "error"] == ends
    assert called["body"] == ""


def test_a_webhooks_call_has_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIMINGS", raising=False)
    forget_what_was_read()
    given: list[float] = []

    def send(*_request: object, seconds: float, **_more: object) -> outbound.Answer:
        given.append(seconds)
        return outbound.Answer(204, {}, b"")

    monkeypatch.setattr(outbound, "send", send)

    call_outbound([{"url": "https://example.com/", "headers": {}, "body": "{}"}], context())

    assert given == [10]


def test_an_endless_body_is_not_read(receiver: Receiver) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with suppress(OSError):
            while True:
                handler.wfile.write(b"x" * 65536)

    receiver.usually = endless

    assert outbound.send("POST", receiver.url, {}, b"{}", seconds=5).status == 200


def test_a_port_without_a_server_is_a_failure(anywhere: None) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert failure(f"http://127.0.0.1:{unused.getsockname()[1]}/") == "connection-failed"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize(
    ("name", "is_trusted", "expected"),
    [
        ("localhost", True, 204),
        ("other.example", True, "certificate-invalid"),
        ("localhost", False, "certificate-invalid"),
    ],
    ids=["its-name", "another-name", "unknown-authority"],
)
def test_the_certificate_must_be_of_the_name(  # noqa: PLR0913, PLR0917 - a table
    anywhere: None,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    is_trusted: bool,  # noqa: FBT001 - a column
    expected: int | str,
) -> None:
    trusting = ssl.create_default_context()
    if is_trusted:
        authority.configure_trust(trusting)
    monkeypatch.setattr(outbound, "_tls", lambda: trusting)
    with receiving(_tls(authority, name)) as receiver:
        if isinstance(expected, int):
            assert outbound.send("POST", receiver.url, {}, b"{}", seconds=5).status == expected
        else:
            assert failure(receiver.url, seconds=5) == expected
            assert receiver.received == []
