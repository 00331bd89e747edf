"""Placeholders stand for each reader's own values; a misspelt one is found before that."""

import html
import re
from urllib.parse import quote

import pytest

from broadsheet.domain.issue_requests import HtmlContent, IssueContent, MarkdownContent
from broadsheet.domain.issues import IssueTitle
from broadsheet.domain.subscribers import SubscriberName
from broadsheet.mail.issue_mail import render_issue
from tests.broadsheet.mail.mails import (
    LINKS,
    MANAGE_URL,
    NEWSLETTER,
    TITLE,
    UNSUBSCRIBE_URL,
    Read,
    html_issue,
    markdown_issue,
    refused,
    send,
    sendable,
    text_of,
)

MARY = SubscriberName("Mary Ann & Zoë?#%")
ENCODED = "Mary%20Ann%20%26%20Zo%C3%AB%3F%23%25"


class TestANameInAnAddress:
    def test_is_percent_encoded_in_a_link_of_markdown(self) -> None:
        issue = markdown_issue("Hello [[name]], [log in](https://x.test/[[name]]?a=1&n=[[name]]).")
        url = f"https://x.test/{ENCODED}?a=1&n={ENCODED}"
        assert url in [each.get("href") for each in Read(send(issue.html, MARY)).attributes]
        assert f"Hello {MARY}, log in ({url})." in send(issue.text, MARY)

    @pytest.mark.parametrize(
        "markdown", ["![x](https://x.test/[[name]].png)", "<https://x.test/[[name]].png>"]
    )
    def test_is_percent_encoded_in_an_image_and_in_a_bare_link(self, markdown: str) -> None:
        sent = send(markdown_issue(markdown).html, MARY)
        assert f'"https://x.test/{ENCODED}.png"' in sent
        assert str(MARY) not in sent

    @pytest.mark.parametrize(
        "tag",
        [
            '<a href="https://x.test/?n=[[name]]">x</a>',
            "<img src='https://x.test/?n=[[name]]'>",
            '<img srcset="https://x.test/?n=[[name]] 2x">',
            '<td background="https://x.test/?n=[[name]]">x</td>',
            "<a href=https://x.test/?n=[[name]]>x</a>",
            '<a title="https://x.test/?n=[[name]]">x</a>',
            "<p>https://x.test/?n=[[name]]</p>",
            '<!--[if mso]><v:rect href="https://x.test/?n=[[name]]"><![endif]-->',
        ],
    )
    def test_is_percent_encoded_in_html(self, tag: str) -> None:
        sent = send(html_issue(f"<table><tr><td>{tag}</td></tr></table>").html, MARY)
        assert f"https://x.test/?n={ENCODED}" in sent

    def test_is_percent_encoded_in_an_address_in_plain_text(self) -> None:
        issue = html_issue("<p>x</p>", "[[name]]: https://x.test/?n=[[name]] <[[name]]>")
        expected = f"{MARY}: https://x.test/?n={ENCODED} <{MARY}>"
        assert send(issue.text, MARY).startswith(expected)

    @pytest.mark.parametrize(
        "host", ["[[name]]", "[[name]].x.test", "[[name]]@x.test", "x[[name]]"]
    )
    def test_is_refused_in_the_name_of_the_host(self, host: str) -> None:
        with refused(r"^line 1: https://.* has \[\[name\]\] in the name"):
            markdown_issue(f"[x](https://{host}/)")
        with refused(r"^line 1 of the HTML: http.* has \[\[name\]\] in the name"):
            html_issue(f'<a href="https://{host}/">x</a>')


class TestAFallback:
    @pytest.mark.parametrize(
        ("typed", "fallback"),
        [("friend", "friend"), (" dear friend! ", "dear friend!"), ("", ""), ("R&amp;D 'n' \"x\"",
         "R&D 'n' \"x\""), ("Zoë, 愛", "Zoë, 愛"), ("a|b", "a|b")],
    )  # fmt: skip
    def test_stands_for_the_name_of_who_gave_none(self, typed: str, fallback: str) -> None:
        placeholder = f"[[name|{typed}]]"
        issue = markdown_issue(f"Hello {placeholder}, **{placeholder}**.", IssueTitle(placeholder))
        assert send(issue.subject, "") == fallback
        assert f"Hello {fallback}, *{fallback}*." in send(issue.text, "")
        assert f"Hello {html.escape(fallback)}, <strong>" in send(issue.html, "")
        assert send(issue.subject, MARY) == str(MARY)
        assert f"Hello {MARY}, *{MARY}*." in send(issue.text, MARY)

    def test_is_escaped_in_an_attribute_and_encoded_in_an_address(self) -> None:
        tag = '<a title="For [[name|a &amp; b]]" href="https://x.test/?n=[[name|a &amp; b]]">x</a>'
        issue = html_issue(f"<p>{tag}</p>", "https://x.test/[[name|a & b]]")
        for name, shown, encoded in (
            ("", "a &amp; b", "a%20%26%20b"),
            (MARY, html.escape(str(MARY)), ENCODED),
        ):
            assert f'title="For {shown}"' in send(issue.html, name)
            assert f"https://x.test/?n={encoded}" in send(issue.html, name)
            assert f"https://x.test/{encoded}" in send(issue.text, name)

    def test_may_stand_in_a_table_and_differ_from_place_to_place(self) -> None:
        text = text_of("| A | B |\n|---|---|\n| [[name|one]] | [[name|two]] |")
        assert "Ursula | Ursula" in text
        issue = markdown_issue("[[name|one]] [[name|two]] [[name]]")
        assert "one two reader" in send(issue.text, "")

    def test_is_shown_as_typed_after_a_backslash(self) -> None:
        assert text_of("Write \\[[name|friend]].") == "Write [[name|friend]]."
        issue = html_issue("<p>\\[[name|a &amp; b]]", "\\[[name|friend]]")
        assert "<p>[[name|a &amp; b]]</p>" in issue.html
        assert issue.text.startswith("[[name|friend]]")

    def test_too_many_different_ones_are_refused(self) -> None:
        with refused("more than 100 different placeholders"):
            markdown_issue(" ".join(f"[[name|{n}]]" for n in range(101)))

    def test_is_refused_in_the_name_of_a_host_and_in_markup(self) -> None:
        with refused("in the name of its host"):
            markdown_issue("[x](https://[[name|a]].x.test/)")
        with refused("attribute's quotes, not elsewhere"):
            html_issue("<style>p::after{content:'[[name|a]]'}</style><p>x")


@pytest.mark.parametrize(
    ("placeholder", "url"),
    [
        ("[[unsubscribe]]", UNSUBSCRIBE_URL),
        ("[[manage]]", MANAGE_URL),
        ("[[archive]]", LINKS.archive),
    ],
    ids=["unsubscribe", "manage", "archive"],
)
class TestALink:
    def test_is_an_address_by_itself(self, placeholder: str, url: str) -> None:
        issue = markdown_issue(f"[Go]({placeholder}) or ![x](https://x.test/b.png).")
        assert f'<a href="{html.escape(url)}"' in send(issue.html).partition('class="footer"')[0]
        assert f"Go ({url}) or x." in send(issue.text)
        for tag in (f'<a href="{placeholder}">', f"<a href=' {placeholder} '>"):
            sent = send(html_issue(f"{tag}Go</a>").html)
            assert html.escape(url) in sent.partition('class="footer"')[0]

    def test_is_percent_encoded_inside_another_address(self, placeholder: str, url: str) -> None:
        encoded = quote(url, safe="")
        issue = markdown_issue(f"[x](https://x.test/?back={placeholder})")
        assert f"https://x.test/?back={encoded}" in send(issue.html)
        assert f"https://x.test/?back={encoded}" in send(issue.text)

    def test_is_shown_where_it_stands_in_a_text(self, placeholder: str, url: str) -> None:
        assert f"Go: {url}" in " ".join(text_of(f"Go: {placeholder}").split())
        issue = html_issue(f"<p title='{placeholder}'>Go: {placeholder}</p>", f"Go: {placeholder}")
        assert f"Go: {html.escape(url)}" in send(issue.html)
        assert f'title="{html.escape(url)}"' in send(issue.html)
        assert send(issue.text).startswith(f"Go: {url}")


class TestALinkToThePageInTheArchive:
    CONTENTS = (
        ("line 2", MarkdownContent(markdown="See\n[this]([[archive]])")),
        ("line 1", MarkdownContent(markdown="![[[archive]]](https://x.test/b.png)")),
        ("line 1 of the HTML", HtmlContent(html='<a href="[[archive]]">x</a>')),
        ("line 1 of the HTML", HtmlContent(html='<a href="https://x.test/?x=[[archive]]">x</a>')),
        ("line 2 of the text", HtmlContent(html="<p>x</p>", text="x\n[[archive]]")),
    )

    @pytest.mark.parametrize(("where", "content"), CONTENTS, ids=range(len(CONTENTS)))
    def test_is_refused_with_its_line_where_there_is_no_page(
        self, where: str, content: IssueContent
    ) -> None:
        assert sendable(render_issue(TITLE, content, NEWSLETTER))

        rendering = render_issue(TITLE, content, NEWSLETTER, has_page=False)

        assert {(each.code, each.where) for each in rendering.findings} == {
            ("no-archive-page", where)
        }

    def test_is_refused_in_a_title_and_shown_after_a_backslash(self) -> None:
        for title, findings in (("[[archive]]", ["no-archive-page"]), ("\\[[archive]]", [])):
            content = MarkdownContent(markdown="\\[[archive]]")
            rendering = render_issue(IssueTitle(title), content, NEWSLETTER, has_page=False)
            assert [each.code for each in rendering.findings] == findings


class TestALinkThatLeadsNowhere:
    @pytest.mark.parametrize(
        "address",
        [
            "about.html", "/about", "//x.test/", "www.example.com", "example.com:8080/x", "?a=b",
            "http://", "https:/x.test", "localhost:8000/x", "{{unsubscribe}}", "*|UNSUB|*",
        ],
    )  # fmt: skip
    def test_is_refused_with_its_line(self, address: str) -> None:
        with refused(rf"^line 4: a link leads to {re.escape(address)}, which is no whole"):
            markdown_issue(f"Hello\n\n- one\n  and [our *page*](<{address}>)")
        with refused(rf"^line 2: an image is at {re.escape(address)}, which is no whole"):
            markdown_issue(f"Hello\n![pier](<{address}>)")
        for tag, what in (
            ("a href", "a link leads to"),
            ("img src", "an image is at"),
            ("td background", "an image is at"),
        ):
            with refused(f"^line 2 of the HTML: {what} "):
                html_issue(f"<table><tr>\n<{tag}='{address}'>x")

    def test_is_refused_with_a_correction(self) -> None:
        with refused(r"www\.x\.test.*: write https://www\.x\.test$"):
            markdown_issue("[x](www.x.test)")
        with refused("^line 1: a link or an image has no address"):
            markdown_issue("[x]()")

    @pytest.mark.parametrize(
        "address",
        [
            "https://x.test", "HTTP://x.test/a?b=c", "mailto:a@x.test", "tel:+49301234", "sms:1",
            "https://münchen.example/ß", "webcal://x.test/a.ics",
        ],
    )  # fmt: skip
    def test_is_not_suspected_in_a_whole_address(self, address: str) -> None:
        markdown_issue(f"[x]({address}) <https://x.test/>")
        html_issue(f"<a href=' {address}\n'>x</a> <a href='#top'>y</a> <a name=top>z</a>")

    @pytest.mark.parametrize(
        "fragment",
        [
            "<img src='https://x.test/a.png' srcset='rel.png 1x'>",
            "<img srcset='https://x.test/a,b.png 1x, rel.png 2x'>",
            "<img srcset='https://x.test/a.png, rel.png 2x'>",
            "<picture><source srcset='rel.png'></picture>",
            "<video><source src='rel.mp4'></video>",
            "<video src='rel.mp4'></video>",
            "<video poster='rel.png'></video>",
            "<table><tr background='rel.png'><td>x</table>",
            "<table><tr><th background='rel.png'>x</table>",
            "<p style='background:url(rel.png)'>x",
            "<p style='color:red;background:URL( &quot;rel.png&quot; )'>x",
            "<p style=\"background:url('rel.png')\">x",
            "<style>a{b:url(https://x.test/) url(rel.png)}</style>",
            "<style>a{b:url('https://x.test/') url( 'rel.png')}</style>",
            "<style>a{b:'x' url(\"rel.png\")}</style>",
            "<style>/* a's */ a{b:url('rel.png')}</style>",
            "<style media=print>@font-face{src:url(rel.woff)}</style>",
        ],
    )
    def test_is_refused_wherever_a_mail_shows_what_it_leads_to(self, fragment: str) -> None:
        for shell in ("<p>x</p>\n{}", "<html><body>\n{}</body></html>"):
            with refused(r"^line 2 of the HTML: an image is at rel\."):
                html_issue(shell.replace("{}", fragment))

    def test_is_refused_in_the_background_of_a_body_and_in_the_line_of_a_style(self) -> None:
        with refused("^line 2 of the HTML: an image is at rel"):
            html_issue("<html>\n<body background=rel.png>x</body></html>")
        with refused("^line 4 of the HTML: an image is at rel"):
            html_issue("<p>x</p>\n<style>\na{}\nb{c:url(rel.png)}</style>")

    @pytest.mark.parametrize(
        "fragment",
        [
            "<img srcset=' https://x.test/a,b.png 1x,https://x.test/c.png 2x ,'>",
            "<img srcset='data:image/gif;base64,R0lGOD 1x, cid:logo 2x' src='cid:logo'>",
            "<p style='background:url(#a) url(https://x.test/a.png), url()'>x</p>",
            "<p style='background:url(data:image/png;base64,iVBORw0)'>(rel.png)</p>",
            "<style>/* url(rel.png) */ a::before{content:'url(rel.png) \\' url(b.png)'}</style>",
            "<style>a{b:my-url(rel.png);behavior:url(#default#VML)}</style>",
            "<p title='url(rel.png)' data-x='url(rel.png)'>x</p>",
        ],
    )
    def test_is_none_that_is_whole_or_no_address(self, fragment: str) -> None:
        html_issue(f"<p>y</p>{fragment}")
        html_issue(f"<html><body>{fragment}</body></html>")

    def test_is_allowed_in_code_and_where_no_reader_follows_it(self) -> None:
        markdown_issue("`[x](y.html)`\n\n    ![x](y.png)\n\n\\[x](y.html)")
        html_issue(
            "<html><head><link rel=icon href=/favicon.ico></head><body>"
            "<!-- <a href=x.html> --><textarea><a href=x.html></textarea></body></html>"
        )


class TestAMisspeltPlaceholder:
    @pytest.mark.parametrize(
        "word",
        ["nome", "Name", " name ", "NAME", "first name", "first_name", "name:friend", "vorname",
         "Ünsubscribe"],
    )  # fmt: skip
    def test_is_refused_with_its_line_wherever_readers_would_see_it(self, word: str) -> None:
        for markdown in (
            f"Hello\n\nDear\n[[{word}]],",
            f"Hello\n\n\n- **[[{word}]]**",
            f"\n\n\n| [[{word}]] |\n|-|\n| b |",
            f"Hello\n<br>\n\n![[[{word}]]](https://x.test/)",
            f"Hello\n\n<!-- a\n\nb --> [[{word}]]",
        ):
            with refused(r"^line \d: .*\]\] is no placeholder: write \[\[name\]\]"):
                markdown_issue(markdown)
        with refused(r"^line 4: .*\]\] is no placeholder"):
            markdown_issue(f"Hello\n\nDear\n[[{word}]],")
        for document in (f"<p>\nDear [[{word}]]", f"<img alt='x'>\n<p title='a [[{word}]]'>x"):
            with refused(r"^line 2 of the HTML: .*\]\] is no"):
                html_issue(document)
        with refused(r"^line 3 of the text: .*\]\] is no"):
            html_issue("<p>x</p>", f"Dear\n\n[[{word}]],")
        with refused(r"^the title: .*\]\] is no"):
            markdown_issue("Hello", IssueTitle(f"For [[{word}]]"))

    def test_is_refused_in_a_links_address(self) -> None:
        with refused("is no placeholder"):
            markdown_issue("[x](https://x.test/?n=[[nome]])")
        with refused("is no placeholder"):
            html_issue("<a href='https://x.test/?n=[[nome]]'>x</a>")

    def test_is_refused_with_what_to_write_instead(self) -> None:
        with refused(
            "^line 1 of the HTML: "
            + re.escape(
                "[[ name]] is no placeholder: write [[name]] for the reader's name, "
                "or \\[[ name]] to show the brackets"
            )
        ):
            html_issue("<p>Dear [[&nbsp;name]]")

    def test_is_shown_with_its_brackets_after_a_backslash(self) -> None:
        assert text_of("A wiki links by \\[[Main Page]].") == "A wiki links by [[Main Page]]."
        issue = html_issue(
            "<p title='\\[[x]]'>by \\[[Main Page]]", "by \\[[Main Page]]", IssueTitle("\\[[RFC]]")
        )
        assert '<p title="[[x]]">by [[Main Page]]</p>' in issue.html
        assert issue.text.startswith("by [[Main Page]]")
        assert issue.subject == "[[RFC]]"

    def test_is_not_suspected_in_code(self) -> None:
        assert text_of("`[[Main Page]]` and `\\[[a]]`") == "`[[Main Page]]` and `\\[[a]]`"
        assert text_of("```toml\n[[package]]\n```") == "    [[package]]"
        code = "<pre>[[package]]\n\\[[x]]</pre> <code>[[Main Page]]</code>"
        assert code in html_issue(code).html

    def test_is_not_suspected_in_brackets_that_hold_no_word(self) -> None:
        shown = text_of('[[1]] and [[ -f x ]] and [["a"]] and [[]] and [[PDF]](https://x.test/)')
        assert shown == '[[1]] and [[ -f x ]] and [["a"]] and [[]] and [PDF] (https://x.test/)'
        html_issue('<p data-x=\'[["a", 1]]\' style="x:[[a]]">[[1,2]] [ [a] ]')
