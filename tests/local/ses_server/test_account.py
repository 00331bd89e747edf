"""The account: its quota, identities, suppressions and configuration sets."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from local import ses_server
from local.ses_server import Account, Server
from tests.local.ses_server.clients import SENDER, client_of, entry, simple, template

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


def test_the_quota_is_what_the_server_was_told_and_counts_recipients(tmp_path: Path) -> None:
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


def test_an_account_may_honour_complaints_only(client: "Client", server: Server) -> None:
    client.put_account_suppression_attributes(SuppressedReasons=["COMPLAINT"])
    client.put_suppressed_destination(EmailAddress="ursula@example.com", Reason="BOUNCE")

    send(client, SENDER)

    assert len(server.mails()) == 1
    attributes = client.get_account()["SuppressionAttributes"]
    assert attributes["SuppressedReasons"] == ["COMPLAINT"]


def test_a_configuration_set_is_made_changed_listed_and_deleted(client: "Client") -> None:
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
