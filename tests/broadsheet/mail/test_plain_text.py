import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from broadsheet.mail.plain_text import LINE_WIDTH, display_width, plain_text, wrap
from tests.broadsheet.mail.mails import UNTIMED

MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def text(markdown: str) -> str:
    return plain_text(MARKDOWN.parse(markdown))


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("# One\n\n## Two\n\n### Three", "One\n===\n\nTwo\n---\n\nThree"),
        ("*a* **b** ~~c~~ `d`", "_a_ *b* ~~c~~ `d`"),
        ("a\nb  \nc", "a b\nc"),
        ("- a\n- b\n  - c\n- d", "- a\n- b\n  - c\n- d"),
        ("- a\n\n- b", "- a\n\n- b"),
        ("9. a\n10. b\n\n    c", "9. a\n\n10. b\n\n    c"),
        ("> a\n>\n> > b", "> a\n> \n> > b"),
        ("```py\na  b\n\n  c\n```", "    a  b\n\n      c"),
        ("a\n\n---\n\nb", "a\n\n* * *\n\nb"),
        ("[a b](https://x.test/)", "a b (https://x.test/)"),
        ("<https://x.test/>", "https://x.test/"),
        ("<a@x.test>", "a@x.test"),
        ("[https://x.test/](https://x.test/)", "https://x.test/"),
        ("[](https://x.test/)", "https://x.test/"),
        ("[![the pier](p.png)](https://x.test/)", "the pier (https://x.test/)"),
        ("![the *pier*](p.png)", "the _pier_"),
        ("a &amp; &lt;b&gt; \\*c\\*", "a & <b> *c*"),
        ("| a | b |\n|---|--:|\n| 1 | 22 |\n| xyz | 3 |",
         "a   |  b\n----+---\n1   | 22\nxyz |  3"),
    ],
)  # fmt: skip
def test_markdown_reads_as_plain_text(markdown: str, plain: str) -> None:
    assert text(markdown) == plain


def test_a_table_too_wide_for_its_lines_becomes_a_paragraph_for_each_row() -> None:
    wide = "word " * 15
    table = f"| Name | Note |\n|---|---|\n| Runa | {wide}|\n| Solveig | {wide}|"
    first, second = text(table).split("\n\n")
    assert first.startswith("Name: Runa\nNote: word word")
    assert second.startswith("Name: Solveig\nNote: word word")


def test_lines_are_filled_but_an_address_is_never_cut() -> None:
    url = "https://example.com/" + "a/" * 60
    lines = text(f"{'word ' * 40}[here]({url}) {'word ' * 40}").split("\n")
    assert f"({url})" in lines
    assert all(len(line) <= LINE_WIDTH for line in lines if url not in line)


def test_lines_in_lists_and_quotations_leave_room_for_their_marks() -> None:
    lines = text(f"> 1. {'word ' * 40}").split("\n")
    assert lines[0].startswith("> 1. word")
    assert lines[1].startswith(">    word")
    assert all(len(line) <= LINE_WIDTH for line in lines)


def test_the_columns_of_a_table_of_chinese_and_japanese_are_aligned() -> None:
    rows = "| ソルヴェイグ | 京都 | 4 |\n| Runa 😀 | Kiel | e\u0301 |"
    table = f"| 船 | 港 | Quay |\n|---|--:|---|\n{rows}"
    assert text(table) == (
        "船           |   港 | Quay\n"
        "-------------+------+-----\n"
        "ソルヴェイグ | 京都 | 4\n"
        "Runa 😀      | Kiel | e\u0301"
    )


@pytest.mark.parametrize("form", ["{}", "> - {}", "# {}", "| a | b |\n|---|---|\n| {} | {} |"])
def test_chinese_and_japanese_lines_are_filled_though_they_have_no_spaces(form: str) -> None:
    sentence = "「この手紙は、港の便りです。」毎週、船と潮と天気について書きます。"
    lines = text(form.replace("{}", sentence * 20)).split("\n")
    assert len(lines) > 15
    assert all(display_width(line) <= LINE_WIDTH for line in lines)
    assert not [line for line in lines if line.strip("> -")[:1] in "、。」" and "---" not in line]
    assert not [line for line in lines if line.endswith("「")]


def test_an_address_beside_chinese_is_never_cut() -> None:
    url = "https://zh.example.com/wiki/" + "漢字" * 60
    lines = text(f"{'参见' * 30}「{url} {'参见' * 30}").split("\n")
    assert [line for line in lines if url in line]


def test_the_underline_of_a_heading_is_at_most_as_long_as_a_line() -> None:
    assert text(f"# {'a' * 300}").split("\n")[1] == "=" * LINE_WIDTH


@UNTIMED
@given(words=st.lists(st.text(st.characters(exclude_characters=" \t\n"), min_size=1)))
def test_wrapping_keeps_every_word_in_order(words: list[str]) -> None:
    wrapped = wrap(" ".join(words))
    assert re.sub("[ \n]", "", wrapped) == "".join(words)
    spaced = [word for word in words if word.isascii()]
    assert [word for word in re.split("[ \n]", wrapped) if word in spaced] == spaced


@UNTIMED
@given(markdown=st.text(st.sampled_from("ab >-*_`~[]()!|#1.\n\\&<{}:\"'="), max_size=60))
def test_any_markdown_has_a_plain_text(markdown: str) -> None:
    text(markdown)
