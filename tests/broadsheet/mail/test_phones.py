"""No mail is wider than the phone it is read on, whatever its author wrote."""

import base64
import struct
import zlib

import pytest
from playwright.sync_api import Browser

from broadsheet.domain.issue_requests import HtmlContent, MarkdownContent
from broadsheet.domain.issues import IssueTitle
from broadsheet.mail.confirmation_mail import render_already_subscribed, render_confirmation
from broadsheet.mail.issue_mail import render_issue
from tests.broadsheet.mail.mails import NEWSLETTER, send
from tests.browser import page_of

PHONES = (320, 375)  # CSS pixels: the narrowest that WCAG 2.2 requires (1.4.10), and a common one
WORD = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen"
URL = "https://example.com/" + "a1b2c3d4e5" * 28
CODE = "curl --silent --header 'Accept: application/json' " + "x" * 200
CJK = "この手紙は港の便りです。毎週、船と潮と天気について書きます。" * 6


def chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def picture(width: int, height: int) -> str:
    """Return the data: address of a black PNG."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(width)) * height)
    png = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(b'\x89PNG\r\n\x1a\n' + png).decode()}"


PICTURE = picture(1600, 300)
CRUEL = f"""
{URL}

[{URL}]({URL}) and <{URL}> and **{WORD}{WORD}** and `{CODE}`

## {WORD}{WORD}

| {WORD} | Departure | Arrival | Notes | Price | Quay | Ship |
|---|---|--:|---|---|---|---|
| {WORD} | 07:15 | 08:40 | {URL} | 12.50 | 4 | *Solveig* |
| Runa | 07:15 | 08:40 | {"words and words " * 9} | 12.50 | `{"c" * 80}` | {CJK} |

```
{CODE}
```

![A picture of the harbour]({PICTURE})

- one
  - two
    - three
      - four {WORD}
        - five {URL}
          - six

> quoted
> > twice
> > > three times {WORD}
> > > > four times
> > > >
> > > >     {CODE}

{CJK}
"""
FRAGMENT = f"""
<style>.card {{ width: 640px; background: #eef; padding: 12px }}</style>
<h1>{WORD}</h1>
<table width="700"><tr><td width="500">{URL}</td><td>{WORD}</td></tr></table>
<div class="card">A card of a fixed width. <img src="{PICTURE}" alt="" width="1600"></div>
<pre>{CODE}</pre>
"""
LONG_TITLE = IssueTitle(WORD * 3)


def mails() -> dict[str, str]:
    newsletter = NEWSLETTER.model_copy(update={"name": WORD, "sender_name": WORD + WORD})
    cruel = MarkdownContent(markdown=CRUEL)
    fragment = HtmlContent(html=FRAGMENT, text="x")
    return {
        "cruel Markdown": send(render_issue(LONG_TITLE, cruel, newsletter).issue.html),
        "cruel HTML": send(render_issue(LONG_TITLE, fragment, newsletter).issue.html),
        "confirmation": render_confirmation(newsletter, URL, "12345678").html,
        "already subscribed": render_already_subscribed(newsletter).html,
    }


@pytest.mark.parametrize("width", PHONES)
@pytest.mark.parametrize("name", mails())
def test_a_mail_is_as_wide_as_the_phone(name: str, width: int, browser: Browser) -> None:
    with page_of(browser, mails()[name], width=width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        # What is wider scrolls by itself, so nothing is cut off.
        assert page.evaluate(OUTSIDE) == []


@pytest.mark.parametrize("width", PHONES)
def test_a_long_cell_is_wide_enough_to_read(width: int, browser: Browser) -> None:
    with page_of(browser, mails()["cruel Markdown"], width=width) as page:
        widths = "cells => cells.filter(cell => cell.innerText.length > 24).map(c => c.clientWidth)"
        assert min(page.locator(".markdown td").evaluate_all(widths)) > 120


@pytest.mark.parametrize("width", PHONES)
def test_a_long_link_in_a_table_is_read_without_scrolling(width: int, browser: Browser) -> None:
    link = "https://example.com/ships/aurora/2026/report-of-the-harbour-master/" + "a1b2c3d4e5" * 8
    markdown = f"| Ship | Read |\n|---|---|\n| Solveig | {link} |\n| Runa | [here]({link}) |"
    issue = render_issue(LONG_TITLE, MarkdownContent(markdown=markdown), NEWSLETTER).issue
    with page_of(browser, send(issue.html), width=width) as page:
        assert page.evaluate(SCROLLED) == []
        heights = page.locator("td").evaluate_all("cells => cells.map(cell => cell.clientHeight)")
        assert heights[-1] < 60  # "here" stays whole


SCROLLED = """
[...document.querySelectorAll('.wide')]
  .filter(({scrollWidth, clientWidth}) => scrollWidth > clientWidth)
  .map(element => element.outerHTML.slice(0, 80))
"""
OUTSIDE = """
[...document.querySelectorAll('body *')]
  .filter(element => element.getBoundingClientRect().right > innerWidth + 0.5)
  .filter(element => {
    for (let within = element; within; within = within.parentElement)
      if (getComputedStyle(within).overflowX === 'auto') return false;
    return true;
  })
  .map(element => element.outerHTML.slice(0, 80))
"""


@pytest.mark.parametrize("width", PHONES)
def test_a_plain_table_keeps_its_words_whole_and_a_picture_its_proportions(
    width: int, browser: Browser
) -> None:
    markdown = (
        "| Ship | Departure | Arrival |\n|---|---|---|\n| Solveig | 07:15 | 08:40 |\n\n"
        f"![x]({PICTURE})"
    )
    issue = render_issue(LONG_TITLE, MarkdownContent(markdown=markdown), NEWSLETTER).issue
    with page_of(browser, send(issue.html), width=width) as page:
        lines = "cells => cells.map(cell => cell.getClientRects().length && cell.clientHeight)"
        assert len(set(page.locator(".markdown td").evaluate_all(lines))) == 1
        box = page.locator("img").bounding_box()
        assert box
        assert box["width"] == width - 40
        assert box["height"] == pytest.approx(box["width"] * 300 / 1600, abs=1)
