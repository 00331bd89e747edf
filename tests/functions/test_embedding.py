"""The form in somebody else's page, in Chromium: on another origin, with a strict policy.

The page has what docs/readers.md says it should, and allows nothing but what that says it must.
Two sites: browsers take 127.0.0.1 and localhost for strangers.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect

from broadsheet import signed_tokens
from broadsheet.domain.requests import (
    ConfirmationToken,
    ConfirmRequest,
    SubscribeRequest,
    read_queued,
)
from functions.archive import app as archive
from functions.confirm import app as confirm
from functions.subscribe import app as subscribe
from local.lambda_events import api_event
from tests.cloud import context
from tests.conftest import forget_what_was_read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from tests.cloud import Edge

READER = "ursula@example.com"
NEWS = "https://news.example.com"  # as the instructions call the newsletter
_WRITTEN = (Path(__file__).parents[2] / "docs" / "readers.md").read_text(encoding="utf-8")
# What the instructions say to write into a page, and to allow in its policy.
WITH_SCRIPT, WITHOUT_SCRIPT, OWN_FORM = re.findall(
    r"```html\n(.*?)```.*?```\n(.*?)\n```", _WRITTEN.partition("## On your own site")[2], re.DOTALL
)
FUNCTIONS = {
    ("GET", "/favicon.svg"): archive.handler,
    ("GET", "/form"): subscribe.handler,
    ("GET", "/embed.js"): subscribe.handler,
    ("POST", "/subscriptions"): subscribe.handler,
    ("POST", "/subscriptions/code"): confirm.handler,
    ("GET", "/subscriptions/confirm"): confirm.handler,
    ("POST", "/subscriptions/confirm"): confirm.handler,
}


class Newsletter(BaseHTTPRequestHandler):
    """Passes requests to the functions, as API Gateway does."""

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        length = int(self.headers.get("Content-Length", 0))
        event = api_event(
            self.command,
            path,
            query=query,
            headers=dict(self.headers.items()),
            body=self.rfile.read(length).decode(),
        )
        answer = FUNCTIONS[self.command, path](event, context())
        self.send_response(answer["statusCode"])
        for name, value in answer["headers"].items():
            self.send_header(name, value)
        for cookie in answer.get("multiValueHeaders", {}).get("Set-Cookie", ()):
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        self.wfile.write(answer["body"].encode())

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class Blog(BaseHTTPRequestHandler):
    """A page of somebody else's."""

    html = ""
    policy = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", self.policy)
        self.end_headers()
        self.wfile.write(self.html.encode())

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def served(handler: type[BaseHTTPRequestHandler], host: str) -> Iterator[str]:
    """Serve a site on a free port, and return its origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def blog(
    browser: Browser, host: str, news: str, embedded: tuple[str, str], *, runs: bool
) -> Iterator[Page]:
    """Open a blog that embeds the form of a newsletter. ``runs``: with JavaScript."""
    markup, policy = (text.replace(NEWS, news) for text in embedded)
    html = f"<!doctype html><html lang=en><title>Blog</title><h1>Blog</h1>{markup}"
    handler = type("_Blog", (Blog,), {"html": html, "policy": f"default-src 'none'; {policy}"})
    with served(handler, host) as address:
        opened = browser.new_context(java_script_enabled=runs, locale="en")
        page = opened.new_page()
        page.goto(address)
        yield page
        opened.close()


@contextmanager
def on_a_blog(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, embedded: tuple[str, str], *, runs: bool
) -> Iterator[tuple[Page, str]]:
    """Open a blog that embeds the form; return its page, and the newsletter's origin."""
    with served(Newsletter, "127.0.0.1") as news:
        monkeypatch.setenv("PUBLIC_URL", news)
        monkeypatch.setenv("TIMINGS", '{"form_filled_in": 0}')
        forget_what_was_read()
        with blog(browser, "localhost", news, embedded, runs=runs) as page:
            yield page, news


@pytest.mark.parametrize(
    ("embedded", "runs"),
    [
        *((WITH_SCRIPT, True), (WITH_SCRIPT, False)),
        *((WITHOUT_SCRIPT, False), (OWN_FORM, False)),
    ],
    ids=["script", "script-without-javascript", "frame", "form"],
)
def test_a_reader_of_a_strict_blog_signs_up_and_confirms(
    browser: Browser,
    edge: Edge,
    monkeypatch: pytest.MonkeyPatch,
    embedded: tuple[str, str],
    *,
    runs: bool,
) -> None:
    with on_a_blog(browser, monkeypatch, embedded, runs=runs) as (page, news):
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        form = page if embedded is OWN_FORM else page.frame_locator("iframe")
        form.locator("[name=email]").fill(READER)
        form.locator("button").click()
        expect(page.locator("h1")).to_have_text("Check your inbox")
        assert page.url == f"{news}/subscriptions"

        (asked,) = map(_request, edge.requests())
        assert isinstance(asked, SubscribeRequest)
        assert str(asked.email) == READER
        if runs:  # the link presses its button itself, as in every browser that signed up
            token = signed_tokens.sign_confirmation(ConfirmationToken.of(asked))
            page.goto(f"{news}/subscriptions/confirm?token={token}")
        else:
            page.locator("[name=code]").fill(signed_tokens.confirmation_code(asked))
            page.locator("form:has([name=code]) button").click()
        expect(page.locator("h1")).to_have_text("Thank you")
        (confirmed,) = map(_request, edge.requests())
        assert isinstance(confirmed, ConfirmRequest)
        assert str(confirmed.token.email) == READER
        assert confirmed.way == ("same-browser" if runs else "code")
        assert complaints == []


def test_the_frame_has_a_name_and_is_as_tall_as_the_form(
    browser: Browser, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on_a_blog(browser, monkeypatch, WITH_SCRIPT, runs=True) as (page, news):
        frame = page.locator("iframe")
        expect(frame).to_have_attribute("title", "The Daily Page")
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            until(lambda: page.frames[1].evaluate(FITS, width))  # noqa: B023 - called at once
        # A stranger's message resizes nothing.
        height = frame.get_attribute("height")
        page.evaluate("postMessage({broadsheet: 9}, '*')")
        page.wait_for_timeout(50)
        assert frame.get_attribute("height") == height
        assert page.frames[1].url == f"{news}/form"
    german = (
        WITH_SCRIPT[0].replace("async>", 'data-language="de" data-title="Los">'),
        WITH_SCRIPT[1],
    )
    with on_a_blog(browser, monkeypatch, german, runs=True) as (page, _):
        expect(page.frame_locator("iframe").locator("html")).to_have_attribute("lang", "de")
        expect(page.locator("iframe")).to_have_attribute("title", "Los")
    assert edge.requests() == []


FITS = """
width => innerWidth <= width && innerWidth > width - 40 &&
  [0, 1].includes(innerHeight - Math.floor(document.documentElement.offsetHeight))
"""


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something in a frame, whose policy keeps Playwright from waiting inside of it."""
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_no_other_page_may_be_framed(
    browser: Browser, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirming = (f'<iframe src="{NEWS}/subscriptions/confirm?token=x"></iframe>', "frame-src *")
    with on_a_blog(browser, monkeypatch, confirming, runs=True) as (page, _):
        page.frames[1].wait_for_url("chrome-error://**")
    assert edge.requests() == []


def _request(record: dict[str, str]) -> object:
    return read_queued(record["body"])
