"""Every page, in each language, can be used by everybody (WCAG 2.2 AA).

The pages are those of ``every_page.py``: one that is added there is judged here. What a screen
reader reads aloud of it, its roles and names in their order, is in ``read_aloud/``; after a change,
look at what this writes, and commit it:

    READ_ALOUD=write .venv/bin/pytest tests/broadsheet/web/test_accessibility.py
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from broadsheet import i18n
from broadsheet.i18n import ENGLISH, PSEUDO, Language
from tests.broadsheet.mail.test_phones import OUTSIDE, SCROLLED
from tests.broadsheet.web.every_page import FRAME, PAGES
from tests.browser import page_of, violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

READ_ALOUD = Path(__file__).with_name("read_aloud")
NARROWEST = 320  # CSS pixels (WCAG 2.2 §1.4.10)
TARGET = 44  # CSS pixels (§2.5.5, AAA; §2.5.8 asks for 24)
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FOCUSABLE = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]"

every_page = pytest.mark.parametrize("name", PAGES)
in_each_language = pytest.mark.parametrize(
    "language", [*i18n.languages(), PSEUDO], ids=lambda language: language.tag
)


@pytest.fixture(scope="module")
def narrow(browser: Browser) -> Iterator[Page]:
    """One page for all tests: opening one takes longer than looking at it."""
    with page_of(browser, "", width=NARROWEST) as page:
        yield page


@cache
def html_of(name: str, language: Language) -> str:
    return PAGES[name](FRAME._replace(language=language))


def show(page: Page, name: str, language: Language = ENGLISH) -> None:
    page.emulate_media(color_scheme="light", forced_colors="none", reduced_motion="no-preference")
    # Without focus at first, so that the tabulator begins at the beginning.
    page.set_content(html_of(name, language).replace(" autofocus", ""), wait_until="load")


@every_page
@in_each_language
def test_a_page_passes_axe(narrow: Page, name: str, language: Language) -> None:
    show(narrow, name, language)
    # Colours are the same in each language, and take axe longest.
    rules = {"color-contrast": {"enabled": language == ENGLISH}}
    assert violations(narrow, runOnly=LEVELS, rules=rules) == {}


@every_page
def test_a_page_passes_axe_in_the_dark(narrow: Page, name: str) -> None:
    show(narrow, name)
    narrow.emulate_media(color_scheme="dark")
    assert violations(narrow, runOnly=["color-contrast"]) == {}


@every_page
@in_each_language
def test_a_page_needs_no_scrolling_sideways_not_even_with_text_of_200_percent(
    narrow: Page, name: str, language: Language
) -> None:
    show(narrow, name, language)
    for size in ("100%", "200%"):
        narrow.evaluate("size => document.documentElement.style.fontSize = size", size)
        assert narrow.evaluate("document.documentElement.scrollWidth") == NARROWEST
        assert narrow.evaluate(OUTSIDE) == []


@every_page
def test_a_page_is_read_aloud_in_order(narrow: Page, name: str) -> None:
    show(narrow, name)
    heard = narrow.locator("html").aria_snapshot() + "\n"
    file = READ_ALOUD / f"{name}.yaml"
    if os.environ.get("READ_ALOUD") == "write":
        file.write_text(heard, encoding="utf-8")
    assert heard == file.read_text(encoding="utf-8")
    for language in (*i18n.languages(), PSEUDO):
        show(narrow, name, language)
        translated = narrow.locator("html").aria_snapshot()
        assert _roles(translated) == _roles(heard)


def _roles(heard: str) -> list[str]:
    return re.findall(r"^\s*- (?!text:|/)'?([a-z]+)", heard, flags=re.MULTILINE)


def test_a_long_link_in_an_issues_table_is_read_without_scrolling(narrow: Page) -> None:
    show(narrow, "issue")
    assert narrow.evaluate(SCROLLED) == []


def test_no_page_is_read_aloud_that_is_not_there() -> None:
    assert {file.stem for file in READ_ALOUD.iterdir()} == set(PAGES)


@every_page
def test_a_keyboard_reaches_everything_in_order_and_shows_where_it_is(
    narrow: Page, name: str
) -> None:
    show(narrow, name)
    shown = narrow.locator(FOCUSABLE).count()
    reached = []
    for _ in range(shown):
        narrow.keyboard.press("Tab")
        reached.append(narrow.evaluate(FOCUSED, FOCUSABLE))
    assert [each["place"] for each in reached] == list(range(shown))
    assert all(each["outline"] == "solid" and each["width"] >= 3 for each in reached)


FOCUSED = """
focusable => {
  const {outlineStyle, outlineWidth} = getComputedStyle(document.activeElement);
  return {
    place: [...document.querySelectorAll(focusable)].indexOf(document.activeElement),
    outline: outlineStyle,
    width: parseFloat(outlineWidth),
  };
}
"""


@every_page
def test_what_stands_alone_is_large_enough_for_a_finger(narrow: Page, name: str) -> None:
    show(narrow, name)
    assert narrow.evaluate(SMALL, TARGET) == []


# Links within a sentence are exempt (§2.5.8).
SMALL = """
target => [...document.querySelectorAll('button, input, select, li > a, .way, .row > a')]
  .filter(element => element.checkVisibility() && element.tabIndex >= 0)
  .map(element => element.closest('label') ?? element)
  .filter(element => element.getBoundingClientRect().height < target)
  .map(element => element.outerHTML.slice(0, 80))
"""


@every_page
def test_forced_colours_leave_every_control_its_edge(narrow: Page, name: str) -> None:
    show(narrow, name)
    narrow.emulate_media(forced_colors="active")
    assert narrow.evaluate(WITHOUT_EDGE) == []


# The browser draws checkboxes and radio buttons itself, in the system's colours. A plain button is
# underlined, as a link is.
WITHOUT_EDGE = """
[...document.querySelectorAll('button:not(.plain), input, select')]
  .filter(({type, tabIndex}) => tabIndex >= 0 && !['hidden', 'checkbox', 'radio'].includes(type))
  .filter(element => {
    const {borderTopWidth, borderTopColor, backgroundColor} = getComputedStyle(element);
    return parseFloat(borderTopWidth) < 1 || borderTopColor === backgroundColor;
  })
  .map(element => element.outerHTML.slice(0, 80))
"""


@every_page
def test_nothing_moves_for_who_wants_no_motion(narrow: Page, name: str) -> None:
    show(narrow, name)
    narrow.emulate_media(reduced_motion="reduce")
    assert narrow.evaluate(MOVING) == []


MOVING = """
[...document.querySelectorAll('*')]
  .filter(element => {
    const {transitionDuration, animationName, scrollBehavior} = getComputedStyle(element);
    return transitionDuration !== '0s' || animationName !== 'none' || scrollBehavior !== 'auto';
  })
  .map(element => element.outerHTML.slice(0, 80))
"""


def test_the_judges_find_what_is_wrong(narrow: Page) -> None:
    broken = """<body style="transition: color 1s; width: 400px"><p style="color: #999">pale
        <input style="height: 20px; border: 0"><button style="outline: 0">x</button>"""
    narrow.emulate_media(color_scheme="light", forced_colors="none", reduced_motion="reduce")
    narrow.set_content(broken)
    found = violations(narrow, runOnly=LEVELS)
    assert {"color-contrast", "label", "html-has-lang", "region"} <= found.keys()
    assert narrow.evaluate("document.documentElement.scrollWidth") > NARROWEST
    assert narrow.evaluate(OUTSIDE)
    assert len(narrow.evaluate(SMALL, TARGET)) == 2
    assert len(narrow.evaluate(WITHOUT_EDGE)) == 1
    assert len(narrow.evaluate(MOVING)) == 1
    narrow.locator("button").focus()
    assert narrow.evaluate(FOCUSED, FOCUSABLE)["outline"] == "none"
