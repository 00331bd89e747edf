"""The line that an inbox shows after the subject."""

import html
import re

import pytest

from broadsheet.domain.issue_requests import HtmlContent, IssueContent, MarkdownContent
from broadsheet.domain.issues import IssueTitle, Preheader
from broadsheet.domain.subscribers import SubscriberName
from broadsheet.mail.confirmation_mail import render_already_subscribed, render_confirmation
from broadsheet.mail.issue_mail import render_issue
from tests.broadsheet.mail.mails import NEWSLETTER, TITLE, send, sendable

SEEN_AS_NOTHING = "\u034f\u200c\u00a0\n"


def in_an_inbox(document: str) -> str:
    """Return what an inbox shows of a mail after its subject: the beginning of its text."""
    body = re.sub(r"<(style|title).*?</\1>|<!--.*?-->|<[^>]*>", "", document, flags=re.DOTALL)
    return html.unescape(body).strip()[:200].strip(SEEN_AS_NOTHING)


def inbox_line(content: IssueContent, preheader: str | None = None) -> str:
    issue = sendable(
        render_issue(TITLE, content, NEWSLETTER, Preheader(preheader) if preheader else None)
    )
    return in_an_inbox(send(issue.html))


LONG = "The pier opens in May, and everybody who is in town that day is welcome to come. "


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        (f"# Title\n\n{LONG}There is cake.", LONG.strip()),
        ("Dear [[name]],\n\nthe *pier* `opens`\n[again](https://a.test/).[^1] And more.\n\n[^1]: x",
         "Dear Ursula, the pier opens again."),
        ("![A boat](https://a.test/b.png)\n\n- a list\n\n> a quotation\n\nShort.", "Short."),
        (LONG.replace(".", ",") * 3, (LONG.replace(".", ",") * 2)[:138].rpartition(" ")[0] + "…"),
        ("港" * 100, "港" * 70 + "…"),
        ("# Only a headline", None),
    ],
)  # fmt: skip
def test_without_one_it_is_the_first_sentence(markdown: str, shown: str | None) -> None:
    line = inbox_line(MarkdownContent(markdown=markdown))
    if shown is None:
        assert line.startswith("The Harbour Letter")
    elif shown.endswith("…"):
        assert line.endswith("…")
        assert markdown.startswith(line[:-1])
        assert 60 < len(line) <= 141
    else:
        assert line == shown


def test_an_authors_own_comes_first_with_the_readers_name() -> None:
    content = MarkdownContent(markdown="The text.")
    assert inbox_line(content, "For [[name]]: tides & <ships>") == "For Ursula: tides & <ships>"


def test_of_html_it_is_the_first_sentence_of_the_plain_text() -> None:
    content = HtmlContent(html="<p>x</p>", text=f"A title\n=======\n\n{LONG}Second.")
    assert inbox_line(content) == LONG.strip()


def test_a_document_has_only_the_one_that_was_given() -> None:
    document = (
        "<!doctype html><html><head><title>t</title></head><body><p>Own text</p></body></html>"
    )
    content = HtmlContent(html=document, text="x")
    assert inbox_line(content).startswith("Own text")
    assert inbox_line(content, "Given") == "Given"


@pytest.mark.parametrize(
    "document",
    ["<!doctype html><p>Own text", "<html><p>Own text", "<head><title>t</title></head><p>Own text"],
)
def test_a_document_without_a_body_tag_gets_it_too(document: str) -> None:
    assert inbox_line(HtmlContent(html=document, text="x"), "Given") == "Given"


def test_nothing_of_it_is_seen_or_read_aloud_in_the_mail() -> None:
    issue = sendable(render_issue(TITLE, MarkdownContent(markdown="Text."), NEWSLETTER))
    tag = re.search(r'<div class="preheader"[^>]*>', issue.html)
    assert tag
    assert 'aria-hidden="true"' in tag[0]
    assert "display: none" in tag[0]
    assert "mso-hide: all" in tag[0]  # Outlook on Windows reads only this one


def test_a_confirmation_says_at_once_what_is_wanted() -> None:
    mail = render_confirmation(NEWSLETTER, "https://example.com/", "12345678")
    assert in_an_inbox(mail.html).startswith("12345678 is your code")
    assert in_an_inbox(render_already_subscribed(NEWSLETTER).html).startswith("There is nothing")


def test_a_long_name_is_not_cut_out_of_it() -> None:
    title = IssueTitle("[[name]]")
    content = MarkdownContent(markdown="港" * 60 + "[[name]]" + "港" * 60)
    issue = sendable(render_issue(title, content, NEWSLETTER))
    assert "…" in in_an_inbox(send(issue.html, SubscriberName("Ada")))
    assert not re.search(r"x[a-z][0-9a-f]{4}", in_an_inbox(send(issue.html)))
