"""The mail that asks for approval of a draft."""

from broadsheet.mail.content import MailContent
from tests.broadsheet.mail.mails import NEWSLETTER, Read, approval_request

URL = "https://news.example.com/issues/0b9e1a5e-0000-4000-8000-000000000001"


def asking(title: str = "Tides", audience: int = 12_345) -> MailContent:
    return approval_request(NEWSLETTER, URL, title, audience)


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
