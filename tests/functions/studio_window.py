"""Chromium before the studio's screens, without a stack: for tests and pictures of them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from broadsheet.studio import assets
from tests.broadsheet.web.test_accessibility import NARROWEST
from tests.conftest import fresh_database, small_cloud
from tests.functions.studio import SITE, STAGE
from tests.functions.studio_screens import taken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Route

    from local.postgres import Postgres
    from tests.functions.studio_screens import Shots

ICON = "<svg xmlns='http://www.w3.org/2000/svg'/>"


def everything(postgres: Postgres, folder: Path) -> Shots:
    """Return what the studio answers behind API Gateway's own address, as no other is known."""
    with (
        pytest.MonkeyPatch.context() as patch,
        fresh_database(postgres) as url,
        small_cloud(url, folder, patch) as cloud,
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
        self.page.goto("about:blank")  # the screen before may follow an import, and asks no more
        self.name, self.complaints = name, []
        self.html = self.shots.pages[name, language].html.replace(" autofocus", "")
        self.headers = self.shots.pages[name, language].headers
        self.page.emulate_media(color_scheme="light", forced_colors="none")
        self.resize(NARROWEST)
        self.page.goto(f"{SITE}{STAGE}/studio/{name}")
        if "<iframe" in self.html:  # a preview that is still to come would take the focus along
            self.page.wait_for_load_state("networkidle")
        return self.page

    def resize(self, width: int, height: int = 800) -> None:
        self.page.set_viewport_size({"width": width, "height": height})

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


@contextmanager
def opened(browser: Browser, shots: Shots, *, java_script_enabled: bool = True) -> Iterator[Window]:
    """Open a window before the screens."""
    context = browser.new_context(
        timezone_id="Europe/Rome", java_script_enabled=java_script_enabled
    )
    shown = Window(context.new_page(), shots)
    context.route("**/*", shown.answer)
    context.on("console", lambda said: shown.complaints.append(f"{shown.name}: {said.text}"))
    context.on("weberror", lambda error: shown.complaints.append(f"{shown.name}: {error.error}"))
    yield shown
    context.close()
