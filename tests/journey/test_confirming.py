"""Confirming in a real browser: a person by each way, and the scanners that open mailed links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser import browser
from tests.journey.people import Reader, Town, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

__all__ = ["browser"]  # a fixture

THANKS = "We have your confirmation"
SUBMIT_ONCE = """
addEventListener("load", () => {
  if (sessionStorage.getItem("submitted")) return;
  sessionStorage.setItem("submitted", "yes");
  for (const form of document.forms) form.submit();
});
"""
FILLED_IN = 2000  # milliseconds; Timings.form_filled_in
CODE = re.compile(r"^\d{8}$", re.MULTILINE)


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that has been nowhere yet."""
    context = browser.new_context(locale="en")
    yield context
    context.close()


# In one step: on a busy machine, each one that Chromium is told takes a second.
FILL_IN_AND_SEND = "(field, typed) => { field.value = typed; field.form.requestSubmit() }"


def sign_up(visitor: BrowserContext, reader: Reader, *, is_quick: bool = False) -> Page:
    """Fill in the form, and see what it says then. ``is_quick``: as fast as no person is."""
    page = visitor.new_page()
    page.goto(f"{reader.town.stack.public_url}/", wait_until="domcontentloaded")
    if is_quick:
        page.get_by_label("email").evaluate(FILL_IN_AND_SEND, reader.email)
        page.get_by_role("alert").get_by_text("once more").wait_for()
        page.wait_for_timeout(FILLED_IN)
    else:  # the same, without waiting for it: a form without its token has no age
        page.get_by_label("email").fill(reader.email)
        page.locator("[name=proof]").evaluate("field => field.remove()")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("heading", name="Check your inbox").wait_for()
    return page


def is_subscribed(town: Town, reader: Reader) -> bool:
    """Return whether the next issue reaches a reader."""
    town.await_readers_wishes()
    return bool(reader.copies(town.publish().sent()))


def test_a_person_confirms_by_code_by_the_link_alone_or_by_its_button(
    town: Town, visitor: BrowserContext, browser: Browser
) -> None:
    by_code, by_link, by_button = (town.reader() for _ in range(3))

    page = sign_up(visitor, by_code, is_quick=True)
    assert page.get_by_text("This alone does not subscribe you").is_visible()
    mail = until(by_code.mails, what="a confirmation mail")[-1]
    (code,) = CODE.findall(mail.text or "")
    page.get_by_label("code").fill("00000000" if code != "00000000" else "00000001")
    page.get_by_role("button", name="Confirm").click()
    assert "not the code" in page.get_by_role("alert").inner_text()
    assert page.evaluate("document.activeElement.name") == "code"
    page.get_by_label("code").fill(f"{code[:4]} {code[4:]}")
    page.keyboard.press("Enter")
    page.get_by_text(THANKS).wait_for()

    sign_up(visitor, by_link)
    page = visitor.new_page()
    page.goto(by_link.confirmation_link())
    page.get_by_text(THANKS).wait_for()

    sign_up(visitor, by_button)
    elsewhere = browser.new_context(locale="en")
    page = elsewhere.new_page()
    page.goto(by_button.confirmation_link())
    page.get_by_role("button", name="Confirm my subscription").click()
    page.get_by_text(THANKS).wait_for()
    elsewhere.close()

    town.await_readers_wishes()
    issue = town.publish().sent()
    assert [len(each.copies(issue)) for each in (by_code, by_link, by_button)] == [1, 1, 1]


def test_scanners_confirm_nobody_but_by_pressing_the_button_as_a_person_does(
    town: Town, browser: Browser
) -> None:
    reader = town.reader()
    reader.sign_up()
    mail = until(reader.mails, what="a confirmation mail")[-1]
    mailed = set(re.findall(r"https?://[^\s\"<>]+", f"{mail.text} {mail.html}"))
    mailed = {each for each in mailed if each.startswith(town.stack.public_url)}
    assert mailed

    for link in mailed:  # one that only fetches
        for method in ("HEAD", "GET"):
            assert town.ask(method, link).status == 200
    scanner = browser.new_context(locale="en")  # one that runs scripts, and clicks every link
    page = scanner.new_page()
    for link in mailed:
        page.goto(link, wait_until="load")
        for linked in page.locator("a").evaluate_all("all => all.map(each => each.href)"):
            page.goto(linked, wait_until="load")
    submitting = browser.new_context()  # one whose script submits every form of where it lands
    submitting.add_init_script(SUBMIT_ONCE)
    landed = submitting.new_page()
    for link in mailed:
        with landed.expect_response(lambda response: response.request.method == "POST") as answer:
            landed.goto(link, wait_until="commit")
        assert answer.value.status == 403  # "please press it", as no person has
    submitting.close()
    assert not is_subscribed(town, reader)

    page.goto(reader.confirmation_link())  # and one that moves a mouse, as a person's browser does
    page.get_by_role("button", name="Confirm my subscription").click()
    page.get_by_text(THANKS).wait_for()
    assert is_subscribed(town, reader)
    scanner.close()
