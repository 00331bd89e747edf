"""An author's HTML is read as mail programs read it, and is sent as written."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from broadsheet.domain.findings import Findings
from broadsheet.mail.html_source import Source
from tests.broadsheet.mail.mails import UNTIMED, html_issue, only_what_is_sendable, refused, send
from tests.browser import page_of

FOOTER = re.compile(r'<div class="band".*Lindqvist</p>\s*</div>\s*?</div>\n*', re.DOTALL)

# Markup that misleads a search for the end of the body, and pieces of it.
MISLEADING = [
    "<!-- </body> -->", "<!--[if mso]></body></html><![endif]-->", "<!--></body>-->",
    "<!-- a --!></body><!-- b -->", "<style>a::before{content:'</body>'}</style>",
    "<textarea></body></textarea>", "<title></body></title>", "<xmp></body></xmp>",
    "<noscript></body></noscript>", "<template></body></template>", "<a title='</body>'>x</a>",
    "<a title=\"'</body>\">x</a>", "<script>'</body>'</script>", "<iframe></body></iframe>",
    "<!doctype x '</body>", "<?php </body> ?>", "<svg><title></body></title></svg>",
    "<select><option></body></select>", "<video></body></video>", "</BODY\n>", "</html>",
    "<body>", "<p>a", "<a", "<a title=", "'", '"', ">", "</", "<!", "--", "<!--", "-->", "/>",
    "<a title=x</body>", "</body x='>'>", "</textarea>", "</style >", "<STYLE>", "</Style/>",
]  # fmt: skip
DOCUMENTS = st.lists(st.sampled_from(MISLEADING), max_size=6).map("".join)


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with page_of(browser, "", width=600) as page:
        yield page


def test_this_check_notices_a_hidden_footer(page: Page) -> None:
    assert is_shown(page, "<p>Unsubscribe</p>")
    assert not is_shown(page, "<!-- <p>Unsubscribe</p> --><template>Unsubscribe</template>")


def is_shown(page: Page, html: str) -> bool:
    page.set_content(html, wait_until="commit")
    return "Unsubscribe" in page.evaluate("document.body.innerText")


@given(text=DOCUMENTS)
@settings(max_examples=150, deadline=None)
def test_the_footer_of_any_document_is_shown(text: str, page: Page) -> None:
    with only_what_is_sendable():
        sent = send(html_issue(f"<!doctype html><html><body>Hello {text}").html)
    assert is_shown(page, sent)


@pytest.mark.parametrize("misleading", MISLEADING[:21])
def test_a_document_stays_as_written_around_its_footer(misleading: str, page: Page) -> None:
    document = f"<!doctype html>\n<html>\n<BODY>Hello {misleading}\n</BODY >\n</html>\n"
    sent = send(html_issue(document).html)
    assert FOOTER.sub("", sent) == document
    assert is_shown(page, sent)
    end = document.replace("</BODY >\n", "").replace("</html>\n", "")
    assert is_shown(page, send(html_issue(end).html))


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ("<!-- a", r"the comment \(<!--\)"),
        ("<style>p { }", "the <style>"),
        ("<TEXTAREA>", "the <textarea>"),
        ("<a href='https://x.test/>x</a>", "the tag"),
        ("x <b", "the tag"),
        ("<template></body>", "the <template>"),
    ],
)
def test_markup_that_never_ends_is_refused_with_its_line(document: str, what: str) -> None:
    with refused(f"^line 2 of the HTML: {what} never ends"):
        html_issue(f"<html>\n{document}")


@pytest.mark.parametrize(
    "comment",
    [
        "<!--[if mso]><table><tr><td width=600><![endif]-->",
        "<!--[if !mso]><!--><b>x</b><!--<![endif]-->",
        "<!--[if gte mso 9]><xml><o:PixelsPerInch>96</o:PixelsPerInch></xml><![endif]-->",
        "<![if !mso]>x<![endif]>",
        "<![IF (gt mso 9)|(IE 7)]><b>x</b><![ENDIF]><![if !mso]>y<![endif]>",
        "<![if !vml]><i>{{x}} \\</i><![endif]>",
    ],
)
def test_conditional_comments_stay_as_written(comment: str) -> None:
    for shell in ("{}", "<div>{}<p>Hello</p></div>", "<html><body>{}</body></html>"):
        assert comment in send(html_issue(shell.replace("{}", comment)).html)


def test_a_conditional_with_a_placeholder_stays_one() -> None:
    sent = send(html_issue("<p>a<![if [[name]] x]>b<![endif]></p>").html)
    assert "a<![if Ursula x]>b<![endif]></p>" in sent


@pytest.mark.parametrize(
    ("begins", "is_document"),
    [
        ("<!DOCTYPE html><p>", True), ("\ufeff \n<!-- a --><?xml version='1.0'?>\n<HTML>", True),
        ("<head>", True), ("<body\n>", True), ("<header>", False), ("x <html>", False),
        ("<p><html>", False), ("<!-- <html> --><p>", False), ("", False),
    ],
)  # fmt: skip
def test_a_document_is_recognised_by_its_beginning(
    begins: str,
    is_document: bool,  # noqa: FBT001 - the expected result
) -> None:
    assert Source(begins, Findings()).is_document is is_document


@UNTIMED
@given(
    text=st.lists(
        st.sampled_from(
            ["<", ">", "/", "a", " ", "=", '"', "'", "!", "--", "<a ", "<b>", "</b>", "x='", "\n",
             "<style>", "</style>", "<!--", "-->", "<?", "é", "&lt;"]
        )
    ).map("".join)
)  # fmt: skip
@example(text='<a b=\'c"d" e=f g>h</a i="j">k<!--->l<!---->m</>n</ o>p')
def test_the_pieces_make_up_the_source_and_each_attribute_has_its_place(text: str) -> None:
    source = Source(text, Findings())
    assert "".join(text[piece.start : piece.end] for piece in source.pieces) == text
    for piece in source.pieces:
        if text[piece.start] == "<" and piece.name:
            for attribute in source.attributes(piece):
                end = attribute.start + len(attribute.value)
                assert piece.start < attribute.start <= end < piece.end
                assert text[attribute.start : end] == attribute.value


class TestAFragmentsStyles:
    def test_are_inlined_and_kept_in_the_head_for_media_queries(self) -> None:
        style = "<style>p{color:red}@media(max-width:480px){p{color:blue!important}}</style>"
        limited = style.replace("p{", ".html p{")
        issue = html_issue(f"<p>a</p>{style}<p style='color: green'>b</p>")
        assert '<p style="color: red;">a</p>' in issue.html
        assert '<p style="color: green">b</p>' in issue.html
        head, _, body = issue.html.partition("</head>")
        assert limited in send(head)
        assert "<style" not in body

    def test_for_print_and_in_comments_are_not_inlined(self) -> None:
        issue = html_issue(
            '<style media="print">p{color:red}</style><!-- <style>p{color:blue}</style> -->'
            "<STYLE media=Screen>p{margin:0}</STYLE><p>a</p>"
        )
        assert '<p style="margin: 0;">a</p>' in issue.html
        head = issue.html.partition("</head>")[0]
        assert '<style media="print">.html p{color:red}</style>' in head
        assert "<!-- <style>p{color:blue}</style> --><p" in send(issue.html)

    def test_without_a_start_tag_remove_nothing(self) -> None:
        assert "<p>a</p>b" in html_issue("<p>a</p></style>b</style>").html

    def test_change_neither_our_frame_nor_the_footer(self) -> None:
        issue = html_issue("<style>td, div, p, a { color: red; padding: 9px }</style><p>a</p>")
        frame, _, rest = issue.html.partition("<body")[2].partition('<div class="html"')
        footer = rest.partition('class="footer"')[2]
        assert "red" not in frame + footer
