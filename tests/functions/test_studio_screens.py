"""Every screen of the studio, for each role, can be used by everybody (WCAG 2.2 AA).

The screens are those of ``studio_screens.py``: one that is added there is judged here.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from broadsheet.studio.routes import SCREENS as ROUTES
from tests.broadsheet.mail.test_phones import OUTSIDE
from tests.broadsheet.web.test_accessibility import LEVELS, NARROWEST, SMALL, TARGET, WITHOUT_EDGE
from tests.browser import violations
from tests.functions.studio import STAGE
from tests.functions.studio_screens import OF_OTHERS, SCREENS
from tests.functions.studio_window import everything, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from local.postgres import Postgres
    from tests.functions.studio_screens import Shots
    from tests.functions.studio_window import Window

DESK = 1280


@pytest.fixture(scope="module")
def shots(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Shots:
    return everything(postgres, tmp_path_factory.mktemp("cloud"))


@pytest.fixture(scope="module")
def window(browser: Browser, shots: Shots) -> Iterator[Window]:
    with opened(browser, shots) as shown:
        yield shown


@pytest.fixture(scope="module")
def window_without_scripts(browser: Browser, shots: Shots) -> Iterator[Window]:
    with opened(browser, shots, java_script_enabled=False) as shown:
        yield shown


@pytest.fixture(scope="module", params=SCREENS)
def screen(request: pytest.FixtureRequest, window: Window) -> Page:
    """One screen, opened once for all tests of it."""
    return window.show(str(request.param))


@pytest.fixture(scope="module", params=SCREENS)
def german(request: pytest.FixtureRequest, window: Window) -> Page:
    """One screen in German, by night."""
    page = window.show(str(request.param), "de")
    page.emulate_media(color_scheme="dark")
    return page


def judged(page: Page) -> dict[str, list[str]]:
    """Return what axe finds, but in mails, which have their own tests."""
    return violations(page, runOnly=LEVELS, iframes=False, preload=False)


def test_a_screen_passes_axe(screen: Page) -> None:
    assert judged(screen) == {}


def test_a_screen_passes_axe_in_german_and_in_the_dark(german: Page) -> None:
    assert judged(german) == {}


def test_a_screen_needs_no_scrolling_sideways(german: Page, window: Window) -> None:
    """In German, whose words are longer."""
    for width in (NARROWEST, DESK):
        window.resize(width)
        for size in ("100%", "200%"):
            assert german.evaluate(WIDER, size) == [], f"at {width} pixels, text of {size}"


WIDER = f"""
size => {{
  document.documentElement.style.fontSize = size;
  const isWider = document.documentElement.scrollWidth > innerWidth;
  return [...isWider ? ['the page'] : [], ...{OUTSIDE}];
}}
"""


def test_a_keyboard_reaches_every_control_in_order_and_shows_where_it_is(screen: Page) -> None:
    controls = screen.evaluate(CONTROLS)
    for _ in controls:
        screen.keyboard.press("Tab")
    for _ in range(MORE):
        if screen.evaluate("window.went_round"):
            break
        screen.keyboard.press("Tab")
    assert screen.evaluate("window.reached") == controls
    assert screen.evaluate("window.unseen") == []


MORE = 200  # what else the tabulator stops at: the parts of a date, the links of a frame

# Of radio buttons, the tabulator reaches the one that is chosen.
CONTROLS = """
() => {
  const name = element => element.outerHTML.slice(0, 80);
  const chosen = radio => radio.checked ? radio : document.querySelector(
    `[name=${radio.name}]:checked`) ?? document.querySelector(`[name=${radio.name}]`);
  const controls = [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]')]
    .filter(each => each.tabIndex >= 0 && each.checkVisibility())
    .filter(each => each.type !== 'radio' || each === chosen(each));
  Object.assign(window, {reached: [], unseen: [], went_round: false});
  let last;
  addEventListener('focusin', ({target}) => {
    if (target === last || window.went_round) return;
    last = target;
    window.went_round = window.reached.length > 0 && target === controls[0];
    if (window.went_round) return;
    window.reached.push(name(target));
    const {outlineStyle, outlineWidth} = getComputedStyle(target);
    const {left, top, bottom, width} = target.getBoundingClientRect();
    const isSeen = y => {
      const seen = document.elementFromPoint(
        Math.max(left, 0) + Math.min(width, innerWidth) / 2, y);
      return target.contains(seen) || seen?.contains(target);
    };
    const isCovered = ![Math.max(top, 0) + 4, Math.min(bottom, innerHeight) - 4].some(isSeen);
    const isMarked = outlineStyle === 'solid' && parseFloat(outlineWidth) >= 3;
    if (isCovered || !isMarked)
      window.unseen.push([outlineStyle, outlineWidth, isCovered, name(target)]);
  });
  return controls.map(name);
}
"""


def test_what_stands_alone_is_large_enough_for_a_finger(screen: Page) -> None:
    assert screen.evaluate(SMALL, TARGET) == []


def test_forced_colours_leave_every_control_its_edge(screen: Page) -> None:
    screen.emulate_media(forced_colors="active")
    assert screen.evaluate(WITHOUT_EDGE) == []
    screen.emulate_media(forced_colors="none")


def test_a_screen_asks_nobody_else_and_leaves_no_message(screen: Page, window: Window) -> None:
    assert screen.evaluate("document.styleSheets.length") == 1
    assert window.complaints == []


@pytest.mark.parametrize("name", OF_OTHERS)
def test_a_screen_of_who_may_do_less_is_as_usable(window: Window, name: str) -> None:
    page = window.show(name)

    assert judged(page) == {}
    assert page.evaluate(SMALL, TARGET) == []
    assert page.evaluate(WIDER, "100%") == []
    assert window.complaints == []


@pytest.mark.parametrize("name", [*SCREENS, *OF_OTHERS])
def test_without_scripts_a_screen_shows_nothing_that_does_nothing(
    window_without_scripts: Window, name: str
) -> None:
    page = window_without_scripts.show(name)

    assert page.evaluate(DEAD) == []
    assert page.evaluate(WIDER, "100%") == []
    assert window_without_scripts.complaints == []


# Without scripts, a link leads somewhere, and what is filled in or pressed belongs to a form that
# has a button.
DEAD = """
() => [...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea')]
  .filter(each => each.checkVisibility())
  .filter(each => each.matches('a')
    ? !each.getAttribute('href')
    : each.type === 'button' || !each.form?.getAttribute('action')
      || ![...each.form.elements].some(one => one.type === 'submit' && one.checkVisibility()))
  .map(each => each.outerHTML.slice(0, 80))
"""


@pytest.mark.parametrize("name", ["write-new", "write", "write-html", "write-second"])
@pytest.mark.parametrize("height", [800, 480])
@pytest.mark.parametrize("has_script", [True, False])
def test_on_a_phone_one_link_leads_to_the_text_the_check_and_the_preview(
    window: Window, window_without_scripts: Window, name: str, height: int, *, has_script: bool
) -> None:
    phone = window if has_script else window_without_scripts
    page = phone.show(name, "de")
    phone.resize(NARROWEST, height)
    links = page.get_by_role("navigation", name="Auf dieser Seite").get_by_role("link")

    assert [re.sub(r" \(\d+\)", "", each) for each in links.all_inner_texts()] == [
        "Text",
        "Prüfung",
        "Vorschau",
    ]
    for link in [*links.all(), *reversed(links.all())]:
        target = str(link.get_attribute("href"))
        link.press("Enter")
        page.wait_for_url(f"**{target}")
        at = page.evaluate(SEEN, target)
        assert 0 <= at["top"] < at["below"], (link.inner_text(), at)
    phone.resize(DESK)
    assert [link.is_visible() for link in links.all()] == []


# How far down what a link leads to begins, and where the line of buttons does.
SEEN = """
target => {
  const top = element => element.getBoundingClientRect().top;
  return {top: top(document.querySelector(target)), below: top(document.querySelector('.acts'))};
}
"""


LINKED = re.compile(r'(?<![\w-])(?:href|src|action|formaction|data-[a-z]+)="(/[^"]*)"')


@pytest.mark.parametrize("name", SCREENS)
def test_behind_a_stage_every_link_of_a_screen_keeps_it(shots: Shots, name: str) -> None:
    page = shots.pages[name, "en"]
    linked = [unescape(each) for each in LINKED.findall(page.html)]
    assert linked
    assert [each for each in linked if not each.startswith(f"{STAGE}/")] == []


def test_every_page_of_the_studio_is_among_the_screens(shots: Shots) -> None:
    parts = {"GET /preview", "GET /issues/{id}/progress", "GET /issues/{id}/statement"}
    parts |= {"GET /settings/theme", "GET /settings/welcome/mail"}
    opened = {urlsplit(page.address).path for page in shots.pages.values()}
    never = [
        route
        for route in ROUTES
        if route.startswith("GET")
        and route not in parts
        and not any(
            re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.removeprefix("GET ")), path or "/")
            for path in opened
        )
    ]
    assert never == []
