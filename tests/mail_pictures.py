"""Takes pictures of every mail in a theme, as readers may see it, and checks the theme.

    make mail-pictures THEME=tide

Each kind of mail and each issue in ``tests/broadsheet/mail/issues/`` is shown at four widths in
five looks. The pictures are in ``build/mail-pictures/``; ``DOCS=1`` takes those of docs/themes.md.
"""

from __future__ import annotations

import argparse
import base64
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from broadsheet.mail import theme
from tests.broadsheet.mail import looks
from tests.broadsheet.mail.looks import CRUEL, WIDTHS, Look
from tests.browser import chromium, page_of
from tests.page_pictures import keep

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPOSITORY = Path(__file__).parents[1]
TAKEN = REPOSITORY / "build" / "mail-pictures"
DOCS = REPOSITORY / "docs" / "pictures" / "mail"
SAMPLE = "tide"
ISSUE = "harbour"
PHONE, WINDOW, SCREEN = WIDTHS[1:]
GAP = 12
MAX_BYTES = 400_000

type Shot = tuple[str, str, Look, int]  # theme, mail, look, width


def main() -> int:
    """Take the pictures. Return 1 if the theme can't be used, or can't be read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--theme", default=theme.DEFAULT)
    parser.add_argument("--docs", action="store_true")
    arguments = parser.parse_args()
    try:
        with chromium() as browser:
            if arguments.docs:
                _take_for_docs(browser)
                return 0
            faults = [*theme.unreadable(theme.load(arguments.theme))]
            faults += _take_all(browser, arguments.theme)
    except theme.InvalidTheme as error:
        faults = [str(error)]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _take_all(browser: Browser, name: str) -> list[str]:
    """Take every picture of a theme; return a sentence for each mail that is too wide."""
    folder = TAKEN / name
    folder.mkdir(parents=True, exist_ok=True)
    faults = []
    for kind, mail in looks.mails(name).items():
        for look in Look:
            for width in WIDTHS:
                with looks.shown(browser, mail, look, width) as page:
                    found = page.evaluate("document.documentElement.scrollWidth")
                    page.screenshot(path=folder / f"{kind}-{width}-{look}.png", full_page=True)
                if found > width:
                    faults.append(f"{kind}, {look}: {found} pixels wide on a screen of {width}")
        print(f"{kind}: {len(Look) * len(WIDTHS)} pictures")
    print(f"They are in {folder.relative_to(REPOSITORY)}/")
    return faults


def _take_for_docs(browser: Browser) -> None:
    others = sorted(looks.issues().keys() - {ISSUE, CRUEL})
    schemes = ((theme.DEFAULT, Look.LIGHT), (SAMPLE, Look.DARK))
    for name in (theme.DEFAULT, SAMPLE):
        phones: list[Shot] = [(name, ISSUE, look, PHONE) for look in Look]
        _sheet(browser, name, phones, shown_width=210)
    for sheet, width, shown_width in (("issues", PHONE, 190), ("windows", WINDOW, 240)):
        shots = [(name, mail, look, width) for name, look in schemes for mail in others]
        _sheet(browser, sheet, shots, shown_width=shown_width)
    _sheet(
        browser,
        CRUEL,
        [
            (theme.DEFAULT, CRUEL, Look.LIGHT, WIDTHS[0]),
            (theme.DEFAULT, CRUEL, Look.INVERTED, WIDTHS[0]),
            (SAMPLE, CRUEL, Look.DARK, WIDTHS[0]),
            (SAMPLE, CRUEL, Look.LARGE_TEXT, WIDTHS[0]),
        ],
        shown_width=240,
    )
    _sheet(
        browser,
        "screens",
        [(name, "engineering", Look.LIGHT, SCREEN) for name in (theme.DEFAULT, SAMPLE)],
        shown_width=540,
    )


def _sheet(browser: Browser, name: str, shots: list[Shot], *, shown_width: int) -> None:
    """Write one picture with several mails beside each other, each in full length."""
    columns = "".join(
        f"<figure><figcaption>{mail}, {look.replace('-', ' ')}</figcaption>"
        f'<img src="{_taken(browser, (of, mail, look, width))}"></figure>'
        for of, mail, look, width in shots
    )
    style = (
        f"body {{ display: flex; gap: {GAP}px; margin: {GAP}px; font: 13px sans-serif;"
        " background: #8d9499 }"
        f"figure {{ margin: 0 }} figcaption {{ padding: 0 0 4px }}"
        f"img {{ width: {shown_width}px; display: block }}"
    )
    across = len(shots) * (shown_width + GAP) + GAP
    file = DOCS / f"{name}.png"
    with page_of(browser, f"<style>{style}</style>{columns}", width=across, height=100) as page:
        keep(page.screenshot(full_page=True), file, most=MAX_BYTES)


def _taken(browser: Browser, shot: Shot) -> str:
    of, mail, look, width = shot
    with looks.shown(browser, looks.mails(of)[mail], look, width) as page:
        png = base64.b64encode(page.screenshot(full_page=True)).decode()
    return f"data:image/png;base64,{png}"


if __name__ == "__main__":
    sys.exit(main())
