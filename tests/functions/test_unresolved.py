"""Sends whose answer was lost: settled by SES's events, or sent again once none can come."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import boto3
import pytest

from broadsheet.mail.ses.single_mails import PROBE_ADDRESS
from broadsheet.services.sending import delivery
from tests.cloud import Cloud
from tests.functions.issues import (
    act_on,
    books_of,
    deliver_all,
    pointers,
    publish_issue,
    send,
    ses_event,
    show,
    slots_used,
    tell,
    tick,
)

URSULA, OCTAVIA = "ursula@example.com", "octavia@example.com"


@pytest.fixture
def readers(cloud: Cloud) -> dict[str, UUID]:
    return dict(zip((URSULA, OCTAVIA), cloud.add_confirmed(URSULA, OCTAVIA), strict=True))


@pytest.fixture
def issue_id(cloud: Cloud, readers: dict[str, UUID]) -> str:
    """An issue that was sent to two readers, and the answer to the call was lost."""
    issue_id = publish_issue()
    tick(issue_id)
    dropping = cloud.ses.control.drop(take="never")
    deliver_all(pointers(cloud))
    cloud.ses.control.end(dropping)
    assert books_of(issue_id)["unresolved"] == 2
    return issue_id


def grace_passes(cloud: Cloud) -> None:
    """Let the claims of all that is unresolved have ended more than a grace time ago."""
    cloud.rows(
        "UPDATE deliveries SET claim_deadline = now() - interval '32 minutes'"
        " WHERE outcome = 'unresolved'"
    )


def a_minute_passes(cloud: Cloud) -> None:
    """Let the queues have been seen empty a minute ago, if they were."""
    cloud.rows("UPDATE feedback_progress SET seen_empty_at = seen_empty_at - interval '1 minute'")


def feedback_is_proved_current(cloud: Cloud, issue_id: str) -> None:
    tell(ses_event("Send", message_id="0100-of-a-later-mail"))
    tick(issue_id)
    a_minute_passes(cloud)
    tick(issue_id)


def mailed(cloud: Cloud) -> list[str]:
    return sorted(mail.to for mail in cloud.ses.mails() if mail.to != PROBE_ADDRESS)


@pytest.mark.parametrize("kind", ["Send", "Delivery", "DeliveryDelay", "Bounce", "Complaint"])
def test_any_event_of_a_mail_settles_it(
    cloud: Cloud, readers: dict[str, UUID], issue_id: str, kind: str
) -> None:
    tell(ses_event(kind, issue=issue_id, subscriber=readers[URSULA]))

    books = books_of(issue_id)
    assert (books["accepted"], books["unresolved"]) == (1, 1)


def test_a_rejection_settles_a_mail_as_failed(
    cloud: Cloud, readers: dict[str, UUID], issue_id: str
) -> None:
    for kind, reader in (("Reject", URSULA), ("Rendering Failure", OCTAVIA)):
        tell(ses_event(kind, issue=issue_id, subscriber=readers[reader]))
    tick(issue_id)

    document = show(issue_id)
    assert document["books"]["failed"] == {"REJECT": 1, "RENDERING_FAILURE": 1}
    assert document["status"] == "finished"


def test_an_issue_with_unresolved_mails_is_not_finished_and_its_clock_runs(
    cloud: Cloud, issue_id: str
) -> None:
    tick(issue_id)
    tick(issue_id)

    assert show(issue_id)["status"] == "sending"
    assert mailed(cloud) == []
    assert boto3.client("scheduler").get_schedule(Name=issue_id, GroupName="clocks")


def test_what_is_sent_again_takes_its_own_rate_and_no_more(
    cloud: Cloud, readers: dict[str, UUID], issue_id: str
) -> None:
    tell(ses_event("Send", issue=issue_id, subscriber=readers[URSULA]))
    grace_passes(cloud)
    feedback_is_proved_current(cloud, issue_id)

    used = slots_used(cloud, lambda: deliver_all(pointers(cloud)))

    assert used == pytest.approx(1, abs=0.01)
    assert mailed(cloud) == [OCTAVIA]


def test_nothing_is_sent_again_before_the_grace_time(cloud: Cloud, issue_id: str) -> None:
    cloud.rows("UPDATE deliveries SET claim_deadline = now() - interval '31 minutes'")

    feedback_is_proved_current(cloud, issue_id)
    deliver_all(pointers(cloud))

    assert books_of(issue_id)["unresolved"] == 2
    assert cloud.ses.mails() == []  # nor is a probe sent that could prove nothing


def test_nothing_is_sent_again_before_a_later_mail_has_an_event(
    cloud: Cloud, issue_id: str, output: Callable[[], str]
) -> None:
    grace_passes(cloud)
    too_early = datetime.now(UTC) - timedelta(minutes=2)
    tell(ses_event("Send", sent_at=too_early))

    for _ in range(4):
        tick(issue_id)
        a_minute_passes(cloud)

    assert books_of(issue_id)["unresolved"] == 2
    assert mailed(cloud) == []
    assert "UnresolvedPastGrace" in output()


def test_without_other_mails_one_probe_is_sent_and_its_event_continues_the_proof(
    cloud: Cloud, issue_id: str
) -> None:
    grace_passes(cloud)

    tick(issue_id)
    tick(issue_id)
    (probe,) = cloud.mails_to(PROBE_ADDRESS)
    assert probe.tags == {"probe": "feedback"}
    assert probe.configuration_set == "issues"
    event = ses_event("Send", message_id=probe.message_id)
    event["mail"]["tags"]["probe"] = ["feedback"]
    tell(event)
    tick(issue_id)
    a_minute_passes(cloud)
    send(cloud, issue_id)

    assert mailed(cloud) == [OCTAVIA, URSULA]
    assert show(issue_id)["status"] == "finished"


def test_a_probe_is_repeated_after_a_while(cloud: Cloud, issue_id: str) -> None:
    grace_passes(cloud)

    tick(issue_id)
    cloud.rows("UPDATE feedback_progress SET probed_at = probed_at - interval '10 minutes'")
    tick(issue_id)

    assert len(cloud.mails_to(PROBE_ADDRESS)) == 2


def test_a_probe_that_ses_does_not_take_stops_nothing_else(cloud: Cloud, issue_id: str) -> None:
    grace_passes(cloud)
    cloud.add_confirmed("late@example.com")
    cloud.rows(  # another batch that is still to be sent
        "INSERT INTO delivery_batches (issue_id, number, recipients)"
        " SELECT %(issue)s, 2, array_agg(id) FROM subscribers WHERE email = 'late@example.com'",
        issue=issue_id,
    )
    cloud.rows("UPDATE issues SET audience = 3")
    cloud.ses.control.refuse_calls("SendingPausedException", operations=["SendEmail"])

    send(cloud, issue_id)

    assert mailed(cloud) == ["late@example.com"]


VALIDATED = "Successfully validated SNS topic for Amazon SES event publishing."
UNREADABLE = '{"eventType": "Send"}'


def sent_to(
    cloud: Cloud,
    name: str,
    body: str = UNREADABLE,
    **parameters: Any,  # noqa: ANN401 - as boto3's
) -> None:
    boto3.client("sqs").send_message(QueueUrl=cloud.queues[name], MessageBody=body, **parameters)


def waiting(cloud: Cloud) -> None:
    sent_to(cloud, "FEEDBACK")


def delayed(cloud: Cloud) -> None:
    sent_to(cloud, "FEEDBACK", DelaySeconds=300)


def in_flight(cloud: Cloud) -> None:
    sent_to(cloud, "FEEDBACK")
    assert cloud.messages("FEEDBACK")


def put_aside(cloud: Cloud) -> None:
    sent_to(cloud, "FEEDBACK_DEAD_LETTER")


@pytest.mark.parametrize("somewhere", [waiting, delayed, in_flight, put_aside])
def test_nothing_is_sent_again_while_an_event_is_anywhere(
    cloud: Cloud, issue_id: str, somewhere: Callable[[Cloud], None]
) -> None:
    grace_passes(cloud)
    tell(ses_event("Send", message_id="0100-of-a-later-mail"))
    tick(issue_id)  # seen empty once
    somewhere(cloud)

    for _ in range(3):
        a_minute_passes(cloud)
        tick(issue_id)

    assert books_of(issue_id)["unresolved"] == 2
    boto3.client("sqs").purge_queue(QueueUrl=cloud.queues["FEEDBACK"])
    boto3.client("sqs").purge_queue(QueueUrl=cloud.queues["FEEDBACK_DEAD_LETTER"])
    tick(issue_id)
    assert books_of(issue_id)["unresolved"] == 2, "seen empty once since then is not twice"


def test_dead_letters_about_no_mail_are_dropped_and_keep_nothing_unresolved(
    cloud: Cloud, issue_id: str, output: Callable[[], str]
) -> None:
    for body in (12 * (VALIDATED,)) + ('{"Type": "SubscriptionConfirmation"}', "{}"):
        sent_to(cloud, "FEEDBACK_DEAD_LETTER", body)
    grace_passes(cloud)

    feedback_is_proved_current(cloud, issue_id)
    send(cloud, issue_id)

    assert mailed(cloud) == [OCTAVIA, URSULA]
    assert cloud.messages("FEEDBACK_DEAD_LETTER") == []
    assert "dead letters were dropped, since they are about no mail" in output()


def test_a_dead_letter_that_could_be_about_a_mail_stays_and_can_be_looked_at_at_once(
    cloud: Cloud, issue_id: str
) -> None:
    for body in (VALIDATED, UNREADABLE, VALIDATED):
        sent_to(cloud, "FEEDBACK_DEAD_LETTER", body)
    grace_passes(cloud)

    for _ in range(3):
        feedback_is_proved_current(cloud, issue_id)

    assert books_of(issue_id)["unresolved"] == 2
    assert UNREADABLE in [each["body"] for each in cloud.messages("FEEDBACK_DEAD_LETTER")]


def test_the_queues_are_to_be_seen_empty_a_minute_apart(cloud: Cloud, issue_id: str) -> None:
    grace_passes(cloud)
    tell(ses_event("Send", message_id="0100-of-a-later-mail"))

    for _ in range(3):
        tick(issue_id)
    assert books_of(issue_id)["unresolved"] == 2
    a_minute_passes(cloud)
    tick(issue_id)

    assert books_of(issue_id)["unresolved"] == 0


def test_exactly_the_unresolved_are_sent_again_and_listed_as_possibly_twice(
    cloud: Cloud, readers: dict[str, UUID], issue_id: str
) -> None:
    tell(ses_event("Send", issue=issue_id, subscriber=readers[URSULA]))
    grace_passes(cloud)

    feedback_is_proved_current(cloud, issue_id)
    assert books_of(issue_id)["waiting"] == 1
    send(cloud, issue_id)

    assert mailed(cloud) == [OCTAVIA]
    document = show(issue_id)
    assert document["status"] == "finished"
    assert (document["books"]["accepted"], document["books"]["possibly_twice"]) == (2, 1)
    assert cloud.rows("SELECT subscriber_id FROM resends") == [{"subscriber_id": readers[OCTAVIA]}]


def test_a_mail_that_was_sent_again_and_had_been_taken_is_a_duplicate(
    cloud: Cloud, readers: dict[str, UUID], issue_id: str
) -> None:
    grace_passes(cloud)
    feedback_is_proved_current(cloud, issue_id)
    send(cloud, issue_id)

    late = ses_event("Send", issue=issue_id, subscriber=readers[URSULA], message_id="0100-lost")
    tell(late)
    tell(late)

    assert books_of(issue_id)["duplicates"] == 1


def test_only_those_whose_own_grace_time_is_over_are_sent_again(
    cloud: Cloud, readers: dict[str, UUID], issue_id: str
) -> None:
    cloud.rows(
        "UPDATE deliveries SET claim_deadline = now() - interval '32 minutes'"
        " WHERE subscriber_id = %(id)s",
        id=readers[URSULA],
    )

    feedback_is_proved_current(cloud, issue_id)
    send(cloud, issue_id)

    assert mailed(cloud) == [URSULA]
    assert books_of(issue_id)["unresolved"] == 1


def test_a_batch_that_somebody_holds_is_not_touched(cloud: Cloud, issue_id: str) -> None:
    grace_passes(cloud)
    held = (
        "UPDATE delivery_batches SET state = 'claimed', claim_id = gen_random_uuid(),"
        " claim_deadline = now() + interval '1 minute' RETURNING claim_id"
    )
    claim_id = cloud.row(held)["claim_id"]

    feedback_is_proved_current(cloud, issue_id)

    assert books_of(issue_id)["unresolved"] == 2
    assert cloud.row("SELECT claim_id FROM delivery_batches")["claim_id"] == claim_id
    cloud.rows("UPDATE delivery_batches SET state='closed', claim_id=NULL, claim_deadline=NULL")
    tick(issue_id)
    assert books_of(issue_id)["waiting"] == 2


def test_a_canceled_issue_sends_nothing_again_and_its_counts_end(
    cloud: Cloud, readers: dict[str, UUID], issue_id: str
) -> None:
    tell(ses_event("Send", issue=issue_id, subscriber=readers[URSULA]))
    act_on(issue_id, "cancel")
    tick(issue_id)
    assert books_of(issue_id)["unresolved"] == 1
    grace_passes(cloud)

    feedback_is_proved_current(cloud, issue_id)
    deliver_all(pointers(cloud))
    tick(issue_id)

    books = books_of(issue_id)
    assert (books["waiting"], books["unresolved"], books["accepted"]) == (0, 0, 1)
    assert books["skipped"] == {"canceled, perhaps mailed": 1}
    assert books["possibly_twice"] == 0
    assert mailed(cloud) == []
    assert boto3.client("scheduler").list_schedules()["Schedules"] == []


def test_who_left_meanwhile_is_not_sent_to_again(
    cloud: Cloud, readers: dict[str, UUID], issue_id: str
) -> None:
    grace_passes(cloud)
    cloud.rows(
        "UPDATE subscribers SET unsubscribed_at = now() WHERE id = %(id)s", id=readers[URSULA]
    )

    feedback_is_proved_current(cloud, issue_id)
    send(cloud, issue_id)

    assert mailed(cloud) == [OCTAVIA]
    assert books_of(issue_id)["skipped"] == {"unsubscribed": 1}
    assert books_of(issue_id)["possibly_twice"] == 2, "the lost call may have reached her"
    row = cloud.row(
        "SELECT outcome::text AS outcome FROM deliveries JOIN resends"
        " USING (issue_id, subscriber_id, round) WHERE subscriber_id = %(id)s",
        id=readers[URSULA],
    )
    assert row["outcome"] == "skipped"


def test_an_event_still_tells_of_a_mail_that_was_given_up(
    cloud: Cloud, readers: dict[str, UUID], issue_id: str
) -> None:
    act_on(issue_id, "cancel")
    tick(issue_id)
    grace_passes(cloud)
    feedback_is_proved_current(cloud, issue_id)
    assert books_of(issue_id)["skipped"] == {"canceled, perhaps mailed": 2}

    tell(ses_event("Send", issue=issue_id, subscriber=readers[URSULA]))

    books = books_of(issue_id)
    assert (books["accepted"], books["skipped"]) == (1, {"canceled, perhaps mailed": 1})


def test_an_acceptance_that_was_read_late_and_another_mail_are_a_duplicate(
    cloud: Cloud, readers: dict[str, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deliver that was frozen with SES's answer in hand writes it when it thaws."""
    issue_id = publish_issue()
    tick(issue_id)
    records = pointers(cloud)
    finish = delivery._finish

    def frozen(*arguments: Any, **named: Any) -> None:  # noqa: ANN401 - passed on
        monkeypatch.setattr(delivery, "_finish", finish)
        cloud.rows("UPDATE delivery_batches SET claim_deadline = now() - interval '40 minutes'")
        tick(issue_id)  # taken for dead
        feedback_is_proved_current(cloud, issue_id)
        send(cloud, issue_id)
        finish(*arguments, **named)

    monkeypatch.setattr(delivery, "_finish", frozen)
    deliver_all(records)

    assert mailed(cloud) == [OCTAVIA, OCTAVIA, URSULA, URSULA]
    books = books_of(issue_id)
    assert (books["accepted"], books["duplicates"], books["possibly_twice"]) == (2, 2, 2)
