"""Takes the pictures of docs/readers.md: every page on a phone and a screen, light and dark.

    make page-pictures

The pages are those of ``tests/broadsheet/web/every_page.py``; ``PAGE=confirm`` takes one.
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from tests.broadsheet.web.every_page import FRAME, PAGES
from tests.browser import chromium, page_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

REPOSITORY = Path(__file__).parents[1]
TAKEN = REPOSITORY / "docs" / "pictures" / "pages"
SHOTS = ((390, 234), (1280, 512))  # CSS pixels: how wide a page is, and how wide it is shown
HEIGHT, GAP = 1400, 12  # CSS pixels as shown: the end of a long issue is cut
COLOURS = 48  # of a picture: paper, ink and what is between them
MAX_BYTES = 150_000


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", choices=PAGES)
    only = parser.parse_args().page
    TAKEN.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for name in [only] if only else PAGES:
            _take(browser, name)
    return 0


def _take(browser: Browser, name: str) -> None:
    def shot(width: int, dark: bool) -> bytes:  # noqa: FBT001 - as it is called
        with page_of(browser, PAGES[name](FRAME), width=width, dark=dark) as page:
            page.evaluate("document.activeElement.blur()")  # without a blinking cursor
            return page.screenshot(full_page=True)

    four_looks(browser, TAKEN / f"{name}.png", shot)


def four_looks(browser: Browser, file: Path, shot: Callable[[int, bool], bytes]) -> None:
    """Write one picture with four looks of a page beside each other.

    ``shot`` returns a PNG of the page by its width in CSS pixels, and whether it is dark.
    """
    shots = "".join(
        f'<div style="width: {shown}px"><img src="{_data_url(shot(width, dark))}"></div>'
        for dark in (False, True)
        for width, shown in SHOTS
    )
    style = (
        f"body {{ display: flex; gap: {GAP}px; margin: {GAP}px; background: #8d9499 }}"
        f"div {{ max-height: {HEIGHT}px; overflow: hidden }} img {{ width: 100%; display: block }}"
    )
    across = 2 * sum(shown + GAP for _, shown in SHOTS) + GAP
    with page_of(
        browser, f"<!doctype html><style>{style}</style>{shots}", width=across, height=100
    ) as page:
        keep(page.screenshot(full_page=True), file)


def keep(png: bytes, file: Path, *, most: int = MAX_BYTES) -> None:
    """Write a picture in few colours, with ``most`` bytes."""
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS).save(file, optimize=True)
    size = file.stat().st_size
    assert size < most, f"{file.name} has {size:,} bytes"
    print(f"{file.relative_to(REPOSITORY)}: {size:,} bytes")


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


if __name__ == "__main__":
    sys.exit(main())
