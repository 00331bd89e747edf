"""Takes the pictures of docs/studio.md: its main screens on a phone and a screen, light and dark.

    make studio-pictures

The screens are those of ``tests/functions/studio_screens.py``; ``SCREEN=person`` takes one.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser import chromium
from tests.conftest import migrated_server
from tests.functions.studio_window import everything, opened
from tests.page_pictures import REPOSITORY, four_looks

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.functions.studio_window import Window

TAKEN = REPOSITORY / "docs" / "pictures" / "studio"
SHOWN = (
    *("issues", "write", "write-second", "draft", "history", "paused", "finished"),
    *("people", "person", "why", "growth", "segment", "import-ready"),
    *("sign-up-page", "authors"),
)

SETTLED_MILLISECONDS = 500  # until the preview is laid out again


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screen", choices=SHOWN)
    only = parser.parse_args().screen
    TAKEN.mkdir(parents=True, exist_ok=True)
    logging.disable()
    with tempfile.TemporaryDirectory() as folder, migrated_server() as server:
        shots = everything(server, Path(folder))
    with chromium() as browser, opened(browser, shots) as window:
        for name in [only] if only else SHOWN:
            _take(browser, window, name)
    return 0


def _take(browser: Browser, window: Window, name: str) -> None:
    page = window.show(name)

    def shot(width: int, dark: bool) -> bytes:  # noqa: FBT001 - as it is called
        page.emulate_media(color_scheme="dark" if dark else "light")
        window.resize(width)
        window.resize(width, page.evaluate("document.documentElement.scrollHeight"))
        page.wait_for_timeout(SETTLED_MILLISECONDS)
        return page.screenshot()

    four_looks(browser, TAKEN / f"{name}.png", shot)


if __name__ == "__main__":
    sys.exit(main())
