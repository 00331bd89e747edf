"""The mail that asks for approval of a draft."""

from datetime import UTC, datetime

from broadsheet.domain.authors import AuthorName
from broadsheet.domain.issues import Issue, IssueId, IssueStatus, IssueTitle
from broadsheet.mail.approval_mail import render_approval_request
from broadsheet.mail.content import MailContent
from tests.broadsheet.mail.mails import NEWSLETTER, Read

URL = "https://news.example.com/issues/0b9e1a5e-0000-4000-8000-000000000001"


def asking(title: str = "Tides", audience: int = 12_345) -> MailContent:
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
    return render_approval_request(NEWSLETTER, AuthorName("ada"), issue, URL, audience)


def test_both_parts_say_who_asks_for_what_and_how_many_would_get_it() -> None:
    mail = asking()

    assert mail.subject == "ada asks you to publish: Tides"
    for part in (mail.html, mail.text):
        assert "12,345 readers now" in part
        assert "ada has written" in part
        assert URL in part


def test_its_only_link_leads_to_the_issue() -> None:
    links = [each["href"] for each in Read(asking().html).attributes if "href" in each]

    assert links == [URL]


def test_one_reader_is_written_in_the_singular() -> None:
    assert "1 reader now" in asking(audience=1).text


def test_a_title_is_escaped_in_html_alone() -> None:
    mail = asking("R&D <weekly>")

    assert "R&amp;D &lt;weekly&gt;" in mail.html
    assert "R&D <weekly>" in mail.text
