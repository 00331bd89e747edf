"""Renders issues, substitutes as SES does, and reads the result as mail programs do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import assume, settings

from broadsheet import i18n
from broadsheet.domain.authors import AuthorName
from broadsheet.domain.errors import UnsendableIssue
from broadsheet.domain.findings import unaccepted
from broadsheet.domain.issue_progress import Issue
from broadsheet.domain.issue_requests import HtmlContent, MarkdownContent
from broadsheet.domain.issues import IssueId, IssueStatus, IssueTitle, RenderedIssue
from broadsheet.domain.newsletter import Newsletter
from broadsheet.domain.subscribers import EmailAddress, SubscriberName
from broadsheet.mail import footer
from broadsheet.mail.approval_mail import render_approval_request
from broadsheet.mail.content import MailContent
from broadsheet.mail.issue_mail import Rendering, render_issue
from broadsheet.mail.substitutions import Links, Reader, Tokens, all_variables
from broadsheet.web import sentences

NEWSLETTER = Newsletter(
    name="The Harbour Letter",
    sender=EmailAddress("letter@example.com"),
    sender_name="Mara Lindqvist",
)
SITE = "https://news.example.com/prod"
LINKS = Links(
    f"{SITE}/subscriptions/unsubscribe?x=1&token=",
    f"{SITE}/subscription?x=1&token=",
    f"{SITE}/archive/a-title",
)
TOKENS = Tokens("a.b-c_d", "e.f-g_h")
UNSUBSCRIBE_URL = f"{LINKS.unsubscribe}{TOKENS.unsubscribe}"
MANAGE_URL = f"{LINKS.manage}{TOKENS.manage}"
URSULA = SubscriberName("Ursula")
TITLE = IssueTitle("A title")

# A busy machine takes long for a single example; ``test_bounded_work`` measures the work.
UNTIMED = settings(deadline=None)


def variables(
    template: str, name: SubscriberName | str = URSULA, language: str = "en"
) -> dict[str, str]:
    sentences = footer.texts(NEWSLETTER, i18n.language(language))
    return all_variables(template, Reader(name, TOKENS, sentences), LINKS)


def send(template: str, name: SubscriberName | str = URSULA, language: str = "en") -> str:
    """Substitute as SES does: each variable once, literally; an unknown one is an error.

    Fail as well on what Handlebars would understand differently: a third brace, a block, a
    comment, a partial, or a backslash that escapes a variable.
    """
    values = variables(template, name, language)
    assert not re.search(r"\{\{\{|\}\}\}|\\\{\{", template)
    between = re.split(r"\{\{[a-z0-9_]+\}\}", template)
    for literal in between:
        assert "{{" not in literal
        assert "}}" not in literal
    return re.sub(r"\{\{([a-z0-9_]+)\}\}", lambda found: values[found[1]], template)


class Read(HTMLParser):
    """The elements, attributes and texts of a mail as a mail program reads them."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.texts: dict[str, str] = {}
        self._open = ""
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append(dict(attrs))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = "" if tag == self._open else self._open

    def handle_data(self, data: str) -> None:
        self.texts[self._open] = self.texts.get(self._open, "") + data


def markdown_issue(
    markdown: str, title: IssueTitle = TITLE, newsletter: Newsletter = NEWSLETTER
) -> RenderedIssue:
    return sendable(render_issue(title, MarkdownContent(markdown=markdown), newsletter))


def html_issue(document: str, text: str = "text", title: IssueTitle = TITLE) -> RenderedIssue:
    return sendable(render_issue(title, HtmlContent(html=document, text=text), NEWSLETTER))


def sendable(rendering: Rendering) -> RenderedIssue:
    """Return the rendered issue. Raise ``UnsendableIssue`` if an author couldn't publish it."""
    if errors := unaccepted(rendering.findings, ()):
        raise UnsendableIssue(rendering.findings, errors)
    return rendering.issue


@contextmanager
def refused(match: str) -> Iterator[None]:
    """Expect an error that says ``match``, with its place before its sentence."""
    with pytest.raises(UnsendableIssue) as refusal:
        yield
    said = [f"{each.where}: {sentences.of_finding(each)}" for each in refusal.value.errors]
    assert any(re.search(match, each) for each in said), said


@contextmanager
def only_what_is_sendable() -> Iterator[None]:
    """Skip examples that are refused, such as a placeholder as an attribute's name."""
    try:
        yield
    except UnsendableIssue as error:
        codes = {each.code for each in error.errors}
        assume(not codes & {"placeholder-in-markup", "unfinished-markup", "unknown-placeholder"})
        raise


def text_of(markdown: str) -> str:
    """Render Markdown to plain text, without the headline and the footer."""
    text = send(markdown_issue(f"# T\n\n{markdown}").text)
    return text.partition("=\n\n")[2].partition("\n\n-----------")[0]


def approval_request(
    newsletter: Newsletter, issue_url: str, title: str = "Tides", audience: int = 12_345
) -> MailContent:
    """Render the mail by which ada asks to have a draft published."""
    issue = Issue(
        id=IssueId.new(),
        author=AuthorName("ada"),
        title=IssueTitle(title),
        version=1,
        preheader=None,
        slug="tides",
        archive=True,
        status=IssueStatus.DRAFT,
        publish_at=None,
        created_at=datetime(2026, 11, 28, tzinfo=UTC),
        frozen_at=None,
        audience=None,
        finished_at=None,
        paused_because=None,
    )
    return render_approval_request(newsletter, AuthorName("ada"), issue, issue_url, audience)
