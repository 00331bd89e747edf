"""The events of mails: written as by SES, stored with the mails, and travelling on command."""

import json
import urllib.request
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ses_server import Event, EventState, EventType, Outcome, Server
from ses_server.fates import FateRule
from tests.ses_server.clients import SENDER, entry, pairs, simple, template

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

    type Client = SESV2Client

SEND, DELIVERY, BOUNCE = EventType.SEND, EventType.DELIVERY, EventType.BOUNCE
COMPLAINT, REJECT = EventType.COMPLAINT, EventType.REJECT


def send(client: "Client", *to: str) -> str:
    answer = client.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": list(to)},
        Content=simple(),
        ConfigurationSetName="issues",
    )
    return answer["MessageId"]


def send_bulk(client: "Client", *to: str, round_: int = 1) -> None:
    client.send_bulk_email(
        FromEmailAddress=SENDER,
        DefaultContent=template(Text="."),
        BulkEmailEntries=[
            entry(address, tags={"issue": "7", "round": str(round_)}) for address in to
        ],
        ConfigurationSetName="issues",
    )


def readers(count: int) -> list[str]:
    return [f"reader{number}@example.com" for number in range(count)]


def types_of(found: list[Event]) -> list[EventType]:
    return [event.type for event in found]


def member_of(server: Server, to: str, event_type: EventType) -> Any:  # noqa: ANN401 — JSON
    """Return the part of the one event of a type that is specific to this type."""
    (event,) = server.events(to, [event_type])
    (name,) = event.record.keys() - {"eventType", "mail"}
    return event.record[name]


def mail_record(at: str, message_id: str) -> dict[str, object]:
    """Return what each event of the mail below says about it."""
    return {
        "timestamp": at,
        "source": "The Review <news@example.com>",
        "sourceArn": "arn:aws:ses:us-east-1:000000000000:identity/news@example.com",
        "sendingAccountId": "000000000000",
        "messageId": message_id,
        "destination": ["Ursula@example.com"],
        "headersTruncated": False,
        "headers": [
            {"name": "From", "value": "The Review <news@example.com>"},
            {"name": "Reply-To", "value": "editor@example.com"},
            {"name": "To", "value": "Ursula <Ursula@example.com>"},
            {"name": "Subject", "value": "Hi"},
            {"name": "MIME-Version", "value": "1.0"},
            {"name": "List-Id", "value": "<review.example.com>"},
        ],
        "commonHeaders": {
            "from": ["The Review <news@example.com>"],
            "replyTo": ["editor@example.com"],
            "to": ["Ursula <Ursula@example.com>"],
            "messageId": message_id,
            "subject": "Hi",
        },
        "tags": {
            "ses:operation": ["SendEmail"],
            "ses:source-ip": ["127.0.0.1"],
            "ses:from-domain": ["example.com"],
            "ses:caller-identity": ["local"],
            "ses:configuration-set": ["issues"],
            "issue": ["7"],
        },
    }


def test_a_mail_is_sent_and_delivered_in_ses_s_words(client: "Client", server: Server) -> None:
    message_id = client.send_email(
        FromEmailAddress="The Review <news@example.com>",
        ReplyToAddresses=["editor@example.com"],
        Destination={"ToAddresses": ["Ursula <Ursula@example.com>"]},
        Content=simple("Hi", Headers=pairs({"List-Id": "<review.example.com>"})),
        EmailTags=pairs({"issue": "7"}),
        ConfigurationSetName="issues",
    )["MessageId"]

    sent, delivered = server.events()
    (mail,) = server.mails()
    at = mail.received_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert sent.record == {"eventType": "Send", "mail": mail_record(at, message_id), "send": {}}
    assert delivered.record["mail"] == sent.record["mail"]
    assert member_of(server, "ursula@example.com", DELIVERY)["recipients"] == ["ursula@example.com"]
    assert (sent.message_id, sent.tags, sent.configuration_set) == (
        message_id,
        {"issue": "7"},
        "issues",
    )
    assert sent.happened_at < delivered.happened_at


def test_a_mail_to_two_people_is_sent_once_and_delivered_twice(
    client: "Client", server: Server
) -> None:
    client.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": ["a@example.com"], "BccAddresses": ["b@example.com"]},
        Content=simple(),
    )

    assert Counter(types_of(server.events())) == {SEND: 1, DELIVERY: 2}


def test_an_event_has_the_rendered_subject(client: "Client", server: Server) -> None:
    client.send_bulk_email(
        FromEmailAddress=SENDER,
        DefaultContent=template({"name": "reader"}, Subject="Dear {{name}}", Text="."),
        BulkEmailEntries=[entry("ursula@example.com", {"name": "Ursula"})],
    )

    record: Any = server.events()[0].record
    assert record["mail"]["commonHeaders"]["subject"] == "Dear Ursula"


@pytest.mark.parametrize(
    ("local", "types", "outcome"),
    [
        ("success", [SEND, DELIVERY], Outcome.DELIVERED),
        ("bounce", [SEND, BOUNCE], Outcome.BOUNCED),
        ("complaint", [SEND, DELIVERY, COMPLAINT], Outcome.DELIVERED),
        ("ooto", [SEND, DELIVERY, BOUNCE], Outcome.DELIVERED),
        ("suppressionlist", [SEND, BOUNCE], Outcome.BOUNCED),
        ("bounce+label-7", [SEND, BOUNCE], Outcome.BOUNCED),
    ],
)
def test_the_simulator_s_addresses_do_what_they_are_named_for(
    client: "Client", server: Server, local: str, types: list[EventType], outcome: Outcome
) -> None:
    send(client, f"{local}@simulator.amazonses.com")

    assert types_of(server.events()) == types
    (mail,) = [*server.mails(), *server.undelivered()]
    assert mail.outcome is outcome
    assert client.list_suppressed_destinations()["SuppressedDestinationSummaries"] == []


def test_an_out_of_office_reply_is_a_transient_bounce(client: "Client", server: Server) -> None:
    send(client, "ooto@simulator.amazonses.com")

    assert member_of(server, "ooto@simulator.amazonses.com", BOUNCE)["bounceType"] == "Transient"


def test_a_suppressed_address_bounces_or_complains_as_one_on_the_account_s_list(
    client: "Client", server: Server
) -> None:
    server.control.suppress(["gone@example.com"], "BOUNCE")
    server.control.suppress(["cross@example.com"], "COMPLAINT")

    send_bulk(client, "gone@example.com", "cross@example.com")

    assert types_of(server.events("gone@example.com")) == [SEND, BOUNCE]
    bounce = member_of(server, "gone@example.com", BOUNCE)
    assert (bounce["bounceType"], bounce["bounceSubType"]) == (
        "Permanent",
        "OnAccountSuppressionList",
    )
    assert bounce["bouncedRecipients"][0]["emailAddress"] == "gone@example.com"
    assert "suppression list" in bounce["bouncedRecipients"][0]["diagnosticCode"]
    complaint = member_of(server, "cross@example.com", COMPLAINT)
    assert complaint["complaintSubType"] == "OnAccountSuppressionList"
    assert "complaintFeedbackType" not in complaint


def test_a_mail_that_lacks_a_value_has_no_send_event(client: "Client", server: Server) -> None:
    client.send_bulk_email(
        FromEmailAddress=SENDER,
        DefaultContent=template(Text="{{link}}"),
        BulkEmailEntries=[entry("ursula@example.com")],
    )

    assert types_of(server.events()) == [EventType.RENDERING_FAILURE]
    assert member_of(server, "ursula@example.com", EventType.RENDERING_FAILURE) == {
        "errorMessage": "Attribute 'link' is not present in the rendering data.",
        "templateName": "",
    }


def test_mails_bounce_complain_and_are_rejected_on_command(
    client: "Client", server: Server
) -> None:
    server.control.bounce(["Bounce@example.com"], bounce_sub_type="NoEmail")
    server.control.bounce(
        ["full@example.com"], bounce_type="Transient", bounce_sub_type="MailboxFull"
    )
    server.control.complain(["cross@example.com"], after=60)
    server.control.reject(["virus@example.com"])

    names = ("bounce", "full", "cross", "virus", "ursula")
    send_bulk(client, *(f"{name}@example.com" for name in names))

    assert member_of(server, "bounce@example.com", BOUNCE)["bounceSubType"] == "NoEmail"
    assert member_of(server, "full@example.com", BOUNCE)["bounceType"] == "Transient"
    assert member_of(server, "virus@example.com", REJECT) == {"reason": "Bad content"}
    complaint = member_of(server, "cross@example.com", COMPLAINT)
    assert complaint["complaintFeedbackType"] == "abuse"
    assert complaint["complainedRecipients"] == [{"emailAddress": "cross@example.com"}]
    delivered, complained = server.events("cross@example.com", [DELIVERY, COMPLAINT])
    assert complained.due_at - delivered.due_at == timedelta(seconds=60)
    assert types_of(server.events("ursula@example.com")) == [SEND, DELIVERY]
    assert [mail.to for mail in server.mails()] == ["cross@example.com", "ursula@example.com"]
    listed = client.list_suppressed_destinations()["SuppressedDestinationSummaries"]
    assert [(one["EmailAddress"], one["Reason"]) for one in listed] == [
        ("bounce@example.com", "BOUNCE"),
        ("cross@example.com", "COMPLAINT"),
    ]


def test_a_delayed_mail_is_delivered_in_the_end(client: "Client", server: Server) -> None:
    server.control.begin_fate(FateRule(event=EventType.DELIVERY_DELAY))

    send(client, "slow@example.com")

    assert types_of(server.events()) == [SEND, EventType.DELIVERY_DELAY, DELIVERY]
    delay = member_of(server, "slow@example.com", EventType.DELIVERY_DELAY)
    assert delay["delayType"] == "TransientCommunicationFailure"


def test_a_share_of_mails_bounces_the_same_for_the_same_seed(
    client: "Client", server: Server
) -> None:
    server.control.bounce(share=0.2, seed=3, suppresses=False)
    to = readers(50)

    send_bulk(client, *to)
    first = [event.recipient for event in server.events(types=[BOUNCE])]
    send_bulk(client, *to[::-1])
    again = [event.recipient for event in server.events(types=[BOUNCE])][len(first) :]
    send_bulk(client, *to, round_=2)
    other_round = [event.recipient for event in server.events(types=[BOUNCE])][2 * len(first) :]

    assert 3 <= len(first) <= 20
    assert again == first[::-1]
    assert other_round != first


def test_a_fate_can_be_ended(client: "Client", server: Server) -> None:
    number = server.control.bounce()
    server.control.end_fate(number)

    send(client, "ursula@example.com")

    assert types_of(server.events()) == [SEND, DELIVERY]


def test_a_reader_complains_about_a_mail_received_before(client: "Client", server: Server) -> None:
    send(client, "ursula@example.com")
    last = send(client, "ursula@example.com")

    complained = server.control.publish_event(
        COMPLAINT, ["Ursula@example.com", "stranger@example.com"]
    )

    assert complained == ["ursula@example.com"]
    (event,) = server.events(types=[COMPLAINT])
    assert event.message_id == last


def test_events_come_late_within_the_range(client: "Client", server: Server) -> None:
    server.control.let_events_travel(late=(100, 200), types=[SEND])

    send_bulk(client, *readers(20))

    late = [
        (event.due_at - event.happened_at).total_seconds() for event in server.events(types=[SEND])
    ]
    assert 100 <= min(late) < max(late) <= 200
    assert all(one.due_at == one.happened_at for one in server.events(types=[DELIVERY]))


def test_events_come_twice_the_same(client: "Client", server: Server) -> None:
    server.control.let_events_travel(twice=1)

    send(client, "ursula@example.com")

    sent, again, delivered, delivered_again = server.events()
    assert sent.record == again.record
    assert delivered.record == delivered_again.record
    assert again.id != sent.id


def test_events_come_out_of_order(client: "Client", server: Server) -> None:
    server.control.complain()
    server.control.let_events_travel(out_of_order=1)

    send(client, "ursula@example.com")

    found = server.events()
    assert types_of(found) == [SEND, DELIVERY, COMPLAINT]
    assert types_of(sorted(found, key=lambda event: event.due_at))[-1] is SEND
    assert types_of(sorted(found, key=lambda event: event.happened_at))[0] is SEND


def test_a_share_of_the_events_is_lost(client: "Client", server: Server) -> None:
    server.control.let_events_travel(lost=0.3, types=[SEND], seed=5)

    send_bulk(client, *readers(50))

    states = Counter((event.type, event.state) for event in server.events())
    assert 5 <= states[SEND, EventState.LOST] <= 25
    assert states[SEND, EventState.DUE] == 50 - states[SEND, EventState.LOST]
    assert states[DELIVERY, EventState.DUE] == 50


def test_events_are_withheld_until_they_are_released(client: "Client", server: Server) -> None:
    server.control.let_events_travel(is_withheld=True)
    send(client, "ursula@example.com")
    assert server.control.event_counts() == {"withheld": 2}

    assert server.control.release_events() == 2

    assert server.control.event_counts() == {"due": 2}
    server.control.let_events_travel()
    send(client, "ursula@example.com")
    assert server.control.event_counts() == {"due": 4}


def test_events_are_listed_as_json(client: "Client", server: Server) -> None:
    send(client, "ursula@example.com")
    send(client, "shevek@example.com")

    url = f"{server.url}/api/events?to=Ursula@example.com&type=Send"
    with urllib.request.urlopen(url) as answer:  # noqa: S310 — the server under test
        (listed,) = json.load(answer)["events"]

    (event,) = server.events("ursula@example.com", [SEND])
    assert listed["record"] == event.record
    assert (listed["id"], listed["state"]) == (event.id, "due")
