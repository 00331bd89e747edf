"""The body of SendBulkEmail, which is made without botocore's looking at each of its fields."""

import json
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest
from pydantic_core import to_json

from broadsheet.domain.deliveries import Recipient
from broadsheet.domain.issues import IssueId, RenderedIssue
from broadsheet.domain.newsletter import Newsletter
from broadsheet.domain.subscribers import EmailAddress
from broadsheet.mail.ses_mailer import Addressee, Letter, bulk_email


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
    letter = Letter(
        issue_id=IssueId.new(),
        rendered=RenderedIssue(subject="Nº 1", html="<p>{{name_html}}</p>", text="{{name_text}}"),
    )
    addressees = [
        Addressee(
            Recipient(uuid4(), 1, 1, email, "Ürsula"),
            "token",
        )
        for email in ("ursula@example.com", "octavia@example.com")
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
    parameters = bulk_email(newsletter, letter, addressees)
    with pytest.raises(CaughtError):
        client.send_bulk_email(**parameters)

    assert json.loads(to_json(parameters)) == json.loads(bodies[0])
