"""No body takes long to render or to refuse, even one that is written to take long."""

import gc
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.domain.errors import UnsendableIssue
from broadsheet.domain.issue_requests import MAX_CONTENT_CHARACTERS as LARGEST
from broadsheet.domain.issue_requests import HtmlContent, IssueDraft, MarkdownContent
from broadsheet.mail.issue_mail import render_issue
from broadsheet.services.issues import checking
from tests.broadsheet.mail.mails import NEWSLETTER, TITLE, html_issue, markdown_issue, refused

MOST = 5.0  # seconds of processor time for the largest body
ORDINARY = "The [pier](https://example.com/pier) opens in *May*, at 8:00.\n\n- one\n- two\n\n"
HARDER = 30  # times the work for ordinary text; such bodies meet other limits far below LARGEST
SAMPLE = 20_000  # characters
DOUBLE = 2.6  # times the work for twice the body; 2 is linear, the rest allows for noise
NOISE = 0.02  # seconds; work that grows faster but stays below this takes 5 s for the largest body
TRIES = 8  # of which one is undisturbed by the machine's other work

MARKDOWN = [
    "[", "![", "[]", "[a](", "[a](<b", "![a](", "[a][b]", "[[", "[[ ", "[[a", "[\n", "[a\n",
    "[a]: b\n", '[a]: b "c\n', "`a``b", "*a", "**a *b ", "a**b", "*_", "_a *a ", "a_ ", "~~a ",
    "<", "<a ", "<a@", "<http:", "<br", "<br>", "<!-- -->", "&", "&amp", "&#1", "\\", "\\[",
    "a\n", "a  \n", "> a\n", ">", "> ", "- a\n", "- ", "1. a\n", "- a\n\n", "  - a\n- b\n",
    "|a|b|\n|-|-|\n|c|d|\n\n", "|a", "a|b\n", "|-", "-|-\n", "# a\n", "a\n=\n", "# ", "```\n",
    "```a`\n", "~~~\na\n", "\ta\n", "* * *\n", "* ", "[a](https://b.c/) ", '[a](https://b.c "',
    "[a](", "![a](https://b.c/d.png) ", "a", "word ", "<https://b.c/> ", "https://", "[[name]]",
    "[[name|a]] ", "[[name|", "[[unsubscribe]]",
    "[^a]: b [^a]\n", "[^a]: [^b]: ", "[^", "- [ ] a\n", "[ ] ", "https://b.c/", "https://b.c/(",
    "https://b.c\n", "www.b.cd/( ", "a@b.cd ", "a@", "'a \"b ", "'",
    "https://b.c/[[name]]", "*[a](`<&_~~", "[a*b_c`d](<e ", "漢", "漢 ", "{", "{{name_html}}",
    "attached ", "<a ", "TK ", "© ", "---\n", "lorem ",
]  # fmt: skip
HTML = [
    "<b>x</b>",
    "<b>",
    "</b>",
    "<",
    "<a ",
    "</",
    "<!",
    "<!--",
    "<!---->",
    "<p>",
    "<p><b id=1>",
    "<table><tr><td>x</table>",
    "<tr><td>x",
    "<li>x",
    "<li><dt>",
    "<dt>",
    "<rt>",
    "<optgroup>",
    "<svg><title>",
    "<mtext></dd>",
    "<style></style>",
    "<style>p{color:red}</style><p>x",
    "<textarea>",
    "<textarea></textarea>",
    "<template>",
    "<select>",
    "<a href=#>x</a>\n",
    "<img src=https://a.b alt=x>\n",
    "<p title=[[name]]>",
    "[[name]]",
    "[[",
    "[[a ",
    "[[a&nbsp;",
    "&amp;",
    "&",
    "{",
    "https://[[name]] ",
    "<p a=b ",
    "<p a='",
    "<p a= ",
    "<p =",
    "<p\n>",
    "<p style='a:url('>",
    "<p style='a:url(https://b.c)'>",
    "<img srcset='https://a.b, '>",
    "<![if a]>",
    "<![endif]>",
    "<p style='color:#ccc'>x",
    "<p style='color:#ccc'>x</p>\n",
    "<a href=x>\n",
    "<ul><li>x",
    "<blockquote>x",
    "<pre>x",
    "<p hidden>x",
    "<b>x<p>",
    "<th>x",
    "<tr><th>x",
    "<br>x",
    "<table><tr><th>x</table>",
]
# What is repeated in one style element, or one attribute.
WITHIN = [
    "/*", "url(", "url( ", "url('", "'", '"', "\\", "'\\", " ", ",", " ,", "a ", "url(#)",
    "https://b.c, ", "a{b:c}", "@media all{", "(", "a,", "}",
]  # fmt: skip
WITH_TYPOGRAPHY = NEWSLETTER.model_copy(
    update={"has_typographic_quotes": True, "keeps_line_breaks": True}
)
# Bodies that don't repeat a single piece.
MIXED: dict[str, Callable[[int], str]] = {
    "brackets within each other": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "ever more backticks": lambda size: "".join("`" * n + " " for n in range(int(size**0.5))),
    "lists within lists": lambda size: "".join(
        f"{'  ' * (n % 11)}- a\n" for n in range(size // 14)
    ),
    "quotes with lazy lines": lambda size: (">" * 45 + "a\nb\n") * (size // 49),
    "quotes that lazy lines continue": lambda size: "> " * 45 + "a\n" * (size // 2 - 45),
    "lists and quotes that lazy lines continue": lambda size: "- > " * 4 + "a\n" * (size // 2 - 16),
    "a wide table": lambda size: f"|{'a|' * (size // 8)}\n|{'-|' * (size // 8)}\n{'|b\n' * 999}",
    "a title that does not end": lambda size: '[a]: b "' + "c\n" * (size // 2 - 9),
    "links to one reference": lambda size: "[a]: https://b.c\n\n" + "[a][a" * (size // 5 - 9),
    "links within each other": lambda size: (
        "[" * (size // 13) + "a" + "](https://b)" * (size // 13)
    ),
    "a reference among notes": lambda size: "[^a]: b\n\n" + "[^a]" * (size // 4 - 9),
    "quotes within quotes": lambda size: ("'a " * 99 + 'a" ' * 99 + "\n\n") * (size // 596),
    "a long word": lambda size: f"é{'a' * (size - 9)}",
    "spaces": lambda size: f"a{' ' * (size - 9)}b",
}


def repeated(unit: str, size: int) -> str:
    return unit * (size // len(unit))


LONG = {unit: partial(repeated, unit) for unit in MARKDOWN} | MIXED


def seconds(render: Callable[[], object]) -> float:
    """Return the processor time that rendering or refusing takes.

    Garbage collection is off: it would visit every object that the tests hold.
    """
    gc.disable()
    begin = time.process_time()
    with suppress(UnsendableIssue):
        render()
    taken = time.process_time() - begin
    gc.enable()
    return taken


def checked_markdown(body: str) -> None:
    """Render Markdown and look for faults, as the preview does."""
    draft = IssueDraft(title=TITLE, content=MarkdownContent(markdown=body))
    rendering = render_issue(draft.title, draft.content, WITH_TYPOGRAPHY)
    checking.of_content(draft, rendering, WITH_TYPOGRAPHY)


def checked_html(body: str) -> None:
    """Do the same with HTML."""
    draft = IssueDraft(title=TITLE, content=HtmlContent(html=body))
    rendering = render_issue(draft.title, draft.content, NEWSLETTER)
    checking.of_content(draft, rendering, NEWSLETTER)


@cache
def of_ordinary_text() -> float:
    """Return the processor time that ordinary text takes."""
    return min(seconds(partial(checked_markdown, repeated(ORDINARY, SAMPLE))) for _ in range(3))


def check(render: Callable[[int], object]) -> None:
    """Compare the work for a body with that for half of it, and for ordinary text as long.

    On a busy machine everything takes longer: what seems too long is measured again, side by side.
    """
    for _ in range(TRIES):
        whole = seconds(partial(render, SAMPLE))
        is_proportional = whole < NOISE or whole < min(
            DOUBLE * seconds(partial(render, SAMPLE // 2)) + NOISE, HARDER * of_ordinary_text()
        )
        if is_proportional:
            break
        of_ordinary_text.cache_clear()
    assert is_proportional


class Clock:
    """A processor's clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def go_on(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("power", "ordinary"), [(2, 1.0), (1, 0.001)], ids=["grows faster", "is far too much"]
)
def test_work_is_found_that(power: int, ordinary: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "TRIES", 1)
    monkeypatch.setattr(time, "process_time", clock := Clock())
    monkeypatch.setattr(sys.modules[__name__], "of_ordinary_text", cache(lambda: ordinary))
    with pytest.raises(AssertionError):
        check(lambda size: clock.go_on(0.1 * (size / SAMPLE) ** power))


@pytest.mark.parametrize("long", LONG.values(), ids=LONG)
def test_the_work_for_markdown_is_proportional_to_its_length(long: Callable[[int], str]) -> None:
    check(lambda size: checked_markdown(long(size)))


@pytest.mark.parametrize("shell", ["{}", "<html><body>{}</body></html>", "<table>{}"])
@pytest.mark.parametrize("unit", HTML)
def test_the_work_for_html_is_proportional_to_its_length(unit: str, shell: str) -> None:
    check(lambda size: checked_html(shell.replace("{}", repeated(unit, size))))


@pytest.mark.parametrize(
    "shell", ["<style>{}</style>", '<p style="{}">', '<img srcset="{}">'], ids=lambda it: it[:6]
)
@pytest.mark.parametrize("unit", WITHIN)
def test_styles_and_addresses_take_work_as_they_are_long(unit: str, shell: str) -> None:
    written = unit.replace('"', "&quot;") if "=" in shell else unit
    check(lambda size: checked_html(shell.replace("{}", repeated(written, size))))


@given(
    unit=st.text(st.sampled_from("ab >-*_`~[]()!|#1.\n\\&<{}:\"'=/"), min_size=1, max_size=8),
    start=st.text(st.sampled_from("a >-*_`~[(!|#1\n<"), max_size=4),
)
@settings(max_examples=15, deadline=None)
def test_any_repeated_text_is_rendered_or_refused_in_time(unit: str, start: str) -> None:
    body = f"x{start}" + unit * (SAMPLE // len(unit))
    for render in (checked_markdown, checked_html):
        assert seconds(partial(render, body)) < 3 * MOST * SAMPLE / LARGEST


@pytest.mark.parametrize(
    "body",
    [
        "[" * LARGEST, "![" * (LARGEST // 2), "- a\n" * (LARGEST // 4), "a\n" * (LARGEST // 2),
        "> " * 45 + "a\n" * 39_000,
        "[" * (LARGEST // 2) + "]" * (LARGEST // 2), "*_" * (LARGEST // 2), "- " * (LARGEST // 2),
    ],
    ids=["[", "![", "list", "lines", "lazy quotes", "[]", "*_", "- -"],
)  # fmt: skip
def test_the_largest_markdown_is_rendered_or_refused_within_seconds(body: str) -> None:
    assert any(seconds(partial(checked_markdown, body)) < MOST for _ in range(TRIES))


def test_a_body_that_takes_too_much_work_is_refused_with_the_reason() -> None:
    with refused(r"too many brackets.* line 3: write \\\[ for a brack"):
        markdown_issue("Hello\n\n" + "[" * 200_000)
    with refused("more than 50,000 lines"):
        markdown_issue("a\n" * 60_000)
    with refused(r"too many lines that don't begin with >.* line"):
        markdown_issue("> " * 45 + "a\n" * 39_000)
    with refused(r"more than 100,000 of the marks \* _ ~"):
        markdown_issue("a*" * 110_000)
    with refused("more than 30,000 paragraphs, list items and cells"):
        markdown_issue("- - - - a\n" * 12_000)
    with refused("too many styles for so many elements"):
        html_issue(f"<style>p{{{'color:red;' * 10_000}}}</style>" + "<p>x" * 10_000)


def test_a_real_newsletter_of_200_kb_is_sent() -> None:
    paragraph = (
        "The [harbour master](https://example.com/people/1?ref=letter) wrote *again*: `tide[3]`, "
        "see [[1]](https://example.com/notes/1), [the archive][a] and ![a boat](https://x.test/b.png)"
        " \\[[not a placeholder]].\n\n"
        "- [ ] paint [the hull](https://example.com/hull)\n- [x] done\n"
        "  - with **much** [care](https://example.com/care)\n\n| Ship | Quay |\n|---|--:|\n"
        "| [Runa](https://example.com/runa) | 4 |\n\n> Quoted\n> > twice\n\n"
    )
    issue = markdown_issue(paragraph * 280 + "[a]: https://example.com/archive\n")
    assert issue.html.count("<a ") == 280 * 6 + 3  # the footer has three


def test_an_issue_of_10_kb_is_rendered_and_checked_within_a_tenth_of_a_second() -> None:
    issue = ORDINARY * 140
    assert len(issue) > 10_000
    checked_markdown(issue)
    assert any(seconds(partial(checked_markdown, issue)) < 0.1 for _ in range(TRIES))


@pytest.mark.parametrize("quotation", ["> a\nb\n\n", "> > a\nb\nc\n\n", "- > a\n  > > b\nc\n\n"])
def test_quotations_that_go_on_without_a_mark_are_sent(quotation: str) -> None:
    markdown_issue(quotation * 2000)


def test_a_book_in_one_quotation_is_sent() -> None:
    markdown_issue("> a" + "\na" * 49_900)
