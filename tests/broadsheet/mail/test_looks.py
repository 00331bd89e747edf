"""Every mail in every theme fits the narrowest screen, however its reader sees it."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import pytest

from broadsheet.mail import theme
from tests.broadsheet.mail import looks
from tests.broadsheet.mail.looks import Look
from tests.broadsheet.mail.test_client_support import ACCEPTED, lacking
from tests.broadsheet.mail.test_phones import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

KINDS = sorted(looks.mails(theme.DEFAULT))
NARROWEST = looks.WIDTHS[0]


@cache
def mails(name: str) -> dict[str, str]:
    return looks.mails(name)


@pytest.fixture(scope="module")
def narrow(browser: Browser) -> Iterator[Callable[[Look], Page]]:
    """One page for each look: opening one takes longer than looking at it."""
    with ExitStack() as opened:
        yield cache(lambda look: opened.enter_context(looks.opened(browser, look, NARROWEST)))


@pytest.mark.parametrize("look", Look)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", theme.names())
def test_no_mail_scrolls_sideways_on_the_narrowest_screen(
    name: str, kind: str, look: Look, narrow: Callable[[Look], Page]
) -> None:
    page = narrow(look)
    looks.show(page, mails(name)[kind], look)
    assert page.evaluate("document.documentElement.scrollWidth") == NARROWEST
    # What is wider scrolls by itself, so nothing is cut off.
    assert page.evaluate(OUTSIDE) == []


@pytest.mark.parametrize("width", looks.WIDTHS[1:])
@pytest.mark.parametrize("name", theme.names())
def test_the_cruel_issue_fits_every_other_screen(name: str, width: int, browser: Browser) -> None:
    with looks.shown(browser, mails(name)[looks.CRUEL], Look.LIGHT, width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(OUTSIDE) == []


def test_a_look_is_what_its_name_says(narrow: Callable[[Look], Page]) -> None:
    mail = mails(theme.DEFAULT)["harbour"]
    background = "getComputedStyle(document.body).backgroundColor"
    seen = {}
    for look in Look:
        page = narrow(look)
        looks.show(page, mail, look)
        width = page.locator("img").evaluate("image => image.naturalWidth")
        size = page.locator("li").first.evaluate("li => getComputedStyle(li).fontSize")
        seen[look] = (page.evaluate(background), width > 0, size, page.screenshot())
    light, dark = "rgb(251, 250, 247)", "rgb(23, 22, 20)"
    assert seen[Look.LIGHT][:3] == (light, True, "18px")
    assert seen[Look.DARK][:3] == (dark, True, "18px")
    # The browser inverts what it paints: neither the mail's own dark colours nor its light ones.
    assert seen[Look.INVERTED][:3] == (light, True, "18px")
    assert seen[Look.INVERTED][3] not in (seen[Look.LIGHT][3], seen[Look.DARK][3])
    assert seen[Look.NO_PICTURES][:3] == (light, False, "18px")
    assert seen[Look.LARGE_TEXT][:3] == (light, True, "36px")


@pytest.mark.parametrize("name", theme.names())
def test_no_mail_uses_what_breaks_reading_in_a_named_client(name: str) -> None:
    used = {kind: set(lacking(html)) for kind, html in mails(name).items()}
    assert {kind: features - ACCEPTED.keys() for kind, features in used.items()} == {
        kind: set() for kind in used
    }


def test_every_accepted_feature_is_one_that_our_mails_use() -> None:
    used = {
        feature
        for name in (theme.DEFAULT, "tide")
        for mail in mails(name).values()
        for feature in lacking(mail)
    }
    assert used == ACCEPTED.keys()
