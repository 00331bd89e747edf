"""Every mail in every theme fits the narrowest screen, however its reader sees it."""

from __future__ import annotations

import re
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import pytest

from broadsheet.mail import theme
from local.state import REPOSITORY
from tests.broadsheet.mail import looks
from tests.broadsheet.mail.looks import Look
from tests.broadsheet.mail.test_client_support import ACCEPTED, lacking
from tests.broadsheet.mail.test_phones import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

KINDS = sorted(looks.mails(theme.DEFAULT))
THEMES_PAGE = REPOSITORY / "docs" / "themes.md"
NARROWEST = looks.WIDTHS[0]


@cache
def mails(name: str) -> dict[str, str]:
    return looks.mails(name)


@pytest.fixture(scope="module")
def screens(browser: Browser) -> Iterator[Callable[[Look], Page]]:
    """One page for each look: opening one takes longer than looking at it."""
    with ExitStack() as opened:
        yield cache(lambda look: opened.enter_context(looks.opened(browser, look, NARROWEST)))


@pytest.mark.parametrize("look", Look)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", theme.names())
def test_no_mail_scrolls_sideways_on_any_screen(
    name: str, kind: str, look: Look, screens: Callable[[Look], Page]
) -> None:
    page = screens(look)
    looks.show(page, mails(name)[kind], look)
    for width in looks.WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        # What is wider scrolls by itself, so nothing is cut off.
        assert page.evaluate(OUTSIDE) == []


def test_a_look_is_what_its_name_says(screens: Callable[[Look], Page]) -> None:
    mail = mails(theme.DEFAULT)["harbour"]
    background = "getComputedStyle(document.body).backgroundColor"
    seen = {}
    for look in Look:
        page = screens(look)
        page.set_viewport_size({"width": NARROWEST, "height": 800})
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


def test_the_documentation_lists_every_mail_that_pictures_are_taken_of() -> None:
    listed = re.findall(r"^([\w-]+): (\d+) pictures$", THEMES_PAGE.read_text(), re.MULTILINE)

    pictures = str(len(Look) * len(looks.WIDTHS))
    assert listed == [(kind, pictures) for kind in looks.mails(theme.DEFAULT)]
