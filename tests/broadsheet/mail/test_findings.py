"""All that is wrong with an issue is found at once, and the issue can be shown in spite of it."""

import pytest

from broadsheet.domain.findings import MOST_OF_A_CODE, Finding
from broadsheet.domain.issue_requests import HtmlContent, MarkdownContent
from broadsheet.mail.issue_mail import Rendering, render_issue
from tests.broadsheet.mail.mails import NEWSLETTER, TITLE, send


def of_markdown(markdown: str) -> Rendering:
    return render_issue(TITLE, MarkdownContent(markdown=markdown), NEWSLETTER)


def of_html(html: str, text: str = "text") -> Rendering:
    return render_issue(TITLE, HtmlContent(html=html, text=text), NEWSLETTER)


def places(rendering: Rendering) -> list[tuple[str, str | None]]:
    return [(each.code, each.where) for each in rendering.findings]


def test_every_fault_of_markdown_is_found_with_its_line() -> None:
    rendering = of_markdown("[[a]] and [[b]]\n\n- [x](y)\n- ![z](a.png) [[c]]\n\n[e]()")

    assert places(rendering) == [
        ("unknown-placeholder", "line 1"),
        ("unknown-placeholder", "line 1"),
        ("relative-link", "line 3"),
        ("relative-image", "line 4"),
        ("unknown-placeholder", "line 4"),
        ("no-address", "line 6"),
    ]


def test_every_fault_of_html_is_found_with_its_line() -> None:
    rendering = of_html(
        "<p>[[a]]\n<a href=x>y</a>\n<img src='b.png' alt='[[c]]'>\n<script>[[name]]</script>\n<b",
        "one\n[[d]]",
    )

    assert sorted(places(rendering)) == [
        ("placeholder-in-markup", "line 4 of the HTML"),
        ("relative-image", "line 3 of the HTML"),
        ("relative-link", "line 2 of the HTML"),
        ("unfinished-markup", "line 5 of the HTML"),
        ("unknown-placeholder", "line 1 of the HTML"),
        ("unknown-placeholder", "line 2 of the text"),
        ("unknown-placeholder", "line 3 of the HTML"),
    ]


def test_a_fault_is_listed_once_and_not_more_often_than_anybody_reads() -> None:
    assert len(of_markdown("<https://x.test/[[nome]]>").findings) == 1
    assert len(of_markdown("[[a]] [[a]]\n\n").findings) == 1
    assert len(of_markdown("[x](y)\n\n" * 1000).findings) == MOST_OF_A_CODE


def test_a_finding_quotes_a_long_text_in_part_and_in_one_line() -> None:
    (finding,) = of_html(f"<a href='a\n{'b' * 1000}'>x</a>").findings

    assert str(finding.parameters["address"]).startswith("a bbb")
    assert len(str(finding.parameters["address"])) == 200


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("Dear [[nome]],", "Dear [[nome]],"),
        ("a <!-- b", "a &lt;!-- b"),
        ("a\n\n<!-- b\n\nc", "&lt;!-- b"),
        ("[x](about.html)", 'href="about.html"'),
        ("> " * 60 + "deep", "deep"),
        ("[" * 20_000, "[[[["),
    ],
)
def test_faulty_markdown_can_be_shown(markdown: str, shown: str) -> None:
    rendering = of_markdown(markdown)

    assert rendering.findings
    assert shown in send(rendering.issue.html)
    assert send(rendering.issue.text)


@pytest.mark.parametrize(
    "html",
    [
        "<p>Hello</p><p title=[[name]]>",
        "<p>Hello</p><!-- a",
        "<p>Hello</p><style>p{",
        "<p>Hello</p><a href='",
        "<p>Hello</p><template>",
        "<p>Hello</p>" + "<b>" * 600,
        f"<p>Hello</p><style>p{{{'color:red;' * 3000}}}</style>" + "<p>x" * 3000,
        f"<p>Hello</p><style>a{{b:{'(' * 50_000}}}</style>",
    ],
)
@pytest.mark.parametrize("shell", ["{}", "<html><body>{}</body></html>"])
def test_faulty_html_can_be_shown(html: str, shell: str) -> None:
    rendering = of_html(shell.replace("{}", html))

    assert "Hello" in send(rendering.issue.html)


def test_a_name_where_it_could_become_markup_stays_a_placeholder() -> None:
    sent = send(
        of_html("<html><body><script>say('[[name]]')</script>[[name]]</body></html>").issue.html
    )

    assert "say('[[name]]')</script>Ursula" in sent


def test_a_flawless_issue_has_no_error() -> None:
    assert [each for each in of_markdown("Dear [[name]],").findings if each.code] == []
    assert Finding("no-address").severity == "error"
