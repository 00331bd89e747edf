"""What keeps the database awake in a day of crawlers, robots and five readers.

A day's requests go through the functions in the order of their time, with a real PostgreSQL; only
the clock is the story's. Each session that a function opens is noted: Aurora pauses 300 s after the
last one has ended. What it found is printed, and written to ``build/awake.json``.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from functions.archive.app import handler as archive
from functions.confirm.app import handler as confirm
from functions.dispatch.app import handler as dispatch
from functions.enroll.app import handler as enroll
from functions.feedback.app import handler as feedback
from functions.manage.app import handler as manage
from functions.subscribe.app import handler as subscribe
from functions.unsubscribe.app import handler as unsubscribe
from local.lambda_events import api_event
from operations.bill.awake import DAY_SECONDS, PAUSE_SECONDS
from tests.cloud import Cloud, context, sqs_event, token_in
from tests.functions.issues import publish_issue, send

BUILD = Path(__file__).parents[2] / "build"
WAKING_SECONDS = 15.0  # what the first session waits for a paused Aurora
MINUTE = 60.0
type Handler = Callable[[Any, Any], Any]

CRAWLED: list[tuple[Handler, str, str, dict[str, Any]]] = [
    (subscribe, "GET", "/", {}),
    (subscribe, "GET", "/health", {}),
    (archive, "GET", "/{proxy+}", {"path_parameters": {"proxy": "wp-login.php"}}),
    (archive, "GET", "/archive", {}),
    (archive, "GET", "/archive/{slug}", {"path_parameters": {"slug": "november"}}),
    (archive, "GET", "/archive/{slug}", {"path_parameters": {"slug": "gone"}}),
    (archive, "GET", "/feed.xml", {}),
    (archive, "GET", "/feed.xml", {"headers": {"if-none-match": '"old"'}}),
    (archive, "GET", "/feed.json", {}),
    (archive, "GET", "/sitemap.xml", {}),
    (archive, "GET", "/robots.txt", {}),
    (archive, "GET", "/archive/{slug}/circulation", {"path_parameters": {"slug": "november"}}),
    (archive, "GET", "/images/{file}", {"path_parameters": {"file": f"{64 * '0'}.png"}}),
    (subscribe, "GET", "/form", {}),
    (subscribe, "GET", "/embed.js", {}),
    (subscribe, "POST", "/subscriptions", {"body": "name=&email=nothing"}),
    (confirm, "GET", "/subscriptions/confirm", {"query": {"token": "guessed"}}),
    (confirm, "POST", "/subscriptions/confirm", {"query": {"token": "guessed"}}),
    (unsubscribe, "GET", "/subscriptions/unsubscribe", {"query": {"token": "guessed"}}),
    (unsubscribe, "POST", "/subscriptions/unsubscribe", {"query": {"token": "guessed"}}),
    (manage, "GET", "/subscription", {}),
    (manage, "GET", "/subscription", {"query": {"token": "guessed"}}),
    (manage, "POST", "/subscription", {"query": {"token": "guessed"}, "body": "do=erase"}),
    (manage, "POST", "/subscription/link", {"body": "email=nothing"}),
    (manage, "POST", "/subscription/address", {"query": {"token": "guessed"}}),
]


def awake_seconds(sessions: Iterable[tuple[float, float]]) -> float:
    """Return how many seconds sessions keep a database awake; each is its begin and its end.

    It stays awake until ``PAUSE_SECONDS`` after each end; what overlaps counts once.
    """
    total, awake_until = 0.0, float("-inf")
    for begin, end in sorted(sessions):
        until = end + PAUSE_SECONDS
        if until > awake_until:
            total += until - max(begin, awake_until)
            awake_until = until
    return total


def test_a_database_is_awake_until_five_minutes_after_the_last_session() -> None:
    assert awake_seconds([]) == 0
    assert awake_seconds([(0, 10)]) == 310
    assert awake_seconds([(0, 10), (1000, 1010)]) == 620
    assert awake_seconds([(100, 110), (0, 10)]) == 410  # the second kept it awake
    assert awake_seconds([(0, 1000), (10, 20)]) == 1300


@dataclass
class Day:
    """A story with a clock of its own; ``sessions``: who opened one, and from when to when."""

    cloud: Cloud
    now: float = 0.0
    who: str = ""
    sessions: list[tuple[str, float, float]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    events_heard: int = 0

    def call(self, handler: Handler, event: Any) -> Any:  # noqa: ANN401
        self.calls[self.who] += 1
        return handler(event, context())

    @contextmanager
    def noting(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Note every session that is opened meanwhile."""
        connect = psycopg.connect

        def noted(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401
            self.sessions.append((self.who, self.now, self.now + WAKING_SECONDS))
            return connect(*arguments, **more)

        with monkeypatch.context() as patch:
            patch.setattr(psycopg, "connect", noted)
            yield

    def crawl(self, number: int) -> None:
        handler, method, path, more = CRAWLED[number % len(CRAWLED)]
        self.call(handler, api_event(method, path, **more))

    def sign_up(self, address: str, source: str) -> None:
        """Post the form; SES's events of the mail come back a moment later."""
        body = json.dumps({"name": "Somebody", "email": address})
        headers = {"content-type": "application/json"}
        self.call(
            subscribe,
            api_event("POST", "/subscriptions", body=body, headers=headers, source=source),
        )
        self._enroll()
        events = self.cloud.ses.events()[self.events_heard :]
        self.events_heard += len(events)
        if events:
            self.call(feedback, sqs_event(*(json.dumps(event.record) for event in events)))

    def confirm(self, address: str) -> None:
        token = token_in(self.cloud.mails_to(address)[0])
        for method in ("GET", "POST"):
            self.call(confirm, api_event(method, "/subscriptions/confirm", query={"token": token}))
        self._enroll()

    def _enroll(self) -> None:
        for record in self.cloud.messages("REQUESTS"):
            self.call(enroll, {"Records": [record]})

    def minutes_awake(self, *only: str) -> float:
        """Give how long these, or all, kept the database awake."""
        times = [(begin, end) for who, begin, end in self.sessions if not only or who in only]
        return awake_seconds(times) / MINUTE


def live(day: Day) -> None:
    """Let 2,000 crawlers and feed readers, 50 robots and 5 readers come at random times.

    There is one daily look.
    """
    rng = random.Random(7)  # noqa: S311 - a story that is told the same every time
    plan: list[tuple[float, str, Callable[[], None]]] = [(0.0, "daily look", partial(look, day))]
    plan += [
        (rng.uniform(0, DAY_SECONDS), "crawlers", partial(day.crawl, number))
        for number in range(2000)
    ]
    for number in range(50):
        # A robot tries addresses that it was given, from a few machines; a third of them bounce.
        kind = "bounce" if number % 3 == 0 else "success"
        address = f"{kind}+robot{number}@simulator.amazonses.com"
        sign_up = partial(day.sign_up, address, f"198.51.100.{number % 5}")
        plan.append((rng.uniform(0, DAY_SECONDS), "robots", sign_up))
    for number in range(5):
        address, at = f"reader{number}@example.com", rng.uniform(0, DAY_SECONDS - 10 * MINUTE)
        plan.append((at, "readers", partial(day.sign_up, address, f"192.0.2.{number}")))
        plan.append((at + 2 * MINUTE, "readers", partial(day.confirm, address)))
    for at, who, happen in sorted(plan, key=lambda each: each[0]):
        day.now, day.who = at, who
        happen()


def look(day: Day) -> None:
    day.call(dispatch, {})


def test_only_readers_wishes_and_the_daily_look_wake_the_database(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(cloud, publish_issue(title="November"))  # for crawlers and feed readers to read
    day = Day(cloud)
    with day.noting(monkeypatch):
        live(day)

    sessions = Counter(who for who, _, _ in day.sessions)
    found = {
        "calls": dict(day.calls),
        "sessions": dict(sessions),
        "minutes_awake": round(day.minutes_awake(), 1),
        "minutes_awake_alone": {
            who: round(day.minutes_awake(who), 1) for who in ("daily look", "robots", "readers")
        },
    }
    print(json.dumps(found))  # noqa: T201 - what the test is for
    BUILD.mkdir(exist_ok=True)
    (BUILD / "awake.json").write_text(json.dumps(found, indent=2) + "\n")
    assert sessions["crawlers"] == 0
    assert sessions["daily look"] == 1
    # A sign-up opens two, one to be applied and one for what SES tells of its mail; a
    # confirmation one; all of a wish within the same five minutes.
    assert sessions["robots"] <= 2 * 50
    assert sessions["readers"] == 3 * 5
    assert day.minutes_awake("readers") <= 5 * (2 + 5 + 0.5)
    assert day.minutes_awake() <= 50 * 5.5 + 5 * 7.5 + 5.5
    assert cloud.row("SELECT count(*) AS of FROM subscribers WHERE status = 'confirmed'")["of"] == 5


def test_no_session_is_left_when_the_last_request_is_over(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = Day(cloud, who="readers")
    with day.noting(monkeypatch):
        day.sign_up("reader@example.com", "192.0.2.1")
        day.confirm("reader@example.com")
        look(day)

    assert len(day.sessions) == 4
    deadline = time.monotonic() + 5  # PostgreSQL's process ends a moment after its client
    while (left := sessions_now(cloud)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == 0  # and so it is 60 s later


def sessions_now(cloud: Cloud) -> int:
    row = cloud.row(
        "SELECT count(*) AS sessions FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    )
    return int(row["sessions"])
