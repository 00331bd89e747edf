"""A newsletter in memory, as far as its contract with the command line goes.

``tests/journey/test_authors_day.py`` runs the same commands against the deployed stack. This one
can be interrupted at each request, can be put to sleep, and remembers what it mailed to whom.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, override
from uuid import uuid4

from aiohttp import web

TOKEN = "bs_test"
READERS = 1204
BESIDE = {"draft", "accept_warnings"}  # they don't make a request another one


class Problem(Exception):
    """A problem document."""

    def __init__(self, status: HTTPStatus, code: str, detail: str = "", **more: object) -> None:
        self.status = status
        self.document = {"status": status, "code": code, "detail": detail or code, **more}


@dataclass
class StoredIssue:
    """An issue with all its versions."""

    id: str
    key: str
    request: dict[str, Any]
    status: str
    publish_at: datetime | None
    version: int = 1
    audience: int | None = None
    accepted: int = 0
    corrects: str | None = None
    seconds_to_go: float | None = None
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def slug(self) -> str:
        """Its own: one that was canceled before it began leaves its slug to the next."""
        is_freed = self.status == "canceled" and self.audience is None
        return self.id if is_freed else str(self.request.get("slug", self.id))

    @property
    def text(self) -> str:
        content = self.request.get("content", self.request)
        return str(content.get("markdown") or content.get("html"))

    def document(self) -> dict[str, Any]:
        counts = ("unresolved", "bounced", "complained", "duplicates")
        waiting = (self.audience or 0) - self.accepted
        books = {
            "waiting": waiting,
            "failed": {},
            "skipped": {},
            "rate": 14.0,
            **dict.fromkeys(counts, 0),
        }
        books |= {"accepted": self.accepted, "delivered": self.accepted}
        return {
            "id": self.id,
            "title": self.request["title"],
            "slug": self.slug,
            "status": self.status,
            "version": self.version,
            "publish_at": self.publish_at and self.publish_at.isoformat(),
            "created_at": self.created_at.isoformat(),
            "preheader": self.request.get("preheader"),
            "archive": self.request.get("archive", True),
            "audience": self.audience,
            "books": None if self.audience is None else books,
            "seconds_to_go": self.seconds_to_go,
            "paused_because": None,
            "archive_url": f"https://news.example.com/archive/{self.slug}",
            "href": f"/issues/{self.id}",
        }


@dataclass
class Interruptible:
    """A newsletter that can be interrupted at each request.

    ``before`` and ``after`` are called with the number of a request, before it is carried out and
    before it is answered; then a ConnectionError loses the connection.
    """

    requests: list[str] = field(default_factory=list)
    url: str = ""
    before: Callable[[int], None] = lambda _: None
    after: Callable[[int], None] = lambda _: None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        number = len(self.requests)
        body = await request.read()
        try:
            # In another thread: they may wait for the client, which waits for its connection.
            await asyncio.to_thread(self.before, number)
            response = await asyncio.to_thread(self._respond, request, body)
            await asyncio.to_thread(self.after, number)
        except ConnectionError:
            if request.transport:  # the client may be gone already
                request.transport.abort()
            return web.Response()
        return response

    def lose(self, number: int, moment: str) -> None:
        """Lose the connection ``before`` or ``after`` the n-th request from now on."""
        first = len(self.requests)

        def hook(at: int) -> None:
            if at - first == number:
                raise ConnectionError

        setattr(self, moment, hook)

    def texts_of_file(self, slug: str) -> list[tuple[str, str]]:
        """The status and the text of each issue of a file that is called so."""
        raise NotImplementedError

    def _respond(self, request: web.BaseRequest, body: bytes) -> web.Response:
        raise NotImplementedError


@dataclass
class Press(Interruptible):
    """The newsletter: its issues, and each text that its readers got."""

    issues: dict[str, StoredIssue] = field(default_factory=dict)
    mailed: list[tuple[str, str]] = field(default_factory=list)  # issue, text
    tests: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    images: list[tuple[str, bytes]] = field(default_factory=list)
    previewed: list[dict[str, Any]] = field(default_factory=list)
    asleep: int = 0  # so many requests find the database asleep, previews not
    role: str = "manage"
    ahead: timedelta = timedelta()  # its clock, before this machine's

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    @override
    def texts_of_file(self, slug: str) -> list[tuple[str, str]]:
        issues = [each for each in self.issues.values() if each.slug == slug]
        return [(issue.status, issue.text) for issue in issues]

    @property
    def only(self) -> StoredIssue:
        """The one issue that there is."""
        (issue,) = self.issues.values()
        return issue

    def publish_everything(self) -> None:
        """Let the time of every scheduled issue come."""
        self.ahead += timedelta(days=365 * 100)
        self._send_what_is_due()

    @override
    def _respond(self, request: web.BaseRequest, body: bytes) -> web.Response:
        try:
            response = self._answer(request, body)
        except Problem as problem:
            response = web.json_response(problem.document, status=problem.status)
            response.content_type = "application/problem+json"
            if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
                response.headers["Retry-After"] = "0"
        response.headers["Date"] = f"{self.now:%a, %d %b %Y %H:%M:%S} GMT"
        return response

    def _answer(self, request: web.BaseRequest, body: bytes) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", "the token isn't valid")
        if self.asleep and request.path != "/issues/preview":
            self.asleep -= 1
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "database-unavailable")
        self._send_what_is_due()
        parts = request.path.strip("/").split("/")
        key = request.headers.get("Idempotency-Key", "")
        document = json.loads(body) if body and parts[0] != "images" else {}
        match request.method, parts:
            case "GET", ["issues"]:
                shown = [each.document() for each in reversed(self.issues.values())]
                return web.json_response({"issues": shown, "next": None})
            case "POST", ["issues"]:
                return self._create(document, key)
            case "POST", ["issues", "preview"]:
                self.previewed.append(document)
                unknown = {"audience": None, "seconds": None, "cost": None}
                return web.json_response(
                    _preview(document, self.role) | (unknown if self.asleep else {})
                )
            case "POST", ["issues", "test"]:
                self.tests.append((tuple(document["to"]), document["markdown"]))
                return web.json_response({}, status=HTTPStatus.ACCEPTED)
            case "POST", ["images"]:
                self.images.append((request.content_type, body))
                number = list(dict.fromkeys(self.images)).index((request.content_type, body)) + 1
                url = f"https://news.example/images/{number}.png"
                image = {"url": url, "width": 1200, "height": 800}
                return web.json_response(image, status=HTTPStatus.CREATED)
            case method, ["issues", issue_id, *action]:
                return self._of_issue(issue_id, [method, *action], document, request.headers)
        raise Problem(HTTPStatus.NOT_FOUND, "page-not-found")

    def _create(
        self, document: dict[str, Any], key: str, corrects: str | None = None
    ) -> web.Response:
        if self.role == "write" and not document.get("draft"):
            raise Problem(HTTPStatus.FORBIDDEN, "role-needed", "this needs the role publish")
        keyed = [issue for issue in self.issues.values() if issue.key == key]
        for issue in keyed:
            if issue.request != _asked(document):
                raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused")
            return web.json_response(_created(issue), status=HTTPStatus.ACCEPTED)
        slugs = [issue.slug for issue in self.issues.values()]
        if document.get("slug") in slugs:
            raise Problem(HTTPStatus.CONFLICT, "slug-taken")
        is_draft = bool(document.get("draft"))
        publish_at = document.get("publish_at")
        issue = StoredIssue(
            id=str(uuid4()),
            key=key,
            request=_asked(document),
            status="draft" if is_draft else "scheduled",
            publish_at=datetime.fromisoformat(publish_at) if publish_at else None,
            corrects=corrects,
            created_at=self.now,
        )
        if not is_draft and issue.publish_at is None:
            issue.publish_at = self.now
        self.issues[issue.id] = issue
        return web.json_response(_created(issue), status=HTTPStatus.ACCEPTED)

    def _of_issue(
        self,
        issue_id: str,
        action: list[str],
        document: dict[str, Any],
        headers: Mapping[str, str],
    ) -> web.Response:
        issue = self.issues.get(issue_id)
        if issue is None:
            raise Problem(HTTPStatus.NOT_FOUND, "issue-not-found")
        match action:
            case ["GET"]:
                return web.json_response(issue.document())
            case ["GET", "content"]:
                return web.json_response(issue.request | {"version": issue.version})
            case ["PUT"]:
                _replace(issue, document, headers.get("If-Match"))
                return web.json_response(issue.document())
            case ["DELETE"]:
                if issue.status != "draft":
                    raise Problem(HTTPStatus.CONFLICT, "wrong-state")
                del self.issues[issue_id]
                return web.Response(status=HTTPStatus.NO_CONTENT)
            case ["POST", "correct"]:
                return self._create(document, headers["Idempotency-Key"], corrects=issue_id)
            case ["POST", name]:
                self._act(issue, name, document, headers.get("If-Match"))
                answer = issue.document() | {"asked": 2}
                return web.json_response(answer, status=HTTPStatus.ACCEPTED)
        raise Problem(HTTPStatus.NOT_FOUND, "page-not-found")

    def _act(
        self, issue: StoredIssue, name: str, document: dict[str, Any], match: str | None
    ) -> None:
        if name == "publish":
            _refuse_stale(issue, match)
        elif name == "ask":
            return
        needed, becomes = {
            "publish": ({"draft"}, "scheduled"),
            "schedule": ({"scheduled"}, "scheduled"),
            "cancel": ({"scheduled", "sending", "paused", "canceled"}, "canceled"),
            "pause": ({"scheduled", "sending", "paused"}, "paused"),
            "resume": ({"paused", "scheduled", "sending"}, "sending"),
            "retry": ({"finished"}, "sending"),
            "archive": ({"finished"}, "finished"),
        }[name]
        if issue.status not in needed:
            raise Problem(HTTPStatus.CONFLICT, "wrong-state", f"it is {issue.status}")
        issue.status = becomes
        if "publish_at" in document:
            issue.publish_at = datetime.fromisoformat(document["publish_at"])
        if "archive" in document:
            issue.request["archive"] = document["archive"]

    def _send_what_is_due(self) -> None:
        for issue in self.issues.values():
            if issue.status == "scheduled" and issue.publish_at and issue.publish_at <= self.now:
                self.mailed.append((issue.id, issue.text))
                issue.status, issue.seconds_to_go = "finished", None
                issue.audience = issue.accepted = READERS


def _asked(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in BESIDE}


def _created(issue: StoredIssue) -> dict[str, Any]:
    return {**issue.document(), "audience_now": READERS, "warnings": []}


def _replace(issue: StoredIssue, document: dict[str, Any], match: str | None) -> None:
    if match is None:
        raise Problem(HTTPStatus.PRECONDITION_REQUIRED, "if-match-needed")
    if issue.status not in {"draft", "scheduled", "paused"}:
        raise Problem(HTTPStatus.CONFLICT, "wrong-state")
    _refuse_stale(issue, match)
    issue.request, issue.version = _asked(document), issue.version + 1


def _refuse_stale(issue: StoredIssue, match: str | None) -> None:
    if match != f'"{issue.version}"':
        raise Problem(
            HTTPStatus.PRECONDITION_FAILED, "stale-version", current_version=issue.version
        )


def _message(word: str, line: str) -> str:
    image = re.search(r"https://news\.example/images/\d+\.png", line)
    return f"{word} in the line of {image[0]}" if image else f"{word} here"


def _preview(document: dict[str, Any], role: str) -> dict[str, Any]:
    text = str(document.get("markdown") or document["content"]["html"])
    rules = [
        ("[[nome]]", "error", "unknown-placeholder"),
        ("(missing.png)", "error", "relative-image"),
        ("TK", "warning", "todo-left"),
    ]
    warnings = [
        {
            "code": code,
            "severity": severity,
            "message": _message(word, line),
            "where": f"line {number}",
        }
        for number, line in enumerate(text.splitlines(), 1)
        for word, severity, code in rules
        if word in line
    ]
    return {
        "subject": document["title"],
        "preheader": document.get("preheader"),
        "html": f"<p>{text}</p>",
        "text": text,
        "bytes": len(text),
        "may_publish": role != "write",
        "warnings": warnings,
        "audience": READERS,
        "seconds": 86,
        "cost": 0.12,
    }
