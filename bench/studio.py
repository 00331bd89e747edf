"""Measures the processor time of each of the studio's pages: of its function and of PostgreSQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import BaseModel, ConfigDict

from bench import searching
from bench.stage import TOKEN
from bench.tables import table as table_of
from local.lambda_events import api_event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.lambdas import Worker
    from bench.stage import Stage

TIMES = 10  # PostgreSQL's processor time is known to a hundredth of a second
LIMIT = 0.3  # processor seconds of a page
_BATCHES = """
    INSERT INTO delivery_batches (issue_id, number, recipients, state)
    SELECT issues.id, place / 5000 + 1, array_agg(person.id), 'closed'
    FROM issues, (
        SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM subscribers
    ) AS person
    WHERE issues.slug = 'one'
    GROUP BY issues.id, place / 5000
"""
_SEGMENT = """
    INSERT INTO segments (name, filter, author)
    VALUES ('tagged', '{"tags": {"any": ["tag 40", "tag 80"]}}', 'ada')
"""
_FILES = """
    WITH import AS (
        INSERT INTO imports (id, author, file_name, format, status, rows_read, counts)
        VALUES (gen_random_uuid(), 'ada', 'readers.csv', 'csv', 'ready', %(people)s,
                jsonb_build_object('added', %(people)s::int))
        RETURNING id
    ), export AS (
        INSERT INTO exports (id, author, format, people, ready_at)
        VALUES (gen_random_uuid(), 'ada', 'csv', %(people)s, now())
        RETURNING id
    )
    SELECT import.id AS import, export.id AS export FROM import, export
"""
# The finished issue as it was before, or as it might have ended. Its counts stay as dispatch stored
# them: a minute old, and of all its mails.
_BECOME = """
    UPDATE issues
    SET status = %(status)s::issue_status, finished_at = NULL,
        paused_because = CASE WHEN %(status)s = 'paused' THEN 'by the author' END,
        canceled_at = CASE WHEN %(status)s = 'canceled' THEN now() END
    WHERE slug = 'one'
"""
_DRAFT = {"title": "Two", "text": "Hello", "do": "save", "archive": "true"}


class PageCost(BaseModel):
    """Processor seconds that a page takes, in its function and in PostgreSQL."""

    model_config = ConfigDict(frozen=True)

    page: str
    subscribers: int
    function: float
    database: float

    @property
    def is_good(self) -> bool:
        """Return whether the page keeps within its limit."""
        return self.function + self.database <= LIMIT


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: str


class _Author:
    """A browser in front of the function. ``cookie``: that of the session."""

    def __init__(self, worker: Worker, site: str) -> None:
        self.worker, self.site, self.cookie = worker, urlsplit(site).netloc, ""
        link = self._answer("POST", "/studio/links", {"authorization": f"Bearer {TOKEN}"})
        token = dict(parse_qsl(urlsplit(json.loads(link.body)["url"]).query))["token"]
        self.send("/enter", {"token": token})

    def open(self, path: str) -> _Answer:
        """Open a page below ``/studio``."""
        return self._answer("GET", f"/studio{path}", {})

    def send(self, path: str, fields: Mapping[str, str]) -> _Answer:
        """Send a form."""
        kind = {
            "content-type": "application/x-www-form-urlencoded",
            "origin": f"https://{self.site}",
        }
        return self._answer("POST", f"/studio{path}", kind, urlencode(fields))

    def _answer(
        self, method: str, path: str, headers: Mapping[str, str], body: str | None = None
    ) -> _Answer:
        parts = urlsplit(path)
        below = parts.path.removeprefix("/studio").removeprefix("/")
        is_own = below in {"", "links", "enter"}
        event = api_event(
            method,
            parts.path if is_own else "/studio/{path+}",
            body=body,
            path_parameters=None if is_own else {"path": below},
            query=dict(parse_qsl(parts.query)),
            headers={"accept": "text/html", "host": self.site, "cookie": self.cookie, **headers},
            author="ada" if below == "links" else None,
        )
        event["path"] = parts.path
        event["requestContext"]["domainName"] = self.site
        answer: dict[str, Any] = self.worker.invoke(event).answer
        for cookie in answer.get("multiValueHeaders", {}).get("Set-Cookie", ()):
            self.cookie = cookie.partition(";")[0]
        found = _Answer(answer["statusCode"], answer["headers"], answer["body"])
        if found.status >= 400:  # noqa: PLR2004 - HTTP's own
            raise RuntimeError(f"the studio answered {found.status} to {method} {path}")
        return found


def run(stage: Stage, subscribers: int) -> list[PageCost]:
    """Open each page of a newsletter with many subscribers and an issue to all of them."""
    searching.add_people(stage, subscribers)
    searching.add_history(stage, subscribers)
    stage.rows(_BATCHES)
    stage.rows(_SEGMENT)
    stage.rows("VACUUM (ANALYZE) delivery_batches")
    (issue,) = stage.rows("SELECT id FROM issues")
    _work_in_the_background(stage, str(issue["id"]))
    (worker,) = stage.start_workers("studio", 1)
    browser = _Author(worker, stage.environment["PUBLIC_URL"])
    pages = _pages(stage, browser, str(issue["id"]), subscribers)
    costs = [_cost(stage, browser, name, path, subscribers) for name, path in pages.items()]
    for status, of_it in _PAGES_OF_AN_ISSUE.items():
        stage.rows(_BECOME, status=status)
        for name, path in of_it.items():
            at = f"/issues/{issue['id']}{path}"
            costs.append(_cost(stage, browser, name, at, subscribers))
    worker.close()
    return costs


_PAGES_OF_AN_ISSUE: dict[str, dict[str, str]] = {
    "sending": {
        "an issue being sent": "",
        "the progress of one being sent": "/progress",
        "canceling one being sent": "/cancel",
    },
    "paused": {
        "a paused issue": "",
        "canceling a paused one": "/cancel",
        "correcting a paused one": "/correct",
    },
    "canceled": {"a canceled issue": "", "the progress of a canceled one": "/progress"},
}


def _work_in_the_background(stage: Stage, issue_id: str) -> None:
    """Have dispatch do what it does when an issue has finished, and daily."""
    (worker,) = stage.start_workers("dispatch", 1)
    worker.invoke({"issue_id": issue_id})
    for _ in range(2):
        worker.invoke({})
        stage.rows("UPDATE counted_days SET looked_at = looked_at - interval '1 day'")
    worker.close()


def _pages(stage: Stage, browser: _Author, issue: str, people: int) -> dict[str, str]:
    form = browser.open("/issues/new").body
    hidden = {
        name: form.partition(f'name="{name}" value="')[2].partition('"')[0]
        for name in ("form_token", "key")
    }
    stored = browser.send("/issues/new", _DRAFT | hidden).headers["Location"]
    draft = f"/issues/{urlsplit(stored).path.split('/')[-2]}"
    (reader,) = stage.rows("SELECT id, email FROM subscribers ORDER BY id LIMIT 1 OFFSET 999")
    (made,) = stage.rows(_FILES, people=people)
    why = urlencode({"issue": issue, "email": reader["email"]})
    return {
        "all issues": "",
        "a new issue": "/issues/new",
        "a draft": draft,
        "its text": f"{draft}/write",
        "its versions": f"{draft}/versions",
        "the finished issue": f"/issues/{issue}",
        "its progress": f"/issues/{issue}/progress",
        "its correction": f"/issues/{issue}/correct",
        "everybody": "/people",
        "a search": "/people?query=yarrowf0",
        "a search by status and name": "/people?query=tenar&status=complained",
        "somebody": f"/people/{reader['id']}",
        "erasing somebody": f"/people/{reader['id']}/erase",
        "adding somebody": "/people/add",
        "why not?": f"/people/why?{why}",
        "growth, 30 days": "/people/growth",
        "growth, 365 days": "/people/growth?days=365",
        "all segments": "/people/segments",
        "a segment": "/people/segments/tagged",
        "imports": "/people/imports",
        "an import": f"/people/imports/{made['import']}",
        "exports": "/people/exports",
        "an export": f"/people/exports/{made['export']}",
        "settings": "/settings",
        "the theme": "/settings/theme?name=default",
        "the welcome mail": "/settings/welcome",
        "the sign-up page": "/settings/sign-up",
        "the authors": "/settings/authors",
        "adding an author": "/settings/authors/add",
        "an author": "/settings/authors/change?name=ada",
    }


def _cost(stage: Stage, browser: _Author, name: str, path: str, subscribers: int) -> PageCost:
    browser.open(path)  # what a first page reads, such as templates
    function, database = browser.worker.cpu, stage.postgres_cpu
    for _ in range(TIMES):
        browser.open(path)
    return PageCost(
        page=name,
        subscribers=subscribers,
        function=(browser.worker.cpu - function) / TIMES,
        database=(stage.postgres_cpu - database) / TIMES,
    )


def table(results: Sequence[PageCost]) -> str:
    """Return a table, one page a line, those that take most first."""
    by_cost = sorted(results, key=lambda one: -(one.function + one.database))
    return table_of(
        ("page", "subscribers", "function, CPU ms", "PostgreSQL, CPU ms", "together", "limit"),
        [
            (
                one.page,
                one.subscribers,
                one.function * 1000,
                one.database * 1000,
                (one.function + one.database) * 1000,
                "kept" if one.is_good else "MISSED",
            )
            for one in by_cost
        ],
    )
