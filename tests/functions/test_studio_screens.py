"""Every screen of the studio, for each role, can be used by everybody (WCAG 2.2 AA).

The screens are those of ``studio_screens.py``: one that is added there is judged here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from broadsheet.studio import assets
from broadsheet.studio.routes import SCREENS as ROUTES
from tests.broadsheet.mail.test_phones import OUTSIDE
from tests.broadsheet.web.test_accessibility import LEVELS, NARROWEST, SMALL, TARGET, WITHOUT_EDGE
from tests.browser import violations
from tests.conftest import fresh_database, small_cloud
from tests.functions.studio import SITE, STAGE
from tests.functions.studio_screens import SCREENS, taken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Route

    from local.postgres import Postgres
    from tests.functions.studio_screens import Shots

DESK = 1280
ICON = "<svg xmlns='http://www.w3.org/2000/svg'/>"


@pytest.fixture(scope="module")
def shots(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Shots:
    """What the studio answers behind API Gateway's own address, as ``PUBLIC_URL`` is unknown."""
    with (
        pytest.MonkeyPatch.context() as patch,
        fresh_database(postgres) as url,
        small_cloud(url, tmp_path_factory.mktemp("cloud"), patch) as cloud,
    ):
        patch.delenv("PUBLIC_URL")
        return taken(cloud)


@dataclass
class Window:
    """Chromium before the screens, which are answered from what was kept of them."""

    page: Page
    shots: Shots
    name: str = ""
    complaints: list[str] = field(default_factory=list)

    def show(self, name: str, language: str = "en") -> Page:
        """Open a screen, on a phone by day, with nothing focused."""
        self.name, self.complaints = name, []
        self.html = self.shots.pages[name, language].html.replace(" autofocus", "")
        self.headers = self.shots.pages[name, language].headers
        self.page.emulate_media(color_scheme="light", forced_colors="none")
        self.resize(NARROWEST)
        self.page.goto(f"{SITE}{STAGE}/studio/{name}")
        if "<iframe" in self.html:  # a preview that is still to come would take the focus along
            self.page.wait_for_load_state("networkidle")
        return self.page

    def resize(self, width: int) -> None:
        self.page.set_viewport_size({"width": width, "height": 800})

    def answer(self, route: Route) -> None:
        parts = urlsplit(route.request.url)
        path = parts.path.removeprefix(f"{STAGE}/studio")
        post = f"{route.request.method} {path}"
        if parts.netloc == "harbour.example" and parts.path == "/pier.jpg":  # a mail's own image
            route.fulfill(body=ICON, content_type="image/svg+xml")
        elif not route.request.url.startswith(f"{SITE}{STAGE}/"):
            self.complaints.append(f"{self.name} asks for {route.request.url}")
            route.abort()
        elif path == f"/{self.name}" or f'data-live="{parts.path}"' in self.html:
            route.fulfill(body=self.html, headers=self.headers)
        elif path.startswith(assets.PREFIX):
            content, kind = assets._assets()[path.removeprefix(assets.PREFIX)]
            route.fulfill(body=content, content_type=kind)
        elif part := self.shots.parts.get(post) or self.shots.parts.get(path):
            route.fulfill(body=part.html, headers=part.headers)
        elif parts.path == f"{STAGE}/favicon.svg":
            route.fulfill(body=ICON, content_type="image/svg+xml")
        else:
            self.complaints.append(f"{self.name} asks for {post}")
            route.abort()


@pytest.fixture(scope="module")
def window(browser: Browser, shots: Shots) -> Iterator[Window]:
    context = browser.new_context(timezone_id="Europe/Rome")
    shown = Window(context.new_page(), shots)
    context.route("**/*", shown.answer)
    context.on("console", lambda said: shown.complaints.append(f"{shown.name}: {said.text}"))
    context.on("weberror", lambda error: shown.complaints.append(f"{shown.name}: {error.error}"))
    yield shown
    context.close()


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
