"""Measures what an author waits for who looks for one of many subscribers, and asks about them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from bench.draining import percentiles
from bench.tables import table as table_of
from local.lambda_events import api_event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.lambdas import Worker
    from bench.stage import Stage

TIMES = 20
AT_ONCE = 50_000  # subscribers, which are inserted within a statement's time
# Addresses of persons are spread over the alphabet, and over domains of all sizes.
_SUBSCRIBERS = """
    INSERT INTO subscribers
        (id, email, name, language, signed_up_at, confirmation_issued_at, confirmed_at, tags,
         unsubscribed_at, complained_at)
    SELECT gen_random_uuid(),
           lower(first) || '.' || substr(md5(number::text), 1, 1 + number %% 4) || number || '@'
               || (ARRAY['gmail.com', 'example.com', 'mail' || number / 45 %% 5000 || '.example'])
                  [1 + number / 15 %% 3],
           first || ' ' || last, 'en', at, at, at,
           CASE WHEN number %% 20 = 0 THEN ARRAY['tag ' || number %% 1000] ELSE '{}' END,
           CASE WHEN number %% 50 = 0 THEN at END,
           CASE WHEN number %% 10000 = 1 THEN at END
    FROM (
        SELECT number, now() - interval '30 seconds' * number AS at,
               (ARRAY['Ursula', 'Genly', 'Estraven', 'Shevek', 'Tenar', 'Ged', 'Takver',
                      'Ai', 'Zoe', 'Odo', 'Laia', 'Therem', 'Arha', 'Kossil', 'Moss'])
                   [1 + number %% 15] AS first,
               (ARRAY['Le Guin', 'Odo', 'Harth', 'Keng', 'Ogion', 'Vetch', 'Yarrow'])
                   [1 + number %% 7] || substr(md5((number / 7)::text), 1, 3) AS last
        FROM generate_series(%(first)s::int, %(last)s::int) AS number
    ) AS person
"""
SEARCHES: Mapping[str, Mapping[str, str]] = {
    "everybody": {},
    "an address that nobody has": {"query": "zoe.6c454321@mail2229.example"},
    "the beginning of addresses": {"query": "shevek.c"},
    "one letter": {"query": "z"},
    "two letters": {"query": "qu"},
    "a first name": {"query": "therem"},
    "part of an address, of few": {"query": "77777"},
    "part of a name, of few": {"query": "yarrowf0"},
    "a domain of many": {"query": "gmail"},
    "a domain of few": {"query": "@mail4321.ex"},
    "nobody": {"query": "nobody-has-this"},
    "who complained": {"status": "complained"},
    "a name among those who complained": {"status": "complained", "query": "tenar"},
    "a tag": {"tag": "tag 40"},
    "a name with a tag": {"tag": "tag 40", "query": "moss"},
}


# Everybody has signed up and confirmed, and got one issue.
_HISTORY = (
    """
    INSERT INTO consents (request_id, subscriber_id, change, at)
    SELECT gen_random_uuid(), id, change::consent_change, at
    FROM (
        SELECT id, signed_up_at AS at FROM subscribers
        WHERE signed_up_at < %(before)s AND signed_up_at >= %(since)s
    ) AS person, unnest(ARRAY['signed_up', 'confirmed']) AS change
    """,
    """
    INSERT INTO sign_ups (request_id, subscriber_id, source_network, received_at, mail_granted)
    SELECT request_id, subscriber_id, '192.0.2.7', at, true FROM consents
    WHERE change = 'signed_up' AND at < %(before)s AND at >= %(since)s
    """,
    """
    INSERT INTO deliveries (issue_id, subscriber_id, round, outcome, message_id, delivered_at)
    SELECT issues.id, subscribers.id, 1, 'accepted', 'x', now() FROM issues, subscribers
    WHERE signed_up_at < %(before)s AND signed_up_at >= %(since)s
    """,
)
_ISSUE = """
    INSERT INTO issues
        (id, author, idempotency_key, request_digest, title, content, subject, html, text, slug,
         status, publish_at, frozen_at, frozen_under, audience, finished_at)
    VALUES
        (gen_random_uuid(), 'ada', 'k', '', 'One', '{"markdown": "x"}', 'One', '<p>',
         'x', 'one',
         'finished', now(), now(), 7, %(audience)s, now())
"""


class SearchResult(BaseModel):
    """The seconds that a search took, and how many subscribers its first page has."""

    model_config = ConfigDict(frozen=True)

    sought: str
    found: int
    p50: float
    p99: float


def run(stage: Stage, subscribers: int) -> list[SearchResult]:
    """Search among many subscribers, in each of several ways."""
    add_people(stage, subscribers)
    (worker,) = stage.start_workers("people", 1)
    results = []
    for sought, query in SEARCHES.items():
        event = api_event("GET", "/subscribers", query=query, author="ada")
        results.append(_ask(worker, sought, event))
    add_history(stage, subscribers)
    reader = stage.rows("SELECT id, email FROM subscribers ORDER BY id LIMIT 1 OFFSET 999")[0]
    for sought, event in _questions(str(reader["id"]), str(reader["email"])).items():
        results.append(_ask(worker, sought, event))
    worker.close()
    return results


def add_people(stage: Stage, subscribers: int) -> None:
    """Make a fresh database of many subscribers."""
    stage.seed(0)
    for first in range(1, subscribers + 1, AT_ONCE):
        stage.rows(_SUBSCRIBERS, first=first, last=min(first + AT_ONCE - 1, subscribers))
    stage.rows("VACUUM (ANALYZE) subscribers")


def add_history(stage: Stage, subscribers: int) -> None:
    """Add how everybody signed up and confirmed, and an issue that all of them got."""
    (newest,) = stage.rows("SELECT max(signed_up_at) AS at FROM subscribers")
    stage.rows(_ISSUE, audience=subscribers)
    at_once = timedelta(seconds=30 * AT_ONCE)
    for number in range(subscribers // AT_ONCE + 1):
        before = newest["at"] + timedelta(seconds=1) - number * at_once
        for statement in _HISTORY:
            stage.rows(statement, before=before, since=before - at_once)
    for table_name in ("consents", "sign_ups", "deliveries", "subscribers"):
        stage.rows(f"VACUUM (ANALYZE) {table_name}")


def _questions(subscriber: str, email: str) -> dict[str, dict[str, Any]]:
    recipient = {"id": "one", "email": email}
    return {
        "(a trace)": api_event(
            "GET", "/subscribers/{id}", path_parameters={"id": subscriber}, author="ada"
        ),
        "(why not?)": api_event(
            "GET", "/issues/{id}/recipients/{email}", path_parameters=recipient, author="ada"
        ),
        "(the numbers of 30 days)": api_event("GET", "/statistics", author="ada"),
    }


def _ask(worker: Worker, sought: str, event: dict[str, Any]) -> SearchResult:
    answer = worker.invoke(event).answer
    if answer["statusCode"] != 200:  # noqa: PLR2004 - HTTP's own
        raise RuntimeError(f"people answered {answer['statusCode']}")
    first = len(worker.invocations)
    for _ in range(TIMES):
        worker.invoke(event)
    p50, p99 = percentiles(worker.invocations[first:])
    return SearchResult(sought=sought, found=answer["body"].count('"id"'), p50=p50, p99=p99)


def table(results: Sequence[SearchResult]) -> str:
    """Return a table, one search a line."""
    return table_of(
        ("sought", "on the page", "GET /subscribers p50 ms", "p99 ms"),
        [(one.sought, one.found, one.p50 * 1000, one.p99 * 1000) for one in results],
    )
