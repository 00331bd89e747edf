"""The plain text that is made from an author's HTML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.domain.issue_requests import HtmlContent
from broadsheet.domain.issues import IssueTitle, Preheader
from broadsheet.mail.issue_mail import render_issue
from tests.broadsheet.mail.mails import (
    NEWSLETTER,
    TITLE,
    UNTIMED,
    only_what_is_sendable,
    send,
    sendable,
)


def mail(html: str, preheader: Preheader | None = None) -> str:
    content = HtmlContent(html=html)
    return send(sendable(render_issue(TITLE, content, NEWSLETTER, preheader)).text)


def text(html: str) -> str:
    """Return the text of a fragment, without the headline and the footer."""
    return mail(f"<h1>T</h1>{html}").partition("=\n\n")[2].partition("\n\n-----------")[0]


@pytest.mark.parametrize(
    ("html", "plain"),
    [
        ("<h2>Two</h2><h3>Three</h3><p>a", "Two\n---\n\nThree\n\na"),
        ("<p>a\n   b<p>c", "a b\n\nc"),
        ("<div>a<div>b</div>c</div>", "a\n\nb\n\nc"),
        ("a<br>b<br><br>c<br>", "a\nb\n\nc"),
        ("<h2>a<br>b</h2>", "a b\n---"),
        ("<p><i>a</i> <b>b</b> <del>c</del> <code>d</code>", "_a_ *b* ~~c~~ `d`"),
        ("<p>a<b> b </b>c<b> </b>d", "a *b* c d"),
        ("<b>a<p>b</p></b><strong><b>c</b></strong>", "*a*\n\n*b*\n\n*c*"),
        ("<ul><li>a<li>b<ul><li>c</ul><li>d</ul>", "- a\n- b\n  - c\n- d"),
        ("<ul><li>a</li><ul><li>b</li></ul></ul>", "- a\n  - b"),
        ("<ul><li><p>a</p></li><li><p>b</p></li></ul>", "- a\n\n- b"),
        ("<ol start=9><li>a<li>b</ol>", "9. a\n10. b"),
        ("<ol start=x><li>a</ol><li>b", "1. a\n\nb"),
        ("<blockquote><p>a<p>b<blockquote>c</blockquote></blockquote>", "> a\n> \n> b\n> \n> > c"),
        ("<p>a<hr>b", "a\n\n* * *\n\nb"),
        ("<pre>\na  b\n\n  <b>c</b>\n</pre>", "    a  b\n\n      c"),
        ("<p>a<a href='https://x.test/?a=1&amp;b=2'> b</a>, c", "a b (https://x.test/?a=1&b=2), c"),
        ("<a href='https://x.test/'>https://x.test/</a>", "https://x.test/"),
        ("<a href='mailto:a@x.test'>a@x.test</a>", "a@x.test"),
        ("<p id=b><a name=a>a</a> <a href='#b'>b</a>", "a b"),
        ("<a href='https://x.test/'><img src='https://x.test/p.png' alt='the pier'></a>",
         "the pier (https://x.test/)"),
        ("<a href='https://x.test/'><img src='https://x.test/p.png' alt=''></a>",
         "https://x.test/"),
        ("<a href='https://x.test/'><h4>a</h4><p>b</p></a>", "a (https://x.test/)\n\nb"),
        ("a<img src='https://x.test/p.png'>b<a href='https://x.test/'></a>", "ab"),
        ("<p>R&amp;D &lt;b&gt; &copy;&nbsp;we &eacute;", "R&D <b> ©\u00a0we é"),
        ("<p>har&shy;bour<p>&nbsp;<p>&#8203;<p>a", "harbour\n\na"),
        ("a<!-- b --><!--[if mso]><p>c</p><![endif]--><![if !mso]>d<![endif]>", "ad"),
        ("<style>p{color:red}</style>a<script>b</script><title>c</title><video>d</video>", "a"),
        ("<svg><text>a</text></svg><select><option>b</select><textarea>c</textarea>d", "d"),
        ("<dl><dt>a<dd>b</dl><figure><figcaption>c</figcaption></figure>", "a\n\nb\n\nc"),
    ],
)  # fmt: skip
def test_html_reads_as_plain_text(html: str, plain: str) -> None:
    assert text(html) == plain


@pytest.mark.parametrize(
    "hidden",
    [
        "<div style='display:none'>no<p>no</div>",
        "<div style='DISPLAY : none !important; max-height:0'><div>no</div>no</div>",
        "<span style='visibility:hidden'>no</span>",
        "<div style='max-height:0px;overflow:hidden'>no</div>",
        "<p hidden>no<p>",
        "<style>.pre{display:none}</style><div class='a pre'>no</div>",
        "<img style='display:none' alt=no src='https://x.test/p.png'>",
        "<table><tr style='display:none'><td>no</table>",
        "<pre hidden>no</pre>",
    ],
)
def test_what_the_html_hides_is_left_out(hidden: str) -> None:
    assert text(f"<p>a{hidden}<p>b") == "a\n\nb"


@pytest.mark.parametrize(
    "shown",
    [
        "<style>@media (max-width:9px){.wide{display:none}}</style><p class=wide>yes",
        "<p style='max-height:20px'>yes",
        "<p style='display:block'>yes",
    ],
)
def test_what_the_html_shows_is_kept(shown: str) -> None:
    assert text(shown) == "yes"


def test_a_table_with_a_row_of_headers_has_columns() -> None:
    rows = "<tr><td>Runa<td><b>4</b></tr><tr><td>Solveig</tr>"
    table = f"<table><caption>Ships</caption><tr><th>Ship<th>Quay</tr>{rows}</table>"
    assert text(table) == "Ships\n\nShip    | Quay\n--------+-----\nRuna    | *4*\nSolveig |"


def test_short_rows_without_headers_are_lines() -> None:
    rows = "<tr><td>Runa</td>\n <td></td><td>4</td></tr><tr><td>Solveig<td>5<td></tr>"
    assert text(f"a<table>{rows}</table>b") == "a\n\nRuna | 4\nSolveig | 5\n\nb"


def test_tables_that_lay_out_a_mail_leave_no_trace() -> None:
    cell = f"<td><p>{'word ' * 30}</p></td>"
    inner = f"<table><tr>{cell}{cell}</tr></table>"
    lines = text(f"<table role=presentation><tr><td>{inner}<tr><td>a<tr><td>b</table>").split("\n")
    assert lines[-3:] == ["a", "", "b"]
    assert all(line.startswith("word") for line in lines[:-4] if line)
    assert all(len(line) <= 78 for line in lines)


def test_placeholders_are_filled_in_as_in_the_html() -> None:
    link = "<a href='https://x.test/?n=[[name]]'>yours</a>"
    assert text(f"<p>Dear [[name]], {link}") == "Dear Ursula, yours (https://x.test/?n=Ursula)"
    assert text(r"<p>\[[name]] \[[word]] <code>[[word]]</code>") == "[[name]] [[word]] `[[word]]`"
    assert text("<p>{{name}} <img src='https://x.test/p.png' alt='[[name]]'>") == "{{name}} Ursula"


def test_the_title_is_the_headline_unless_the_fragment_has_one() -> None:
    assert mail("<p>Hello").startswith("A title\n=======\n\nHello\n")
    assert mail("<h1>My own</h1>Hello").startswith("My own\n======\n\nHello\n")


def test_a_whole_document_has_a_text_too() -> None:
    head = "<title>t</title><style>.pre{display:none}</style>"
    document = f"<!doctype html><html><head>{head}</head><body><p class=pre>p<p>[[name]]</html>"
    assert mail(document).startswith("Ursula\n\n-----------")
    assert mail(document, preheader=Preheader("Look")).count("Look") == 0


def test_an_error_is_reported_once() -> None:
    html = "<html><body><p>Dear [[nmae]]</p></body></html>"
    rendering = render_issue(TITLE, HtmlContent(html=html), NEWSLETTER)
    assert [each.code for each in rendering.findings].count("unknown-placeholder") == 1


def test_the_inbox_shows_the_first_sentence_and_no_address() -> None:
    html = "<h2>News</h2><p>The <a href='https://x.test/'>ferry</a> sails again on Monday. More."
    issue = sendable(render_issue(IssueTitle("One"), HtmlContent(html=html), NEWSLETTER)).html
    assert "The ferry sails again on Monday." in issue


def test_a_text_that_the_author_gives_stays_as_it_is() -> None:
    content = HtmlContent(html="<p>Hello", text="My  own\ntext")
    assert render_issue(TITLE, content, NEWSLETTER).issue.text.startswith("My  own\ntext\n")


TAGS = st.sampled_from(
    "a b i p h2 ul ol li blockquote pre table tr th td div br hr svg".split()  # noqa: SIM905
)
PIECES = st.one_of(
    st.builds("<{}>".format, TAGS),
    st.builds("</{}>".format, TAGS),
    st.sampled_from(["x", " ", "\n", "&nbsp;", "<a href='https://x.test/'>", "<p hidden>"]),
)


@UNTIMED
@given(html=st.lists(PIECES, min_size=1, max_size=30).map("".join))
def test_any_html_has_a_plain_text(html: str) -> None:
    with only_what_is_sendable():
        render_issue(TITLE, HtmlContent(html=f".{html}"), NEWSLETTER)


def test_deep_nesting_has_a_plain_text() -> None:
    assert "x" in text("<ul><li><blockquote>" * 160 + "x")
