"""A reader manages their subscription on the deployed stack, from the foot of a page on."""

from __future__ import annotations

import json
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.browser import browser
from tests.journey.people import BROWSER, FORM, Answer, Reader, ReceivedMail, Town, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

__all__ = ["browser"]  # a fixture


def post(town: Town, where: str, **fields: str) -> Answer:
    return town.ask("POST", where, body=urlencode(fields), headers=BROWSER | FORM)


def mail_about(reader: Reader, subject: str) -> ReceivedMail:
    def found() -> list[ReceivedMail]:
        return [mail for mail in reader.mails() if subject in mail.subject]

    return until(found, what=f"a mail: {subject}")[-1]


def link_for(reader: Reader) -> str:
    """Ask for the link where every page's foot leads."""
    page = reader.town.ask("GET", "/subscription", headers=BROWSER)
    assert (page.status, b"Email me the link" in page.data) == (200, True)
    before = len(reader.mails())
    assert post(reader.town, "/subscription/link", email=reader.email).status == 202
    until(lambda: len(reader.mails()) > before, what="a mailed link")
    return reader.mails()[-1].link("/subscription?token=")


def test_a_reader_moves_takes_their_data_and_is_erased(town: Town) -> None:
    reader = town.subscriber()
    new = Reader(town, reader.name, f"moved-{uuid4().hex}@new.example")
    town.private.add(new.email.partition("@")[0])

    link = link_for(reader)
    page = town.ask("GET", link, headers=BROWSER)
    assert page.status == 200
    assert post(town, link, do="name", name="Countess Lovelace").status == 202
    assert post(town, link, do="address", email=new.email).status == 202
    confirm = mail_about(new, "confirm your new address").link("/subscription/address?token=")
    moved = new.press_button(town.ask("GET", confirm, headers=BROWSER))
    assert moved.status == 202
    town.await_readers_wishes()

    assert post(town, link, do="erase").status == 202  # of the address that was left
    assert post(town, link, do="export").status == 202
    raw = town.ask("GET", f"{town.stack.inbox_url}mails/{mail_about(new, 'Your data').id}/raw")
    message = message_from_bytes(raw.data, _class=EmailMessage, policy=default_policy)
    (attached,) = message.iter_attachments()
    document = json.loads(attached.get_content())
    assert document["profile"]["email"] == new.email
    assert document["profile"]["name"] == "Countess Lovelace"
    assert [each["change"] for each in document["consents"]][-1] == "address_changed"

    fresh = mail_about(new, "Your subscription to").link("/subscription?token=")
    question = town.ask("GET", f"{fresh}&show=erase", headers=BROWSER)
    assert (question.status, b"Erase everything" in question.data) == (200, True)
    assert post(town, fresh, do="erase").status == 202
    town.await_readers_wishes()
    before = len(new.mails())
    assert post(town, "/subscription/link", email=new.email).status == 202
    town.await_readers_wishes()
    assert len(new.mails()) == before


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a browser without scripts."""
    visitor = browser.new_context(locale="en", java_script_enabled=False)
    yield visitor.new_page()
    visitor.close()


def submit(page: Page, button: str) -> None:
    """Press a button, and wait for the page that answers."""
    with page.expect_navigation():
        page.locator(button).click()


def shows(town: Town, path: str, words: str) -> bool:
    return words.encode() in town.ask("GET", path).data


def press(page: Page, button: str, then: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()
    page.get_by_role("heading", name=then).wait_for()


def test_a_browser_finds_the_way_from_the_archive_to_the_subscription(
    town: Town, page: Page
) -> None:
    reader = town.subscriber()
    first, second = town.publish().sent(), town.publish().sent()
    for path in ("/archive", f"/archive/{first.shown()['slug']}"):  # it is sent before that
        until(partial(shows, town, path, second.title), what="an archive with the newest issue")

    page.goto(f"{town.stack.public_url}/archive")
    page.get_by_role("link", name=second.title).click()
    page.get_by_role("link", name=first.title).click()
    page.get_by_role("link", name=second.title).click()
    page.get_by_role("link", name="All issues").click()
    page.get_by_role("link", name="Change your subscription or leave").click()
    page.get_by_role("link", name="Deutsch").click()
    page.get_by_role("button", name="Link per E-Mail anfordern").wait_for()
    page.get_by_role("link", name="English").click()
    page.get_by_label("Your email address").fill(reader.email)
    before = len(reader.mails())
    press(page, "Email me the link", "Check your inbox")

    until(lambda: len(reader.mails()) > before, what="a mailed link")
    page.goto(reader.mails()[-1].link("/subscription?token="))
    assert page.get_by_role("heading", name="Your subscription").is_visible()


def test_a_browser_without_a_script_changes_moves_leaves_and_erases(town: Town, page: Page) -> None:
    reader = town.subscriber()
    new = Reader(town, reader.name, f"moved-{uuid4().hex}@new.example")
    town.private.add(new.email.partition("@")[0])
    own_page = link_for(reader)

    page.goto(own_page)
    page.get_by_label("Your name").fill("Countess Lovelace")
    press(page, "Change the name", "Thank you")
    page.goto(own_page)
    page.get_by_label("Language of the emails").select_option("de")
    press(page, "Change the language", "Thank you")
    page.goto(own_page)
    page.get_by_label("Your new email address").fill(new.email)
    press(page, "Change the address", "Check the inbox of your new address")
    page.goto(until(new.mails, what="a mail")[-1].link("/subscription/address?token="))
    submit(page, "main button")
    town.await_readers_wishes()

    issue = town.publish("Hello, [[name]].").sent()
    copy = new.the_copy(issue)
    assert reader.copies(issue) == []
    assert "Hello, Countess Lovelace." in str(copy.text)
    page.goto(copy.link("/subscriptions/unsubscribe?token="))
    submit(page, "main button")
    town.await_readers_wishes()
    assert new.copies(town.publish().sent()) == []

    page.goto(link_for(new))
    page.locator("a[href*='show=erase']").click()
    submit(page, "button.grave")
    town.await_readers_wishes()
    before = len(new.mails())
    assert post(town, "/subscription/link", email=new.email).status == 202
    town.await_readers_wishes()
    assert len(new.mails()) == before
