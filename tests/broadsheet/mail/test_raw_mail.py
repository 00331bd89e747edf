"""The mail as it travels: ASCII, with lines that every server on its way passes on."""

from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import default as default_policy

import pytest

from broadsheet.domain.issue_requests import HtmlContent, MarkdownContent
from broadsheet.domain.issues import IssueTitle
from broadsheet.domain.newsletter import Newsletter
from broadsheet.mail.confirmation_mail import render_confirmation
from broadsheet.mail.content import MailContent
from broadsheet.mail.issue_mail import render_issue
from ses_server import rendering
from tests.broadsheet.mail import looks
from tests.broadsheet.mail.mails import NEWSLETTER, UNSUBSCRIBE_URL, send

LONGEST_LINE = 998  # octets without the CRLF (RFC 5322 §2.1.1)
LONGEST_BODY_LINE = 78  # that RFC's advice; quoted-printable breaks lines before it
LONG_PARAGRAPH = "Die Möwen über dem Hafen schreien. " * 200
LONG_LINK = f"{UNSUBSCRIBE_URL}&token={'x' * 90}"
HUNGARIAN = Newsletter(
    name="Öröm és bánat " * 5,
    sender=NEWSLETTER.sender,
    sender_name="Árvíztűrő tükörfúrógép",
)


def mails() -> dict[str, MailContent]:
    long_line = MarkdownContent(markdown=f"{LONG_PARAGRAPH}{'<' * 2000}")
    fragment = HtmlContent(html=f"<p>{LONG_PARAGRAPH}</p>", text=LONG_PARAGRAPH)
    contents = looks.issues() | {
        "one long line": (IssueTitle("ő" * 200), long_line),
        "fragment": (IssueTitle("T"), fragment),
    }
    rendered = {
        name: render_issue(title, content, HUNGARIAN).issue
        for name, (title, content) in contents.items()
    }
    return {
        "confirmation": render_confirmation(HUNGARIAN, LONG_LINK, "12345678"),
        **{
            name: MailContent(
                subject=send(issue.subject), html=send(issue.html), text=send(issue.text)
            )
            for name, issue in rendered.items()
        },
    }


def raw(mail: MailContent) -> bytes:
    """Return a mail as the local SES sends it."""
    headers = rendering.message_headers(
        message_id="0100018f-1",
        received_at=datetime.now(UTC),
        sender=HUNGARIAN.from_header,
        reply_to=["mara@example.com"],
        to=["ursula@example.com"],
        cc=[],
        subject=mail.subject,
        custom=[
            ("List-Id", HUNGARIAN.list_id),
            ("List-Unsubscribe", f"<{LONG_LINK}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ],
        text=mail.text,
        html=mail.html,
    )
    return rendering.message(headers, message_id="0100018f-1", text=mail.text, html=mail.html)


@pytest.mark.parametrize("name", mails())
def test_no_line_is_too_long_for_a_server(name: str) -> None:
    sent = raw(mails()[name])
    assert sent.isascii()
    assert max(map(len, sent.split(b"\r\n"))) <= LONGEST_LINE
    _, _, body = sent.partition(b"\r\n\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= LONGEST_BODY_LINE
    assert b"\n" not in sent.replace(b"\r\n", b"")


@pytest.mark.parametrize("name", mails())
def test_it_arrives_as_it_was_written(name: str) -> None:
    mail = mails()[name]
    arrived = BytesParser(policy=default_policy).parsebytes(raw(mail))
    assert arrived["Subject"] == mail.subject
    for kind, written in (("plain", mail.text), ("html", mail.html)):
        part = arrived.get_body((kind,))
        assert part
        assert part["Content-Transfer-Encoding"] == "quoted-printable"
        assert part.get_content().replace("\r\n", "\n").rstrip("\n") == written.rstrip("\n")
