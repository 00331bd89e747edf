"""A newsletter's API: requests that are repeated when a connection is lost or a database sleeps.

Every request but a test mail is harmless when it is carried out twice: an idempotency key, an
``If-Match``, or the issue's status sees to it. So it is repeated until its outcome is known.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode, urlsplit

import httpx
from pydantic import ValidationError

from broadsheet_cli import __version__
from broadsheet_cli.answers import (
    Answer,
    Asked,
    AskedToConfirm,
    Content,
    Created,
    Export,
    Fate,
    Image,
    Import,
    Imports,
    Issue,
    Link,
    Links,
    Page,
    Preview,
    Segment,
    Segments,
    SignedIn,
    SignedStatement,
    Statistics,
    StudioLink,
    Subscriber,
    Subscribers,
    Trace,
    Webhook,
    Webhooks,
)
from broadsheet_cli.errors import (
    CommandFailed,
    NoAccess,
    NotReached,
    NotUnderstood,
    OutcomeUnknown,
    Refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

CONNECT_SECONDS = 10
ANSWER_SECONDS = 35  # API Gateway gives up after 29 s
FIRST_ANSWER_SECONDS = 5  # until then, an address at which nothing answers is taken for wrong
PATIENCE_SECONDS = 180  # a database that slept for a day wakes in half a minute
LONGEST_PAUSE_SECONDS = 30
FAILURES_IN_A_ROW = 4  # of the newsletter itself (500, 502, 504), before a person should look
LOCAL_HOSTS = frozenset(("localhost", "127.0.0.1", "::1"))


@dataclass(frozen=True)
class Address:
    """Where a newsletter is: HTTPS, or HTTP on this machine, so that no token travels in clear."""

    url: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address in a text; without a scheme it is HTTPS. Raises ``CommandFailed``."""
        text = text.strip()
        if "://" not in text:
            text = f"{'http' if text.partition(':')[0] in LOCAL_HOSTS else 'https'}://{text}"
        parts = urlsplit(text)
        if not parts.hostname or parts.query or parts.fragment or parts.username:
            raise CommandFailed(
                f"{text} is no address of a newsletter, such as https://example.com"
            )
        if parts.scheme != "https" and (
            parts.scheme != "http" or parts.hostname not in LOCAL_HOSTS
        ):
            raise CommandFailed(
                f"{text} must begin with https://: a token must not travel in clear"
            )
        return cls(text.rstrip("/"))

    @property
    def is_local(self) -> bool:
        """Return whether it is on this machine."""
        return urlsplit(self.url).hostname in LOCAL_HOSTS

    def __str__(self) -> str:
        return self.url


class Newsletter:
    """One newsletter, as the author of a token. ``on_wait`` gets a sentence before each wait."""

    def __init__(
        self,
        address: Address,
        token: str | None,
        *,
        on_wait: Callable[[str], None],
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.address = address
        self._patience = patience
        self._has_answered = False
        self._on_wait = on_wait
        self._ahead = timedelta()  # the newsletter's clock before this machine's
        self._http = httpx.Client(
            timeout=httpx.Timeout(min(ANSWER_SECONDS, patience), connect=CONNECT_SECONDS),
            # The certificates that this machine trusts: a company's proxy may have its own.
            verify=ssl.create_default_context(),
            trust_env=not address.is_local,  # no proxy leads to this machine
            headers={
                **({"Authorization": f"Bearer {token}"} if token else {}),
                "Accept": "application/json",
                "User-Agent": f"broadsheet-cli/{__version__}",
            },
        )

    def now(self) -> datetime:
        """Return the time by the newsletter's clock, as of its last answer."""
        return datetime.now(UTC) + self._ahead

    def sign_in(self, stated: str) -> SignedIn:
        """Return the token of a workflow for what GitHub states of it, which counts once.

        Raises ``NoAccess``, and ``OutcomeUnknown`` when another may be tried.
        """
        response = self.send("POST", "/newsroom/session", {"token": stated}, is_repeatable=False)
        return SignedIn.model_validate_json(response.content)

    # --- Writing ----------------------------------------------------------------------------------

    def preview(self, request: Mapping[str, Any]) -> Preview:
        """Return an issue as its readers would see it; nothing is stored."""
        return self._answer(Preview, "POST", "/issues/preview", request)

    def preview_with_audience(self, request: Mapping[str, Any]) -> tuple[Preview, int]:
        """Return it with the number of its readers, for which a sleeping database is woken."""
        preview = self.preview(request)
        if preview.audience is None:
            next(self.issues(1), None)  # waits until the database answers
            preview = self.preview(request)
        if preview.audience is None:
            raise NotReached("The newsletter can't count its readers now: try again in a minute.")
        return preview, preview.audience

    def send_test(self, request: Mapping[str, Any], to: list[str]) -> None:
        """Send a test mail. Raises ``OutcomeUnknown`` when it may be on its way."""
        self.send("POST", "/issues/test", {**request, "to": to}, is_repeatable=False)

    def upload_image(self, content: bytes, content_type: str) -> Image:
        """Store an image and return where it is."""
        headers = {"Content-Type": content_type}
        return self._answer(Image, "POST", "/images", content=content, headers=headers)

    # --- Issues -----------------------------------------------------------------------------------

    def create(self, request: Mapping[str, Any], key: str) -> Created:
        """Make an issue once, however often it is called with this key."""
        return self._answer(Created, "POST", "/issues", request, key=key)

    def replace(self, issue_id: str, request: Mapping[str, Any], version: int) -> Issue:
        """Replace an issue's text, if it still has this version. Raises ``Refused`` (412)."""
        match = {"If-Match": f'"{version}"'}
        return self._answer(Issue, "PUT", f"/issues/{issue_id}", request, headers=match)

    def publish(self, issue_id: str, request: Mapping[str, Any], version: int, key: str) -> None:
        """Publish a draft, if it still has this version. Raises ``Refused`` (412)."""
        match = {"If-Match": f'"{version}"'}
        self.send("POST", f"/issues/{issue_id}/publish", request, headers=match, key=key)

    def correct(self, issue_id: str, request: Mapping[str, Any], key: str) -> Created:
        """Send a correction to those who got an older version."""
        path = f"/issues/{issue_id}/correct"
        return self._answer(Created, "POST", path, request, key=key)

    def act(self, issue_id: str, action: str, request: Mapping[str, Any] | None = None) -> Issue:
        """Pause, resume, cancel, retry or schedule an issue, and return it."""
        return self._answer(Issue, "POST", f"/issues/{issue_id}/{action}", request)

    def ask(self, issue_id: str) -> int:
        """Ask those who may publish for their approval of a draft; return how many were asked."""
        return self._answer(Asked, "POST", f"/issues/{issue_id}/ask").asked

    def delete(self, issue_id: str) -> None:
        """Delete a draft; one that is not there is deleted already."""
        try:
            self.send("DELETE", f"/issues/{issue_id}")
        except Refused as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise

    def issue(self, issue_id: str) -> Issue:
        """Return an issue and its progress."""
        return self._answer(Issue, "GET", f"/issues/{issue_id}")

    def find(self, issue_id: str) -> Issue | None:
        """Return an issue, or None if there is none with this id."""
        try:
            return self.issue(issue_id)
        except Refused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def content(self, issue_id: str) -> dict[str, Any]:
        """Return an issue's source as it was written."""
        return self._answer(Content, "GET", f"/issues/{issue_id}/content").document

    def issues(self, limit: int) -> Iterator[Issue]:
        """Return up to ``limit`` issues, newest first."""
        path: str | None = f"/issues?limit={min(limit, 100)}"
        while path and limit:
            page = self._answer(Page, "GET", path)
            yield from page.issues[:limit]
            limit -= len(page.issues[:limit])
            # Of the link only the query: the newsletter may know itself by another address.
            path = f"/issues?{urlsplit(page.next).query}" if page.next else None

    # --- Segments ---------------------------------------------------------------------------------

    def statement(self, issue_id: str) -> SignedStatement:
        """Return the signed statement of a finished issue's circulation."""
        return self._answer(SignedStatement, "GET", f"/issues/{issue_id}/statement")

    def links(self, issue_id: str) -> Links:
        """Return the counted links of an issue."""
        return self._answer(Links, "GET", f"/issues/{issue_id}/links")

    def correct_link(self, issue_id: str, number: int, target: str) -> Link:
        """Have a link lead elsewhere, and return it."""
        path = f"/issues/{issue_id}/links/{number}"
        return self._answer(Link, "PUT", path, {"target": target})

    def studio_link(self) -> StudioLink:
        """Make a link that signs in to the studio once."""
        return self._answer(StudioLink, "POST", "/studio/links")

    def segments(self) -> list[Segment]:
        """Return all segments, by name."""
        return self._answer(Segments, "GET", "/segments").segments

    def segment(self, name: str) -> Segment:
        """Return a segment with its number of readers."""
        return self._answer(Segment, "GET", f"/segments/{quote(name, safe='')}")

    def put_segment(self, name: str, request: Mapping[str, Any]) -> Segment:
        """Store a segment, and return it with its number of readers."""
        return self._answer(Segment, "PUT", f"/segments/{quote(name, safe='')}", request)

    def delete_segment(self, name: str) -> None:
        """Delete a segment."""
        self.send("DELETE", f"/segments/{quote(name, safe='')}")

    # --- People -----------------------------------------------------------------------------------

    def subscribers(self, limit: int, filters: Mapping[str, str]) -> Iterator[Subscriber]:
        """Return up to ``limit`` of the subscribers that fit."""
        path: str | None = f"/subscribers?{urlencode({**filters, 'limit': min(limit, 500)})}"
        while path and limit:
            page = self._answer(Subscribers, "GET", path)
            yield from page.subscribers[:limit]
            limit -= len(page.subscribers[:limit])
            path = f"/subscribers?{urlsplit(page.next).query}" if page.next else None

    def trace(self, subscriber_id: str) -> Trace:
        """Return all that happened to a subscriber."""
        return self._answer(Trace, "GET", f"/subscribers/{subscriber_id}")

    def why(self, issue: str, email: str) -> Fate:
        """Return why the owner of an address got an issue, or did not. ``issue``: id or slug."""
        path = f"/issues/{quote(issue, safe='')}/recipients/{quote(email, safe='@')}"
        return self._answer(Fate, "GET", path)

    def statistics(self, days: Mapping[str, str]) -> Statistics:
        """Return the newsletter's numbers."""
        return self._answer(Statistics, "GET", f"/statistics?{urlencode(days)}")

    # --- Imports ----------------------------------------------------------------------------------

    def add_import(self, request: Mapping[str, Any]) -> Import:
        """Begin an import, and return it with where its file is sent to."""
        return self._answer(Import, "POST", "/imports", request)

    def upload(self, url: str, path: Path) -> None:
        """Send a file to where an import takes it. Raises ``NotReached``."""
        try:
            with path.open("rb") as file:
                # Without the token, which is the newsletter's alone.
                size = {"Content-Length": str(path.stat().st_size)}
                response = httpx.put(url, content=file, headers=size, timeout=ANSWER_SECONDS)
        except httpx.TransportError as error:
            raise NotReached("The file could not be sent: run the command again.") from error
        if response.is_error:
            raise NotReached(f"The file was not taken ({response.status_code}): run it again.")

    def imports(self, limit: int) -> Iterator[Import]:
        """Return up to ``limit`` imports, newest first."""
        path: str | None = f"/imports?limit={min(limit, 100)}"
        while path and limit:
            page = self._answer(Imports, "GET", path)
            yield from page.imports[:limit]
            limit -= len(page.imports[:limit])
            path = f"/imports?{urlsplit(page.next).query}" if page.next else None

    def show_import(self, import_id: str) -> Import:
        """Return an import as it is now."""
        return self._answer(Import, "GET", f"/imports/{quote(import_id, safe='')}")

    def act_on_import(
        self, import_id: str, action: str, request: Mapping[str, Any] | None = None
    ) -> Import:
        """Read, apply or undo an import, and return it."""
        path = f"/imports/{quote(import_id, safe='')}/{action}"
        return self._answer(Import, "POST", path, request)

    def confirm_import(self, import_id: str) -> AskedToConfirm:
        """Have the next of those mailed who are to confirm."""
        path = f"/imports/{quote(import_id, safe='')}/confirm"
        return self._answer(AskedToConfirm, "POST", path)

    def add_export(self, file_format: str) -> Export:
        """Have everybody written into a file."""
        return self._answer(Export, "POST", "/exports", {"format": file_format})

    def show_export(self, export_id: str) -> Export:
        """Return an export as it is now."""
        return self._answer(Export, "GET", f"/exports/{quote(export_id, safe='')}")

    def download(self, url: str, path: Path) -> None:
        """Write what an export holds into a file. Raises ``NotReached``."""
        try:
            with httpx.stream("GET", url, timeout=ANSWER_SECONDS) as response:
                if response.is_error:
                    raise NotReached(f"The file could not be had ({response.status_code}).")
                with path.open("wb") as file:
                    file.writelines(response.iter_bytes())
        except httpx.TransportError as error:
            raise NotReached("The file could not be had: run the command again.") from error

    def import_lines(self, import_id: str) -> Iterator[str]:
        """Return what becomes of the rows of an import, as CSV in pieces of many lines."""
        path: str | None = f"/imports/{quote(import_id, safe='')}/lines?limit=10000"
        while path:
            response = self.send("GET", path, headers={"Accept": "text/csv"})
            yield response.text
            following = response.links.get("next", {}).get("url")
            path = (
                f"/imports/{quote(import_id, safe='')}/lines?{urlsplit(following).query}"
                if following
                else None
            )

    # --- Webhooks ---------------------------------------------------------------------------------

    def webhooks(self) -> list[Webhook]:
        """Return all webhooks."""
        return self._answer(Webhooks, "GET", "/webhooks").webhooks

    def webhook(self, webhook_id: str) -> Webhook:
        """Return a webhook with its newest calls."""
        return self._answer(Webhook, "GET", f"/webhooks/{quote(webhook_id, safe='')}")

    def add_webhook(self, request: Mapping[str, Any]) -> Webhook:
        """Add a webhook. Raises ``OutcomeUnknown`` when it may have been added."""
        response = self.send("POST", "/webhooks", request, is_repeatable=False)
        return Webhook.model_validate_json(response.content)

    def act_on_webhook(
        self, webhook_id: str, action: str, request: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Test, replay, enable or rotate a webhook, and return the answer."""
        path = f"/webhooks/{quote(webhook_id, safe='')}/{action}"
        return self._answer(Answer, "POST", path, request).document

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook."""
        self.send("DELETE", f"/webhooks/{quote(webhook_id, safe='')}")

    # --- One request ------------------------------------------------------------------------------

    def _answer[T: Answer](  # noqa: PLR0913 - what a request has
        self,
        model: type[T],
        method: str,
        path: str,
        request: Mapping[str, Any] | None = None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        key: str = "",
    ) -> T:
        """Send a request, and return its answer. Raises ``NotUnderstood``, and as ``send``."""
        response = self.send(method, path, request, content=content, headers=headers, key=key)
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise NotUnderstood(
                f"{self.address} gives an answer that this version of broadsheet doesn't "
                "understand. Is the address right, and broadsheet up to date?"
            ) from error

    def send(  # noqa: PLR0913 - what a request has
        self,
        method: str,
        path: str,
        document: Mapping[str, Any] | None = None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        key: str = "",
        is_repeatable: bool = True,
    ) -> httpx.Response:
        """Send a request until its outcome is known, and return a response that is no error.

        Raises ``Refused``, ``NoAccess``, ``NotReached``, and ``OutcomeUnknown`` if it is not
        repeatable.
        """
        request = self._http.build_request(
            method,
            self.address.url + path,
            json=document,
            content=content,
            headers={**(headers or {}), **({"Idempotency-Key": key} if key else {})},
        )
        began = time.monotonic()
        tries = 0
        while True:
            tries += 1
            try:
                response = self._http.send(request)
            except httpx.TransportError as error:
                reason, pause = self._after_lost(error, tries, is_repeatable=is_repeatable)
            else:
                self._has_answered = True
                self._set_clock(response)
                if not _is_passing(response):
                    return _checked(response)
                reason, pause = _after_failure(response, tries, is_repeatable=is_repeatable)
            self._wait(began, reason, pause)

    def _wait(self, began: float, reason: str, pause: float) -> None:
        """Wait before another try; raise ``NotReached`` if the tries would take too long."""
        after = time.monotonic() + pause - began
        if after > self._patience:
            raise NotReached(f"{reason} Nothing was lost: run the same command again later.")
        if not self._has_answered and after > FIRST_ANSWER_SECONDS:
            raise NotReached(
                f"{reason} Nothing answers there: is the address right, and the newsletter up?"
            )
        self._on_wait(f"{reason} Trying again in {pause:.0f} s.")
        time.sleep(pause)

    def _after_lost(
        self, error: httpx.TransportError, tries: int, *, is_repeatable: bool
    ) -> tuple[str, float]:
        """Return why and how long to wait after a lost connection; raise if it may not repeat."""
        was_sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        if was_sent and not is_repeatable:
            raise OutcomeUnknown(f"The connection to {self.address} was lost: it may be done.")
        reason = "was lost" if was_sent else "failed"
        return f"The connection to {self.address} {reason}.", _pause(tries)

    def _set_clock(self, response: httpx.Response) -> None:
        try:
            server_time = parsedate_to_datetime(response.headers["Date"])
        except (KeyError, ValueError):
            return
        self._ahead = server_time - datetime.now(UTC)


# Statuses that say nothing about the request itself.
_PASSING = frozenset(
    (
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    )
)
THROTTLED = "too-many-requests"  # API Gateway's code; a proxy before it gives none
# Of these, the ones that ask for a pause.
_PAUSING = frozenset((HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE))


def _is_passing(response: httpx.Response) -> bool:
    """Return whether a failure may pass by itself."""
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        # With another code, it is the newsletter's own limit, such as a day's test mails.
        return str(_problem(response).get("code", THROTTLED)) == THROTTLED
    return response.status_code in _PASSING


def _is_before_anything(response: httpx.Response) -> bool:
    """Return whether a failure is one in which nothing can have been sent."""
    is_throttled = response.status_code == HTTPStatus.TOO_MANY_REQUESTS
    return is_throttled or _problem(response).get("code") == "database-unavailable"


def _after_failure(
    response: httpx.Response, tries: int, *, is_repeatable: bool
) -> tuple[str, float]:
    """Return why and how long to wait after a failure; raise if it can't be repeated."""
    problem = _problem(response)
    if problem.get("code") == "database-unavailable":
        reason = "The newsletter's database is asleep; it wakes within half a minute."
    else:
        detail = problem.get("detail") or problem.get("message") or response.reason_phrase
        reason = f"The newsletter can't answer now: {str(detail).rstrip('.')}."
    if not is_repeatable and not _is_before_anything(response):
        raise OutcomeUnknown(f"{reason} It may be done.")
    if response.status_code in _PAUSING:
        return reason, _retry_after(response, tries)
    if tries >= FAILURES_IN_A_ROW:
        raise NotReached(reason)
    return reason, _pause(tries)


def _retry_after(response: httpx.Response, tries: int) -> float:
    try:
        return min(max(float(response.headers["Retry-After"]), 0), LONGEST_PAUSE_SECONDS)
    except (KeyError, ValueError):
        return _pause(tries)


def _pause(tries: int) -> float:
    return float(min(2 ** (tries - 1), LONGEST_PAUSE_SECONDS))


def _checked(response: httpx.Response) -> httpx.Response:
    if response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        problem = _problem(response)
        detail = problem.get("detail") or "The newsletter doesn't accept this token."
        raise NoAccess(f"{detail}")
    if response.is_redirect:
        raise NotReached(f"The address leads elsewhere: {response.headers.get('Location')}")
    if response.is_error:
        raise Refused(response.status_code, _problem(response))
    return response


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
