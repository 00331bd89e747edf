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
from broadsheet.mail.substitutions import recipient_variables


class CaughtError(Exception):
    """Stops a call before it is sent."""


@pytest.mark.parametrize("reply_to", [None, "editor@page.example"])
def test_the_body_is_what_botocore_makes_and_finds_valid(
    monkeypatch: pytest.MonkeyPatch, reply_to: str | None
) -> None:
    monkeypatch.setenv("ISSUE_CONFIGURATION_SET", "issues")
    newsletter = Newsletter(
        name="The Daily Page",
        sender=EmailAddress("ada@page.example"),
        sender_name="Ada Löwe",
        reply_to=EmailAddress(reply_to) if reply_to else None,
    )
    rendered = RenderedIssue(
        subject="Nº 1 at 100%", html="<p>{{name_html}} []</p>", text="{{name_text}} %b"
    )
    recipients = [
        Recipient(uuid4(), 1, 1, email, name)
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
    body = body_of(bulk_mail(newsletter, IssueId.new(), 1, rendered), recipients, link_of)
    with pytest.raises(CaughtError):
        client.send_bulk_email(**json.loads(body))

    assert json.loads(body) == json.loads(bodies[0])


def test_each_entry_has_its_recipients_own_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUE_CONFIGURATION_SET", "issues")
    newsletter = Newsletter(
        name="The Daily Page", sender=EmailAddress("ada@page.example"), sender_name="Ada"
    )
    rendered = RenderedIssue(subject="Nº 1", html="<p>{{name_html}}</p>", text="{{name_text}}")
    recipients = [
        Recipient(uuid4(), 1, 1, "ursula@example.com", 'Ürsula & "Co"'),
        Recipient(uuid4(), 1, 2, "octavia@example.com", "Octavia"),
    ]

    issue_id = IssueId.new()
    document = json.loads(
        body_of(bulk_mail(newsletter, issue_id, 7, rendered), recipients, link_of)
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
        link = link_of(recipient.subscriber_id)
        assert entry["Destination"]["ToAddresses"] == [recipient.email]
        assert tags == {
            "issue": str(issue_id),
            "subscriber": str(recipient.subscriber_id),
            "round": str(recipient.round),
            "version": "7",
        }
        assert headers["List-Unsubscribe"] == f"<{link}>"
        assert headers["List-Id"] == newsletter.list_id
        variables = json.loads(template["ReplacementTemplateData"])
        assert variables == recipient_variables(recipient.name, link)


def test_an_entry_has_the_name_for_an_address_only_where_the_issue_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ISSUE_CONFIGURATION_SET", "issues")
    newsletter = Newsletter(
        name="The Daily Page", sender=EmailAddress("ada@page.example"), sender_name="Ada"
    )
    reader = Recipient(uuid4(), 1, 1, "ursula@example.com", "Ürsula & Co")

    def variables_of(html: str) -> dict[str, str]:
        rendered = RenderedIssue(subject="Nº 1", html=html, text="{{name_text}}")
        body = body_of(bulk_mail(newsletter, IssueId.new(), 1, rendered), [reader], link_of)
        (entry,) = json.loads(body)["BulkEmailEntries"]
        template = entry["ReplacementEmailContent"]["ReplacementTemplate"]
        variables: dict[str, str] = json.loads(template["ReplacementTemplateData"])
        return variables

    assert "name_url" not in variables_of("<p>{{name_html}}</p>")
    in_address = variables_of('<a href="https://page.example/?for={{name_url}}">Yours</a>')
    assert in_address["name_url"] == "%C3%9Crsula%20%26%20Co"


def link_of(subscriber_id: UUID) -> str:
    return f"https://page.example/leave?token={subscriber_id}&from=mail"
