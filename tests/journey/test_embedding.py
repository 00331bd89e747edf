"""The form of a deployed newsletter, embedded in a page of another site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.browser import browser
from tests.functions.test_embedding import WITH_SCRIPT, blog

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.journey.people import Town

__all__ = ["browser"]  # a fixture


def test_a_reader_of_a_blog_gets_the_mail_that_confirms(town: Town, browser: Browser) -> None:
    reader, news = town.reader(), town.stack.public_url

    with blog(browser, "127.0.0.1", news, WITH_SCRIPT, runs=True) as page:
        form = page.frame_locator("iframe")
        form.get_by_label("email").fill(reader.email)
        # Without its token, a form needs no two seconds to be filled in.
        form.locator("[name=proof]").evaluate("field => field.remove()")
        form.get_by_role("button", name="Sign up").click()
        page.get_by_role("heading", name="Check your inbox").wait_for()
        page.goto(reader.confirmation_link())
        page.get_by_role("heading", name="Thank you").wait_for()
