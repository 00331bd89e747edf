"""An author's styles change the author's part of a mail, and nothing of the frame around it."""

from collections.abc import Iterator

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
    const style = getComputedStyle(element);
    const properties = [...style].filter(name =>
      !['height', 'perspective-origin', 'transform-origin', 'block-size'].includes(name));
    const values = properties.map(name => `${name}: ${style.getPropertyValue(name)}`);
    return [element.tagName, element.className, values.join('; ')];
  })
"""


@pytest.fixture(scope="module")
def narrow(browser: Browser) -> Iterator[Page]:
    """One page for all mails: opening one takes longer than looking at it."""
    with page_of(browser, "", width=375) as page:
        yield page


def of_card(page: Page, style: str) -> str:
    found: str = page.locator(".card").evaluate(f"card => getComputedStyle(card).{style}")
    return found


@pytest.fixture(scope="module")
def plain_frame(narrow: Page) -> list[list[str]]:
    """The frame of a mail without styles of its author's."""
    narrow.set_content(send(html_issue(FRAGMENT).html))
    frame: list[list[str]] = narrow.evaluate(FRAME)
    return frame


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
def test_an_authors_styles_leave_the_frame_as_it_is(
    styles: str, narrow: Page, plain_frame: list[list[str]]
) -> None:
    narrow.set_content(send(html_issue(f"{tag(styles)}{FRAGMENT}").html))

    assert narrow.evaluate(FRAME) == plain_frame
    assert narrow.get_by_role("link", name="Unsubscribe").is_visible()


def test_a_changed_frame_is_found(narrow: Page, plain_frame: list[list[str]]) -> None:
    narrow.set_content(send(html_issue(FRAGMENT).html))
    narrow.add_style_tag(content="td { padding: 99px !important }")

    assert narrow.evaluate(FRAME) != plain_frame


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
    with pytest.raises(TooComplex, match="style-brackets"):
        limited("a{b:" + "(" * 100_000)
