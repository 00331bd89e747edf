"""Lets crowds sign up in real time: hostile ones amid which people sign up, and a welcome one.

Sign-ups pass the functions' own handlers, PostgreSQL, and a queue that behaves as SQS does; the
sink takes mails at SES's rate and refuses what comes faster.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from re import search
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict

from bench.lambdas import EventSource
from bench.signing_up import BATCH_SIZE, WORKERS
from bench.sink import Conditions
from bench.tables import table as table_of
from broadsheet.domain.requests import ConfirmationToken, ConfirmRequest, Origin
from broadsheet.domain.strict_mode import FEWEST_ASKED
from broadsheet.domain.subscribers import EmailAddress, SourceAddress
from local.lambda_events import api_event
from tests.browser import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.lambdas import Worker
    from bench.stage import Stage

RATE = 14  # mails a second that SES takes: a new account's, out of the sandbox
SOURCES, ADDRESSES, DOMAINS = 500, 8_000, 40
SECONDS = 240.0  # in which the hostile sign-ups come
FILLED_IN = 2.2  # seconds between a form and its sign-up
REAL_EVERY = 10.0  # seconds between two people who sign up amid it
BROWSERS = 80  # hostile sign-ups by Chromium, one after the other
UNDETECTED = 135  # seconds until strict mode: two minutes, and a quarter of one between two looks
LONGEST_WAIT = 60.0  # for a person's mail: longer is lost
BURST_RATE = 100  # mails a second: fewer than the edge takes sign-ups, so that a line comes about
OF_ONE_SOURCE = 25  # of a welcome crowd: fewer than its budget of an hour
A_LINE, LEAST_SHARE = 60, 0.9  # seconds of mails; of SES's rate, while there is a line
CONFIRM_AFTER = 60.0  # seconds after their mail, half of a welcome crowd confirms


class Abuse(BaseModel):
    """What hostile sign-ups caused. Times in seconds; ``strict_after`` from the first of them."""

    model_config = ConfigDict(frozen=True)

    hostile: int
    with_proof: int
    mails: int
    budget: int
    kept: int
    alarms: int
    strict_after: float
    real: int
    real_lost: int
    real_slowest: float

    @property
    def is_good(self) -> bool:
        """Whether strangers got no more than their budget, and every person their mail."""
        is_alarmed_once = self.alarms == 1 or self.hostile < ADDRESSES
        return self.mails <= self.budget and not self.real_lost and is_alarmed_once


class Burst(BaseModel):
    """How a welcome crowd was taken. ``per_second``: mails that left, of ``rate`` allowed.

    ``mailed``: who had exactly one mail. ``longest_line``: how many of them were owed one at once.
    ``longest_wait``: seconds from a confirmation to its being applied.
    """

    model_config = ConfigDict(frozen=True)

    sign_ups: int
    taken_seconds: float
    mailed: int
    longest_line: int
    rate: float
    per_second: float
    throttled: int
    confirmed: int
    longest_wait: float
    strict: bool
    dead: int

    @property
    def is_good(self) -> bool:
        """Whether everybody was mailed once, at SES's rate, and nothing was held back or lost."""
        has_line = self.longest_line > A_LINE * self.rate
        is_slow = has_line and self.per_second < LEAST_SHARE * self.rate
        is_late = self.longest_wait > LONGEST_WAIT
        is_wrong = self.throttled or self.strict or self.dead or is_slow or is_late
        return self.mailed == self.sign_ups and not is_wrong


class _Edge:
    """Subscribe, as programs and people reach it, one request at a time."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._free = threading.Lock()

    def call(self, method: str, path: str, source: str, body: str = "", kind: str = "") -> str:
        """Return the answer's body; raise if it is no success."""
        headers = {"accept": "text/html", "content-type": kind}
        event = api_event(method, path, body=body or None, headers=headers, source=source)
        with self._free:
            answer = self._worker.invoke(event).answer
        if answer["statusCode"] not in {200, 202}:
            raise RuntimeError(f"subscribe answered {answer['statusCode']}")
        return str(answer["body"])

    def token(self, source: str) -> str:
        """Return the token of a form."""
        found = search(r'name="proof" value="([^"]+)"', self.call("GET", "/form", source))
        if found is None:
            raise RuntimeError("the form has no token")
        return found[1]

    def sign_up(self, email: str, source: str, token: str = "") -> None:
        """Post the form, or what a program without one would."""
        fields = {"email": email} | ({"proof": token} if token else {})
        body, kind = urlencode(fields), "application/x-www-form-urlencoded"
        self.call("POST", "/subscriptions", source, body, kind)


def _address(number: int) -> str:
    who = number % ADDRESSES
    domains = ("gmail.com", "outlook.com", *(f"d{each}.example" for each in range(2, DOMAINS)))
    return f"victim{who}@{domains[who % DOMAINS]}"


def _source(number: int) -> str:
    return str(IPv4Address("198.18.0.0") + number)


@contextmanager
def _browsable(edge: _Edge) -> Iterator[str]:
    """Serve subscribe over HTTP; the header x-source names where a request comes from."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["content-length"])).decode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

        def _answer(self, sent: str) -> None:
            path = self.path.removeprefix("/prod")
            if path not in {"/form", "/subscriptions"}:  # a browser's own ideas
                self.send_error(404)
                return
            kind, source = self.headers.get("content-type", ""), self.headers["x-source"]
            page = edge.call(self.command, path, source, sent, kind).encode()
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _browse(edge: _Edge, number: int) -> None:
    """Sign addresses up by headless Chromium, which fills in the form as a person would."""
    with _browsable(edge) as url, chromium() as browser:
        for each in range(0, number * 100, 100):
            context = browser.new_context(extra_http_headers={"x-source": _source(each % SOURCES)})
            page = context.new_page()
            page.goto(f"{url}/form")
            page.fill("input[type=email]", _address(each))
            page.wait_for_timeout(FILLED_IN * 1000)
            page.click("button")
            page.wait_for_load_state()
            context.close()


def _attack(edge: _Edge, number: int, seconds: float) -> None:
    """Sign strangers up by programs, at a steady pace."""
    replayed = edge.token(_source(0))
    time.sleep(FILLED_IN)  # else the form is only shown again
    began = time.monotonic()
    fetched: deque[tuple[float, str]] = deque()
    for each in range(number):
        time.sleep(max(0.0, began + each * seconds / number - time.monotonic()))
        token = ""
        if each % 10 == 0:
            fetched.append((time.monotonic() + FILLED_IN, edge.token(_source(each % SOURCES))))
        if each % 10 == 1 and fetched and fetched[0][0] < time.monotonic():
            token = fetched.popleft()[1]
        elif each % 10 in {2, 3}:
            token = replayed
        edge.sign_up(_address(each), _source(each % SOURCES), token)


class _People:
    """People who sign up amid it by the form, each from their own address."""

    def __init__(self, stage: Stage, edge: _Edge) -> None:
        self._stage, self._edge = stage, edge
        self._ends, self._mailed = threading.Event(), threading.Event()
        self.signed_up: dict[str, float] = {}
        self.mailed: dict[str, float] = {}
        self._threads = [threading.Thread(target=each) for each in (self._sign_up, self._look)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop signing up, and wait for the last mails."""
        self._ends.set()
        self._threads[0].join()
        give_up_at = time.monotonic() + LONGEST_WAIT
        while self.signed_up.keys() - self.mailed and time.monotonic() < give_up_at:
            time.sleep(0.5)
        self._mailed.set()
        self._threads[1].join()

    def _sign_up(self) -> None:
        number = 0
        while not self._ends.wait(REAL_EVERY):
            number += 1
            email, source = f"person{number}@people.example", f"203.0.113.{number}"
            token = self._edge.token(source)
            time.sleep(FILLED_IN)
            self.signed_up[email] = time.monotonic()
            self._edge.sign_up(email, source, token)

    def _look(self) -> None:
        while not self._mailed.wait(0.5):
            received = self._stage.sink.received()
            now = time.monotonic()
            self.mailed |= {
                email: now
                for email in received
                if email.endswith("@people.example") and email not in self.mailed
            }


def _begin(stage: Stage, rate: float) -> tuple[_Edge, EventSource]:
    stage.seed(10_000)
    stage.sink.set(Conditions(max_send_rate=rate, enforces_rate=True))
    (edge,) = stage.start_workers("subscribe", 1)
    workers = stage.start_workers("enroll", WORKERS)
    return _Edge(edge), EventSource(stage.aws.queues["REQUESTS"], workers, BATCH_SIZE)


def _alarms(stage: Stage) -> int:
    """Return how often strict mode began, as enroll's log has it: each time is one alarm."""
    log = (stage.folder / "logs" / "enroll.log").read_text()
    return sum('"strict mode"' in line and '"is_on":true' in line for line in log.splitlines())


def abuse(stage: Stage, hostile: int) -> Abuse:
    """Sign strangers up from many sources, in four minutes, while people sign up as well."""
    seconds = SECONDS if hostile >= ADDRESSES else SECONDS * hostile / ADDRESSES
    edge, source = _begin(stage, RATE)
    people = _People(stage, edge)
    began = time.monotonic()
    browsers = BROWSERS * hostile // 10_000
    browsing = threading.Thread(target=partial(_browse, edge, browsers))
    browsing.start()
    strict: list[float] = []
    watching = threading.Event()
    watch = threading.Thread(target=_watch, args=(stage, strict, began, watching))
    watch.start()
    _attack(edge, hostile - browsers, seconds)
    browsing.join()
    people.close()
    watching.set()
    watch.join()
    source.close()
    received = stage.sink.received()
    (found,) = stage.rows(
        """
        SELECT (SELECT count(*) FROM suspicious_sign_ups) AS kept,
               (SELECT count(*) FROM sign_ups WHERE is_proven) AS proven
        """
    )
    proven = found["proven"] - len(people.signed_up)
    waits = [
        people.mailed[who] - at for who, at in people.signed_up.items() if who in people.mailed
    ]
    return Abuse(
        hostile=hostile,
        with_proof=proven,
        mails=sum(received.values()) - len(waits),
        budget=RATE * UNDETECTED + FEWEST_ASKED + proven,
        kept=found["kept"],
        alarms=_alarms(stage),
        strict_after=strict[0] if strict else 0.0,
        real=len(people.signed_up),
        real_lost=len(people.signed_up) - len(waits),
        real_slowest=max(waits),
    )


def _watch(stage: Stage, strict: list[float], began: float, ends: threading.Event) -> None:
    while not ends.wait(1) and not strict:
        if stage.rows("SELECT since FROM strict_mode")[0]["since"]:
            strict.append(time.monotonic() - began)


def burst(stage: Stage, sign_ups: int) -> Burst:
    """Sign many people up as fast as one edge takes them; half of them confirm in a minute."""
    edge, source = _begin(stage, BURST_RATE)
    requests = stage.aws.queues["REQUESTS"]
    ends = threading.Event()
    owed, waits = [0], [0.0]
    confirming = threading.Thread(target=_confirm, args=(stage, ends, owed, waits))
    confirming.start()
    began = time.monotonic()
    for number in range(sign_ups):
        edge.sign_up(f"new-{number}@gmail.com", _source(number // OF_ONE_SOURCE))
    taken = time.monotonic() - began
    while len(requests) and not source.failure:
        time.sleep(0.5)
    time.sleep(CONFIRM_AFTER + 2)
    ends.set()
    confirming.join()
    while len(requests) and not source.failure:
        time.sleep(0.5)
    source.close()
    record = stage.sink.record()
    (found,) = stage.rows(
        """
        SELECT count(*) FILTER (WHERE status = 'confirmed') AS confirmed,
               (SELECT since IS NOT NULL FROM strict_mode) AS strict
        FROM subscribers WHERE email LIKE 'new-%%'
        """
    )
    received = stage.sink.received()
    return Burst(
        sign_ups=sign_ups,
        taken_seconds=taken,
        mailed=sum(received.get(f"new-{number}@gmail.com") == 1 for number in range(sign_ups)),
        longest_line=max(owed),
        rate=BURST_RATE,
        per_second=record.accepted / record.seconds,
        throttled=record.throttled,
        confirmed=found["confirmed"],
        longest_wait=max(waits),
        strict=found["strict"],
        dead=len(stage.aws.queues["REQUESTS_DEAD_LETTER"]),
    )


def _confirm(stage: Stage, ends: threading.Event, owed: list[int], waits: list[float]) -> None:
    """Confirm every second reader a minute after their mail.

    Note how many are owed one, and for how long the oldest confirmation waits.
    """
    mailed: dict[str, float] = {}
    confirmed: dict[str, float] = {}  # in order
    while not ends.wait(1):
        now = time.monotonic()
        (found,) = stage.rows(_FOUND)
        owed.append(found["owed"])
        waiting = list(confirmed.values())[found["confirmed"] :]
        waits += [now - at for at in waiting[:1]]
        mailed |= {email: now for email in stage.sink.received() if email not in mailed}
        for email, at in mailed.items():
            is_even = email.partition("@")[0][-1] in "02468"
            if not is_even or email in confirmed or at + CONFIRM_AFTER > now:
                continue
            confirmed[email] = now
            request = ConfirmRequest(
                token=ConfirmationToken(email=EmailAddress(email)),
                origin=Origin(source_address=SourceAddress("192.0.2.7")),
            )
            stage.aws.queues["REQUESTS"].put(request.model_dump_json(), {})


_FOUND = """
    SELECT (SELECT count(*) FROM sign_ups WHERE mail_owed) AS owed,
           (SELECT count(*) FROM subscribers WHERE email LIKE 'new-%%' AND status = 'confirmed')
               AS confirmed
"""


def abuse_table(one: Abuse) -> str:
    """Return a table of what hostile sign-ups caused."""
    return table_of(
        (
            *("hostile sign-ups", "with proof", "mails to strangers", "budget", "kept", "alarms"),
            *("strict mode after s", "people", "lost", "slowest mail s"),
        ),
        [
            (
                *(one.hostile, one.with_proof, one.mails, one.budget, one.kept, one.alarms),
                *(one.strict_after, one.real, one.real_lost, one.real_slowest),
            )
        ],
    )


def burst_table(one: Burst) -> str:
    """Return a table of how a welcome crowd was taken."""
    return table_of(
        (
            *("sign-ups", "taken in s", "mailed once", "longest line", "mails a second", "of"),
            *("throttled", "confirmed", "at most after s", "strict mode", "dead letters"),
        ),
        [
            (
                *(one.sign_ups, one.taken_seconds, one.mailed, one.longest_line),
                *(one.per_second, one.rate),
                *(one.throttled, one.confirmed, one.longest_wait),
                *("yes" if one.strict else "no", one.dead),
            )
        ],
    )
