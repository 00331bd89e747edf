"""In Chromium: the countdown, what the page asks while an issue moves, and when it asks nothing."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, expect

from tests.browser import violations
from tests.functions.issues import publish_issue, send, tick
from tests.functions.studio import SITE, Browser, entry, put_authors, signed_in
from tests.functions.test_drafts import stored_draft
from tests.functions.test_studio_sending import press_publish
from tests.functions.webhooks import Functions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Page, Route

    from tests.cloud import Cloud


class Window:
    """A page of Chromium whose requests the handler answers; ``asked``: their paths."""

    def __init__(self, page: Page, author: Browser) -> None:
        self.page, self.author = page, author
        self.asked: list[str] = []
        page.route("**/*", self._answer)
        page.clock.install()

    def open(self, path: str) -> None:
        self.page.goto(f"{SITE}/studio{path}")

    def seconds_later(self, seconds: int) -> None:
        """Let a time pass, and what was asked in it be answered."""
        for _ in range(seconds):
            with suppress(Error):  # the page loads itself again
                self.page.clock.run_for(1000)
                self.page.evaluate("1")

    @property
    def polls(self) -> int:
        return sum(path.endswith("/progress") for path in self.asked)

    def _answer(self, route: Route) -> None:
        address = route.request.url.removeprefix(SITE)
        self.asked.append(address)
        if address == "/favicon.svg":
            route.fulfill(status=404)
            return
        if route.request.method == "POST":
            form = dict(
                pair.split("=", 1) for pair in (route.request.post_data or "").split("&") if pair
            )
            self.author.open("/")  # a page that has a form
            shown = self.author.send(address, {"form_token": form["form_token"]})
            route.fulfill(status=303, headers={"location": SITE + shown.address})
            return
        shown = self.author.open(address)
        route.fulfill(status=shown.status, body=shown.html, headers=shown.headers)


@pytest.fixture
def window(cloud: Cloud, browser: Chromium) -> Iterator[Window]:
    put_authors(cloud, entry("jo", "publish", email="jo@example.com"))
    cloud.add_confirmed("ursula@example.com", "octavia@example.com")
    context = browser.new_context(viewport={"width": 320, "height": 700}, timezone_id="Europe/Rome")
    yield Window(context.new_page(), signed_in("jo"))
    context.close()


def test_the_countdown_asks_nothing_and_then_the_page_follows_the_issue(
    cloud: Cloud, window: Window
) -> None:
    issue_id = stored_draft()
    press_publish(window.author, issue_id)
    window.open(f"/issues/{issue_id}?said=published")
    page = window.page
    expect(page.locator(".notice")).to_be_focused()
    expect(page.locator("[data-left]")).to_have_text(re.compile("1:00|0:5"))
    assert violations(page) == {}
    assert page.evaluate("document.documentElement.scrollWidth") == 320

    window.seconds_later(20)
    expect(page.locator("[data-left]")).to_have_text(re.compile("0:40|0:3"))
    assert window.polls == 0

    cloud.rows("UPDATE issues SET publish_at = now()")
    send(cloud, issue_id)
    window.seconds_later(45)
    expect(page.locator("h1 + p")).to_contain_text("Finished")
    assert violations(page) == {}
    asked = window.polls
    window.seconds_later(30)
    assert window.polls == asked


def test_a_hidden_page_asks_nothing_and_one_that_is_left_open_stops(
    cloud: Cloud, window: Window
) -> None:
    issue_id = publish_issue()
    tick(issue_id)
    window.open(f"/issues/{issue_id}")
    window.seconds_later(10)
    assert 1 <= window.polls <= 5  # fewer where answers take long

    window.page.evaluate("Object.defineProperty(document, 'hidden', {value: true, writable: true})")
    asked = window.polls
    window.seconds_later(60)
    assert window.polls == asked

    window.page.evaluate("Object.defineProperty(document, 'hidden', {value: false})")
    window.page.clock.fast_forward(10 * 60 * 1000)
    window.seconds_later(5)
    asked = window.polls
    window.seconds_later(60)
    assert window.polls == asked
    expect(window.page.locator("[data-stopped]")).to_be_visible()


def moving_issue() -> str:
    issue_id = publish_issue()
    tick(issue_id)
    return f"/issues/{issue_id}"


def begun(author: Browser, path: str, **fields: str) -> str:
    """Begin an import or an export, at which nobody works."""
    author.open(path)
    if fields:
        return author.send(path, fields).address.removeprefix("/studio")
    shown = author.upload(path, {}, file=("people.csv", b"email\nzora@example.com\n"))
    return shown.address.removeprefix("/studio")


IDLE: dict[str, Callable[[Browser], str]] = {
    "an issue that is sent": lambda _: moving_issue(),
    "an import": lambda author: begun(author, "/people/imports"),
    "an export": lambda author: begun(author, "/people/exports", format="csv"),
    "a draft": lambda _: f"/issues/{stored_draft()}",
    "a draft's text": lambda _: f"/issues/{stored_draft()}/write",
}
FOLLOWED = ("an issue that is sent", "an import", "an export")


@pytest.mark.parametrize("place", IDLE)
def test_an_idle_tab_sends_no_request(cloud: Cloud, window: Window, place: str) -> None:
    put_authors(cloud, entry("jo", "manage", email="jo@example.com"))
    Functions()
    path = IDLE[place](window.author)
    window.open(path)
    window.page.evaluate("Object.defineProperty(document, 'hidden', {value: true, writable: true})")
    window.seconds_later(2)  # for what was asked before
    asked = len(window.asked)
    window.page.clock.run_for(8 * 60 * 1000)
    assert len(window.asked) == asked

    window.page.evaluate("Object.defineProperty(document, 'hidden', {value: false})")
    window.seconds_later(4)
    assert (len(window.asked) > asked) == (place in FOLLOWED)
    window.page.clock.fast_forward(3 * 60 * 1000)
    window.seconds_later(3)
    asked = len(window.asked)
    window.page.clock.run_for(3 * 60 * 60 * 1000)
    assert len(window.asked) == asked


def test_an_issue_for_another_day_asks_nothing_and_its_time_is_the_author_s(
    window: Window,
) -> None:
    issue_id = publish_issue(publish_at="2030-01-01T00:00:00Z")
    window.open(f"/issues/{issue_id}")
    window.seconds_later(30)

    assert window.polls == 0
    expect(window.page.locator("#at")).to_have_value("2030-01-01T01:00")
    assert window.page.locator("input[name=at]").input_value() == "2030-01-01T00:00"
    expect(window.page.locator("[data-zone]")).to_have_text("Europe/Rome")
    expect(window.page.locator("#progress time")).to_contain_text("1:00")


def test_undo_is_reached_and_pressed_by_keyboard(window: Window) -> None:
    issue_id = stored_draft()
    press_publish(window.author, issue_id)
    window.open(f"/issues/{issue_id}?said=published")
    page = window.page
    expect(page.locator(".notice")).to_be_focused()
    for _ in range(2):  # past the link to refresh the page
        page.keyboard.press("Tab")
    expect(page.locator("form[action$=undo] button")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator(".notice")).to_contain_text("Nothing was sent")
    expect(page.locator(".notice")).to_be_focused()
    assert violations(page) == {}
