"""Markdown as authors know it: footnotes, tasks, bare addresses, quotes and line breaks."""
# ruff: noqa: RUF001 - the quotation marks of languages are meant

import re

import pytest

from broadsheet.domain.findings import Finding
from broadsheet.domain.issue_requests import MarkdownContent
from broadsheet.mail.issue_mail import render_issue
from broadsheet.web import sentences
from tests.broadsheet.mail.mails import (
    NEWSLETTER,
    TITLE,
    Read,
    markdown_issue,
    refused,
    send,
    text_of,
)

NOTES = """The pier opens in May.[^pier] So does the café.[^cafe][^pier]

[^cafe]: From nine to five.

    On Sundays from *ten*.
[^pier]: The harbour master says so.

The last paragraph.
"""


def content_of(markdown: str) -> str:
    """Return the HTML of an issue's content, without styles and our frame."""
    return without_styles(send(markdown_issue(f"# T\n\n{markdown}").html))


def without_styles(html: str) -> str:
    content = re.sub(r' (style|class)="[^"]*"', "", html.partition("</h1>")[2])
    return content.partition("</div>")[0].strip()


def found_in(markdown: str) -> list[Finding]:
    return [*render_issue(TITLE, MarkdownContent(markdown=markdown), NEWSLETTER).findings]


def warned(markdown: str) -> list[tuple[str | None, str]]:
    return [(each.where, sentences.of_finding(each)) for each in found_in(markdown)]


class TestFootnotes:
    def test_their_text_is_at_the_end_in_the_order_of_their_references(self) -> None:
        text = text_of(NOTES)
        assert text == (
            "The pier opens in May.[1] So does the café.[2][1]\n\nThe last paragraph.\n\n* * *\n\n"
            "[1] The harbour master says so.\n\n"
            "[2] From nine to five.\n\n    On Sundays from _ten_."
        )

    def test_they_read_well_where_a_mail_program_jumps_nowhere(self) -> None:
        html = content_of(NOTES)
        assert "May.<sup>[1]</sup> So does the café.<sup>[2]</sup><sup>[1]</sup>" in html
        notes = html.partition("<ol>")[2]
        assert notes.index("The harbour master") < notes.index("From nine to five")
        assert "<em>ten</em>" in notes
        assert not {"href", "id"} & {name for each in Read(html).attributes for name in each}

    def test_one_may_stand_in_a_table_and_in_another_note(self) -> None:
        text = text_of("| Ship |\n|---|\n| Runa[^1] |\n\n[^1]: See the other.[^2]\n[^2]: A list.\n")
        assert "Runa[1]" in text
        assert text.endswith("[1] See the other.[2]\n\n[2] A list.")

    def test_one_that_nothing_refers_to_is_an_error_since_nobody_would_read_it(self) -> None:
        with refused(r"line 3: nothing refers to the footnote a: write \[\^a\] where it belongs"):
            markdown_issue("Text\n\n[^a]: lost")

    def test_a_reference_to_none_is_shown_as_typed_with_a_warning(self) -> None:
        markdown = "One[^1],\ntwo[^2].\n\n[^1]: One.\n"
        assert warned(markdown) == [
            ("line 2", "there is no footnote [^2]: write [^2]: and its text on a line")
        ]
        assert "two[^2]." in text_of(markdown)

    def test_a_second_definition_is_kept_with_a_warning(self) -> None:
        markdown = "One[^1]\n\n[^1]: First.\n\n[^1]: Second.\n"
        assert [where for where, _ in warned(markdown)] == ["line 5"]
        assert text_of(markdown).endswith("[1] First.\n\n    Second.")

    def test_an_escaped_one_and_code_are_shown_as_typed(self) -> None:
        markdown = "\\[^1] and `[^1]`\n\n    [^1]: code\n"
        assert warned(markdown) == []
        assert text_of(markdown) == "[^1] and `[^1]`\n\n    [^1]: code"

    def test_a_definition_inside_another_is_a_note_of_its_own(self) -> None:
        markdown = "One[^1]\n\n[^1]: First.[^2]\n\n    [^2]: Second.\n\n    More.\n"
        assert text_of(markdown).endswith("[1] First.[2]\n\n    More.\n\n[2] Second.")

    def test_too_many_inside_each_other_are_refused(self) -> None:
        with refused("footnotes defined inside each other too deeply"):
            markdown_issue("".join(f"[^{n}]: " for n in range(7)))


class TestTasks:
    MARKDOWN = "- [ ] paint [the hull](https://a.test/)\n- [x] *done*\n- [X] sold\n- [y] no task"

    def test_they_are_boxes_without_a_form(self) -> None:
        html = content_of(self.MARKDOWN)
        assert '<li>☐ paint <a href="https://a.test/">' in html
        assert "<li>☑\ufe0e <em>done</em>" in html
        assert "<li>☑\ufe0e sold" in html
        assert "<li>[y] no task" in html
        assert "<input" not in html

    def test_plain_text_keeps_them_as_typed(self) -> None:
        assert text_of(self.MARKDOWN) == (
            "- [ ] paint the hull (https://a.test/)\n- [x] _done_\n- [x] sold\n- [y] no task"
        )

    def test_brackets_elsewhere_are_text(self) -> None:
        assert text_of("[ ] a\n\n- a [x] b\n- `[x] c`") == "[ ] a\n\n- a [x] b\n- `[x] c`"


class TestBareAddresses:
    @pytest.mark.parametrize(
        ("typed", "href"),
        [
            ("https://a.test/", "https://a.test/"),
            ("http://a.test/_b_/__init__.py?c=1&d=*2*", "http://a.test/_b_/__init__.py?c=1&d=*2"),
            ("HTTPS://A.test", "HTTPS://A.test"),
            ("https://a.test/(b)", "https://a.test/(b)"),
            ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
            ("www.a.test/b", "https://www.a.test/b"),
            ("WWW.a.test", "https://WWW.a.test"),
            ("ada@a.example", "mailto:ada@a.example"),
            ("mailto:ada@a.example", "mailto:ada@a.example"),
        ],
    )
    def test_they_are_links_that_end_before_the_sentence(self, typed: str, href: str) -> None:
        for sentence in (f"See {typed}, please.", f"({typed}).", f"**{typed}**", f"- {typed}"):
            links = [each["href"] for each in Read(content_of(sentence)).attributes if each]
            assert links == [href]
            assert typed.rstrip("*") in text_of(sentence)

    @pytest.mark.parametrize(
        "typed",
        ["README.md", "main.py", "a.test", "// a comment", "//a.test/", "ftp://a.test", "@ada",
         '<img src="https://a.test/b.png">', "<a href='mailto:ada@a.test'>",
         "xhttps://a.test", "https://", "`https://a.test/`", "https:\\//a.test", "1.2.3.4"],
    )  # fmt: skip
    def test_other_words_are_no_links(self, typed: str) -> None:
        assert "<a " not in content_of(f"See {typed} there.")

    def test_one_inside_a_link_is_its_text(self) -> None:
        html = content_of("[https://a.test/ or www.b.test](https://c.test/)")
        assert html.count("<a ") == 1

    def test_one_may_contain_the_readers_name(self) -> None:
        html = content_of("https://a.test/?for=[[name]]")
        assert '<a href="https://a.test/?for=Ursula">https://a.test/?for=Ursula</a>' in html

    def test_plain_text_shows_them_once_as_typed(self) -> None:
        typed = "https://a.test/b%20c www.a.test/%C3%BC <https://a.test/d%20e>"
        assert text_of(typed) == "https://a.test/b%20c www.a.test/%C3%BC https://a.test/d%20e"


class TestTypography:
    QUOTED = '"It\'s" \'here\', she said: "the \'old\' pier". `"x"` \\"as typed\\"'

    def rendered(self, markdown: str, **chosen: object) -> tuple[str, str]:
        newsletter = NEWSLETTER.model_copy(update=chosen)
        issue = markdown_issue(f"# T\n\n{markdown}", newsletter=newsletter)
        text = send(issue.text).partition("=\n\n")[2].partition("\n\n-----")[0]
        return without_styles(send(issue.html)), text

    def test_quotes_stay_as_typed_unless_the_operator_asks(self) -> None:
        html, text = self.rendered('"a" it\'s')
        assert "&quot;a&quot; it's" in html or '"a" it\'s' in html
        assert text == '"a" it\'s'

    @pytest.mark.parametrize(
        ("language", "quoted"),
        [
            ("en", "“It’s” ‘here’, she said: “the ‘old’ pier”."),
            ("de-AT", "„It’s“ ‚here‘, she said: „the ‚old‘ pier“."),
            ("fr", "«\u00a0It’s\u00a0» “here”, she said: «\u00a0the “old” pier\u00a0»."),
            ("pt-PT", "«It’s» “here”, she said: «the “old” pier»."),
            ("pt-BR", "“It’s” ‘here’, she said: “the ‘old’ pier”."),
            ("sv", "”It’s” ’here’, she said: ”the ’old’ pier”."),
            ("x-klingon", "“It’s” ‘here’, she said: “the ‘old’ pier”."),
        ],
    )
    def test_they_become_those_of_the_newsletters_language(
        self, language: str, quoted: str
    ) -> None:
        html, text = self.rendered(self.QUOTED, language=language, has_typographic_quotes=True)
        assert text == f'{quoted} `"x"` "as typed"'
        assert quoted.replace("\u00a0", "&nbsp;") in html

    def test_a_paragraph_of_too_many_quotes_keeps_them(self) -> None:
        _, text = self.rendered('"a" ' * 101, has_typographic_quotes=True)
        assert "“" not in text

    def test_lines_are_joined_unless_the_operator_asks(self) -> None:
        assert self.rendered("a\nb")[1] == "a b"

    def test_line_breaks_are_kept_as_typed(self) -> None:
        markdown = "Roses are red,\nviolets *are\nblue*.\n\n- a\n  b\n"
        html, text = self.rendered(markdown, keeps_line_breaks=True)
        assert text == "Roses are red,\nviolets _are\nblue_.\n\n- a\n  b"
        assert html.count("<br>") + html.count("<br />") == 3
