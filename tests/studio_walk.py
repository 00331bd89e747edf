"""An author's way through the studio in Chromium: signs in, writes, and sends.

The pictures of the README and the journey through the deployed stack go it, each with more beside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page, Response


def sign_in(page: Page, link: str) -> None:
    """Open a sign-in link, and press its button."""
    page.goto(link)
    page.get_by_role("button", name="Sign in now").click()
    page.get_by_role("heading", name="Issues").wait_for()


def begin_issue(page: Page, title: str, preheader: str, text: str) -> None:
    """Fill in a new issue, from the first screen."""
    page.get_by_role("link", name="Write a new issue").click()
    page.get_by_label("Title").fill(title)
    page.get_by_label("Preheader").fill(preheader)
    page.get_by_label("Text, in Markdown").fill(text)


def await_preview(page: Page, words: str) -> None:
    """Wait until the script has shown the mail, and saved what is typed."""
    page.frame_locator("iframe").get_by_text(words).wait_for()
    page.locator("[data-state]", has_text="Saved at").wait_for()


def go_to_sending(page: Page, button: str = "Save the draft") -> None:
    """Save the text, and open the page from which it is sent."""
    # Whoever goes on before the answer sends a version that is not there yet, and is told so.
    with page.expect_response(_is_of_saving):
        page.get_by_role("button", name=button).click()
    page.get_by_role("link", name="Test and send").click()


def send_a_test(page: Page, address: str) -> None:
    """Have the draft mailed to an address, from the page from which it is sent."""
    page.get_by_label("Addresses").fill(address)
    page.get_by_role("button", name="Send a test mail").click()
    page.get_by_text("The test mail is on its way.").wait_for()


def send_in_a_minute(page: Page) -> None:
    """Press the button that sends, with a minute to undo it."""
    page.get_by_role("button", name="in 60 seconds").click()
    page.get_by_text("Sending begins in:").wait_for()


def _is_of_saving(answer: Response) -> bool:
    return answer.request.method == "POST" and answer.url.endswith(("/write", "/new"))
