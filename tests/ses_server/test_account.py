"""The account: its quota, identities, suppressions and configuration sets."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

import ses_server
from ses_server import Account, Server
from tests.ses_server.clients import SENDER, client_of, entry, simple, template

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

    type Client = SESV2Client

ADDRESS = "o'brien+news/x@example.com"


def send(client: "Client", sender: str) -> None:
    client.send_email(
        FromEmailAddress=sender,
        Destination={"ToAddresses": ["ursula@example.com"]},
        Content=simple(),
    )


def test_a_new_account_has_the_defaults_of_one_out_of_the_sandbox(client: "Client") -> None:
    account = client.get_account()

    assert account["SendQuota"] == {
        "MaxSendRate": 14.0,
        "Max24HourSend": 50_000.0,
        "SentLast24Hours": 0.0,
    }
    assert account["SendingEnabled"] is True
    assert account["ProductionAccessEnabled"] is True


def test_the_quota_is_the_given_one_and_counts_recipients(tmp_path: Path) -> None:
    account = Account(max_send_rate=200, max_24_hour_send=-1)
    with ses_server.running(tmp_path, account=account, verified=[SENDER]) as server:
        client = client_of(server)
        send(client, SENDER)
        client.send_bulk_email(
            FromEmailAddress=SENDER,
            DefaultContent=template(Text="."),
            BulkEmailEntries=[entry("a@example.com"), entry("b@example.com"), entry("bad")],
        )

        assert client.get_account()["SendQuota"] == {
            "MaxSendRate": 200.0,
            "Max24HourSend": -1.0,
            "SentLast24Hours": 3.0,
        }


def test_a_created_identity_may_send_at_once_and_a_deleted_one_no_longer(client: "Client") -> None:
    sender = "editor@example.org"

    created = client.create_email_identity(EmailIdentity=sender)
    assert created["VerifiedForSendingStatus"] is True
    assert client.get_email_identity(EmailIdentity=sender)["VerificationStatus"] == "SUCCESS"
    send(client, sender)

    client.delete_email_identity(EmailIdentity=sender)
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_email_identity(EmailIdentity=sender)
    with pytest.raises(client.exceptions.MessageRejected):
        send(client, sender)


@pytest.mark.parametrize(
    ("sender", "may_send"),
    [
        ("Any One <any.one@Example.ORG>", True),
        ("any@mail.example.org", True),
        ("any@notexample.org", False),
        ("any@org", False),
    ],
)
def test_a_verified_domain_covers_its_addresses_and_subdomains(
    client: "Client", sender: str, *, may_send: bool
) -> None:
    client.create_email_identity(EmailIdentity="example.org")

    if may_send:
        send(client, sender)
    else:
        with pytest.raises(ClientError):
            send(client, sender)


def test_a_label_needs_no_verification_of_its_own(client: "Client") -> None:
    send(client, "news+7@example.com")


def test_a_new_identity_forwards_feedback_until_that_is_turned_off(client: "Client") -> None:
    client.create_email_identity(EmailIdentity="example.org")
    assert client.get_email_identity(EmailIdentity="example.org")["FeedbackForwardingStatus"]

    client.put_email_identity_feedback_attributes(
        EmailIdentity="example.org", EmailForwardingEnabled=False
    )

    assert not client.get_email_identity(EmailIdentity="example.org")["FeedbackForwardingStatus"]
    with pytest.raises(client.exceptions.NotFoundException):
        client.put_email_identity_feedback_attributes(EmailIdentity="example.net")


def test_an_identity_is_created_once(client: "Client") -> None:
    with pytest.raises(client.exceptions.AlreadyExistsException):
        client.create_email_identity(EmailIdentity="news@EXAMPLE.com")


def test_identities_are_listed_by_the_page(client: "Client") -> None:
    for name in ("a.example.org", "b.example.org"):
        client.create_email_identity(EmailIdentity=name)

    first = client.list_email_identities(PageSize=2)
    second = client.list_email_identities(PageSize=2, NextToken=first["NextToken"])

    listed = [*first["EmailIdentities"], *second["EmailIdentities"]]
    assert [identity["IdentityName"] for identity in listed] == [
        "a.example.org",
        "b.example.org",
        SENDER,
    ]
    assert "NextToken" not in second


def test_a_suppressed_address_is_found_listed_and_lifted(client: "Client") -> None:
    client.put_suppressed_destination(EmailAddress=ADDRESS, Reason="BOUNCE")
    client.put_suppressed_destination(EmailAddress="cross@example.com", Reason="COMPLAINT")

    found = client.get_suppressed_destination(EmailAddress=ADDRESS)["SuppressedDestination"]
    assert (found["EmailAddress"], found["Reason"]) == (ADDRESS, "BOUNCE")
    assert datetime.now(UTC) - found["LastUpdateTime"] < timedelta(minutes=1)
    listed = client.list_suppressed_destinations(Reasons=["COMPLAINT"])
    assert [one["EmailAddress"] for one in listed["SuppressedDestinationSummaries"]] == [
        "cross@example.com"
    ]
    assert len(client.list_suppressed_destinations()["SuppressedDestinationSummaries"]) == 2

    client.delete_suppressed_destination(EmailAddress=ADDRESS)
    for missing in (client.get_suppressed_destination, client.delete_suppressed_destination):
        with pytest.raises(client.exceptions.NotFoundException):
            missing(EmailAddress=ADDRESS)


def test_an_account_can_suppress_for_complaints_only(client: "Client", server: Server) -> None:
    client.put_account_suppression_attributes(SuppressedReasons=["COMPLAINT"])
    client.put_suppressed_destination(EmailAddress="ursula@example.com", Reason="BOUNCE")

    send(client, SENDER)

    assert len(server.mails()) == 1
    attributes = client.get_account()["SuppressionAttributes"]
    assert attributes["SuppressedReasons"] == ["COMPLAINT"]


def test_a_configuration_set_is_created_changed_listed_and_deleted(client: "Client") -> None:
    client.create_configuration_set(ConfigurationSetName="issues")
    client.put_configuration_set_suppression_options(
        ConfigurationSetName="issues", SuppressedReasons=["COMPLAINT"]
    )
    client.put_configuration_set_sending_options(ConfigurationSetName="issues", SendingEnabled=True)

    found = client.get_configuration_set(ConfigurationSetName="issues")
    assert found["SuppressionOptions"]["SuppressedReasons"] == ["COMPLAINT"]
    assert found["SendingOptions"]["SendingEnabled"] is True
    assert client.list_configuration_sets()["ConfigurationSets"] == ["issues"]
    with pytest.raises(client.exceptions.AlreadyExistsException):
        client.create_configuration_set(ConfigurationSetName="issues")

    client.delete_configuration_set(ConfigurationSetName="issues")
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_configuration_set(ConfigurationSetName="issues")


def test_a_domain_has_dkim_tokens_and_an_address_has_none(client: "Client") -> None:
    client.create_email_identity(EmailIdentity="example.org")
    client.create_email_identity(EmailIdentity="jo@example.net")

    domain = client.get_email_identity(EmailIdentity="example.org")["DkimAttributes"]
    address = client.get_email_identity(EmailIdentity="jo@example.net")["DkimAttributes"]

    assert domain["Status"] == "SUCCESS"
    assert len(set(domain["Tokens"])) == 3
    assert address == {"SigningEnabled": False, "Status": "NOT_STARTED"}


def test_an_unverified_identity_may_not_send(client: "Client", server: Server) -> None:
    client.create_email_identity(EmailIdentity="example.org")
    server.control.change_identity("example.org", verification="PENDING", dkim="PENDING")

    found = client.get_email_identity(EmailIdentity="example.org")
    assert found["VerifiedForSendingStatus"] is False
    assert found["DkimAttributes"]["Status"] == "PENDING"
    with pytest.raises(client.exceptions.MessageRejected):
        send(client, "any@example.org")

    server.control.change_identity("example.org", verification="SUCCESS")
    send(client, "any@example.org")


def test_a_mail_from_domain_is_shown_once_it_is_set(client: "Client", server: Server) -> None:
    client.create_email_identity(EmailIdentity="example.org")
    client.put_email_identity_mail_from_attributes(
        EmailIdentity="example.org", MailFromDomain="bounce.example.org"
    )
    server.control.change_identity("example.org", mail_from="FAILED")

    attributes = client.get_email_identity(EmailIdentity="example.org")["MailFromAttributes"]

    assert attributes["MailFromDomain"] == "bounce.example.org"
    assert attributes["MailFromDomainStatus"] == "FAILED"


def test_an_account_is_put_into_the_sandbox_and_under_review(
    client: "Client", server: Server
) -> None:
    server.control.change_account(production_access=False, enforcement_status="PROBATION")

    found = client.get_account()

    assert found["ProductionAccessEnabled"] is False
    assert found["EnforcementStatus"] == "PROBATION"
    with pytest.raises(client.exceptions.MessageRejected):
        send(client, SENDER)  # to somebody who is not verified


def test_event_destinations_are_created_returned_and_deleted(client: "Client") -> None:
    client.create_configuration_set(ConfigurationSetName="issues")
    client.create_configuration_set_event_destination(
        ConfigurationSetName="issues",
        EventDestinationName="events",
        EventDestination={
            "Enabled": True,
            "MatchingEventTypes": ["SEND", "BOUNCE"],
            "SnsDestination": {"TopicArn": "arn:aws:sns:eu-central-1:1:events"},
        },
    )

    (found,) = client.get_configuration_set_event_destinations(ConfigurationSetName="issues")[
        "EventDestinations"
    ]
    assert found["MatchingEventTypes"] == ["SEND", "BOUNCE"]
    assert found["SnsDestination"]["TopicArn"].endswith(":events")

    client.delete_configuration_set_event_destination(
        ConfigurationSetName="issues", EventDestinationName="events"
    )
    answer = client.get_configuration_set_event_destinations(ConfigurationSetName="issues")
    assert answer["EventDestinations"] == []
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_configuration_set_event_destinations(ConfigurationSetName="none")


@pytest.mark.parametrize(("minutes", "taken"), [(4, 1), (6, 0)])
def test_a_signature_older_than_five_minutes_is_refused(
    client: "Client", server: Server, minutes: int, taken: int
) -> None:
    def be_late(request: Any, **_: object) -> None:  # noqa: ANN401 - botocore's
        signed_at = datetime.now(UTC) - timedelta(minutes=minutes)
        request.headers["X-Amz-Date"] = f"{signed_at:%Y%m%dT%H%M%SZ}"

    client.meta.events.register("before-send.sesv2.SendEmail", be_late)

    with nullcontext() if taken else pytest.raises(ClientError, match="Signature expired"):
        send(client, SENDER)

    assert len(server.mails()) == taken
