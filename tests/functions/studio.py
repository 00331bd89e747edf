"""A browser without a script in front of the studio's handler: it follows links and sends forms."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import boto3

from broadsheet import secrets
from broadsheet.domain.people import Person, Standing
from functions.studio.app import handler
from local.lambda_events import api_event
from tests.cloud import Cloud, context, json_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SITE = "https://news.page.example"  # PUBLIC_URL
STAGE = "/prod"  # what precedes paths at API Gateway's own address

OWN_ROUTES = {("GET", "enter"), ("POST", "enter"), ("POST", "sign-in")}  # of the template
# Who is imported: one who has consented, and one who is asked.
TWO_PEOPLE = [
    Person(
        "ursula@example.com",
        status=Standing.SUBSCRIBED,
        consented_at=datetime(2026, 1, 1, tzinfo=UTC),
        source="a form",
    ),
    Person("octavia@example.com"),
]
TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


def entry(
    name: str, role: str = "manage", token: str = "", email: str | None = None
) -> dict[str, object]:
    """Return an author's entry in the secret; their token is their name unless it is given."""
    return {
        "name": name,
        "token_sha256": sha256((token or name).encode()).hexdigest(),
        "created_at": "2026-11-22T12:00:00Z",
        "role": role,
        "email": email,
    }


def put_authors(cloud: Cloud, *entries: dict[str, object]) -> None:
    """Replace the authors' secret."""
    boto3.client("secretsmanager").put_secret_value(
        SecretId=cloud.environment["AUTHORS_SECRET_ARN"],
        SecretString=json.dumps({"authors": entries}),
    )
    secrets._cache.clear()  # as a minute later


@dataclass
class Page:
    """What the browser shows."""

    status: int
    html: str
    headers: dict[str, str]
    address: str

    @property
    def form_token(self) -> str:
        found = TOKEN.search(self.html)
        assert found, self.html
        return unescape(found[1])

    @property
    def words(self) -> str:
        """The page's text, with single spaces."""
        main = self.html.partition("<main")[2].partition("</main>")[0]
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())


class Browser:
    """A browser with cookies, at one address at a time."""

    def __init__(self, language: str = "en") -> None:
        self.cookies: dict[str, str] = {}
        self.language = language
        self.page = Page(0, "", {}, "")

    def open(self, path: str, **headers: str) -> Page:
        """Open an address below ``/studio``, and follow redirects."""
        return self._request("GET", path, None, headers)

    def send(
        self, path: str, fields: Mapping[str, str | Sequence[str]] | None = None, **headers: str
    ) -> Page:
        """Send a form of the page that is shown, with its token."""
        sent = {"form_token": self.page.form_token} | dict(fields or {})
        kind = {"content-type": "application/x-www-form-urlencoded", "origin": SITE}
        return self._request("POST", path, urlencode(sent, doseq=True).encode(), kind | headers)

    def post(self, path: str, fields: Mapping[str, str], origin: str = SITE) -> Page:
        """Send a form of a page for anybody, which has no token."""
        kind = {"content-type": "application/x-www-form-urlencoded", "origin": origin}
        return self._request("POST", path, urlencode(fields).encode(), kind)

    def upload(self, path: str, fields: Mapping[str, str], **files: tuple[str, bytes]) -> Page:
        """Send a form with files, as multipart/form-data."""
        boundary, fields = "----boundary", {"form_token": self.page.form_token} | dict(fields)
        parts = [_part(boundary, name, "", value.encode()) for name, value in fields.items()]
        parts += [
            _part(boundary, name, f'; filename="{file}"', content)
            for name, (file, content) in files.items()
        ]
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        kind = {"content-type": f"multipart/form-data; boundary={boundary}", "origin": SITE}
        return self._request("POST", path, body, kind)

    def _request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Page:
        parts = urlsplit(path)
        below = parts.path.removeprefix(STAGE).removeprefix("/studio").removeprefix("/")
        is_below = bool(below) and (method, below) not in OWN_ROUTES
        event = api_event(
            method,
            "/studio/{path+}" if is_below else f"/studio/{below}".rstrip("/"),
            body=base64.b64encode(body).decode() if body is not None else None,
            path_parameters={"path": below} if is_below else None,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={
                "accept": "text/html",
                "accept-language": self.language,
                "host": urlsplit(SITE).netloc,
                "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
                **headers,
            },
        )
        event["path"] = f"/studio/{below}".rstrip("/")
        event["requestContext"]["path"] = STAGE + event["path"]
        event["requestContext"]["domainName"] = urlsplit(SITE).netloc
        event["isBase64Encoded"] = body is not None
        answer = handler(event, context())
        self._keep(answer)
        if answer["statusCode"] in {302, 303}:
            return self._request("GET", answer["headers"]["Location"], None, {})
        self.page = Page(answer["statusCode"], answer["body"], answer["headers"], path)
        return self.page

    def _keep(self, answer: dict[str, Any]) -> None:
        for cookie in answer.get("multiValueHeaders", {}).get("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            if "Max-Age=0" in cookie:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value


def _part(boundary: str, name: str, more: str, content: bytes) -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def link_of(name: str) -> str:
    """Return the address of a new sign-in link for an author whose token is their name."""
    event = api_event(
        "POST",
        "/studio/links",
        headers={"authorization": f"Bearer {name}", "host": urlsplit(SITE).netloc},
        author=name,
    )
    event["requestContext"]["domainName"] = urlsplit(SITE).netloc
    answer = handler(event, context())
    assert answer["statusCode"] == 201, answer
    return str(json_of(answer)["url"]).removeprefix(SITE)


def signed_in(name: str, language: str = "en") -> Browser:
    """Return a browser in which an author has signed in; it shows the first screen."""
    browser = Browser(language)
    address = link_of(name)
    browser.open(address)
    enter(browser, address)
    assert browser.page.status == 200, browser.page.html
    return browser


def enter(browser: Browser, address: str) -> Page:
    """Press the button of a sign-in link's page."""
    token = dict(parse_qsl(urlsplit(address).query))["token"]
    return browser.post("/studio/enter", {"token": token})
