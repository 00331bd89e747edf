"""What is typed in the studio is previewed, checked and saved by itself, and never lost."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from broadsheet.studio import assets
from tests.browser import violations
from tests.functions.studio import entry, link_of, put_authors
from tests.functions.studio_site import served
from tests.images import png

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page, Route

    from tests.cloud import Cloud

SOON = 15_000  # milliseconds, on a busy machine
IMAGE = r"!\[A harbour\]\(http\S+/images/\w+\.png\)"
MAIL = "iframe[name=mail]"
# How an image comes; returns whether the browser would have done something else with it.
BRING = """
([how, bytes]) => {
  const files = new DataTransfer()
  files.items.add(new File([new Uint8Array(bytes)], 'a.png', {type: 'image/png'}))
  return document.getElementById('text').dispatchEvent(how === 'paste'
    ? new ClipboardEvent('paste', {clipboardData: files, cancelable: true})
    : new DragEvent('drop', {dataTransfer: files, cancelable: true}))
}
"""


@pytest.fixture
def site(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    put_authors(cloud, entry("ada", "write"), entry("max", "write"))
    with served(monkeypatch) as address:
        yield address


@contextmanager
def at_a_desk(browser: Browser, site: str, name: str) -> Iterator[BrowserContext]:
    """Sign an author in; their pages are as wide as a desk, and complain of nothing."""
    desk = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    complaints: list[str] = []
    desk.on("console", lambda message: complaints.append(message.text))
    desk.on("weberror", lambda error: complaints.append(str(error.error)))
    page = desk.new_page()
    page.goto(site + "/studio/" + link_of(name).partition("/studio/")[2])
    page.get_by_role("button", name="Sign in now").click()
    page.wait_for_url(f"{site}/studio")  # Chromium never ends a page that it closes on its way
    page.close()
    yield desk
    # What is answered with an error, or not at all, is named by the page.
    assert [each for each in complaints if "Failed to load resource" not in each] == []
    desk.close()


def texts(cloud: Cloud) -> list[str]:
    rows = cloud.rows("SELECT content->>'markdown' AS text FROM issue_versions ORDER BY version")
    return [row["text"] for row in rows]


def bring_image(page: Page, how: str) -> str:
    """Paste or drop an image, describe it, and save; return the text."""
    assert page.evaluate(BRING, [how, list(png())]) is False  # the browser does nothing else
    said(page, "describe it between the brackets")
    page.keyboard.type("A harbour")
    written = page.locator("#text").input_value()
    page.get_by_role("button", name="Save the draft").click()
    said(page, "Saved")
    return written


def said(page: Page, sentence: str) -> None:
    expect(page.locator("[data-state]")).to_have_text(re.compile(sentence), timeout=SOON)


def begin(desk: BrowserContext, site: str, text: str) -> Page:
    page = desk.new_page()
    page.goto(f"{site}/studio/issues/new")
    page.get_by_label("Title").fill("Number one")
    page.get_by_label("Text, in Markdown").fill(text)
    return page


def test_what_is_typed_is_saved_previewed_and_checked(
    browser: Browser, site: str, cloud: Cloud
) -> None:
    with at_a_desk(browser, site, "ada") as desk:
        page = begin(desk, site, "Hello [[nome]],\n\n[tea](https://tea.example/)")
        mail = page.frame_locator(MAIL)
        expect(mail.locator("h1")).to_have_text("Number one", timeout=SOON)
        expect(page.locator(".remarks .error")).to_contain_text("Error Line 1")
        expect(page.locator(".marks .error")).to_have_text("Hello [[nome]],")
        found = page.locator(".remarks > li").count()
        expect(page.locator("a[href='#check-heading']")).to_have_text(f"Check ({found})")
        said(page, r"Saved at \d+:\d\d( [AP]M)?\.")
        assert page.url.endswith("/write")
        history = page.url.removeprefix(site).replace("/write", "/versions")
        expect(page.get_by_role("link", name="History")).to_have_attribute(
            "href", f"{site}{history}"
        )
        assert texts(cloud) == ["Hello [[nome]],\n\n[tea](https://tea.example/)"]

        page.get_by_role("link", name="Line 1").click()
        assert page.evaluate("getSelection().toString()") == "Hello [[nome]],"
        page.keyboard.type("Hello [[name]],")
        page.get_by_label("Name of the reader").fill("Zoë")
        expect(mail.get_by_text("Hello Zoë,", exact=True)).to_be_visible(timeout=SOON)
        expect(page.locator(".remarks .error")).to_have_count(0)
        for view, style in (("Dark", "dark"), ("Light", "light")):
            page.get_by_label(view, exact=True).check()
            scheme = mail.locator("meta[name=color-scheme]")
            expect(scheme).to_have_attribute("content", style, timeout=SOON)
        page.get_by_label("Plain text").check()
        expect(mail.locator("main")).to_contain_text("Hello Zoë,", timeout=SOON)
        page.get_by_label("Phone").check()
        expect(page.locator(MAIL)).to_have_css("width", "375px")
        expect(mail.locator("h1")).to_be_visible(timeout=SOON)
        assert violations(page, iframes=False) == {}  # the mail's are other tests'

        page.locator("#text").evaluate("text => text.setSelectionRange(0, 0)")
        written = bring_image(page, "paste")
        assert re.match(rf"{IMAGE}Hello \[\[name", written)
        assert texts(cloud)[-1] == written


def test_an_image_that_is_dropped_stands_in_the_text_and_another_file_is_left_to_the_browser(
    browser: Browser, site: str, cloud: Cloud
) -> None:
    with at_a_desk(browser, site, "ada") as desk:
        page = begin(desk, site, "Tea.")
        written = bring_image(page, "drop")
        assert re.fullmatch(rf"Tea\.{IMAGE}", written)
        assert texts(cloud)[-1] == written

        is_left = page.evaluate(BRING.replace("image/png", "text/plain"), ["drop", [65]])
        assert (is_left, page.locator("#text").input_value()) == (True, written)


def test_without_a_connection_and_after_a_crash_nothing_is_lost(
    browser: Browser, site: str, cloud: Cloud
) -> None:
    with at_a_desk(browser, site, "ada") as desk:
        page = begin(desk, site, "Tea.")
        said(page, "Saved")
        address = page.url
        desk.set_offline(True)
        page.get_by_label("Text, in Markdown").fill("Tea with milk.")
        said(page, "there is no connection. Your text is kept")
        page.get_by_role("button", name="Save the draft").click()
        expect(page.get_by_label("Text, in Markdown")).to_have_value("Tea with milk.")
        page.close()  # without a word
        assert texts(cloud) == ["Tea."]
        desk.set_offline(False)

        page = desk.new_page()
        page.goto(address)
        expect(page.get_by_label("Text, in Markdown")).to_have_value("Tea.")
        page.get_by_role("button", name="Restore it").click()
        expect(page.get_by_label("Text, in Markdown")).to_have_value("Tea with milk.")
        said(page, "Saved")
        assert texts(cloud)[-1] == "Tea with milk."
        page.reload()
        expect(page.get_by_role("button", name="Restore it")).to_be_hidden()
        expect(page.get_by_role("button", name="Compare the two texts")).to_be_hidden()

        desk.set_offline(True)
        page.get_by_label("Text, in Markdown").fill("Coffee.")
        said(page, "there is no connection")
        desk.set_offline(False)  # it tries again by itself
        said(page, "Saved")
        assert texts(cloud)[-1] == "Coffee."


def test_the_second_of_two_authors_is_told_and_compares(
    browser: Browser, site: str, cloud: Cloud
) -> None:
    with at_a_desk(browser, site, "ada") as hers, at_a_desk(browser, site, "max") as his:
        page = begin(hers, site, "Tea.")
        said(page, "Saved")
        other = his.new_page()
        other.goto(page.url)
        other.get_by_label("Text, in Markdown").fill("Coffee.")
        said(other, "Saved")
        page.get_by_label("Text, in Markdown").fill("Milk.")
        said(page, "another version was saved meanwhile")
        assert texts(cloud)[-1] == "Coffee."

        page.get_by_role("button", name="Compare the two texts").click()
        expect(page.get_by_role("alert")).to_contain_text("max has saved another version")
        expect(page.get_by_label("Text, in Markdown")).to_have_value("Milk.")
        expect(page.get_by_label("Their text")).to_have_value("Coffee.")
        page.get_by_role("button", name="Save mine").click()
        said(page, "Saved")
        assert texts(cloud)[-2:] == ["Coffee.", "Milk."]


def test_without_a_script_the_same_page_previews(browser: Browser, site: str) -> None:
    with at_a_desk(browser, site, "ada") as desk:
        state = desk.storage_state()
    plain = browser.new_context(java_script_enabled=False, storage_state=state)
    page = plain.new_page()
    page.goto(f"{site}/studio/issues/new")
    page.get_by_label("Title").fill("Number one")
    page.get_by_label("Text, in Markdown").fill("Tea.")
    page.get_by_role("button", name="Show the preview").click()
    expect(page.frame_locator(MAIL).get_by_text("Tea.", exact=True)).to_be_visible(timeout=SOON)
    assert page.get_by_label("Text, in Markdown").input_value() == "Tea."
    page.get_by_role("button", name="Check the text").click()
    expect(page.locator(".remarks")).to_contain_text("Warning")
    expect(page.locator("a[href='#check-heading']")).to_have_text(re.compile(r"Check \(\d\)"))
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    plain.close()


def test_the_scripts_of_a_page_are_small() -> None:
    served = [content for content, kind in assets._assets().values() if "javascript" in kind]
    assert sum(len(content.encode()) for content in served) < 10_000


def test_a_text_that_is_not_taken_is_sent_again_only_while_somebody_is_there(
    browser: Browser, site: str
) -> None:
    with at_a_desk(browser, site, "ada") as desk:
        page = desk.new_page()
        page.clock.install()
        sent: list[str] = []

        def refuse(route: Route) -> None:
            sent.append(route.request.url)
            route.fulfill(status=503, json={"problem": "The database can't be reached."})

        page.goto(f"{site}/studio/issues/new")
        page.route("**/issues/new", refuse)
        page.get_by_label("Title").fill("Number one")
        page.get_by_label("Text, in Markdown").fill("Hello")
        page.clock.run_for(4_000)
        said(page, "Not saved")
        for _ in range(16):  # an answer may take longer than the half minute of a quick clock
            page.clock.run_for(31_000)
            page.evaluate("1")
            if len(sent) > 2:
                break
        assert len(sent) > 2

        before = len(sent)
        page.clock.fast_forward(11 * 60 * 1000)
        for _ in range(8):
            page.clock.run_for(31_000)
            page.evaluate("1")
        page.clock.run_for(3 * 60 * 60 * 1000)
        page.evaluate("1")
        assert len(sent) <= before + 1  # the one that was due meanwhile
        assert page.evaluate("Object.keys(localStorage).length") == 1

        page.unroute("**/issues/new")
        page.get_by_label("Text, in Markdown").press("End")
        page.keyboard.type(" again")
        page.clock.run_for(4_000)
        said(page, "Saved at")
