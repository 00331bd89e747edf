"""Takes the README's pictures of the running local stack, as a reader meets it.

    make up DETACH=1
    make pictures

A reader signs up on the page, confirms in the inbox, and gets an issue. Chromium shows each step.
"""

from __future__ import annotations

import sys
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from local.state import State
from tests.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
WIDTH, HEIGHT = 400, 660  # CSS pixels: three pictures fit beside each other
ENLARGED = 2  # for screens with more than one pixel for each of CSS's
MAX_BYTES = 150_000
APPLY_MILLISECONDS = 60_000  # the functions start, and a queue is polled
LOOK_MILLISECONDS = 500
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
    state = State.from_environment()
    token = state.author_token
    if state.deployment is None or token is None:
        print("No stack is running: start one with `make up DETACH=1`.", file=sys.stderr)
        return 1
    with chromium() as browser:
        context = browser.new_context(
            viewport={"width": WIDTH, "height": HEIGHT},
            device_scale_factor=ENLARGED,
            color_scheme="light",
            locale="en",
        )
        context.set_default_timeout(APPLY_MILLISECONDS)
        _walk(context, state.public_url, state.inbox_url, token)
    return 0


def _walk(context: BrowserContext, public_url: str, inbox_url: str, token: str) -> None:
    page = context.new_page()
    # Another address each time: a stack whose reader has confirmed sends no confirmation mail.
    reader = f"ursula.{token_hex(2)}@example.com"
    page.goto(f"{public_url}/")
    page.fill("[name=name]", "Ursula O'Brien")
    page.fill("[name=email]", reader)
    _take(page, "sign-up")
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


def _take(page: Page, name: str) -> None:
    page.evaluate("document.activeElement.blur()")  # without a blinking cursor
    file = PICTURES / f"{name}.png"
    size = len(page.screenshot(path=file))
    assert size < MAX_BYTES, f"{file.name} has {size:,} bytes, and GitHub loads it with the README"
    print(f"{file.relative_to(PICTURES.parents[1])}: {size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
