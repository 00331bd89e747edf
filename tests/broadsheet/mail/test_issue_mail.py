"""What an author writes arrives as written, with the reader's name in it and nothing else."""

import html
import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from broadsheet.domain.issue_requests import HtmlContent, IssueContent, MarkdownContent
from broadsheet.domain.issues import IssueTitle, RenderedIssue
from broadsheet.domain.subscribers import SubscriberName
from broadsheet.domain.writing import has_unstorable
from broadsheet.mail.issue_mail import MAX_TEMPLATE_BYTES, render_issue
from tests.broadsheet.mail.mails import (
    LINKS,
    MANAGE_URL,
    NEWSLETTER,
    TITLE,
    UNSUBSCRIBE_URL,
    UNTIMED,
    URSULA,
    Read,
    html_issue,
    markdown_issue,
    only_what_is_sendable,
    refused,
    send,
    sendable,
    text_of,
    variables,
)

# An issue with such a word is refused, as test_placeholders.py shows.
MISSPELT = re.compile(r"\[\[(?!name\]\])\s{0,3}[^\W\d][\w .,:|'-]{0,60}\s{0,3}\]\]")

# Text that is easily misread: braces of every kind next to each other and to the placeholder.
TRICKY = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "{", "}", "{{", "}}", "{{{", "}}}", "[[name]]", "\\[[name]]", "[[", "]]", "\\",
                "{{name_html}}", "{{name_text}}", "{{left_brace}}", "{{#if}}", "{{/if}}", "{{!",
                "{{>", "{{&", "&#123;&#123;", "&lbrace;", "<", ">", "&", '"', "'", "`", "=", " ",
                "\n", "name", "xn", "y",
            ]
        ),
        st.text(max_size=3).filter(lambda text: not has_unstorable(text)),
    ),
    max_size=14,
).map("".join).filter(lambda text: not MISSPELT.search(text))  # fmt: skip


def _is_title(text: str) -> bool:
    try:
        IssueTitle(text)
    except ValidationError:
        return False
    return True


def _is_name(text: str) -> bool:
    try:
        SubscriberName(text)
    except ValidationError:
        return False
    return True


TITLES = TRICKY.filter(_is_title).map(IssueTitle)
NAMES = (
    st.one_of(
        st.sampled_from(
            ["O'Brien", "Siobhán & Co", "a`b=c", "x onclick=y", "&lt;", "[[name]]", "name_html"]
        ),
        st.text(min_size=1, max_size=12),
    )
    .filter(_is_name)
    .map(SubscriberName)
)


def as_written(text: str, name: SubscriberName) -> str:
    """Return what an author's text should look like, by the documented rule alone."""
    pieces = re.split(r"(\\?\[\[name\]\])", text)
    return "".join(
        {"[[name]]": str(name), "\\[[name]]": "[[name]]"}.get(piece, piece) for piece in pieces
    )


def accepted(document: str) -> RenderedIssue:
    with only_what_is_sendable():
        return html_issue(document)


class TestTheAuthorsTextArrivesAsWritten:
    @UNTIMED
    @given(title=TITLES, name=NAMES)
    @example(title=IssueTitle("{[[name]]}"), name=URSULA)
    @example(title=IssueTitle("{{{[[name]]}}} \\{{x}}"), name=URSULA)
    def test_in_the_subject(self, title: IssueTitle, name: SubscriberName) -> None:
        issue = markdown_issue("Hello", title)
        assert send(issue.subject, name) == as_written(str(title), name)

    @UNTIMED
    @given(title=TITLES, name=NAMES)
    def test_in_the_headline_of_the_html(self, title: IssueTitle, name: SubscriberName) -> None:
        read = Read(send(markdown_issue("Hello", title).html, name))
        assert read.texts["h1"] == as_written(str(title), name)
        assert read.texts["title"] == as_written(str(title), name)

    @UNTIMED
    @given(text=TRICKY.filter(str.strip), name=NAMES)
    @example(text="{", name=URSULA)
    def test_in_the_text_that_an_author_adds_to_html(self, text: str, name: SubscriberName) -> None:
        issue = html_issue("<p>Hello</p>", text)
        sent = send(issue.text, name)
        assert sent.startswith(as_written(text.rstrip("\n"), name) + "\n\n-----")

    @UNTIMED
    @given(text=TRICKY, name=NAMES)
    @example(text='{{"a": {"b": {}}}}', name=URSULA)
    def test_in_a_code_block_of_markdown(self, text: str, name: SubscriberName) -> None:
        lines = [f"| {line}" for line in re.split(r"[\r\n]", text.replace("\0", ""))]
        code = "\n".join(lines)
        issue = markdown_issue(f"~~~\n{code}\n~~~")
        read = Read(send(issue.html, name))
        assert read.texts["code"].rstrip("\n") == as_written(code, name)
        quoted = "\n".join(f"    {line}" for line in lines)
        assert as_written(quoted, name) in send(issue.text, name)

    @UNTIMED
    @given(text=TRICKY.map(lambda text: " ".join(re.findall(r"[^\s\0]+", text))), name=NAMES)
    def test_in_a_paragraph_of_markdown(self, text: str, name: SubscriberName) -> None:
        # Escape Markdown's own marks, but leave the placeholder's backslash alone.
        pieces = re.split(r"(\\?\[\[name\]\])", text)
        markdown = "".join(
            piece if number % 2 else re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", piece)
            for number, piece in enumerate(pieces)
        )
        issue = markdown_issue(f"Dear {markdown} end")
        expected = as_written(f"Dear {text} end", name)
        assert Read(send(issue.html, name)).texts["p"].split("You get this")[0].strip() == expected
        assert "".join(expected.split()) in "".join(send(issue.text, name).split())

    @UNTIMED
    @given(text=TRICKY.map(lambda text: text.replace("\0", "")).filter(bool), name=NAMES)
    def test_in_a_fragment_of_html(self, text: str, name: SubscriberName) -> None:
        escaped = html.escape(text).replace("\r", "&#13;")
        issue = html_issue(f'<h1 title="{escaped}">{escaped}</h1>')
        read = Read(send(issue.html, name))
        assert read.texts["h1"] == as_written(text, name)
        assert as_written(text, name) in [each.get("title") for each in read.attributes]

    @UNTIMED
    @given(text=TRICKY, name=NAMES)
    def test_in_a_whole_document(self, text: str, name: SubscriberName) -> None:
        document = f"<html><body><p>{text}</p></body></html>"
        sent = send(accepted(document).html, name)
        value = variables("", name)["name_html"]
        pieces = re.split(r"(\\?\[\[name\]\])", text)
        expected = "".join(
            {"[[name]]": value, "\\[[name]]": "[[name]]"}.get(piece, piece) for piece in pieces
        )
        assert sent.startswith(f"<html><body><p>{expected}")

    @pytest.mark.parametrize("shell", ["{}", "<html><head>{}</head><body>x</body></html>"])
    def test_in_css(self, shell: str) -> None:
        css = """<style>@media print{.x{content:"{{name_html}}"}}b{c:d}</style>"""
        sent = send(html_issue(shell.replace("{}", css)).html)
        assert css in sent.replace(".html ", "")

    def test_in_a_link(self) -> None:
        issue = html_issue('<a href="https://example.com/?q={{x}}&amp;n={[[name]]}">x</a>')
        urls = [each.get("href") for each in Read(send(issue.html)).attributes]
        assert "https://example.com/?q={{x}}&n={Ursula}" in urls

    def test_in_spite_of_braces_in_the_newsletters_name(self) -> None:
        braces = {"name": "{{Curly}}", "postal_address": "{{{x}}}"}
        newsletter = NEWSLETTER.model_copy(update=braces)
        issue = sendable(render_issue(TITLE, MarkdownContent(markdown="x"), newsletter))
        assert re.search(r'class="masthead"[^>]*>\{\{Curly\}\}<', send(issue.html))
        assert "Sent by Mara Lindqvist, {{{x}}}<" in send(issue.html)
        assert "Sent by Mara Lindqvist\n{{{x}}}\n" in send(issue.text)


class TestANameIsOnlyAName:
    @UNTIMED
    @given(markdown=TRICKY.filter(str.strip), name=NAMES)
    def test_it_adds_no_markup_to_markdown(self, markdown: str, name: SubscriberName) -> None:
        issue = markdown_issue(markdown)
        assert Read(send(issue.html, name)).tags == Read(send(issue.html)).tags
        assert "<" not in variables("", name)["name_html"]

    @UNTIMED
    @given(fragment=TRICKY.filter(str.strip), name=NAMES)
    def test_it_adds_no_attribute_to_html(self, fragment: str, name: SubscriberName) -> None:
        issue = accepted(f"{fragment}<p title=\"[[name]]\" lang='[[name]]'>[[name]]</p>")
        names, usual = (
            [list(each) for each in Read(send(issue.html, each)).attributes]
            for each in (name, URSULA)
        )
        assert names == usual

    @pytest.mark.parametrize(
        "tag",
        [
            "<p title=[[name]]>",
            "<p [[name]]>",
            "<[[name]]>",
            "<p title=x[[name]]>",
            '<p a" [[name]] "b>',
            "<p title='x'[[name]]>",
            "</[[name]]>",
            "<![[name]]>",
            "<p style='color: [[name]]'>",
            "<p onclick='say(\"[[name]]\")'>",
            "<style>p::before { content: '[[name]]' }</style>",
            "<script>say('[[name]]')</script>",
            "<!-- [[name]]> -->",
        ],
    )
    def test_it_is_refused_in_a_tag_outside_of_quotes(self, tag: str) -> None:
        with refused("quotes"):
            html_issue(f"<html><body>{tag}x</body></html>")

    def test_missing_quotes_in_a_fragment_are_added(self) -> None:
        issue = html_issue("<p title=[[name]]>x</p>")
        assert '<p title="Ursula">' in send(issue.html)

    @UNTIMED
    @given(name=NAMES)
    def test_it_leaves_the_subject_one_line(self, name: SubscriberName) -> None:
        issue = markdown_issue("x", IssueTitle("Dear [[name]]"))
        assert send(issue.subject, name).splitlines() == [f"Dear {name}"]

    def test_it_is_escaped_in_html_alone(self) -> None:
        issue = markdown_issue("Dear [[name]],", IssueTitle("For [[name]]"))
        name = SubscriberName("O'Brien & Söhne")
        assert send(issue.subject, name) == "For O'Brien & Söhne"
        assert "Dear O'Brien & Söhne," in send(issue.text, name)
        assert "Dear O&#x27;Brien &amp; Söhne," in send(issue.html, name)

    def test_it_can_be_emphasised_linked_and_put_beside_anything(self) -> None:
        text = text_of("**[[name]]**, _[[name]]_, ([[name]]), [[[name]]](https://x.test)")
        assert text == "*Ursula*, _Ursula_, (Ursula), Ursula (https://x.test)"

    def test_a_name_that_looks_like_a_placeholder_is_not_replaced(self) -> None:
        issue = markdown_issue("Dear [[name]],")
        assert "Dear [[name]]," in send(issue.text, SubscriberName("[[name]]"))

    def test_a_backslash_shows_the_placeholder_itself(self) -> None:
        assert text_of("Write `\\[[name]]` or \\[[name]].") == "Write `[[name]]` or [[name]]."


def test_the_same_issue_is_always_rendered_the_same() -> None:
    assert markdown_issue("Dear [[name]]") == markdown_issue("Dear [[name]]")


CONTENTS = (
    MarkdownContent(markdown="Hello"),
    HtmlContent(html="<p>Hello"),
    HtmlContent(html="<html><body>Hello</body></html>"),
)


class TestTheFooter:
    @pytest.mark.parametrize(
        "issue",
        [
            markdown_issue("Hello"),
            html_issue("<p>Hello"),
            html_issue("<p>Hello</div></td></table><!-- <style> -->"),
            html_issue("<!doctype html><html><body>Hello</body></html>"),
            html_issue("<html>Hello</html>"),
            html_issue("<body>Hello"),
        ],
    )
    def test_has_the_reason_the_sender_and_an_unsubscribe_link(self, issue: RenderedIssue) -> None:
        for part in (send(issue.html), send(issue.text)):
            assert "You get this because you subscribed to The Harbour Letter." in part
            assert "Sent by Mara Lindqvist" in part
        links = [UNSUBSCRIBE_URL, MANAGE_URL, LINKS.archive]
        names = ["Unsubscribe", "Manage your subscription", "View online"]
        for name, link in zip(names, links, strict=True):
            assert f"\n\n{name}\n{link}\n\n" in send(issue.text)
        shown = [each["href"] for each in Read(send(issue.html)).attributes if "href" in each]
        assert shown == links

    @pytest.mark.parametrize("content", CONTENTS, ids=["markdown", "fragment", "document"])
    def test_leads_to_no_page_of_an_issue_without_one(self, content: IssueContent) -> None:
        issue = sendable(render_issue(TITLE, content, NEWSLETTER, has_page=False))
        for part in (send(issue.html), send(issue.text)):
            assert MANAGE_URL in html.unescape(part)
            assert "View online" not in part
            assert "/archive/" not in part

    @pytest.mark.parametrize("content", CONTENTS, ids=["markdown", "fragment", "document"])
    def test_is_in_the_readers_language(self, content: IssueContent) -> None:
        issue = sendable(render_issue(TITLE, content, NEWSLETTER))
        sent = send(issue.html, language="de")
        (footer,) = [each for each in Read(sent).attributes if each.get("role") == "contentinfo"]
        assert (footer["lang"], footer["dir"]) == ("de", "ltr")
        for part in (sent, send(issue.text, language="de")):
            assert "Abbestellen" in part
            assert "Unsubscribe" not in part
            assert "The Harbour Letter" in part

    def test_of_a_document_comes_at_the_end_of_its_body(self) -> None:
        issue = html_issue("<html><body><p>Hello</p></BODY ></html>")
        assert send(issue.html).startswith("<html><body><p>Hello</p><div")
        assert send(issue.html).endswith("</BODY ></html>")


class TestTheFrame:
    def test_has_the_newsletters_language_and_a_title(self) -> None:
        german = NEWSLETTER.model_copy(update={"language": "de"})
        issue = sendable(render_issue(TITLE, MarkdownContent(markdown="Hallo"), german))
        assert '<html lang="de" dir="ltr">' in issue.html
        assert "<title>A title</title>" in issue.html

    def test_has_its_styles_inlined_and_loads_nothing(self) -> None:
        issue = markdown_issue("## Hello\n\nyou")
        assert re.search(r'<h2 style="[^"]*font-size', issue.html)
        assert not {"link", "script", "img"} & set(Read(issue.html).tags)

    def test_shows_the_title_unless_the_content_has_a_headline(self) -> None:
        assert send(markdown_issue("Hello").html).count("<h1") == 1
        assert send(markdown_issue("Hello").text).startswith("A title\n=======\n\nHello")
        own = markdown_issue("# My own\n\nHello")
        assert "A title</h1>" not in own.html
        assert own.text.startswith("My own\n======\n\nHello")
        assert "A title</h1>" not in html_issue("<div><H1>My own</H1></div>").html

    def test_keeps_a_fragments_style_and_closes_open_elements(self) -> None:
        issue = html_issue('<style>.a{color:red}</style><p class="a">x <b>y')
        assert '<p class="a" style="color: red;">x <b>y</b></p>' in issue.html
        head, _, body = issue.html.partition("<body")
        assert "<style>.html .a{color:red}</style>" in head
        assert "<style" not in body

    def test_follows_the_readers_dark_mode_only_where_the_colours_are_ours(self) -> None:
        assert "prefers-color-scheme: dark" in markdown_issue("x").html
        assert "prefers-color-scheme: dark" not in html_issue("<p>x</p>").html


class TestMarkdown:
    def test_shows_html_as_typed_in_both_versions(self) -> None:
        issue = markdown_issue("a <b>c</b>")
        assert "a &lt;b&gt;c&lt;/b&gt;" in issue.html
        assert "a <b>c</b>" in issue.text

    @pytest.mark.parametrize(
        ("markdown", "plain"),
        [
            ("a <!-- b --> c", "a c"),
            ("a\n\n<!-- b -->\n\nc", "a\n\nc"),
            ("a\n\n<!--\nb\n\nb\n\n- b\n-->\n\nc", "a\n\nc"),
            ("<!-- b\n\nb --> *c*", "_c_"),
            ("<!-- b --> *c* <!---->d<!-->e", "_c_ de"),
            ("- a\n\n  <!-- b\n\n  b -->\n\n  c\n- d", "- a\n\n  c\n\n- d"),
            ("> a\n> <!-- b\n>\n> b -->\n> c", "> a\n> \n> c"),
            ("| a |\n|---|\n| b <!-- c --> |", "a\n--\nb"),
            ("`<!-- a -->` \\<!-- b -->", "`<!-- a -->` <!-- b -->"),
            ("```\n<!-- a\n```", "    <!-- a"),
            ("    <!-- a", "    <!-- a"),
        ],
    )
    def test_leaves_comments_out_of_both_versions(self, markdown: str, plain: str) -> None:
        assert text_of(markdown) == plain
        assert markdown_issue(markdown).html.count("<!--") == markdown_issue("x").html.count("<!--")

    @pytest.mark.parametrize(
        "markdown", ["a\n<!-- b\n\nc", "a\nb <!-- c\n\nd -->", "a\n> <!-- b\n\n-->"]
    )
    def test_refuses_a_comment_that_never_ends(self, markdown: str) -> None:
        with refused(r"^line [12]: the comment \(<!--\) never ends"):
            markdown_issue(markdown)

    def test_shows_what_begins_from_right_to_left_in_that_direction(self) -> None:
        html = markdown_issue("Hello שלום\n\n**שלום** world\n\n## مرحبا\n\n- שלום\n- a").html
        assert re.findall(r'<(\w+) [^>]*dir="rtl"', html) == ["p", "h2", "li"]

    def test_breaks_a_line_at_br(self) -> None:
        assert text_of("a<br>b<BR />c\n\n| d<br/>e |\n|---|") == "a\nb\nc\n\nd e\n---"
        assert "<p" in (html := markdown_issue("a<br>b `<br>`").html)
        assert "a<br>\nb <code" in html
        assert "&lt;br&gt;</code>" in html

    @pytest.mark.parametrize("scheme", ["javascript:alert(1)", "vbscript:x", "file:///etc/passwd"])
    def test_makes_no_link_of_a_dangerous_address(self, scheme: str) -> None:
        links = [
            each.get("href") for each in Read(markdown_issue(f"[x]({scheme})").html).attributes
        ]
        assert scheme not in links

    def test_shows_deeply_nested_text_or_refuses_it(self) -> None:
        assert "the bottom" in text_of("> " * 48 + "the bottom")
        with refused("more than 50 levels"):
            markdown_issue("> " * 51 + "the bottom")


@pytest.mark.parametrize(
    "markdown",
    [
        "> " * 3000 + "x",
        "".join(" " * 2 * depth + "- x\n" for depth in range(60)),
        "*" * 3000 + "x" + "*" * 3000,
        "**x " * 20_000 + "x**" * 20_000,
        "![" * 2000 + "x" + "](y)" * 2000,
        "~~x " * 5000 + "x~~" * 5000,
    ],
    ids=["quotations", "lists", "emphasis", "strong", "images", "strikethrough"],
)
def test_markdown_that_is_nested_too_deeply_is_refused(markdown: str) -> None:
    with refused("nested"):
        markdown_issue(markdown)


@pytest.mark.parametrize(
    "tag", ["<b>", "<div>", "<p><span>", "<table><tr><td>", "<DIV\n>", "<x-y/>"]
)
def test_html_that_is_nested_too_deeply_is_refused_and_does_not_end_the_process(tag: str) -> None:
    with refused("nested more than 500 levels"):
        html_issue(tag * 20_000 + "x")


def test_html_without_optional_end_tags_does_not_count_as_deep() -> None:
    html_issue("<p>a<br><ul><li>b<li>c</ul>" * 1000)


def test_a_template_that_is_too_large_for_ses_is_refused_with_its_size() -> None:
    with refused(r"[\d,]+ bytes as JSON; SES takes 1,000,000"):
        html_issue("é" * 200_000)
    issue = html_issue("x" * 400_000, "y" * 400_000)
    assert len(json.dumps(issue.model_dump())) < MAX_TEMPLATE_BYTES
