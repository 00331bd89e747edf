"""What SES tells of its mails, in the ledger and in the subscribers' state."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import boto3
import psycopg
import pytest

from broadsheet.domain.requests import ConfirmationToken, ConfirmRequest
from broadsheet.domain.subscribers import EmailAddress, SubscriberName
from broadsheet.settings import Timings
from functions.enroll.app import handler as enroll
from functions.feedback.app import handler as feedback
from tests.cloud import ORIGIN, Cloud, context, sqs_event
from tests.conftest import forget_what_was_read
from tests.functions.issues import (
    SesEvent,
    books_of,
    deliver_all,
    pointers,
    publish_issue,
    send,
    ses_event,
    show,
    tell,
    tick,
)

URSULA = "ursula@example.com"
EARLIER = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = EARLIER + timedelta(minutes=1)
OF_A_MAIL_THAT_SES_TOOK = ["Send", "Delivery", "DeliveryDelay", "Bounce", "Complaint"]


@pytest.fixture
def ursula(cloud: Cloud) -> UUID:
    (subscriber,) = cloud.add_confirmed(URSULA)
    return subscriber


def ledger(cloud: Cloud) -> dict[str, Any]:
    return cloud.row("SELECT * FROM deliveries")


def sent(cloud: Cloud) -> tuple[str, str]:
    """Send an issue to Ursula; return its id, and that of the mail."""
    issue_id = publish_issue()
    send(cloud, issue_id)
    return issue_id, str(ledger(cloud)["message_id"])


@pytest.mark.parametrize("kind", OF_A_MAIL_THAT_SES_TOOK)
def test_each_event_before_deliver_has_written_its_row_says_that_ses_took_the_mail(
    cloud: Cloud, ursula: UUID, kind: str
) -> None:
    issue_id = publish_issue()
    tick(issue_id)

    assert tell(ses_event(kind, issue=issue_id, subscriber=ursula)) == []

    row = ledger(cloud)
    assert (row["outcome"], row["message_id"]) == ("accepted", "0100-first")
    assert (row["delivered_at"] is not None) == (kind == "Delivery")
    assert (row["bounced_at"] is not None) == (kind == "Bounce")
    assert (row["complained_at"] is not None) == (kind == "Complaint")


def test_who_is_known_to_have_their_mail_is_not_sent_another(cloud: Cloud, ursula: UUID) -> None:
    issue_id = publish_issue()
    tick(issue_id)
    records = pointers(cloud)

    tell(ses_event("Send", issue=issue_id, subscriber=ursula))
    deliver_all(records)
    tick(issue_id)

    assert cloud.ses.mails() == []
    assert show(issue_id)["status"] == "finished"


@pytest.mark.parametrize(
    ("kind", "outcome", "reason"),
    [
        ("Reject", "rejected", "REJECT"),
        ("Rendering Failure", "rendering_failed", "RENDERING_FAILURE"),
    ],
)
def test_a_mail_that_ses_took_and_then_did_not_send_has_failed(
    cloud: Cloud, ursula: UUID, kind: str, outcome: str, reason: str
) -> None:
    issue_id, message_id = sent(cloud)

    tell(ses_event(kind, issue=issue_id, subscriber=ursula, message_id=message_id))

    assert ledger(cloud)["outcome"] == outcome
    assert books_of(issue_id)["failed"] == {reason: 1}


@pytest.mark.parametrize("order", [*permutations(["Send", "Rendering Failure", "Reject"])])
def test_a_rejection_outranks_a_mails_other_events_in_a_batch_in_any_order(
    cloud: Cloud, ursula: UUID, order: tuple[str, ...]
) -> None:
    issue_id, message_id = sent(cloud)

    tell(
        *[
            ses_event(kind, issue=issue_id, subscriber=ursula, message_id=message_id)
            for kind in order
        ]
    )

    assert ledger(cloud)["outcome"] == "rejected"
    assert books_of(issue_id)["failed"] == {"REJECT": 1}


def test_events_of_one_mail_come_in_any_order_twice_and_together(
    cloud: Cloud, ursula: UUID
) -> None:
    issue_id, message_id = sent(cloud)
    kinds = ("Send", "Delivery", "Bounce", "Complaint")
    events = [
        ses_event(kind, issue=issue_id, subscriber=ursula, message_id=message_id) for kind in kinds
    ]
    tell(*events)
    first = {"ledger": ledger(cloud), "consents": cloud.rows("SELECT change FROM consents")}

    for order in permutations(events):
        tell(*order, *order)
        tell(order[0])

    assert {
        "ledger": ledger(cloud),
        "consents": cloud.rows("SELECT change FROM consents"),
    } == first
    books = books_of(issue_id)
    assert (books["delivered"], books["bounced"], books["complained"]) == (1, 1, 1)
    assert books["duplicates"] == 0


def test_an_event_and_deliver_agree_whoever_writes_first(cloud: Cloud, ursula: UUID) -> None:
    issue_id, message_id = sent(cloud)
    told_at = ledger(cloud)["recorded_at"]

    tell(ses_event("Delivery", issue=issue_id, subscriber=ursula, message_id=message_id))

    row = ledger(cloud)
    assert (row["outcome"], row["recorded_at"], row["message_id"]) == (
        "accepted",
        told_at,
        message_id,
    )


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is executed in the database from now on."""
    executed: list[str] = []
    execute = psycopg.Cursor.execute

    def note(self: Any, query: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
        executed.append(str(query))
        return execute(self, query, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", note)
        yield executed


def test_a_hundred_events_are_a_handful_of_statements(cloud: Cloud, statements: list[str]) -> None:
    readers = cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(30)])
    issue_id = publish_issue()
    tick(issue_id)
    kinds = ("Send", "Delivery", "Bounce", "Complaint")
    events = [
        ses_event(kind, issue=issue_id, subscriber=reader, message_id=f"0100-{reader}")
        for kind in kinds
        for reader in readers
    ][:100]
    statements.clear()

    tell(*events)

    assert len(statements) <= 9, statements  # the last looks for webhooks' messages
    assert cloud.row("SELECT count(*) FROM deliveries")["count"] == 30
    assert cloud.row("SELECT count(*) FROM subscribers WHERE status = 'bounced'")["count"] == 20
    assert cloud.row("SELECT count(*) FROM subscribers WHERE status = 'complained'")["count"] == 10


@pytest.mark.parametrize(("kind", "status"), [("Bounce", "bounced"), ("Complaint", "complained")])
def test_a_permanent_bounce_and_a_complaint_stop_mail_at_once(
    cloud: Cloud, ursula: UUID, kind: str, status: str
) -> None:
    earlier, message_id = sent(cloud)
    issue_id = publish_issue(title="Number two")
    tick(issue_id)  # frozen, with Ursula in it

    tell(ses_event(kind, issue=earlier, subscriber=ursula, message_id=message_id))
    send(cloud, issue_id)

    assert cloud.status_of(URSULA) == status
    assert len(cloud.mails_to(URSULA)) == 1
    assert books_of(issue_id)["skipped"] == {status: 1}
    (consent,) = cloud.rows("SELECT change, issue_id FROM consents")
    assert consent == {"change": status, "issue_id": UUID(earlier)}


def complain(cloud: Cloud, subscriber: UUID, subtype: str) -> str:
    """Send an issue, and let its reader complain of it; return the issue's id."""
    issue_id, message_id = sent(cloud)
    tell(
        ses_event(
            "Complaint",
            issue=issue_id,
            subscriber=subscriber,
            message_id=message_id,
            complaintSubType=subtype,
        )
    )
    return issue_id


def test_a_bounce_from_the_suppression_list_is_recorded_as_such_and_lifted_by_confirming_again(
    cloud: Cloud, ursula: UUID
) -> None:
    cloud.ses.control.suppress([URSULA])
    issue_id, message_id = sent(cloud)
    tell(
        ses_event(
            "Bounce",
            issue=issue_id,
            subscriber=ursula,
            message_id=message_id,
            bounceSubType="OnAccountSuppressionList",
        )
    )
    assert cloud.status_of(URSULA) == "bounced"
    assert ledger(cloud)["suppressed_as"] == "OnAccountSuppressionList"

    confirm(datetime.now(UTC))
    again = publish_issue(title="Number two")
    send(cloud, again)

    assert cloud.status_of(URSULA) == "confirmed"
    assert [mail.subject for mail in cloud.mails_to(URSULA)] == ["Number two"]


def confirm(clicked_at: datetime) -> None:
    token = ConfirmationToken(
        email=EmailAddress(URSULA), name=SubscriberName("Ursula"), issued_at=clicked_at
    )
    request = ConfirmRequest(token=token, received_at=clicked_at, origin=ORIGIN)
    enroll(sqs_event(request.model_dump_json()), context())


def test_a_bounce_of_a_mail_from_before_the_latest_confirmation_changes_nothing(
    cloud: Cloud, ursula: UUID
) -> None:
    issue_id, message_id = sent(cloud)
    late = datetime.now(UTC)
    confirm(late)
    before = late - timedelta(minutes=1)

    tell(
        ses_event(
            "Bounce",
            issue=issue_id,
            subscriber=ursula,
            message_id=message_id,
            sent_at=before,
            timestamp=datetime.now(UTC).isoformat(),
        )
    )

    assert cloud.status_of(URSULA) == "confirmed"
    assert cloud.rows("SELECT FROM consents WHERE change = 'bounced'") == []
    assert books_of(issue_id)["bounced"] == 1


def test_what_can_not_be_read_is_put_aside_and_the_others_are_recorded(
    cloud: Cloud, ursula: UUID
) -> None:
    issue_id = publish_issue()
    tick(issue_id)
    without_mail = json.dumps({"eventType": "Send"})
    with_nul = json.dumps(ses_event("Send", issue=issue_id, subscriber=ursula, message_id="a\0b"))
    bounce_with_nul = ses_event("Bounce", issue=issue_id, subscriber=ursula, bounceSubType="\0")

    bad = ["{not json", "[]", without_mail, with_nul]
    assert tell(*bad, bounce_with_nul, ses_event("Send", issue=issue_id, subscriber=ursula)) == []

    assert ledger(cloud)["message_id"] == "0100-first"
    put_aside = cloud.messages("FEEDBACK_DEAD_LETTER")
    assert [message["body"] for message in put_aside] == bad
    assert {message["messageAttributes"]["reason"]["stringValue"] for message in put_aside} == {
        "the message can't be read"
    }


def test_what_is_surely_about_no_mail_is_logged_and_dropped(
    cloud: Cloud, ursula: UUID, output: Callable[[], str]
) -> None:
    issue_id = publish_issue()
    tick(issue_id)
    validated = "Successfully validated SNS topic for Amazon SES event publishing."

    assert tell(validated, "{}", ses_event("Send", issue=issue_id, subscriber=ursula)) == []

    assert ledger(cloud)["message_id"] == "0100-first"
    assert cloud.messages("FEEDBACK_DEAD_LETTER") == []
    assert output().count("a message about no mail was dropped") == 2


def test_an_event_that_is_not_ours_harms_nobody_in_its_batch(cloud: Cloud, ursula: UUID) -> None:
    issue_id = publish_issue()
    tick(issue_id)
    strangers = [
        ses_event("Send", issue=str(uuid4()), subscriber=uuid4()),
        ses_event("Bounce", issue=str(uuid4()), subscriber=uuid4()),
        ses_event("Complaint", issue="not an id", subscriber="neither"),
        ses_event("Send", issue=issue_id, subscriber=ursula, round_number="first"),
        ses_event("Send", issue=issue_id, subscriber=ursula, round_number=-1),
        ses_event("Send", issue=issue_id, subscriber=ursula, round_number=2**40),
        ses_event("Delivery"),
    ]

    assert tell(*strangers, ses_event("Delivery", issue=issue_id, subscriber=ursula)) == []

    assert books_of(issue_id)["delivered"] == 1
    assert cloud.row("SELECT count(*) FROM deliveries")["count"] == 1
    assert cloud.messages("FEEDBACK_DEAD_LETTER") == []


def test_a_second_mail_is_a_duplicate_and_counted_once(
    cloud: Cloud, ursula: UUID, output: Callable[[], str]
) -> None:
    issue_id, message_id = sent(cloud)

    for kind in ("Send", "Delivery", "Send"):
        for mail in (message_id, "0100-second"):
            tell(ses_event(kind, issue=issue_id, subscriber=ursula, message_id=mail))

    books = books_of(issue_id)
    assert (books["accepted"], books["duplicates"]) == (1, 1)
    written = output()
    assert written.count('"DuplicateMails":[1.0]') == 1
    assert written.count('"DuplicateMails":[') == 1  # or the alarm is no sign of anything


def test_two_mails_reported_in_one_batch_are_a_duplicate(cloud: Cloud, ursula: UUID) -> None:
    issue_id = publish_issue()
    tick(issue_id)
    events: list[SesEvent] = [
        ses_event(kind, issue=issue_id, subscriber=ursula, message_id=mail)
        for kind in ("Send", "Delivery")
        for mail in ("0100-first", "0100-second")
    ]

    tell(*events)
    tell(*events)

    assert books_of(issue_id)["duplicates"] == 1


@pytest.mark.parametrize(
    ("told", "first", "second"),
    [
        (
            {"suppressed_as": "OnAccountSuppressionList", "bounced_at": EARLIER},
            ("Bounce", {"bounceSubType": "OnAccountSuppressionList"}),
            ("Bounce", {"bounceSubType": "Suppressed"}),
        ),
        (
            {"suppressed_as": None, "bounced_at": LATER, "delivered_at": EARLIER},
            ("Delivery", {}),
            ("Bounce", {}),
        ),
        ({"delivered_at": EARLIER}, ("Delivery", {}), ("Delivery", {})),
        ({"complained_at": EARLIER}, ("Complaint", {}), ("Complaint", {})),
    ],
    ids=["both suppressed", "one bounced", "both delivered", "both complained of"],
)
def test_the_events_of_the_earlier_of_two_mails_in_a_batch_stay_in_any_order(
    cloud: Cloud,
    ursula: UUID,
    told: dict[str, Any],
    first: tuple[str, dict[str, str]],
    second: tuple[str, dict[str, str]],
) -> None:
    issue_id = publish_issue()
    tick(issue_id)
    events = [
        ses_event(
            kind, issue=issue_id, subscriber=ursula, message_id=mail, sent_at=sent_at, **detail
        )
        for mail, sent_at, (kind, detail) in (
            ("0100-second", LATER, second),
            ("0100-second", LATER, ("Send", {})),
            ("0100-first", EARLIER, first),
            ("0100-first", EARLIER, ("Send", {})),
        )
    ]

    for order in permutations(events):
        tell(*order)

        row, duplicate = ledger(cloud), cloud.row("SELECT message_id FROM duplicate_mails")
        assert (row["message_id"], duplicate["message_id"]) == ("0100-first", "0100-second")
        assert {name: row[name] for name in told} == told
        cloud.rows("DELETE FROM deliveries")
        cloud.rows("DELETE FROM duplicate_mails")


def test_a_confirmation_mail_that_bounces_stops_a_pending_subscriber(cloud: Cloud) -> None:
    pending = cloud.row(
        "INSERT INTO subscribers (id, email, name, language, signed_up_at) "
        "VALUES (gen_random_uuid(), 'pending@example.com', 'P', 'en', now()) RETURNING id"
    )["id"]

    tell(ses_event("Send", subscriber=pending), ses_event("Delivery", subscriber=pending))
    assert cloud.status_of("pending@example.com") == "pending"
    tell(ses_event("Bounce", subscriber=pending))
    tell(ses_event("Bounce", subscriber=pending))

    assert cloud.status_of("pending@example.com") == "bounced"
    assert cloud.rows("SELECT change FROM consents") == [{"change": "bounced"}]
    assert cloud.rows("SELECT FROM deliveries") == []


def test_events_of_two_issues_never_lock_each_other_out(
    cloud: Cloud, ursula: UUID, output: Callable[[], str]
) -> None:
    first, second = publish_issue(), publish_issue()
    for issue_id in (first, second):
        send(cloud, issue_id)
    in_any_order = [
        [ses_event("Complaint", issue=issue_id, subscriber=ursula) for issue_id in order]
        for order in ((first, second), (second, first))
    ]
    tellers = [threading.Thread(target=tell, args=events) for events in in_any_order]

    with psycopg.connect(cloud.database_url) as another:
        another.execute("SELECT FROM deliveries WHERE issue_id = %s FOR UPDATE", [first])
        for number, teller in enumerate(tellers, start=1):
            teller.start()
            while len(waiting_for_a_lock(cloud)) < number:
                time.sleep(0.01)
    for teller in tellers:
        teller.join()

    assert "DatabaseUnavailable" not in output()
    assert [books_of(issue_id)["complained"] for issue_id in (first, second)] == [1, 1]


def waiting_for_a_lock(cloud: Cloud) -> list[dict[str, Any]]:
    return cloud.rows("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")


def test_each_change_of_state_is_in_the_consent_log_once(cloud: Cloud, ursula: UUID) -> None:
    issue_id, message_id = sent(cloud)
    events = [
        ses_event(kind, issue=issue_id, subscriber=ursula, message_id=message_id)
        for kind in ("Bounce", "Complaint")
    ]

    for event in [*events, *events, *reversed(events)]:
        tell(event)

    changes = cloud.rows("SELECT change FROM consents ORDER BY id")
    assert changes == [{"change": "bounced"}, {"change": "complained"}]


def test_a_database_that_is_away_loses_no_event(
    cloud: Cloud, ursula: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id, message_id = sent(cloud)
    events = [
        ses_event(kind, issue=issue_id, subscriber=ursula, message_id=message_id)
        for kind in ("Delivery", "Complaint")
    ]
    monkeypatch.setattr("functions.feedback.app.settings.timings", _impatient)

    with cloud.database_down():
        assert len(tell(*events)) == 2
    assert tell(*events) == []

    assert books_of(issue_id)["complained"] == 1


def _impatient() -> Timings:
    return Timings(worker_connect_timeout=0)


def test_failed_messages_come_back_soon_except_one_that_the_queue_does_not_know(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, output: Callable[[], str]
) -> None:
    timings = Timings(worker_connect_timeout=0, message_retry_first=0)
    monkeypatch.setenv("TIMINGS", timings.model_dump_json(exclude_defaults=True))
    forget_what_was_read()
    sqs, queue_url = boto3.client("sqs"), cloud.queues["FEEDBACK"]
    for number in range(25):
        body = json.dumps(ses_event("Send", message_id=f"0100-{number}"))
        sqs.send_message(QueueUrl=queue_url, MessageBody=body)
    records = cloud.messages("FEEDBACK")
    assert (len(records), cloud.messages("FEEDBACK")) == (25, [])
    records[3] |= {"receiptHandle": "of another"}

    with cloud.database_down():
        failures = feedback({"Records": records}, context())["batchItemFailures"]

    assert len(failures) == 25
    again = {record["messageId"] for record in cloud.messages("FEEDBACK")}
    assert again == {record["messageId"] for record in records} - {records[3]["messageId"]}
    assert "some messages could not be made visible sooner" in output()


def test_a_complaint_from_the_suppression_list_is_recorded_as_such(
    cloud: Cloud, ursula: UUID
) -> None:
    complain(cloud, ursula, "OnAccountSuppressionList")

    assert cloud.status_of(URSULA) == "complained"
    assert ledger(cloud)["suppressed_as"] == "OnAccountSuppressionList"
