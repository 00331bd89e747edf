"""An author's whole path in the studio, in Chromium: from the sign-in link to a correction.

The minute in which an issue can be undone passes in no time: for the page by Chromium's clock, for
the issue in the database.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect

from tests import studio_walk
from tests.images import png
from tests.journey import readme
from tests.journey.people import Reader, Town, until
from tests.journey.sending import clock_of, tick

SOON = 45_000  # milliseconds: a save that fails on a busy machine is tried again after 30 s
MINUTE = 61_000
IMAGE: FilePayload = {"name": "harbour.png", "mimeType": "image/png", "buffer": png()}


@dataclass(frozen=True)
class Desk:
    """An author who is signed in; ``complaints``: of the console, and of requests elsewhere."""

    town: Town
    page: Page
    complaints: list[str]

    @property
    def issue_id(self) -> str:
        return str(re.findall(r"/issues/([0-9a-f-]{36})", self.page.url)[-1])

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name).click()

    def sees(self, words: str) -> None:
        expect(self.page.locator("main")).to_contain_text(words, timeout=SOON)

    @property
    def status(self) -> str:
        answer = self.town.ask_as_author("GET", f"/issues/{self.issue_id}")
        assert answer.status == 200, answer.data
        return str(answer.json()["status"])

    def a_minute_later(self) -> None:
        """Let the issue be due, its clock tick, and the page look."""
        with psycopg.connect(self.town.stack.database_url) as connection:
            connection.execute(
                "UPDATE issues SET publish_at = now() WHERE id = %s", [self.issue_id]
            )
        clock = clock_of(self.town, self.issue_id)
        tick(self.town, clock, lambda: self.status != "scheduled")
        self.page.clock.fast_forward(MINUTE)

    def sees_it_finish(self) -> None:
        """Let the issue's clock tick until the issue has finished, and the page say so."""
        if clock := clock_of(self.town, self.issue_id):  # it has none as soon as it has finished
            tick(self.town, clock, lambda: self.status == "finished")
        expect(self.page.locator(".status.finished")).to_be_visible(timeout=SOON)


@contextmanager
def at_a_desk(browser: Browser, town: Town, *, scripts: bool = True) -> Iterator[Desk]:
    """Sign an author in by the link that the stack prints."""
    context: BrowserContext = browser.new_context(locale="en", java_script_enabled=scripts)
    context.set_default_timeout(SOON)
    complaints: list[str] = []
    context.on("console", lambda message: complaints.append(message.text))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    own = town.stack.public_url
    context.on(
        "request", lambda sent: None if sent.url.startswith(own) else complaints.append(sent.url)
    )
    page = context.new_page()
    printed = readme.run("make status", town.stack.state.folder)  # as `make up` does
    link = re.findall(r"^ +Studio +(\S+)$", printed, re.MULTILINE)[0]
    town.private.update(link.partition("token=")[2].split("."))
    studio_walk.sign_in(page, link)
    try:
        yield Desk(town, page, complaints)
    except Exception as error:
        error.add_note(f"{page.url} shows:\n{page.locator('main').inner_text()}\n{complaints}")
        raise
    town.private.update(str(cookie["value"]) for cookie in context.cookies())
    context.close()
    # The page for who is signed out is a refusal.
    assert [each for each in complaints if "status of 401" not in each] == []


@pytest.fixture(scope="module")
def readers(town: Town) -> list[Reader]:
    return [town.subscriber("Zoe Quill"), town.subscriber()]


def write(desk: Desk, title: str, slug: str) -> None:
    """Write an issue with an image, see its warning, and save it."""
    studio_walk.begin_issue(desk.page, title, "Three pots.", "Hello [[name]].\n\n")
    desk.page.get_by_label("Address in the archive").fill(slug)
    desk.page.get_by_label("JPEG, PNG or GIF").set_input_files(IMAGE)
    studio_walk.await_preview(desk.page, "Hello ")
    remarks = desk.page.locator(".remarks")
    expect(remarks).to_contain_text("has no description", timeout=SOON)
    text = desk.page.get_by_label("Text, in Markdown")
    text.fill(text.input_value().replace("![]", "![The harbour]"))
    image = desk.page.frame_locator("iframe").get_by_alt_text("The harbour")
    expect(image).to_have_js_property("naturalWidth", 24, timeout=SOON)
    expect(remarks).not_to_contain_text("has no description")


def send_a_test(desk: Desk, title: str) -> None:
    tester = desk.town.reader()
    studio_walk.send_a_test(desk.page, tester.email)
    (mail,) = until(tester.mails, what="the test mail")
    assert mail.subject == f"[Test] {title}"


def send_to_all_but_one(desk: Desk) -> None:
    """Undo the issue once, then send it until SES throttles a mail, and pause it."""
    studio_walk.send_in_a_minute(desk.page)
    desk.press("Undo: make it a draft again")
    desk.sees("Nothing was sent")
    desk.town.ses.throttle_entries(1)
    studio_walk.send_in_a_minute(desk.page)
    desk.a_minute_later()
    waiting = desk.page.get_by_role("row", name="Not sent yet")
    expect(waiting).to_have_text(re.compile(r"Not sent yet\s*1"), timeout=SOON)
    desk.press("Pause sending")
    desk.sees("Sending is paused")


def change_and_continue(desk: Desk) -> None:
    """Change the text for the one who waits, and see the issue finish."""
    desk.follow("Edit the text")
    text = desk.page.get_by_label("Text, in Markdown")
    text.fill(f"{text.input_value()}\n\nOn Tuesday.")
    studio_walk.go_to_sending(desk.page, "Save")
    desk.press("Continue")
    desk.sees_it_finish()
    desk.sees("delivered")


def correct(desk: Desk, title: str) -> None:
    """Write to those who got the text from before the change."""
    desk.follow("Write to those who got an older version")
    desk.page.get_by_label("Title").fill(title)
    desk.page.get_by_label("Text, in Markdown").fill("It is on Tuesday.")
    studio_walk.send_in_a_minute(desk.page)
    desk.a_minute_later()
    desk.sees_it_finish()


def find(desk: Desk, reader: Reader) -> None:
    desk.follow("People")
    desk.page.get_by_label("Part of an address or a name").fill(reader.email.partition("@")[0])
    desk.press("Find")
    desk.follow(reader.email)


def test_an_author_writes_sends_follows_and_corrects_an_issue(
    browser: Browser, town: Town, readers: list[Reader]
) -> None:
    title, correction, slug = f"Tea {uuid4()}", f"Tea again {uuid4()}", f"tea-{uuid4()}"
    with at_a_desk(browser, town) as desk:
        desk.page.clock.install()
        write(desk, title, slug)
        studio_walk.go_to_sending(desk.page)
        send_a_test(desk, title)
        send_to_all_but_one(desk)
        first = [reader for reader in readers if reader.mails()[-1].subject == title]
        change_and_continue(desk)
        desk.follow("The issue in the archive")
        expect(desk.page).to_have_url(f"{town.stack.public_url}/archive/{slug}")
        expect(desk.page.get_by_alt_text("The harbour")).to_be_visible()
        desk.page.go_back()
        correct(desk, correction)
        find(desk, first[0])
        desk.sees(f"{title}: ")
        desk.sees(f"{correction}: ")

    for reader in readers:
        subjects = [mail.subject for mail in reader.mails()]
        assert subjects.count(title) == 1
        assert subjects.count(correction) == (reader in first)


def test_without_a_script_an_author_writes_sends_and_undoes(browser: Browser, town: Town) -> None:
    with at_a_desk(browser, town, scripts=False) as desk:
        page = desk.page
        studio_walk.begin_issue(page, f"Milk {uuid4()}", "", "Hello [[name]].")
        page.get_by_label("JPEG, PNG or GIF").set_input_files(IMAGE)
        page.get_by_label("What it shows").fill("The harbour")
        desk.press("Add it to the text")
        desk.sees("The image is at the end of the text.")
        assert "![The harbour](" in page.get_by_label("Text, in Markdown").input_value()
        desk.press("Show the preview")
        page.frame_locator("iframe").get_by_alt_text("The harbour").wait_for()
        desk.press("Check the text")
        desk.sees("Warning")
        studio_walk.go_to_sending(page)
        studio_walk.send_in_a_minute(page)
        desk.press("Undo: make it a draft again")
        desk.sees("Nothing was sent")
        desk.press("Sign out")
        desk.sees("Sign in to the studio")


def add_author(desk: Desk, name: str, email: str) -> None:
    """Make somebody an author who may write, and note the token that is shown once."""
    desk.follow("Settings")
    desk.page.get_by_role("link", name="Authors", exact=True).click()
    desk.follow("Add an author")
    desk.page.get_by_label("Name").fill(name)
    desk.page.get_by_label("Email address").fill(email)
    desk.page.get_by_label("Write: ").check()
    desk.press("Add the author")
    desk.sees(f"{name} is an author now")
    desk.town.private.add(desk.page.locator("pre").first.inner_text())


def enter_by_mail(page: Page, guest: Reader) -> None:
    """Follow the invitation to the studio, and ask for a link there."""
    (invitation,) = until(guest.mails, what="the invitation")
    page.goto(invitation.link("/studio"))
    page.get_by_label("Your email address as an author").fill(guest.email)
    page.get_by_role("button", name="Email me a link").click()
    until(lambda: len(guest.mails()) > 1, what="the link that signs in")
    (link,) = (mail.link("/enter") for mail in guest.mails() if mail.id != invitation.id)
    guest.town.private.update(link.partition("token=")[2].split("."))
    studio_walk.sign_in(page, link)


def test_who_is_made_an_author_is_invited_writes_and_is_removed(
    browser: Browser, town: Town
) -> None:
    guest, name = town.reader("Guest"), f"Ann {uuid4().hex[:8]}"
    with at_a_desk(browser, town) as desk, browser.new_context(locale="en") as context:
        add_author(desk, name, guest.email)
        context.set_default_timeout(SOON)
        page = context.new_page()
        assert name in readme.run("make authors", town.stack.state.folder)
        enter_by_mail(page, guest)
        page.get_by_role("link", name="Settings").click()
        expect(page.locator("main")).to_contain_text(f"{name}, Write")

        desk.follow("All authors")
        desk.follow(name)
        desk.follow("Remove this author")
        desk.press("Remove them")
        desk.sees("They are removed.")
        expect(desk.page.get_by_role("link", name=name)).to_have_count(0)

        def is_out() -> bool:
            page.reload()
            return page.get_by_role("heading", name="Sign in to the studio").is_visible()

        until(is_out, what="the end of the session", seconds=90, every=2)
        assert name not in readme.run("make authors", town.stack.state.folder)
