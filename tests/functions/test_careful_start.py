"""A careful start: a sample goes first, and the rest follows only if the sample is good."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import boto3
import psycopg
import pytest

from broadsheet import issue_clock
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.issues import IssueId
from functions.publish.app import handler as publish
from local.lambda_events import api_event
from tests.cloud import Cloud, context, json_of, problem_in
from tests.functions.issues import (
    act_on,
    books_of,
    clocks,
    deliver_all,
    edit,
    pointer,
    pointers,
    publish_issue,
    send,
    ses_event,
    show,
    tell,
    tick,
)

HOUR = timedelta(hours=1)
CAREFUL = {"sample": 0.01, "hold": "PT1H"}
AUDIENCE = 120
SAMPLE = 50


@pytest.fixture(autouse=True)
def fast_account(cloud: Cloud) -> None:
    cloud.ses.control.change_account(max_send_rate=200, enforces_rate=False)


@pytest.fixture
def readers(cloud: Cloud) -> list[UUID]:
    return cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(AUDIENCE)])


def mailed(cloud: Cloud) -> list[str]:
    return [mail.to for mail in cloud.ses.mails()]


def send_sample(cloud: Cloud, **careful: object) -> str:
    """Publish an issue carefully, and send all that may be sent now."""
    issue_id = publish_issue(careful=CAREFUL | careful)
    send(cloud, issue_id)
    deliver_all(pointers(cloud))
    tick(issue_id)
    return issue_id


def sample_of(cloud: Cloud) -> list[UUID]:
    rows = cloud.rows("SELECT subscriber_id FROM deliveries ORDER BY subscriber_id")
    return [row["subscriber_id"] for row in rows]


def report(
    cloud: Cloud,
    issue_id: str,
    kind: str,
    readers: Sequence[UUID],
    **detail: Any,  # noqa: ANN401 - an event's members
) -> None:
    """SES reports an event of these readers' mails."""
    by_reader = {
        row["subscriber_id"]: row["message_id"]
        for row in cloud.rows("SELECT subscriber_id, message_id FROM deliveries")
    }
    tell(
        *[
            ses_event(
                kind, issue=issue_id, subscriber=reader, message_id=by_reader[reader], **detail
            )
            for reader in readers
        ]
    )


def end_hold(cloud: Cloud) -> None:
    """Bring the hold's end to now."""
    cloud.rows("UPDATE issues SET held_until = now()")


def clock_starts_at(issue_id: str) -> datetime | None:
    clock = boto3.client("scheduler").get_schedule(Name=issue_id, GroupName="clocks")
    start: datetime | None = clock.get("StartDate")
    return start


# Which batches 0.1.0, which knows no hold, would put on the queue.
RELEASABLE_IN_0_1_0 = """
    SELECT number
    FROM delivery_batches
    WHERE state = 'waiting'
      AND (released_at IS NULL OR released_at < now() - interval '20 minutes')
      AND (not_before IS NULL OR not_before <= now())
"""


def test_the_release_before_sends_nobody_what_is_held(cloud: Cloud, readers: list[UUID]) -> None:
    """While a new release is deployed, or after a rollback, 0.1.0's code does dispatch's work."""
    issue_id = send_sample(cloud)
    assert cloud.rows(RELEASABLE_IN_0_1_0) == []

    tell(*[ses_event("Delivery", issue=issue_id, subscriber=sample_of(cloud)[0])])
    end_hold(cloud)
    tick(issue_id)
    deliver_all(pointers(cloud))

    assert sorted(mailed(cloud)) == sorted(f"reader{at}@example.com" for at in range(len(readers)))


def test_a_sample_goes_first_and_the_rest_waits(cloud: Cloud, readers: list[UUID]) -> None:
    before = datetime.now(UTC)
    issue_id = send_sample(cloud)

    assert len(set(mailed(cloud))) == len(mailed(cloud)) == SAMPLE
    document = show(issue_id)
    assert document["status"] == "sending"
    assert document["audience"] == len(readers)
    assert document["books"]["waiting"] == AUDIENCE - SAMPLE
    held_until = datetime.fromisoformat(document["careful"].pop("held_until"))
    assert before + HOUR < held_until < datetime.now(UTC) + HOUR
    assert document["careful"] == CAREFUL | {"sample_size": SAMPLE}
    assert 3590 < document["seconds_to_go"] < 3602


def test_an_issue_whose_sample_is_good_goes_on_by_itself(cloud: Cloud, readers: list[UUID]) -> None:
    issue_id = send_sample(cloud)
    report(cloud, issue_id, "Delivery", sample_of(cloud))

    end_hold(cloud)
    send(cloud, issue_id)

    assert sorted(mailed(cloud)) == sorted(f"reader{number}@example.com" for number in range(120))
    document = show(issue_id)
    assert document["status"] == "finished"
    assert document["books"]["accepted"] == len(readers)
    assert document["careful"]["sample_size"] == SAMPLE
    assert clocks() == []


def test_an_issue_whose_sample_bounces_stops_with_the_rest_unsent_and_says_so(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id = send_sample(cloud)
    sample = sample_of(cloud)

    report(cloud, issue_id, "Bounce", sample[:3])
    assert show(issue_id)["status"] == "sending"
    report(cloud, issue_id, "Bounce", sample[3:4])

    document = show(issue_id)
    assert document["status"] == "paused"
    assert document["paused_because"] == (
        "of the first 50 mails, 4 bounced and 0 were complained of; the other 70 were not sent"
    )
    cloud.rows("UPDATE issues SET held_until = now()")
    send(cloud, issue_id)
    assert len(mailed(cloud)) == SAMPLE
    assert show(issue_id)["books"]["waiting"] == len(readers) - SAMPLE


def test_two_complaints_about_the_sample_stop_the_issue(cloud: Cloud, readers: list[UUID]) -> None:
    assert readers
    issue_id = send_sample(cloud)
    sample = sample_of(cloud)

    report(cloud, issue_id, "Complaint", sample[:1])
    assert show(issue_id)["status"] == "sending"
    report(cloud, issue_id, "Complaint", sample[1:2])

    assert show(issue_id)["paused_because"] == (
        "of the first 50 mails, 0 bounced and 2 were complained of; the other 70 were not sent"
    )


def test_what_ses_suppressed_does_not_stop_the_sample(cloud: Cloud, readers: list[UUID]) -> None:
    assert readers
    issue_id = send_sample(cloud)

    report(
        cloud,
        issue_id,
        "Bounce",
        sample_of(cloud)[:30],
        bounceSubType="OnAccountSuppressionList",
    )

    assert show(issue_id)["status"] == "sending"


def test_a_sample_that_bounces_before_it_is_all_sent_stops_the_issue(
    cloud: Cloud, readers: list[UUID]
) -> None:
    assert readers
    issue_id = publish_issue(careful=CAREFUL | {"sample": 0.5})
    tick(issue_id)
    deliver_all([pointer(issue_id, 1)])

    report(cloud, issue_id, "Bounce", sample_of(cloud)[:4])
    deliver_all([pointer(issue_id, 2)])
    tick(issue_id)

    assert show(issue_id)["status"] == "paused"
    assert len(mailed(cloud)) == SAMPLE


def test_bounces_that_were_only_read_after_the_hold_stop_the_issue(
    cloud: Cloud, readers: list[UUID]
) -> None:
    """Feedback may die between recording events and looking at the breaker."""
    assert readers
    issue_id = send_sample(cloud)
    cloud.rows(
        "UPDATE deliveries SET bounced_at = now() WHERE subscriber_id = ANY(%(some)s)",
        some=sample_of(cloud)[:4],
    )

    end_hold(cloud)
    send(cloud, issue_id)

    assert "4 bounced" in show(issue_id)["paused_because"]
    assert len(mailed(cloud)) == SAMPLE


def test_a_sample_of_which_ses_reports_nothing_keeps_the_rest_held(
    cloud: Cloud, readers: list[UUID]
) -> None:
    assert readers
    issue_id = send_sample(cloud)

    end_hold(cloud)
    send(cloud, issue_id)
    assert len(mailed(cloud)) == SAMPLE
    assert show(issue_id)["status"] == "sending"
    cloud.rows("UPDATE issues SET held_until = now() - interval '31 minutes'")
    tick(issue_id)

    document = show(issue_id)
    assert document["status"] == "paused"
    assert document["paused_because"] == "SES has reported nothing about the first 50 mails"
    act_on(issue_id, "resume")
    send(cloud, issue_id)
    assert show(issue_id)["status"] == "finished"


def test_resuming_after_a_bad_sample_sends_the_rest_at_once_and_counts_from_zero(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id = send_sample(cloud)
    sample = sample_of(cloud)
    report(cloud, issue_id, "Bounce", sample[:4])

    act_on(issue_id, "resume")
    assert clock_starts_at(issue_id) is None
    report(cloud, issue_id, "Bounce", sample[4:30])
    send(cloud, issue_id)

    assert len(mailed(cloud)) == len(readers)
    assert show(issue_id)["status"] == "finished"


def test_the_clock_sleeps_while_the_rest_is_held(cloud: Cloud, readers: list[UUID]) -> None:
    assert readers
    issue_id = publish_issue(careful=CAREFUL)
    tick(issue_id)
    assert clock_starts_at(issue_id) is None

    deliver_all(pointers(cloud))
    tick(issue_id)

    held_until = datetime.fromisoformat(show(issue_id)["careful"]["held_until"])
    starts_at = clock_starts_at(issue_id)
    assert starts_at is not None
    assert abs(starts_at - held_until) < timedelta(seconds=1)


def test_a_tick_before_the_hold_is_over_sends_nothing_and_the_clock_sleeps_again(
    cloud: Cloud, readers: list[UUID]
) -> None:
    assert readers
    issue_id = send_sample(cloud)
    until = show(issue_id)["careful"]["held_until"]
    issue_clock.move(IssueId(UUID(issue_id)), datetime.now(UTC), "a-crash")

    tick(issue_id)

    assert pointers(cloud) == []
    assert show(issue_id)["careful"]["held_until"] == until
    assert clock_starts_at(issue_id) is not None


def test_a_clock_that_can_not_be_moved_ticks_on(
    cloud: Cloud, readers: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert readers
    issue_id = publish_issue(careful=CAREFUL)
    tick(issue_id)
    deliver_all(pointers(cloud))
    with monkeypatch.context() as patch:
        patch.setattr(issue_clock, "move", _fails)
        tick(issue_id)

    assert clocks() == [issue_id]
    assert show(issue_id)["careful"]["held_until"]


def _fails(*_arguments: object) -> None:
    raise DependencyUnavailable("the issue's clock could not be moved")


def test_an_unresolved_mail_of_the_sample_delays_the_hold(
    cloud: Cloud, readers: list[UUID]
) -> None:
    assert readers
    cloud.ses.control.drop("first", count=1)
    issue_id = send_sample(cloud)

    assert books_of(issue_id)["unresolved"] > 0
    assert show(issue_id)["careful"]["held_until"] is None
    assert clock_starts_at(issue_id) is None
    unresolved = cloud.rows("SELECT subscriber_id FROM deliveries WHERE outcome = 'unresolved'")
    tell(
        *[
            ses_event(
                "Delivery",
                issue=issue_id,
                subscriber=row["subscriber_id"],
                message_id=str(uuid4()),
            )
            for row in unresolved
        ]
    )
    tick(issue_id)

    assert show(issue_id)["careful"]["held_until"] is not None
    assert len(mailed(cloud)) == SAMPLE


def test_a_batch_of_the_sample_that_ses_throttled_is_sent_again_before_the_hold(
    cloud: Cloud, readers: list[UUID]
) -> None:
    assert readers
    number = cloud.ses.control.refuse_entries("ACCOUNT_THROTTLED", count=3)
    issue_id = send_sample(cloud)
    cloud.ses.control.end(number)
    assert show(issue_id)["careful"]["held_until"] is None

    cloud.rows("UPDATE delivery_batches SET not_before = now() WHERE not_before IS NOT NULL")
    send(cloud, issue_id)

    assert len(mailed(cloud)) == SAMPLE
    assert show(issue_id)["careful"]["held_until"] is not None


def test_an_issue_can_be_paused_and_resumed_in_the_hold_and_its_sample_still_counts(
    cloud: Cloud, readers: list[UUID]
) -> None:
    assert readers
    issue_id = send_sample(cloud)
    sample = sample_of(cloud)
    until = show(issue_id)["careful"]["held_until"]
    report(cloud, issue_id, "Bounce", sample[:2])

    act_on(issue_id, "pause")
    tick(issue_id)
    assert clocks() == []
    report(cloud, issue_id, "Bounce", sample[2:3])
    act_on(issue_id, "resume")
    tick(issue_id)

    document = show(issue_id)
    assert document["status"] == "sending"
    assert document["careful"]["held_until"] == until
    assert clock_starts_at(issue_id) is not None
    assert pointers(cloud) == []
    report(cloud, issue_id, "Bounce", sample[3:4])
    assert "4 bounced" in show(issue_id)["paused_because"]


def test_while_an_issue_is_paused_its_hold_neither_begins_nor_ends(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id = publish_issue(careful=CAREFUL)
    tick(issue_id)
    deliver_all(pointers(cloud))
    act_on(issue_id, "pause")
    tick(issue_id)
    assert show(issue_id)["careful"]["held_until"] is None

    act_on(issue_id, "resume")
    tick(issue_id)
    assert show(issue_id)["careful"]["held_until"] is not None

    act_on(issue_id, "pause")
    report(cloud, issue_id, "Delivery", sample_of(cloud))
    end_hold(cloud)
    tick(issue_id)
    assert cloud.rows(RELEASABLE_IN_0_1_0) == []

    act_on(issue_id, "resume")
    send(cloud, issue_id)
    assert len(mailed(cloud)) == len(readers)


def test_an_edit_in_the_hold_reaches_the_rest_and_nobody_twice(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id = send_sample(cloud)
    until = show(issue_id)["careful"]["held_until"]

    act_on(issue_id, "pause")
    assert edit(issue_id, markdown="Coffee, not tea")["statusCode"] == 200
    act_on(issue_id, "resume")
    tick(issue_id)
    assert show(issue_id)["careful"]["held_until"] == until
    report(cloud, issue_id, "Delivery", sample_of(cloud)[:1])
    end_hold(cloud)
    send(cloud, issue_id)

    assert len(set(mailed(cloud))) == len(mailed(cloud)) == len(readers)
    coffee = [mail for mail in cloud.ses.mails() if "Coffee" in (mail.text or "")]
    assert len(coffee) == len(readers) - SAMPLE


def test_a_draft_keeps_how_it_is_to_start(cloud: Cloud, readers: list[UUID]) -> None:
    assert readers
    issue_id = publish_issue(careful=CAREFUL, draft=True)
    assert show(issue_id)["careful"]["sample"] == CAREFUL["sample"]

    publish_draft(issue_id)
    send(cloud, issue_id)

    assert len(mailed(cloud)) == SAMPLE
    assert show(issue_id)["waits"] == {
        "code": "careful-start",
        "until": show(issue_id)["careful"]["held_until"],
        "message": "A sample goes first; the others follow after the hold if the sample is good.",
    }


def test_an_issue_that_is_canceled_in_the_hold_sends_nothing_more(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id = send_sample(cloud)

    act_on(issue_id, "cancel")
    tick(issue_id)

    assert len(mailed(cloud)) == SAMPLE
    assert books_of(issue_id)["skipped"] == {"canceled": len(readers) - SAMPLE}
    assert clocks() == []


def test_who_failed_in_the_sample_and_is_retried_waits_with_the_rest(
    cloud: Cloud, readers: list[UUID]
) -> None:
    number = cloud.ses.control.refuse_entries("MESSAGE_REJECTED", count=1)
    issue_id = send_sample(cloud)
    cloud.ses.control.end(number)
    taken = cloud.rows("SELECT subscriber_id FROM deliveries WHERE outcome = 'accepted'")
    report(cloud, issue_id, "Delivery", [taken[0]["subscriber_id"]])

    act_on(issue_id, "retry")
    send(cloud, issue_id)
    assert len(mailed(cloud)) == SAMPLE - 1
    end_hold(cloud)
    send(cloud, issue_id)

    assert books_of(issue_id)["accepted"] == len(set(mailed(cloud))) == len(readers)


def test_a_scheduled_issue_starts_carefully_when_its_time_comes(
    cloud: Cloud, readers: list[UUID]
) -> None:
    assert readers
    later = datetime.now(UTC) + timedelta(days=1)
    issue_id = publish_issue(careful=CAREFUL, publish_at=later.isoformat())
    document = show(issue_id)
    assert document["careful"] == CAREFUL | {"sample_size": None, "held_until": None}

    act_on(issue_id, "schedule", publish_at=datetime.now(UTC).isoformat())
    send(cloud, issue_id)

    assert len(mailed(cloud)) == SAMPLE


def test_an_audience_that_is_all_sample_is_not_held(cloud: Cloud) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(SAMPLE)])
    issue_id = publish_issue(careful=CAREFUL)

    send(cloud, issue_id)

    document = show(issue_id)
    assert document["status"] == "finished"
    assert document["careful"]["held_until"] is None
    assert document["careful"]["sample_size"] == document["audience"] == SAMPLE


def test_a_careful_issue_without_an_audience_finishes(cloud: Cloud) -> None:
    issue_id = publish_issue(careful=CAREFUL)

    tick(issue_id)

    assert show(issue_id)["status"] == "finished"


def test_a_sample_is_the_share_of_the_audience_that_its_author_asked_for(
    cloud: Cloud, readers: list[UUID]
) -> None:
    issue_id = publish_issue(careful=CAREFUL | {"sample": 0.6})

    tick(issue_id)

    assert show(issue_id)["careful"]["sample_size"] == 72
    frozen = cloud.rows("SELECT number, recipients FROM delivery_batches ORDER BY number")
    everybody = [reader for batch in frozen for reader in batch["recipients"]]
    assert sorted(everybody) == sorted(readers)
    sizes = [len(batch["recipients"]) for batch in frozen]
    assert sizes == [50, 22, 48]  # the sample's two, and the rest's
    for batch in frozen:  # neighbours in the ledger are written together
        assert batch["recipients"] == sorted(batch["recipients"])


def test_a_sample_is_drawn_at_random(cloud: Cloud, readers: list[UUID]) -> None:
    samples = []
    for _ in range(2):
        issue_id = publish_issue(careful=CAREFUL)
        tick(issue_id)
        rows = cloud.rows(
            "SELECT unnest(recipients) AS id FROM delivery_batches"
            " WHERE issue_id = %(id)s AND number = 1",
            id=issue_id,
        )
        samples.append({row["id"] for row in rows})

    assert [len(sample) for sample in samples] == [SAMPLE, SAMPLE]
    assert samples[0] != samples[1]
    assert set(sorted(readers)[:SAMPLE]) not in samples


@pytest.mark.parametrize(
    ("careful", "errors"),
    [
        (CAREFUL | {"sample": 1}, {"careful.sample": "input should be less than 1"}),
        (CAREFUL | {"hold": "PT59S"}, {"careful.hold": "give a duration from PT1M to P7D"}),
        (CAREFUL | {"breaker": 3}, {"careful.breaker": "there is no such field"}),
        (True, {"careful": "this must be a JSON object"}),
    ],
)
def test_a_careful_start_that_can_not_be_read_is_refused_with_the_reason(
    cloud: Cloud, careful: object, errors: dict[str, str]
) -> None:
    problem = problem_in(_publish(careful))

    assert problem["status"] == 400
    assert problem["errors"] == errors
    assert cloud.rows("SELECT FROM issues") == []


def test_a_hold_is_shown_as_a_duration(cloud: Cloud) -> None:
    assert cloud
    issue_id = json_of(_publish(CAREFUL | {"hold": "PT90M"}))["id"]

    assert show(issue_id)["careful"]["hold"] == "PT1H30M"


def publish_draft(issue_id: str) -> None:
    event = api_event(
        "POST",
        "/issues/{id}/publish",
        path_parameters={"id": issue_id},
        author="ada",
        headers={"content-type": "application/json", "idempotency-key": str(uuid4())},
    )
    assert publish(event, context())["statusCode"] == 202


def _publish(careful: object) -> dict[str, Any]:
    body = json.dumps({"title": "One", "markdown": "Hello", "careful": careful})
    headers = {"content-type": "application/json", "idempotency-key": str(uuid4())}
    event = api_event("POST", "/issues", body=body, headers=headers, author="ada")
    return publish(event, context())


def test_nothing_asks_the_database_in_the_hold_but_ses_events(
    cloud: Cloud, readers: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could wake it is the clock, and the queue of deliver."""
    assert readers
    issue_id = send_sample(cloud)
    held_until = datetime.fromisoformat(show(issue_id)["careful"]["held_until"])
    opened: list[object] = []

    def noted(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401 - psycopg's own
        opened.append(arguments)
        return connect(*arguments, **more)

    connect = psycopg.connect
    monkeypatch.setattr(psycopg, "connect", noted)

    deliver_all(pointers(cloud))
    starts_at = clock_starts_at(issue_id)

    assert opened == []
    assert starts_at is not None
    assert starts_at >= held_until - timedelta(seconds=1)
    assert clocks() == [issue_id]
