"""Shows every mail as readers may see it: narrow, dark, inverted, without pictures, enlarged."""

from __future__ import annotations

import re
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from broadsheet.domain.authors import AuthorName, Role
from broadsheet.domain.issue_requests import HtmlContent, IssueContent, MarkdownContent
from broadsheet.domain.issues import IssueTitle
from broadsheet.mail.confirmation_mail import render_already_subscribed, render_confirmation
from broadsheet.mail.invitation_mail import render_invitation
from broadsheet.mail.issue_mail import render_issue
from broadsheet.mail.sign_in_mail import render_sign_in
from broadsheet.mail.subscription_mail import (
    render_export,
    render_manage_link,
    render_new_address,
)
from tests.broadsheet.mail.mails import (
    MANAGE_URL,
    NEWSLETTER,
    SITE,
    UNSUBSCRIBE_URL,
    approval_request,
    send,
)
from tests.browser import page_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Route

ISSUES = Path(__file__).with_name("issues")  # the first line is the title
CRUEL = "cruel"
WELCOME = MarkdownContent(
    markdown="Dear [[name|reader]],\n\nthe *next* letter comes on [Friday](https://example.com/).\n"
)
WIDTHS = (320, 375, 600, 1280)  # CSS pixels: WCAG 2.2's narrowest, a phone, a window, a screen
PICTURES = re.compile(r"https://pictures\.example/\w+-(\d+)x(\d+)\.png")
HEAD_STYLES = re.compile(
    r"<style>.*?</style>|<meta name=\"(?:color|supported-color)-[^>]*>", re.DOTALL
)


class Look(StrEnum):
    """A way to see a mail."""

    LIGHT = "light"
    DARK = "dark"
    INVERTED = "inverted"  # as Gmail's apps do it, which ignore what the mail says of dark colours
    NO_PICTURES = "no-pictures"
    LARGE_TEXT = "large-text"  # 200 %, WCAG 2.2 §1.4.4


def issues() -> dict[str, tuple[IssueTitle, IssueContent]]:
    """Return the title and the content of each file in ``issues/``, by name."""
    found: dict[str, tuple[IssueTitle, IssueContent]] = {}
    for file in sorted(ISSUES.iterdir()):
        title, _, written = file.read_text(encoding="utf-8").partition("\n")
        is_html = file.suffix == ".html"
        found[file.stem] = (
            IssueTitle(title),
            HtmlContent(html=written, text=title) if is_html else MarkdownContent(markdown=written),
        )
    return found


def mails(theme: str) -> dict[str, str]:
    """Return the HTML of every kind of mail in a theme, by name."""
    newsletter = NEWSLETTER.model_copy(update={"theme": theme})
    rendered = {
        "confirmation": render_confirmation(newsletter, UNSUBSCRIBE_URL, "12345678").html,
        "already-subscribed": render_already_subscribed(newsletter).html,
        "manage-link": render_manage_link(newsletter, MANAGE_URL).html,
        "new-address": render_new_address(newsletter, MANAGE_URL).html,
        "export": render_export(newsletter, b"{}").html,
        "sign-in": render_sign_in(newsletter, f"{SITE}/studio/enter?token=a.b-c_d").html,
        "author-invitation": render_invitation(
            newsletter, AuthorName("jo"), Role.WRITE, f"{SITE}/studio"
        ).html,
        "approval": approval_request(newsletter, f"{SITE}/studio/issues/1").html,
        # Rendered as an issue that has no page.
        "welcome": send(
            render_issue(
                IssueTitle("Welcome aboard"), WELCOME, newsletter, has_page=False
            ).issue.html
        ),
    }
    for name, (title, content) in issues().items():
        rendered[name] = send(render_issue(title, content, newsletter).issue.html)
    return rendered


@contextmanager
def shown(browser: Browser, mail: str, look: Look, width: int) -> Iterator[Page]:
    """Open a mail on a screen of ``width`` CSS pixels."""
    with opened(browser, look, width) as page:
        show(page, mail, look)
        yield page


@contextmanager
def opened(browser: Browser, look: Look, width: int) -> Iterator[Page]:
    """Open a page for mails that are all seen in one way."""
    with page_of(browser, "", width=width, dark=look in {Look.DARK, Look.INVERTED}) as page:
        page.route("**", lambda route: answer(route, loads=look is not Look.NO_PICTURES))
        if look is Look.INVERTED:
            session = page.context.new_cdp_session(page)
            session.send("Emulation.setAutoDarkModeOverride", {"enabled": True})
        yield page


def show(page: Page, mail: str, look: Look) -> None:
    """Show a mail in an open page."""
    if look is Look.INVERTED:
        mail = HEAD_STYLES.sub("", mail)
    page.set_content(mail, wait_until="load")
    if look is Look.LARGE_TEXT:
        page.evaluate(ENLARGE)


# Enlarges only text, as a phone's setting does. Sizes are read before any is changed.
ENLARGE = """
[...document.querySelectorAll('body, body *')]
  .map(element => [element, parseFloat(getComputedStyle(element).fontSize)])
  .forEach(([element, size]) =>
    element.style.setProperty('font-size', `${2 * size}px`, 'important'))
"""


def answer(route: Route, *, loads: bool = True) -> None:
    """Answer what a mail asks for: with a drawing as large as a picture's name says."""
    picture = PICTURES.fullmatch(route.request.url)
    if picture and loads:
        width, height = map(int, picture.groups())
        route.fulfill(content_type="image/svg+xml", body=_drawing(width, height))
    else:
        route.abort()


def _drawing(width: int, height: int) -> str:
    """Draw a harbour in the evening."""
    hills = f"0,{height * 0.62} {width * 0.3},{height * 0.4} {width * 0.55},{height * 0.6}"
    sail = f"{width * 0.62},{height * 0.75} {width * 0.62},{height * 0.45}"
    return f"""
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">
<rect width="100%" height="100%" fill="#f4c795"/>
<circle cx="{width * 0.75}" cy="{height * 0.5}" r="{min(width, height) * 0.12}" fill="#fff1d0"/>
<polygon points="{hills} {width},{height * 0.5} {width},{height} 0,{height}" fill="#5f7f86"/>
<rect y="{height * 0.72}" width="100%" height="{height * 0.28}" fill="#2f5a68"/>
<polygon points="{sail} {width * 0.68},{height * 0.75}" fill="#fbf6ea"/>
</svg>"""
