"""Every mail passes the accessibility rules of the Email Markup Consortium, and axe-core.

The rules are those of its reports of 2022 to 2026 (emailmarkup.org/en/reports/accessibility) and
of the checker that it tests with (parcel.io/blog/accessibility-checker-updates).
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from broadsheet.domain.issue_requests import HtmlContent, MarkdownContent
from broadsheet.domain.issues import IssueTitle, Preheader
from broadsheet.i18n.direction import direction
from broadsheet.mail import theme
from broadsheet.mail.issue_mail import render_issue
from tests.broadsheet.mail import looks
from tests.broadsheet.mail.mails import NEWSLETTER, send, sendable
from tests.browser import page_of, violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

# Each returns the elements that break the rule. Layout tables are those without header cells.
RULES = {
    "the document has a language": "html:not([lang]), html[lang='']",
    "the document has a direction": "html:not([dir])",
    "the document has a title": "html:not(:has(head > title:not(:empty)))",
    "the document has a character set": "html:not(:has(meta[charset='utf-8']))",
    "what stands in the body has a language": "body > :not([lang])",
    "what stands in the body has a direction": "body > :not([dir])",
    "a layout table is marked as one": (
        "table:not(:has(th)):not([role='presentation']):not([role='none'])"
    ),
    "a data table is not marked as layout": "table[role]:has(> thead th)",
    "a header cell says what it is the header of": "th:not([scope])",
    "an image has an alternative text": "img:not([alt])",
    "a linked image says where it leads": "a:not(:has(:not(img))) > img[alt='']:only-child",
    "there is a first-level heading": "body:not(:has(h1))",
    "zooming is not disabled": "meta[content*='user-scalable=no'], meta[content*='maximum-scale']",
    "the title attribute carries no meaning": "body [title]",
    "no identifier is there twice": "[id]",
    "nothing is vector markup": "[class*='vml'], v\\:rect, v\\:roundrect",
}
SCRIPTED = {
    "headings are in order": """
        let before = 0;
        return [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].filter(heading => {
          const level = Number(heading.tagName[1]), skips = level > before + 1;
          before = level;
          return skips;
        })""",
    "a link has a text that says where it leads": """
        const says_nothing = /^(click here|here|read more|more|learn more|link|this)?[.…!]*$/i;
        return [...document.querySelectorAll('a[href]')].filter(link =>
          says_nothing.test((link.innerText.trim() ||
            [...link.querySelectorAll('img')].map(image => image.alt).join(' ')).trim()))""",
    "a link differs by more than its colour": """
        return [...document.querySelectorAll('a[href]')].filter(link =>
          !getComputedStyle(link).textDecorationLine.includes('underline') &&
          getComputedStyle(link).backgroundColor === 'rgba(0, 0, 0, 0)' &&
          !link.querySelector('img'))""",
    "no text is justified": """
        return [...document.querySelectorAll('body *')].filter(element =>
          getComputedStyle(element).textAlign === 'justify')""",
    "no text is tiny": """
        return [...document.querySelectorAll('body *')].filter(element =>
          element.innerText && element.getClientRects().length &&
          parseFloat(getComputedStyle(element).fontSize) < 12)""",
    "lines have room between them": """
        return [...document.querySelectorAll('p, li')].filter(element =>
          parseFloat(getComputedStyle(element).lineHeight) <
            1.4 * parseFloat(getComputedStyle(element).fontSize))""",
    "what screen readers skip can't be reached": """
        return [...document.querySelectorAll('[aria-hidden=true] a, [aria-hidden=true] [tabindex]')]
    """,
}
FAULTS = f"""
() => {{
  const faults = {{}};
  const note = (rule, found) => {{
    if (found.length) faults[rule] = [...found].map(each => each.outerHTML.slice(0, 120));
  }};
  for (const [rule, selector] of Object.entries({RULES}))
    note(rule, document.querySelectorAll(selector));
  {"".join(f"note({rule!r}, (() => {{ {script} }})());" for rule, script in SCRIPTED.items())}
  return faults;
}}
"""
FRAGMENT = (
    "<style>p { color: #333333 }</style><h2>Tides</h2>"
    '<p>High at <a href="https://example.com/tides">the quay</a>.</p>'
    '<img src="https://pictures.example/boat-600x300.png" alt="A boat" width="600" height="300">'
)
DOCUMENT = (
    '<!doctype html><html lang="en" dir="ltr"><head><meta charset="utf-8"><title>Own</title></head>'
    '<body><div lang="en" dir="ltr"><h1>Own</h1><p>Text</p></div></body></html>'
)


@cache
def mails(name: str) -> dict[str, str]:
    newsletter = NEWSLETTER.model_copy(
        update={"theme": name, "postal_address": "Pier 3, 20457 Hamburg"}
    )
    title, html = IssueTitle("An issue"), HtmlContent(html=FRAGMENT, text="The text of it.")
    own = HtmlContent(html=DOCUMENT, text="The text of it.")
    arabic = newsletter.model_copy(update={"language": "ar", "name": "رسالة الميناء"})
    hebrew = MarkdownContent(markdown="## كلمة\n\nنص [عن الميناء](https://example.com/)\n")
    return looks.mails(name) | {
        "fragment": send(sendable(render_issue(title, html, newsletter)).html),
        "document": send(sendable(render_issue(title, own, newsletter, Preheader("Hi"))).html),
        "right-to-left": send(sendable(render_issue(title, hebrew, arabic)).html),
    }


KINDS = sorted(mails(theme.DEFAULT))


@pytest.fixture(scope="module")
def narrow(browser: Browser) -> Iterator[Page]:
    """One page for all mails: opening one takes longer than looking at it."""
    with page_of(browser, "", width=320) as page:
        page.route("**", looks.answer)
        yield page


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", theme.names())
def test_a_mail_passes_the_email_markup_consortiums_rules_and_axe_light_and_dark(
    name: str, kind: str, narrow: Page
) -> None:
    narrow.emulate_media(color_scheme="light")
    narrow.set_content(mails(name)[kind], wait_until="load")
    assert narrow.evaluate(FAULTS) == {}
    assert violations(narrow, rules=NO_PAGES) == {}

    narrow.emulate_media(color_scheme="dark")
    assert violations(narrow, runOnly=OF_COLOURS) == {}


# All that depends on colours, which alone differ in the dark.
OF_COLOURS = ["color-contrast", "link-in-text-block"]
# A mail is shown inside a mail program's page, which has the landmarks.
NO_PAGES = {"region": {"enabled": False}, "landmark-one-main": {"enabled": False}}
# A mail that breaks each rule, and nothing else of importance.
BROKEN = """<html><head></head><body><p>x</p>
<table><tr><td>x</td></tr></table>
<table role="presentation"><thead><tr><th>x</th></tr></thead></table>
<img src="x"><a href="https://a.test"><img src="x" alt=""></a><h3>x</h3>
<a href="https://a.test" style="text-decoration: none">here</a>
<p style="text-align: justify; font-size: 9px; line-height: 9px" title="x" id="a">x</p>
<span aria-hidden="true"><a href="https://a.test">Tides</a></span>
<i id="a"></i><i class="vml"></i><meta content="user-scalable=no"></body></html>"""


def test_a_mail_that_breaks_the_rules_is_found(narrow: Page) -> None:
    narrow.set_content(BROKEN)

    assert narrow.evaluate(FAULTS).keys() == {*RULES, *SCRIPTED}
    assert {"image-alt", "link-name"} <= violations(narrow, rules=NO_PAGES).keys()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_text_too_pale_in_one_scheme_is_found(scheme: str, narrow: Page) -> None:
    styles = f"body {{ color: #111; background: #fff }} @media (prefers-color-scheme: {scheme}) {{"
    narrow.set_content(f"<style>{styles} p {{ color: #ddd }} }}</style><p>A pale text</p>")

    found = {}
    for each in ("light", "dark"):
        narrow.emulate_media(color_scheme=each)
        found[each] = violations(narrow, runOnly=OF_COLOURS).keys()
    assert {each for each, rules in found.items() if "color-contrast" in rules} == {scheme}


def test_an_image_of_an_issue_needs_a_description_to_pass(narrow: Page) -> None:
    issue = render_issue(
        IssueTitle("A title"),
        MarkdownContent(markdown="[![](https://a.test/b.png)](https://c.test)"),
        NEWSLETTER,
    )
    narrow.set_content(send(issue.issue.html))
    assert "a linked image says where it leads" in narrow.evaluate(FAULTS)


@pytest.mark.parametrize(
    ("language", "read"),
    [("en", "ltr"), ("ar", "rtl"), ("FA-ir", "rtl"), ("he", "rtl"), ("ckb", "rtl"), ("az", "ltr"),
     ("az-Arab", "rtl"), ("ks-Deva-IN", "ltr"), ("pt-BR", "ltr"), ("uz-Latn", "ltr")],
)  # fmt: skip
def test_the_direction_follows_the_language(language: str, read: str) -> None:
    assert direction(language) == read
    newsletter = NEWSLETTER.model_copy(update={"language": language})
    issue = render_issue(IssueTitle("A title"), MarkdownContent(markdown="Text"), newsletter)
    tags = re.findall(r"<(?:html|table|div)[^>]* dir=[^>]*>", issue.issue.html)
    ours = [tag for tag in tags if "footer" not in tag]
    assert len(ours) == 3
    assert all(f'dir="{read}"' in tag and f'lang="{language}"' in tag for tag in ours)
