"""An author's styles change the author's part of a mail, and nothing of the frame around it."""

import pytest
from playwright.sync_api import Browser, Page

from broadsheet.mail.author_styles import limited
from broadsheet.mail.limits import TooComplex
from tests.broadsheet.mail.mails import html_issue, send
from tests.browser import page_of

FRAGMENT = '<h1>Hello</h1><p class="card">A card, <a href="https://x.test/">a link</a></p>'
# Everything of a mail but the author's part, as a browser computes it.
FRAME = """
[...document.querySelectorAll('html, body, body *')]
  .filter(element => !element.closest('.html'))
  .map(element => {
    const { height, perspectiveOrigin, transformOrigin, blockSize, ...rest } = Object.fromEntries(
      [...getComputedStyle(element)].map(name => [name.replace(/-(.)/g, (_, c) => c.toUpperCase()),
        getComputedStyle(element).getPropertyValue(name)]));
    return [element.tagName, element.className, rest];
  })
"""


def of_card(page: Page, style: str) -> str:
    found: str = page.locator(".card").evaluate(f"card => getComputedStyle(card).{style}")
    return found


@pytest.mark.parametrize(
    "styles",
    [
        "td{padding:99px!important} div{border:9px solid red!important} a{display:none!important}",
        "@media all{td,div{color:red!important}a{display:none!important}}",
        "@supports(color:red){@media screen{.footer *{display:none!important}}}",
        "@layer x{a{display:none!important}}",
        "html body .footer{display:none!important} *{color:red!important} :root{color:red}",
        "+ .footer{display:none!important} ~ div{display:none!important}",
        "p,+ .footer{display:none!important}",
        "p{:not(&) a{display:none!important}}",
        "p{} } a{display:none!important}",
        "<!-- a{display:none!important} -->",
        r'p::after{content:"\3c/style>\3cstyle>a{display:none!important}"}',
    ],
)
def test_an_authors_styles_leave_the_frame_as_it_is(styles: str, browser: Browser) -> None:
    plain, styled = (send(html_issue(f"{each}{FRAGMENT}").html) for each in ("", tag(styles)))

    with page_of(browser, plain, width=375) as page:
        before = page.evaluate(FRAME)
    with page_of(browser, styled, width=375) as page:
        assert page.evaluate(FRAME) == before
        assert page.get_by_role("link", name="Unsubscribe").is_visible()


def tag(styles: str) -> str:
    return f"<style>{styles}</style>"


def test_a_media_query_and_a_pseudo_class_still_style_the_authors_own(browser: Browser) -> None:
    styles = ".card{color:rgb(9,9,9)} .card:hover{color:rgb(8,8,8)!important}"
    styles += " @media (max-width: 480px) { h1, .card { color: rgb(1, 2, 3) !important } }"
    html = send(html_issue(tag(styles) + FRAGMENT).html)

    with page_of(browser, html, width=375) as page:
        assert of_card(page, "color") == "rgb(1, 2, 3)"
    with page_of(browser, html, width=700) as page:
        assert of_card(page, "color") == "rgb(9, 9, 9)"
        page.locator(".card").hover()
        assert of_card(page, "color") == "rgb(8, 8, 8)"


@pytest.mark.parametrize(
    "styles",
    [
        "@font-face{font-family:Own;src:url(https://x.test/own.woff2)}",
        "@keyframes fade{from{opacity:0}to{opacity:1}}",
        '@import "https://x.test/own.css";',
    ],
)
def test_what_names_no_element_stays_as_written(styles: str) -> None:
    assert limited(styles) == styles


def test_each_selector_of_a_list_is_limited_and_commas_within_one_are_not_counted() -> None:
    assert limited("a:is(b,i),[x=','] p{}") == '.html a:is(b,i),.html [x=","] p{}'


def test_brackets_that_are_nested_too_deep_are_refused() -> None:
    with pytest.raises(TooComplex, match="brackets in brackets"):
        limited("a{b:" + "(" * 100_000)
