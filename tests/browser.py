"""A browser that measures and shows pages: the system's Chromium, without a window.

On Debian, as root, what is missing is installed; elsewhere the tests are skipped with a sentence
that says what to install, and fail with it where ``CI`` is set.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ON_A_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
MISSING = (
    "these tests need Chromium: install it (Debian: `apt-get install chromium`, Ubuntu: "
    "`snap install chromium`, macOS: `brew install --cask google-chrome`) and run them again"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of a file; each page of it has a profile of its own.

    It ends with them: while it runs, no other test of the process can run an event loop.
    """
    try:
        with chromium() as started:
            yield started
    except FileNotFoundError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium; raise ``FileNotFoundError`` if there is none to start."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - few tests need it

    found = program()
    if not found:
        raise FileNotFoundError(MISSING)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield started
        started.close()


@contextmanager
def page_of(
    browser: Browser, html: str, *, width: int, height: int = 800, dark: bool = False
) -> Iterator[Page]:
    """Open a page that reaches nothing but itself, on a screen of ``width`` CSS pixels."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        offline=True,
    )
    try:
        page = context.new_page()
        page.set_content(html, wait_until="load")
        yield page
    finally:
        context.close()


def violations(page: Page, **options: object) -> dict[str, list[str]]:
    """Return the elements of a page that break axe's rules, by rule; ``options`` are axe's."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - as playwright

    # It outlives the content of a page, and takes longer to read than to run.
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found: dict[str, list[str]] = page.evaluate(VIOLATIONS, options)
    return found


VIOLATIONS = """
async options => {
  const {violations} = await axe.run({resultTypes: ['violations'], ...options});
  return Object.fromEntries(
    violations.map(({id, nodes}) => [id, nodes.map(({html}) => html.slice(0, 120))]));
}
"""


def program() -> str | None:
    """Return the system's Chromium, installed first if need be; None if there is none."""
    return _installed() or _install()


def _installed() -> str | None:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or (str(ON_A_MAC) if ON_A_MAC.exists() else None)


def _install() -> str | None:
    """Install Debian's Chromium, once, however many processes test at a time."""
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        return None
    with (Path(tempfile.gettempdir()) / "broadsheet-tests-install").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _installed():
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            for command in (["update"], ["install", "--yes", "chromium"]):
                subprocess.run(  # whether it helped is seen below
                    ["apt-get", *command],  # noqa: S607
                    env=environment,
                    capture_output=True,
                    check=False,
                )
    return _installed()
