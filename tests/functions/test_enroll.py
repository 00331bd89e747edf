"""What readers ask for, applied: each request may come twice, late, or in another order."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any, NoReturn

import boto3
import pytest

from broadsheet import signed_tokens
from broadsheet.domain.issues import IssueId
from broadsheet.domain.requests import (
    ConfirmationToken,
    ConfirmRequest,
    Origin,
    SubscribeRequest,
    UnsubscribeRequest,
    UnsubscribeToken,
)
from broadsheet.domain.subscribers import (
    EmailAddress,
    SourceAddress,
    SubscriberId,
    SubscriberName,
)
from broadsheet.services.subscribers import enrollment
from functions.enroll.app import handler
from tests.cloud import ORIGIN, SENDER, Cloud, at, context, sqs_event, token_in
from tests.conftest import forget_what_was_read

URSULA = "ursula@example.com"
ISSUE = IssueId.new()


def sign_up(
    received_at: datetime,
    email: str = URSULA,
    name: str | None = "Ursula",
    origin: Origin = ORIGIN,
) -> SubscribeRequest:
    return SubscribeRequest(
        name=None if name is None else SubscriberName(name),
        email=EmailAddress(email),
        received_at=received_at,
        origin=origin,
    )


def confirmation(
    issued_at: datetime,
    clicked_at: datetime,
    email: str = URSULA,
    name: str | None = "Ursula",
    language: str = "en",
) -> ConfirmRequest:
    token = ConfirmationToken(
        email=EmailAddress(email),
        name=None if name is None else SubscriberName(name),
        language=language,
        issued_at=issued_at,
    )
    return ConfirmRequest(token=token, received_at=clicked_at, origin=ORIGIN)


def leaving(cloud: Cloud, received_at: datetime, email: str = URSULA) -> UnsubscribeRequest:
    subscriber = cloud.row("SELECT id FROM subscribers WHERE email = %(e)s", e=email)["id"]
    return UnsubscribeRequest(
        token=UnsubscribeToken(subscriber_id=SubscriberId(subscriber), issue_id=ISSUE),
        received_at=received_at,
        origin=ORIGIN,
    )


type Request = SubscribeRequest | ConfirmRequest | UnsubscribeRequest


def enroll(*requests: Request) -> list[dict[str, Any]]:
    bodies = [request.model_dump_json() for request in requests]
    failures: list[dict[str, Any]] = handler(sqs_event(*bodies), context())["batchItemFailures"]
    return failures


def test_what_a_killed_invocation_had_taken_returns_when_its_time_is_over(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = cloud.queues["REQUESTS"]
    sqs = boto3.client("sqs")
    # As the template's; the emulator's clock is the machine's, so that the invocation has a second.
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "540"})
    monkeypatch.setenv("TIMINGS", json.dumps({"message_hold_margin": 0}))
    forget_what_was_read()
    sqs.send_message(QueueUrl=url, MessageBody=sign_up(at(0)).model_dump_json())

    def killed(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    taken = {"Records": cloud.messages("REQUESTS")}
    with monkeypatch.context() as patch:
        patch.setattr(enrollment, "apply", killed)
        with pytest.raises(KeyboardInterrupt):
            handler(taken, context(seconds_left=1))
    while_it_may_run = cloud.messages("REQUESTS")
    time.sleep(1.1)
    (again,) = cloud.messages("REQUESTS")
    handler({"Records": [again]}, context())

    assert while_it_may_run == []
    assert cloud.status_of(URSULA) == "pending"


def test_a_sign_up_is_answered_with_a_confirmation_link_that_confirms(cloud: Cloud) -> None:
    assert enroll(sign_up(at(0))) == []

    (mail,) = cloud.mails_to(URSULA)
    assert cloud.status_of(URSULA) == "pending"
    assert mail.sender == f"Ada at The Daily Page <{SENDER}>"
    assert mail.reply_to == "editors@page.example"
    assert "https://news.page.example/subscriptions/confirm?token=" in (mail.text or "")
    token = signed_tokens.read_confirmation(token_in(mail))
    enroll(ConfirmRequest(token=token, origin=ORIGIN))
    assert cloud.status_of(URSULA) == "confirmed"


def test_the_confirmation_mail_holds_nothing_that_was_typed_into_the_form(cloud: Cloud) -> None:
    enroll(sign_up(at(0), name="BUY CHEAP WATCHES"))

    (mail,) = cloud.mails_to(URSULA)
    assert "WATCHES" not in f"{mail.subject}{mail.text}{mail.html}{mail.headers}"


def test_a_redelivered_sign_up_sends_no_second_mail_and_spends_no_budget(cloud: Cloud) -> None:
    request = sign_up(at(0))

    enroll(request)
    enroll(request)

    assert len(cloud.mails_to(URSULA)) == 1
    assert len(cloud.rows("SELECT 1 FROM sign_ups")) == 1


def test_signing_up_twice_sends_two_mails_and_makes_one_subscriber(cloud: Cloud) -> None:
    enroll(sign_up(at(0)), sign_up(at(1), name="Ursula K"))

    assert len(cloud.mails_to(URSULA)) == 2
    assert len(cloud.rows("SELECT 1 FROM subscribers")) == 1


def test_a_confirmation_mail_that_failed_is_still_owed(cloud: Cloud) -> None:
    request = sign_up(at(0))
    ses = boto3.client("sesv2", endpoint_url=cloud.ses.url)
    ses.delete_email_identity(EmailIdentity=SENDER)

    failures = enroll(request)

    assert [failure["itemIdentifier"] for failure in failures] == ["m0"]
    assert cloud.row("SELECT due_mail FROM subscribers")["due_mail"] == "confirmation"
    ses.create_email_identity(EmailIdentity=SENDER)
    assert enroll(request) == []
    assert len(cloud.mails_to(URSULA)) == 1
    assert cloud.row("SELECT due_mail FROM subscribers")["due_mail"] is None
    assert len(cloud.rows("SELECT 1 FROM sign_ups")) == 1


def test_a_confirmed_subscriber_who_signs_up_gets_a_mail_and_is_not_changed(cloud: Cloud) -> None:
    cloud.add_confirmed(URSULA, name="Ursula")
    before = cloud.row("SELECT * FROM subscribers")

    enroll(sign_up(at(60), name="Mallory"))

    assert cloud.row("SELECT * FROM subscribers") == before
    (mail,) = cloud.mails_to(URSULA)
    assert "already" in mail.subject
    assert "token=" not in (mail.text or "")


def test_an_address_gets_three_mails_a_day(cloud: Cloud) -> None:
    for minute in range(5):
        enroll(sign_up(at(minute)))
    assert len(cloud.mails_to(URSULA)) == 3

    enroll(sign_up(at(24 * 60 + 30)))
    assert len(cloud.mails_to(URSULA)) == 4


def test_a_source_gets_thirty_mails_an_hour_out_whatever_the_addresses(cloud: Cloud) -> None:
    neighbours = [f"2001:db8:1:2::{number:x}" for number in range(1, 33)]
    for number, address in enumerate(neighbours):
        origin = Origin(source_address=SourceAddress(address))
        enroll(sign_up(at(0), email=f"victim{number}@example.com", origin=origin))
    assert len(cloud.ses.mails()) == 30

    elsewhere = Origin(source_address=SourceAddress("2001:db8:1:3::1"))
    enroll(sign_up(at(0), email="other@example.com", origin=elsewhere))
    assert len(cloud.mails_to("other@example.com")) == 1


def test_confirming_twice_changes_nothing_more(cloud: Cloud) -> None:
    enroll(sign_up(at(0)))
    first = confirmation(at(0), at(1))

    enroll(first, first, confirmation(at(0), at(2)))

    assert cloud.status_of(URSULA) == "confirmed"
    changes = cloud.rows("SELECT change FROM consents ORDER BY id")
    assert [row["change"] for row in changes] == ["signed_up", "confirmed"]


def test_a_confirmation_makes_the_subscriber_even_when_the_sign_up_was_lost(cloud: Cloud) -> None:
    enroll(confirmation(at(0), at(1), name="O'Brien"))

    row = cloud.row("SELECT name, status FROM subscribers")
    assert row == {"name": "O'Brien", "status": "confirmed"}


def test_a_reader_may_confirm_without_a_name(cloud: Cloud) -> None:
    enroll(sign_up(at(0), name=None), confirmation(at(0), at(1), name=None))

    row = cloud.row("SELECT name, status FROM subscribers")
    assert row == {"name": None, "status": "confirmed"}


def test_signing_up_again_without_a_name_keeps_the_one_that_was_given(cloud: Cloud) -> None:
    enroll(confirmation(at(0), at(1), name="Ursula"), confirmation(at(2), at(3), name=None))

    assert cloud.row("SELECT name FROM subscribers")["name"] == "Ursula"


def test_the_name_is_the_one_that_was_confirmed(cloud: Cloud) -> None:
    enroll(sign_up(at(0), name="Mallory"), sign_up(at(1), name="Ursula"))
    enroll(confirmation(at(1), at(2), name="Ursula"))
    enroll(confirmation(at(0), at(3), name="Mallory"))

    assert cloud.row("SELECT name FROM subscribers")["name"] == "Ursula"


def test_an_unsubscribe_holds_against_a_token_made_before_it(cloud: Cloud) -> None:
    enroll(confirmation(at(0), at(1)))
    leave = leaving(cloud, at(5))

    enroll(leave, confirmation(at(3), at(10)))

    assert cloud.status_of(URSULA) == "unsubscribed"


def test_an_unsubscribed_reader_comes_back_by_signing_up_and_confirming(cloud: Cloud) -> None:
    enroll(confirmation(at(0), at(1)))
    enroll(leaving(cloud, at(5)))

    enroll(sign_up(at(6)))
    assert cloud.status_of(URSULA) == "unsubscribed"
    enroll(confirmation(at(6), at(7)))

    assert cloud.status_of(URSULA) == "confirmed"


def test_the_order_in_which_requests_arrive_makes_no_difference(cloud: Cloud) -> None:
    story: list[Callable[[str], Request]] = [
        lambda email: confirmation(at(0), at(1), email),
        lambda email: leaving(cloud, at(5), email),
        lambda email: confirmation(at(6), at(7), email),
        lambda email: leaving(cloud, at(9), email),
        lambda email: confirmation(at(8), at(10), email),
    ]
    for number, order in enumerate(permutations(story)):
        email = f"reader{number}@example.com"
        cloud.add_confirmed(email)
        enroll(*(request(email) for request in order))
        newest = cloud.rows(
            "SELECT change, max(at) AS at FROM consents "
            "JOIN subscribers ON subscribers.id = subscriber_id "
            "WHERE email = %(email)s GROUP BY change ORDER BY change",
            email=email,
        )
        assert [(row["change"], row["at"]) for row in newest] == [
            ("confirmed", at(10)),
            ("unsubscribed", at(9)),
        ]

    assert cloud.rows("SELECT status, count(*) FROM subscribers GROUP BY 1") == [
        {"status": "unsubscribed", "count": 120}
    ]


def test_a_sign_up_that_arrives_after_a_later_confirmation_is_out_of_date(cloud: Cloud) -> None:
    enroll(confirmation(at(3), at(4)))
    enroll(sign_up(at(2)))

    assert cloud.ses.mails() == []


def test_who_complained_gets_no_mail_and_does_not_come_back(cloud: Cloud) -> None:
    cloud.add_confirmed(URSULA)
    cloud.rows("UPDATE subscribers SET complained_at = now()")

    enroll(sign_up(at(60)), confirmation(at(61), at(62)))

    assert cloud.status_of(URSULA) == "complained"
    assert cloud.ses.mails() == []


def test_a_bounced_reader_comes_back_and_is_no_longer_suppressed(cloud: Cloud) -> None:
    ses = boto3.client("sesv2", endpoint_url=cloud.ses.url)
    ses.create_configuration_set(
        ConfigurationSetName="confirmations",
        SuppressionOptions={"SuppressedReasons": ["COMPLAINT"]},
    )
    ses.put_suppressed_destination(EmailAddress=URSULA, Reason="BOUNCE")
    cloud.add_confirmed(URSULA)
    cloud.rows("UPDATE subscribers SET bounced_at = %(at)s", at=at(5))
    assert cloud.status_of(URSULA) == "bounced"

    enroll(sign_up(at(6)))
    (mail,) = cloud.mails_to(URSULA)
    token = signed_tokens.read_confirmation(token_in(mail))
    enroll(ConfirmRequest(token=token, origin=ORIGIN))

    assert cloud.status_of(URSULA) == "confirmed"
    with pytest.raises(ses.exceptions.NotFoundException):
        ses.get_suppressed_destination(EmailAddress=URSULA)


def test_a_complaints_suppression_is_not_lifted(cloud: Cloud) -> None:
    ses = boto3.client("sesv2", endpoint_url=cloud.ses.url)
    ses.put_suppressed_destination(EmailAddress=URSULA, Reason="COMPLAINT")

    enroll(confirmation(at(0), at(1)))

    assert ses.get_suppressed_destination(EmailAddress=URSULA)


def test_a_sender_s_address_keeps_its_case_by_which_ses_knows_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    ses = boto3.client("sesv2", endpoint_url=cloud.ses.url)
    for verified in ses.list_email_identities()["EmailIdentities"]:
        ses.delete_email_identity(EmailIdentity=verified["IdentityName"])
    ses.create_email_identity(EmailIdentity="News.Desk@page.example")
    monkeypatch.setenv("SENDER_ADDRESS", "News.Desk@page.example")
    monkeypatch.setenv("SENDER_NAME", "Die Zeitung für Köln, Bonn und die Dörfer drumherum")
    forget_what_was_read()

    assert enroll(sign_up(at(0))) == []

    (mail,) = cloud.mails_to(URSULA)
    assert mail.sender.endswith(" <News.Desk@page.example>")


LIFTING = ["GetSuppressedDestination", "DeleteSuppressedDestination"]


@pytest.mark.parametrize("operation", LIFTING)
@pytest.mark.parametrize(
    ("error", "status"),
    [("BadRequestException", 400), ("UnknownOperationException", 404), ("TooLarge", 413)],
)
def test_a_suppression_that_ses_refuses_to_lift_for_good_ends_and_the_reader_is_confirmed(
    cloud: Cloud, operation: str, error: str, status: int, output: Callable[[], str]
) -> None:
    boto3.client("sesv2", endpoint_url=cloud.ses.url).put_suppressed_destination(
        EmailAddress=URSULA, Reason="BOUNCE"
    )
    cloud.ses.control.refuse_calls(error, operations={operation}, status=status)

    assert enroll(confirmation(at(0), at(1))) == []

    assert cloud.status_of(URSULA) == "confirmed"
    assert "SES refused to lift a suppression" in output()
    assert URSULA not in output()
    assert cloud.messages("REQUESTS_DEAD_LETTER") == []


@pytest.mark.parametrize("operation", LIFTING)
@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("TooManyRequestsException", 429),
        ("ThrottlingException", 400),
        ("ConflictException", 409),
        ("AccessDeniedException", 403),
        ("ExpiredTokenException", 400),
        ("InternalFailure", 500),
        ("ServiceUnavailable", 503),
    ],
)
def test_a_suppression_is_lifted_again_when_the_refusal_passes_or_is_about_us(
    cloud: Cloud, operation: str, error: str, status: int
) -> None:
    ses = boto3.client("sesv2", endpoint_url=cloud.ses.url)
    ses.put_suppressed_destination(EmailAddress=URSULA, Reason="BOUNCE")
    refused = cloud.ses.control.refuse_calls(error, operations={operation}, status=status)

    assert len(enroll(confirmation(at(0), at(1)))) == 1

    cloud.ses.control.end(refused)
    assert enroll(confirmation(at(0), at(1))) == []
    with pytest.raises(ses.exceptions.NotFoundException):
        ses.get_suppressed_destination(EmailAddress=URSULA)


def test_unsubscribing_twice_and_unsubscribing_nobody_are_harmless(cloud: Cloud) -> None:
    enroll(confirmation(at(0), at(1)))
    leave = leaving(cloud, at(5))
    nobody = UnsubscribeRequest(
        token=UnsubscribeToken(subscriber_id=SubscriberId.new(), issue_id=ISSUE), origin=ORIGIN
    )

    assert enroll(leave, leave, leaving(cloud, at(6)), nobody) == []

    assert cloud.status_of(URSULA) == "unsubscribed"
    last = cloud.rows("SELECT * FROM consents ORDER BY id")[-1]
    assert last["change"] == "unsubscribed"
    assert last["issue_id"] == ISSUE.root
    assert str(last["source_address"]) == "192.0.2.7"
    assert last["user_agent"] == "Firefox"


def test_a_message_that_can_never_be_read_goes_to_the_dead_letters_with_its_reason(
    cloud: Cloud,
) -> None:
    good = sign_up(at(0))

    event = sqs_event('{"kind": "subscribe"}', "not json", good.model_dump_json())

    assert handler(event, context())["batchItemFailures"] == []
    dead = cloud.messages("REQUESTS_DEAD_LETTER")
    assert [letter["body"] for letter in dead] == ['{"kind": "subscribe"}', "not json"]
    reasons = {letter["messageAttributes"]["reason"]["stringValue"] for letter in dead}
    assert reasons == {"the message can't be read"}
    assert len(cloud.mails_to(URSULA)) == 1


def test_while_the_database_is_down_requests_wait_and_are_applied_after(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMINGS", '{"worker_connect_timeout": 0}')
    sqs = boto3.client("sqs")
    sqs.send_message(
        QueueUrl=cloud.queues["REQUESTS"], MessageBody=sign_up(at(0)).model_dump_json()
    )
    event = {"Records": cloud.messages("REQUESTS")}

    with cloud.database_down():
        failures = handler(event, context())["batchItemFailures"]

    assert [failure["itemIdentifier"] for failure in failures] == [event["Records"][0]["messageId"]]
    assert handler(event, context())["batchItemFailures"] == []
    assert cloud.status_of(URSULA) == "pending"
    assert len(cloud.mails_to(URSULA)) == 1


def test_what_has_failed_for_an_hour_reaches_the_alarms(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIMINGS", '{"worker_connect_timeout": 0}')
    event = sqs_event(sign_up(at(0)).model_dump_json(), receive_count=9)
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    event["Records"][0]["attributes"]["SentTimestamp"] = str(int(an_hour_ago.timestamp() * 1000))

    with cloud.database_down():
        handler(event, context())

    (told,) = [
        line
        for line in map(json.loads, capsys.readouterr().out.splitlines())
        if "OldestFailure" in line
    ]
    assert 3600 <= told["OldestFailure"][0] < 3660
    handler(event, context())
    assert "OldestFailure" not in capsys.readouterr().out


def test_a_request_survives_its_journey_through_json() -> None:
    request = sign_up(at(0), name="Zoë 👩‍🚀")
    assert SubscribeRequest.model_validate_json(request.model_dump_json()) == request


@pytest.mark.parametrize(
    ("language", "subject"),
    [
        ("de", "Bitte bestätigen Sie Ihr Abonnement: The Daily Page"),
        ("de-AT", "Bitte bestätigen Sie Ihr Abonnement: The Daily Page"),
        ("fr", "Please confirm your subscription to The Daily Page"),
    ],
    ids=["de", "de-AT", "fr"],
)
def test_a_confirmation_is_in_the_language_of_the_sign_up(
    cloud: Cloud, language: str, subject: str
) -> None:
    enroll(sign_up(at(0)).model_copy(update={"language": language}))

    (mail,) = cloud.mails_to(URSULA)
    assert mail.subject == subject
    assert signed_tokens.read_confirmation(token_in(mail)).language == language


def test_who_is_subscribed_already_is_answered_in_their_own_language(cloud: Cloud) -> None:
    german = confirmation(at(0), at(1)).token.model_copy(update={"language": "de"})
    enroll(ConfirmRequest(token=german, received_at=at(1), origin=ORIGIN))

    enroll(sign_up(at(9)))

    assert cloud.mails_to(URSULA)[-1].subject == "Sie haben The Daily Page schon abonniert"
