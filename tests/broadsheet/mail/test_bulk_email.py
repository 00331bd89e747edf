"""The body of SendBulkEmail, which is encoded without botocore."""

import json
from typing import Any
from uuid import UUID, uuid4

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest

from broadsheet.domain.deliveries import Recipient
from broadsheet.domain.issues import IssueId, RenderedIssue
from broadsheet.domain.newsletter import Newsletter
from broadsheet.domain.subscribers import EmailAddress
from broadsheet.mail.ses.sending import body_of, bulk_mail
from broadsheet.mail.substitutions import Links, Tokens, reader_variables
from tests.broadsheet.mail.mails import markdown_issue


class CaughtError(Exception):
    """Stops a call before it is sent."""


SITE = "https://news.page.example"
UNSUBSCRIBE = f"{SITE}/subscriptions/unsubscribe?token="
LINKS = Links(UNSUBSCRIBE, f"{SITE}/subscription?token=", f"{SITE}/archive/one")
MAILBOX = "leave+r&d@page.example"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUE_CONFIGURATION_SET", "issues")
    monkeypatch.setenv("PUBLIC_URL", SITE)


@pytest.mark.parametrize("reply_to", [None, "editor@page.example"])
def test_the_body_is_what_botocore_makes_and_finds_valid(
    monkeypatch: pytest.MonkeyPatch, reply_to: str | None
) -> None:
    newsletter = Newsletter(
        name="The Daily Page",
        sender=EmailAddress("ada@page.example"),
        sender_name="Ada Löwe",
        reply_to=EmailAddress(reply_to) if reply_to else None,
        unsubscribe_mailbox=EmailAddress(MAILBOX) if reply_to else None,
    )
    rendered = RenderedIssue(
        subject="Nº 1 at 100%",
        html="<p>{{name_html}} [] {{archive_url_html}} {{footer_reason_html}}</p>",
        text="{{name_text}} %b %(token)b",
    )
    recipients = [
        Recipient(uuid4(), 1, 1, email, name, "de")
        for email, name in (
            ("ursula@example.com", "Ürsula"),
            (r'"o\%b"@example.com', 'Octavia %s & [] \\ "O" \u2028'),
        )
    ]
    bodies: list[Any] = []

    def catch(request: AWSPreparedRequest, **_: object) -> None:
        bodies.append(request.body)
        raise CaughtError

    client = boto3.client(
        "sesv2",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.meta.events.register("before-send.sesv2", catch)
    body = body_of(bulk_mail(newsletter, IssueId.new(), 1, rendered, LINKS), recipients, tokens_of)
    with pytest.raises(CaughtError):
        client.send_bulk_email(**json.loads(body))

    assert json.loads(body) == json.loads(bodies[0])


def test_each_entry_has_its_recipients_own_values() -> None:
    newsletter = Newsletter(
        name="The Daily Page", sender=EmailAddress("ada@page.example"), sender_name="Ada"
    )
    rendered = RenderedIssue(subject="Nº 1", html="<p>{{name_html}}</p>", text="{{name_text}}")
    recipients = [
        Recipient(uuid4(), 1, 1, "ursula@example.com", 'Ürsula & "Co"', "en"),
        Recipient(uuid4(), 1, 2, "octavia@example.com", "Octavia", ""),
    ]

    issue_id = IssueId.new()
    document = json.loads(
        body_of(bulk_mail(newsletter, issue_id, 7, rendered, LINKS), recipients, tokens_of)
    )

    assert document["DefaultContent"]["Template"]["TemplateContent"] == {
        "Subject": rendered.subject,
        "Html": rendered.html,
        "Text": rendered.text,
    }
    for entry, recipient in zip(document["BulkEmailEntries"], recipients, strict=True):
        tags = {tag["Name"]: tag["Value"] for tag in entry["ReplacementTags"]}
        headers = {header["Name"]: header["Value"] for header in entry["ReplacementHeaders"]}
        template = entry["ReplacementEmailContent"]["ReplacementTemplate"]
        tokens = tokens_of(recipient.subscriber_id)
        assert entry["Destination"]["ToAddresses"] == [recipient.email]
        assert tags == {
            "issue": str(issue_id),
            "subscriber": str(recipient.subscriber_id),
            "round": str(recipient.round),
            "version": "7",
        }
        assert headers["List-Unsubscribe"] == f"<{UNSUBSCRIBE}{tokens.unsubscribe}>"
        assert headers["List-Id"] == newsletter.list_id
        variables = json.loads(template["ReplacementTemplateData"])
        assert variables == reader_variables(recipient.name, tokens, [], LINKS.unsubscribe)


def test_an_entry_has_the_name_for_an_address_only_where_the_issue_needs_it() -> None:
    newsletter = Newsletter(
        name="The Daily Page", sender=EmailAddress("ada@page.example"), sender_name="Ada"
    )
    reader = Recipient(uuid4(), 1, 1, "ursula@example.com", "Ürsula & Co", "en")

    def variables_of(html: str) -> dict[str, str]:
        rendered = RenderedIssue(subject="Nº 1", html=html, text="{{name_text}}")
        body = body_of(
            bulk_mail(newsletter, IssueId.new(), 1, rendered, LINKS), [reader], tokens_of
        )
        (entry,) = json.loads(body)["BulkEmailEntries"]
        template = entry["ReplacementEmailContent"]["ReplacementTemplate"]
        variables: dict[str, str] = json.loads(template["ReplacementTemplateData"])
        return variables

    assert "name_url" not in variables_of("<p>{{name_html}}</p>")
    in_address = variables_of('<a href="https://page.example/?for={{name_url}}">Yours</a>')
    assert in_address["name_url"] == "%C3%9Crsula%20%26%20Co"


def headers_of(newsletter: Newsletter) -> dict[str, str]:
    rendered = RenderedIssue(subject="One", html="<p>One</p>", text="One")
    reader = Recipient(uuid4(), 1, 1, "ursula@example.com", "Ursula", "en")
    body = body_of(
        bulk_mail(newsletter, IssueId.new(), 1, rendered, LINKS),
        [reader],
        lambda _: Tokens(*TOKENS),
    )
    (entry,) = json.loads(body)["BulkEmailEntries"]
    return {header["Name"]: header["Value"] for header in entry["ReplacementHeaders"]}


def test_a_mailbox_is_a_second_way_to_unsubscribe(newsletter: Newsletter) -> None:
    """RFC 2369 §3.2 and RFC 6068 §2: in the order of preference, and percent-encoded."""
    assert headers_of(newsletter)["List-Unsubscribe"] == f"<{UNSUBSCRIBE}{TOKENS[0]}>"

    named = newsletter.model_copy(update={"unsubscribe_mailbox": EmailAddress(MAILBOX)})

    headers = headers_of(named)
    web, mail = headers["List-Unsubscribe"].split(", ")
    assert web == f"<{UNSUBSCRIBE}{TOKENS[0]}>"
    assert mail == f"<mailto:leave+r%26d@page.example?subject=unsubscribe%20{TOKENS[0]}>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_longest_header_is_one_that_ses_takes(
    newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", f"https://{'x' * 247}")  # the parameter's 255
    longest = f"{'&' * 64}@{'.'.join(['x' * 61] * 3)}.de"  # in 254 characters
    named = newsletter.model_copy(update={"unsubscribe_mailbox": EmailAddress(longest)})
    assert len(headers_of(named)["List-Unsubscribe"]) <= 995


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", None),
        ("", None),
        ("xx", None),
        ("en-GB", None),
        ("de", "The Daily Page abonniert"),
        ("de-AT", "The Daily Page abonniert"),
    ],
)
def test_only_who_reads_another_language_carries_a_footer(
    newsletter: Newsletter, language: str, said: str | None
) -> None:
    rendered = markdown_issue("Dear [[name]],", newsletter=newsletter)
    reader = Recipient(uuid4(), 1, 1, "ursula@example.com", "Ursula", language)

    mail = bulk_mail(newsletter, IssueId.new(), 1, rendered, LINKS)
    document = json.loads(body_of(mail, [reader], tokens_of))

    defaults = json.loads(document["DefaultContent"]["Template"]["TemplateData"])
    assert (
        defaults["footer_reason_html"] == "You get this because you subscribed to The Daily Page."
    )
    assert defaults["archive_url_html"] == LINKS.archive
    (entry,) = document["BulkEmailEntries"]
    own = json.loads(
        entry["ReplacementEmailContent"]["ReplacementTemplate"]["ReplacementTemplateData"]
    )
    if said is None:
        assert own.keys() == {"unsubscribe_token", "manage_token", "name_html", "name_text"}
    else:
        assert said in own["footer_reason_html"]
        assert own["footer_language_html"] == "de"
        assert {each for each in defaults if each.startswith("footer_")} < own.keys()


TOKENS = ("a.b-c_d", "e.f")


@pytest.fixture
def newsletter() -> Newsletter:
    return Newsletter(
        name="The Daily Page", sender=EmailAddress("ada@page.example"), sender_name="Ada"
    )


def tokens_of(subscriber_id: UUID) -> Tokens:
    return Tokens(f"leave.{subscriber_id}", f"manage.{subscriber_id}")
