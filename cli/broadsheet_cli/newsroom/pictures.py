"""Pictures of a mail as readers see it: on a phone, on a screen, in the dark, without images."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broadsheet_cli.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

PROGRAM_VARIABLE = "BROADSHEET_CHROMIUM"
PROGRAMS = ("google-chrome", "google-chrome-stable", "chromium", "chromium-browser")
ARGUMENTS = ("--disable-gpu", "--no-first-run", "--disable-background-networking")
LOAD_MILLISECONDS = 15_000  # an image that takes longer is missing in the picture


@dataclass(frozen=True)
class View:
    """A way to see a mail; ``width`` is in CSS pixels."""

    name: str
    width: int
    is_dark: bool = False
    has_images: bool = True


VIEWS = (
    View("phone", 375),
    View("desktop", 1024),
    View("dark", 375, is_dark=True),
    View("no-images", 375, has_images=False),
)


@contextmanager
def browser() -> Iterator[Browser]:
    """Start the machine's Chrome or Chromium. Raises ``CommandFailed`` if there is none."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - an extra
    except ImportError as error:
        need = "Pictures need Playwright: pip install broadsheet-cli[pictures]"
        raise CommandFailed(need) from error
    program = os.environ.get(PROGRAM_VARIABLE) or next(
        filter(None, map(shutil.which, PROGRAMS)), ""
    )
    if not program:
        raise CommandFailed("Pictures need Chrome or Chromium.")
    no_sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()  # as root, Chromium needs it
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program, args=[*ARGUMENTS, *no_sandbox]
        )
        try:
            yield started
        finally:
            started.close()


def take(started: Browser, html: str, folder: Path, name: str) -> list[Path]:
    """Take the pictures of one mail, which runs no script; return their files."""
    from playwright.sync_api import TimeoutError  # noqa: A004, PLC0415 - as above

    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    for view in VIEWS:
        context = started.new_context(
            viewport={"width": view.width, "height": 800},
            color_scheme="dark" if view.is_dark else "light",
            java_script_enabled=False,
        )
        try:
            page = context.new_page()
            if not view.has_images:
                page.route("**/*", lambda route: route.abort())
            with suppress(TimeoutError):
                page.set_content(html, wait_until="load", timeout=LOAD_MILLISECONDS)
            taken.append(folder / f"{name}-{view.name}.png")
            page.screenshot(path=taken[-1], full_page=True)
        finally:
            context.close()
    return taken
