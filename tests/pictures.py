"""Takes the README's pictures of the running local stack, as a reader meets it.

    make up DETACH=1
    make pictures

A reader signs up on the page, confirms in the inbox, and gets an issue. An author writes another
in the studio, checks it, sends it, and sees it arrive. Chromium shows each step.
``make demo`` takes the studio's into ``.local/pictures/``, from the first word to the archive.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from broadsheet_cli.api import Address, Newsletter
from local.state import State
from tests import studio_walk
from tests.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
WIDTH, HEIGHT = 400, 660  # CSS pixels: three pictures fit beside each other
STUDIO: ViewportSize = {"width": 1100, "height": 720}
ENLARGED = 2  # for screens with more than one pixel for each of CSS's
MAX_BYTES = 150_000
APPLY_MILLISECONDS = 60_000  # the functions start, and a queue is polled
LOOK_MILLISECONDS = 500
TYPED_MILLISECONDS = 2500  # nobody fills in a form in less than two seconds
TITLE, TESTER = "Tea in November", "me@example.com"
ISSUE = """\
Dear [[name]],

a newspaper on a single sheet of paper was called a *broadsheet*. This one is an email.

- **You asked for it**, and confirmed that it was you.
- **You get it once.** A ledger keeps count.
- **You can leave** with one click.

[How it works](https://example.com/how-it-works)
"""


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studio", action="store_true", help="take the studio's alone")
    parser.add_argument("--into", type=Path, default=PICTURES, metavar="FOLDER")
    arguments = parser.parse_args()
    try:
        return _take_all(arguments.into, only_studio=arguments.studio)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)  # there is no browser
        return 1


def _take_all(folder: Path, *, only_studio: bool) -> int:
    state = State.from_environment()
    token = state.author_token
    if state.deployment is None or token is None:
        print("No stack is running: start one with `make up DETACH=1`.", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    link = Newsletter(Address.parse(state.public_url), token, on_wait=print).studio_link().url
    with chromium() as browser:
        if not only_studio:
            size: ViewportSize = {"width": WIDTH, "height": HEIGHT}
            _walk(_context(browser, size, ENLARGED), state.public_url, state.inbox_url, token)
        page = _context(browser, STUDIO, 1).new_page()
        _write_and_send(page, link, folder, tests=only_studio)
        if only_studio:
            _see_where_it_is(page, state.inbox_url, folder)
    return 0


def _context(browser: Browser, size: ViewportSize, enlarged: int) -> BrowserContext:
    context = browser.new_context(
        viewport=size, device_scale_factor=enlarged, color_scheme="light", locale="en"
    )
    context.set_default_timeout(APPLY_MILLISECONDS)
    return context


def _write_and_send(page: Page, link: str, folder: Path, *, tests: bool) -> None:
    """Write an issue in the studio, look at it, send it, and follow it until it has arrived."""
    studio_walk.sign_in(page, link)
    studio_walk.begin_issue(page, TITLE, "Three pots, and what the cold does to them.", ISSUE)
    studio_walk.await_preview(page, "You get it once.")
    _take(page, "studio-write", folder)
    studio_walk.go_to_sending(page)
    _take(page, "studio-send", folder)
    if tests:
        studio_walk.send_a_test(page, TESTER)
        _take(page, "studio-test", folder)
    studio_walk.send_in_a_minute(page)
    _take(page, "studio-countdown", folder)
    page.locator(".status.finished").wait_for(timeout=3 * APPLY_MILLISECONDS)
    _take(page, "studio-sent", folder)


def _see_where_it_is(page: Page, inbox_url: str, folder: Path) -> None:
    """Look for the issue in the archive, where its page leads, and in the inbox of this machine."""
    page.get_by_role("link", name="The issue in the archive").click()
    page.get_by_role("heading", name=TITLE).first.wait_for()
    _take(page, "studio-archive", folder)
    page.goto(f"{inbox_url}?to={TESTER}")
    page.locator(".mails a", has_text=f"[Test] {TITLE}").first.wait_for()
    page.goto(inbox_url)
    page.locator(".mails a", has_text=TITLE).first.click()
    page.frame_locator("iframe").get_by_text("You get it once.").wait_for()
    _take(page, "studio-inbox", folder)


def _walk(context: BrowserContext, public_url: str, inbox_url: str, token: str) -> None:
    page = context.new_page()
    # Another address each time: a stack whose reader has confirmed sends no confirmation mail.
    reader = f"ursula.{token_hex(2)}@example.com"
    page.goto(f"{public_url}/")
    page.fill("[name=name]", "Ursula O'Brien")
    page.fill("[name=email]", reader)
    _take(page, "sign-up")
    page.wait_for_timeout(TYPED_MILLISECONDS)
    page.click("button")
    _open_mail(page, inbox_url, reader, "onfirm")
    with context.expect_page() as opened:
        page.frame_locator("iframe").locator("a").first.click()
    # It needs no button in the browser that signed up.
    opened.value.get_by_role("heading", name="Thank you").wait_for()
    # The confirmation is queued, and may arrive after an issue that is published at once.
    page.wait_for_timeout(APPLY_MILLISECONDS / 10)
    published = context.request.post(
        f"{public_url}/issues",
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": token_hex(8)},
        data={"title": "The first broadsheet", "markdown": ISSUE},
    )
    assert published.ok, published.text()
    _open_mail(page, inbox_url, reader, "The first broadsheet")
    page.wait_for_load_state()
    page.goto(page.frames[-1].url)  # the mail as a mail program shows it
    _take(page, "issue")
    page.goto(f"{inbox_url}?to={reader}")
    _take(page, "inbox")


def _open_mail(page: Page, inbox_url: str, reader: str, subject: str) -> None:
    """Open a reader's mail, as soon as it is in the inbox."""
    mail = page.locator(".mails a", has_text=subject).first
    for _ in range(APPLY_MILLISECONDS // LOOK_MILLISECONDS):
        page.goto(f"{inbox_url}?to={reader}")
        if mail.count():
            mail.click()
            return
        page.wait_for_timeout(LOOK_MILLISECONDS)
    raise AssertionError(f"no mail with {subject!r} has arrived")


def _take(page: Page, name: str, folder: Path = PICTURES) -> None:
    page.evaluate("document.activeElement.blur()")  # without a blinking cursor
    file = folder / f"{name}.png"
    size = len(page.screenshot(path=file))
    assert size < MAX_BYTES, f"{file.name} has {size:,} bytes, and GitHub loads it with the README"
    print(f"{file}: {size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
