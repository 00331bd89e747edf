"""The server refuses what SES refuses, with SES's error codes, and stores nothing of it."""
# ruff: noqa: ANN401 — what is sent here is wrong on purpose, in ways that no type allows
# ruff: noqa: S310 — every URL is that of the server under test

import json
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

import ses_server
from ses_server import Account, Server
from tests.ses_server.clients import (
    SENDER,
    client_of,
    entry,
    pairs,
    simple,
    template,
    unchecked_client_of,
)

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

    type Client = SESV2Client


def send(client: Any, to: str = "ursula@example.com", **changes: Any) -> Any:
    return client.send_email(
        **{
            "FromEmailAddress": SENDER,
            "Destination": {"ToAddresses": [to]},
            "Content": simple(),
            **changes,
        }
    )


def send_bulk(client: Any, entries: list[Any], **changes: Any) -> Any:
    return client.send_bulk_email(
        **{
            "FromEmailAddress": SENDER,
            "DefaultContent": template(Text="."),
            "BulkEmailEntries": entries,
            **changes,
        }
    )


def send_one_in_bulk(client: Any, **changes: Any) -> Any:
    return send_bulk(client, [entry("ursula@example.com")], **changes)


def refusal(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def kept(server: Server) -> int:
    return len(server.mails()) + len(server.undelivered())


@pytest.mark.parametrize("sending", [send, send_one_in_bulk])
def test_a_sender_that_is_not_verified_is_rejected(
    client: "Client", server: Server, sending: Any
) -> None:
    with pytest.raises(ClientError) as caught:
        sending(client, FromEmailAddress="Eve <eve@example.com>")

    assert refusal(caught) == (
        "MessageRejected",
        (
            "Email address is not verified. The following identities failed the check in region"
            " EU-CENTRAL-1: Eve <eve@example.com>"
        ),
    )
    assert kept(server) == 0


@pytest.mark.parametrize("count", [0, 51])
def test_a_bulk_call_has_1_to_50_entries(unchecked: Any, server: Server, count: int) -> None:
    with pytest.raises(ClientError) as caught:
        send_bulk(unchecked, [entry("ursula@example.com")] * count)

    assert refusal(caught)[0] == "BadRequestException"
    assert kept(server) == 0


def test_50_entries_are_taken(client: "Client", server: Server) -> None:
    send_bulk(client, [entry(f"reader{number}@example.com") for number in range(50)])

    assert kept(server) == 50


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({f"X-{number}": "1" for number in range(16)}, "15"),
        ({"X-Long": "x" * 996}, "less than or equal to 995"),
        ({"X-Empty": ""}, "greater than or equal to 1"),
        ({"X-Line": "a\r\nBcc: spy@example.com"}, "regular expression"),
        ({"X-Letter": "é"}, "regular expression"),
        ({"X Space": "1"}, "regular expression"),
        ({"X:Colon": "1"}, "regular expression"),
        ({"": "1"}, "greater than or equal to 1"),
        ({"X" * 127: "1"}, "less than or equal to 126"),
        ({"X" * 20: "x" * 995}, "996"),
        ({"List-Id": "a", "list-id": "b"}, "more than once"),
        *(
            ({name: "a@example.com"}, "set by SES")
            for name in ("From", "to", "CC", "Bcc", "Subject", "Reply-To", "Return-Path")
        ),
        *(
            ({name: "1"}, "set by SES")
            for name in ("Date", "Message-ID", "MIME-Version", "Content-Type")
        ),
    ],
)
def test_a_bad_header_is_refused(
    unchecked: Any, server: Server, headers: dict[str, str], named: str
) -> None:
    with pytest.raises(ClientError) as caught:
        send(unchecked, Content=simple(Headers=pairs(headers)))

    code, message = refusal(caught)
    assert code == "BadRequestException"
    assert named in message
    assert kept(server) == 0


def test_a_header_that_the_model_forbids_refuses_the_whole_bulk_call(
    unchecked: Any, server: Server
) -> None:
    with pytest.raises(ClientError) as caught:
        send_bulk(
            unchecked,
            [entry("a@example.com"), entry("b@example.com", headers={"X-Long": "x" * 996})],
        )

    assert refusal(caught) == (
        "BadRequestException",
        (
            "1 validation error detected: Value at 'bulkEmailEntries.2.member.replacementHeaders."
            "1.member.value' failed to satisfy constraint: Member must have length less than or"
            " equal to 995"
        ),
    )
    assert kept(server) == 0


@pytest.mark.parametrize(
    "bad",
    [
        entry("nobody"),
        entry("käthe@example.com"),
        entry("a@exämple.com"),
        entry("b@example.com", headers={"Subject": "Mine"}),
        entry("b@example.com", tags={"issue": "no spaces"}),
        {**entry("b@example.com"), "Destination": {"ToAddresses": []}},
        {
            **entry("b@example.com"),
            "ReplacementEmailContent": {
                "ReplacementTemplate": {"ReplacementTemplateData": "{not json"}
            },
        },
    ],
)
def test_a_bad_entry_gets_a_status_of_its_own(client: "Client", server: Server, bad: Any) -> None:
    answer = send_bulk(client, [entry("a@example.com"), bad, entry("c@example.com")])

    results = answer["BulkEmailEntryResults"]
    assert [one["Status"] for one in results] == ["SUCCESS", "INVALID_PARAMETER", "SUCCESS"]
    assert results[1]["Error"]
    assert "MessageId" not in results[1]
    assert [mail.message_id for mail in server.mails()] == [
        results[0]["MessageId"],
        results[2]["MessageId"],
    ]
    assert [mail.to for mail in server.mails()] == ["a@example.com", "c@example.com"]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nobody", "Missing final '@domain'"),
        ("@example.com", "Missing local name"),
        ("käthe@example.com", "Local address contains non-ASCII characters"),
        ("a@exämple.com", "Domain contains illegal character"),
        ("a@example..com", "Domain contains dot-dot"),
        ("a@.example.com", "Domain starts with dot"),
        ("a@localhost", "Invalid domain name: 'localhost'"),
        ("a b@example.com", "Local address contains control or whitespace"),
        ("a@example.com, b@example.com", "Local address contains control or whitespace"),
        ("a@-example.com", "Illegal address"),
        (f"{'a' * 320}@example.com", "Address length is more than 320 bytes long"),
        (f"{'=?utf-8?b?w6TDpMOk?= ' * 15}<a@example.com>", "Address length is more than 320"),
        ("Käthe <k@example.com>", "RFC 2047"),
        ("", "Missing final '@domain'"),
    ],
)
def test_an_address_ses_can_t_send_to_is_refused(
    client: "Client", server: Server, address: str, said: str
) -> None:
    with pytest.raises(ClientError) as caught:
        send(client, to=address)

    code, message = refusal(caught)
    assert code == "BadRequestException"
    assert said in message
    assert kept(server) == 0


@pytest.mark.parametrize(
    "address", ["o'brien+x@mail.example.co.uk", '"odd one"@example.com', "A <a@xn--bcher-kva.de>"]
)
def test_an_unusual_address_is_taken(client: "Client", server: Server, address: str) -> None:
    send(client, to=address)

    assert kept(server) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"Content": {}},
        {"Content": {**simple(), "Raw": {"Data": b"a: b\n\nc"}}},
        {"Content": {"Simple": {"Subject": {"Data": "x"}, "Body": {}}}},
        {"Content": {"Simple": {"Subject": {"Data": "x"}}}},
        {"Content": {"Simple": {"Body": {"Text": {"Data": "x"}}}}},
        {"Content": {"Raw": {"Data": b"no headers"}}},
        {"FromEmailAddress": ""},
        {"Destination": {}},
        {"Destination": {"ToAddresses": [f"a{number}@example.com" for number in range(51)]}},
        {"ReplyToAddresses": ["nobody"]},
        {"EmailTags": [{"Name": "kind", "Value": "a b"}]},
        {"EmailTags": [{"Name": "", "Value": "a"}]},
        {"EmailTags": [{"Name": "kind"}]},
        {"Content": simple(Attachments=[{"FileName": "a", "RawContent": b"a"}])},  # no extension
    ],
)
def test_an_incomplete_or_contradictory_mail_is_refused(
    unchecked: Any, server: Server, change: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as caught:
        send(unchecked, **change)

    assert refusal(caught)[0] == "BadRequestException"
    assert kept(server) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"DefaultContent": {}},
        {"DefaultContent": {"Template": {"TemplateContent": {"Subject": "x"}}}},
        {"DefaultContent": {"Template": {"TemplateContent": {"Text": "x"}}}},
        {"DefaultContent": template(Text="x" * 1024 * 1024)},
        {
            "DefaultContent": {
                "Template": {
                    "TemplateContent": {"Subject": "x", "Text": "x"},
                    "TemplateData": '["a list"]',
                }
            }
        },
    ],
)
def test_a_bulk_call_s_shared_content_must_be_complete(
    unchecked: Any, server: Server, change: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as caught:
        send_bulk(unchecked, [entry("ursula@example.com")], **change)

    assert refusal(caught)[0] == "BadRequestException"
    assert kept(server) == 0


def test_a_stored_template_is_not_found(client: "Client") -> None:
    with pytest.raises(ClientError) as caught:
        send_bulk(
            client,
            [entry("ursula@example.com")],
            DefaultContent={"Template": {"TemplateName": "weekly", "TemplateData": "{}"}},
        )

    assert refusal(caught) == ("NotFoundException", "Template weekly does not exist")


def test_half_a_surrogate_pair_is_refused_and_leaves_the_mailbox_readable(
    client: "Client", server: Server
) -> None:
    bad = entry("ursula@example.com", {"name": "\ud83d"})

    answer = send_bulk(client, [bad], DefaultContent=template(Text="{{name}}"))

    assert answer["BulkEmailEntryResults"][0]["Status"] == "INVALID_PARAMETER"
    assert server.mails() == []


def test_nothing_is_sent_while_the_account_is_paused(client: "Client", server: Server) -> None:
    client.put_account_sending_attributes(SendingEnabled=False)

    for sending in (send, send_one_in_bulk):
        with pytest.raises(ClientError) as caught:
            sending(client)
        assert refusal(caught)[0] == "SendingPausedException"
    assert client.get_account()["SendingEnabled"] is False
    assert kept(server) == 0

    client.put_account_sending_attributes(SendingEnabled=True)
    send(client)
    assert kept(server) == 1


def test_a_paused_configuration_set_pauses_its_own_mail_only(
    client: "Client", server: Server
) -> None:
    client.create_configuration_set(
        ConfigurationSetName="issues", SendingOptions={"SendingEnabled": False}
    )

    with pytest.raises(ClientError) as caught:
        send(client, ConfigurationSetName="issues")
    send(client, ConfigurationSetName="other")

    assert refusal(caught)[0] == "SendingPausedException"
    assert kept(server) == 1


def test_an_unknown_configuration_set_is_refused_in_strict_mode(tmp_path: Path) -> None:
    account = Account(strict_configuration_sets=True)
    with ses_server.running(tmp_path, account=account, verified=[SENDER]) as server:
        client = client_of(server)
        client.create_configuration_set(ConfigurationSetName="issues")

        send(client, ConfigurationSetName="issues")
        with pytest.raises(ClientError) as caught:
            send(client, ConfigurationSetName="typo")

    assert refusal(caught) == (
        "NotFoundException",
        "Configuration set <typo> does not exist.",
    )


def test_in_the_sandbox_recipients_must_be_verified_too(tmp_path: Path) -> None:
    account = Account(production_access=False)
    with ses_server.running(tmp_path, account=account, verified=[SENDER, "me@x.org"]) as server:
        client = client_of(server)

        with pytest.raises(ClientError) as caught:
            send(client)
        answer = send_bulk(client, [entry("ursula@example.com"), entry("me@x.org")])

        assert refusal(caught)[0] == "MessageRejected"
        assert [result["Status"] for result in answer["BulkEmailEntryResults"]] == [
            "MESSAGE_REJECTED",
            "SUCCESS",
        ]
        assert client.get_account()["ProductionAccessEnabled"] is False


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"Content": 7}', b"\xff"])
def test_an_unparsable_body_is_a_serialization_error(server: Server, body: bytes) -> None:
    signed = "AWS4-HMAC-SHA256 Credential=test/20261122/eu-central-1/ses/aws4_request, Signature=0"
    request = urllib.request.Request(
        f"{server.url}/v2/email/outbound-emails",
        data=body,
        headers={"Authorization": signed},
    )

    with pytest.raises(HTTPError) as caught, urllib.request.urlopen(request):
        pass

    assert caught.value.code == 400
    assert caught.value.headers["x-amzn-ErrorType"] == "SerializationException"
    assert "message" in json.load(caught.value)


def test_an_unsigned_call_is_refused(server: Server) -> None:
    with pytest.raises(HTTPError) as caught:
        urllib.request.urlopen(f"{server.url}/v2/email/account")

    assert caught.value.code == 403


def test_an_unknown_operation_is_answered_with_the_known_ones(server: Server) -> None:
    with pytest.raises(ClientError) as caught:
        unchecked_client_of(server, is_checked=False).list_contact_lists()

    code, message = refusal(caught)
    assert code == "UnknownOperationException"
    assert "SendBulkEmail" in message
