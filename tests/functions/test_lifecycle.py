"""Pausing, resuming, canceling, retrying and rescheduling an issue, and the breaker."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import boto3
import pytest

from broadsheet import issue_clock
from broadsheet.database import delivery_batches_table
from broadsheet.database.connection import Connection
from broadsheet.mail.ses import sending as ses_sending
from broadsheet.services.sending import pacing
from tests.cloud import Cloud, json_of, problem_in
from tests.functions.issues import (
    act_on,
    books_of,
    clocks,
    deliver_all,
    pointer,
    pointers,
    publish_issue,
    send,
    ses_event,
    show,
    tell,
    tick,
)

LATER = (datetime.now(UTC) + timedelta(days=1)).isoformat()
ACTIONS = ("pause", "resume", "cancel", "retry", "schedule", "archive")
FIELDS: dict[str, dict[str, Any]] = {
    "schedule": {"publish_at": LATER},
    "archive": {"archive": False},
}


def scheduled(cloud: Cloud) -> str:
    return publish_issue(publish_at=LATER)


def paused_before_it_began(cloud: Cloud) -> str:
    issue_id = scheduled(cloud)
    act_on(issue_id, "pause")
    return issue_id


def sending(cloud: Cloud) -> str:
    issue_id = publish_issue()
    tick(issue_id)
    return issue_id


def paused(cloud: Cloud) -> str:
    issue_id = sending(cloud)
    act_on(issue_id, "pause")
    return issue_id


def finished(cloud: Cloud) -> str:
    issue_id = publish_issue()
    send(cloud, issue_id)
    return issue_id


def finished_with_a_failure(cloud: Cloud) -> str:
    number = cloud.ses.control.refuse_entries("MESSAGE_REJECTED", count=1)
    issue_id = finished(cloud)
    cloud.ses.control.end(number)
    return issue_id


def canceled(cloud: Cloud) -> str:
    issue_id = sending(cloud)
    act_on(issue_id, "cancel")
    return issue_id


def canceled_before_it_began(cloud: Cloud) -> str:
    issue_id = scheduled(cloud)
    act_on(issue_id, "cancel")
    return issue_id


type Story = Callable[[Cloud], str]
ENDED, NOT = ("issue-ended", "issue-ended"), "issue-not-finished"


@pytest.mark.parametrize(
    ("story", "effects"),
    [
        (scheduled, ("paused", "scheduled", "canceled", "issue-not-started", "scheduled", NOT)),
        (
            paused_before_it_began,
            ("paused", "scheduled", "canceled", "issue-not-started", "paused", NOT),
        ),
        (sending, ("paused", "sending", "canceled", "nobody-failed", "issue-started", NOT)),
        (paused, ("paused", "sending", "canceled", "nobody-failed", "issue-started", NOT)),
        (
            finished,
            (*ENDED, "issue-finished", "nobody-failed", "issue-started", "finished"),
        ),
        (
            finished_with_a_failure,
            (*ENDED, "issue-finished", "sending", "issue-started", "finished"),
        ),
        (canceled, (*ENDED, "canceled", "issue-canceled", "issue-started", NOT)),
        (
            canceled_before_it_began,
            (*ENDED, "canceled", "issue-not-started", "issue-started", NOT),
        ),
    ],
)
def test_each_action_in_each_state_does_the_same_twice_or_says_why_not(
    cloud: Cloud, story: Story, effects: Sequence[str]
) -> None:
    """``effects``: the status after each of ``ACTIONS``, or the code of its refusal."""
    cloud.add_confirmed("ursula@example.com")
    for action, effect in zip(ACTIONS, effects, strict=True):
        issue_id = story(cloud)
        before = show(issue_id)
        fields = FIELDS.get(action, {})

        first, second = act_on(issue_id, action, **fields), act_on(issue_id, action, **fields)

        assert first["statusCode"] == second["statusCode"]
        if first["statusCode"] == 202:
            assert json_of(first)["status"] == effect, action
            warnings: dict[str, object] = {"warnings": []} if action == "schedule" else {}
            assert json_of(second) == json_of(first) == show(issue_id) | warnings
        else:
            assert problem_in(first)["status"] == 409
            assert problem_in(first)["code"] == problem_in(second)["code"] == effect, action
            assert show(issue_id) == before


def test_a_refusal_names_the_state_that_the_issue_is_in(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")

    assert "the issue is finished" in problem_in(act_on(finished(cloud), "pause"))["detail"]
    assert "the issue is canceled" in problem_in(act_on(canceled(cloud), "resume"))["detail"]
    assert (
        "the issue is sending"
        in problem_in(act_on(sending(cloud), "schedule", publish_at=LATER))["detail"]
    )


@pytest.mark.parametrize("action", ACTIONS)
def test_an_issue_that_does_not_exist_is_not_found(cloud: Cloud, action: str) -> None:
    answer = act_on(str(uuid4()), action, **FIELDS.get(action, {}))

    assert problem_in(answer)["code"] == "issue-not-found"
    assert problem_in(answer)["status"] == 404


def test_a_paused_issue_shows_the_reason(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = sending(cloud)

    act_on(issue_id, "pause")

    assert show(issue_id)["paused_because"] == "the author paused it"
    assert show(issue_id)["seconds_to_go"] is None
    act_on(issue_id, "resume")
    assert show(issue_id)["paused_because"] is None


def test_a_paused_issue_sends_nothing_until_it_is_resumed(cloud: Cloud) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(40)])
    issue_id = sending(cloud)
    first, second = pointer(issue_id, 1), pointer(issue_id, 2)
    deliver_all([first])

    act_on(issue_id, "pause")
    deliver_all([second])
    tick(issue_id)
    assert len(cloud.ses.mails()) == 27
    assert books_of(issue_id)["waiting"] == 13
    act_on(issue_id, "resume")
    send(cloud, issue_id)

    assert len(cloud.ses.mails()) == 40
    assert show(issue_id)["status"] == "finished"


def while_ses_is_asked(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Act once in the middle of the next call to SES, and between claim and outcomes."""
    send_issue = ses_sending.send_issue

    def acting(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - passed on
        monkeypatch.setattr(ses_sending, "send_issue", send_issue)
        act()
        return send_issue(*arguments, **named)

    monkeypatch.setattr(ses_sending, "send_issue", acting)


def test_canceling_waits_for_claims_and_closes_waiting_batches(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(40)])
    issue_id = sending(cloud)
    first, second = pointer(issue_id, 1), pointer(issue_id, 2)
    in_the_middle: list[dict[str, Any]] = []

    def cancel() -> None:
        act_on(issue_id, "cancel")
        tick(issue_id)
        in_the_middle.append(show(issue_id))

    while_ses_is_asked(monkeypatch, cancel)
    deliver_all([first])
    deliver_all([second])
    tick(issue_id)

    books = in_the_middle[0]["books"]
    assert (books["waiting"], books["skipped"]) == (27, {"canceled": 13})
    books = books_of(issue_id)
    assert (books["waiting"], books["accepted"], books["skipped"]) == (0, 27, {"canceled": 13})
    assert len(cloud.ses.mails()) == 27
    assert show(issue_id)["status"] == "canceled"
    assert clocks() == []


def test_a_batch_that_returns_to_a_canceled_issue_is_closed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = sending(cloud)
    cloud.ses.control.throttle_entries(1)

    while_ses_is_asked(monkeypatch, lambda: act_on(issue_id, "cancel"))
    deliver_all(pointers(cloud))
    assert books_of(issue_id)["waiting"] == 1
    tick(issue_id)

    assert books_of(issue_id)["skipped"] == {"canceled": 1}
    assert cloud.rows("SELECT FROM delivery_batches WHERE state <> 'closed'") == []


@pytest.fixture
def returned(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """A canceled issue, to which a claimed batch has returned that nobody has closed yet."""
    cloud.add_confirmed("ursula@example.com")
    issue_id = sending(cloud)
    cloud.ses.control.throttle_entries(1)
    while_ses_is_asked(monkeypatch, lambda: act_on(issue_id, "cancel"))
    deliver_all(pointers(cloud))
    return issue_id


def test_the_clock_of_a_canceled_issue_runs_until_returned_batches_are_closed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, returned: str
) -> None:
    with monkeypatch.context() as patched:  # it returns just after dispatch has looked
        patched.setattr(delivery_batches_table, "close_waiting", lambda *_: 0)
        tick(returned)
    assert clocks() == [returned]

    tick(returned)

    assert books_of(returned)["skipped"] == {"canceled": 1}
    assert clocks() == []


def test_the_daily_run_starts_the_clock_of_a_canceled_issue_with_open_batches(
    cloud: Cloud, returned: str
) -> None:
    boto3.client("scheduler").delete_schedule(Name=returned, GroupName="clocks")

    tick(None)
    assert clocks() == [returned]

    tick(returned)
    tick(None)
    assert clocks() == []


def test_pausing_does_not_interrupt_a_claim(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = sending(cloud)

    while_ses_is_asked(monkeypatch, lambda: act_on(issue_id, "pause"))
    deliver_all(pointers(cloud))

    document = show(issue_id)
    assert (document["status"], document["books"]["accepted"]) == ("paused", 1)
    act_on(issue_id, "resume")
    tick(issue_id)
    assert show(issue_id)["status"] == "finished"


def test_retry_sends_to_exactly_those_who_failed_in_a_new_round(cloud: Cloud) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(6)])
    failing = ["reader1@example.com", "reader4@example.com"]
    number = cloud.ses.control.refuse_entries("MESSAGE_REJECTED", recipients=failing)
    issue_id = publish_issue()
    send(cloud, issue_id)
    assert books_of(issue_id)["failed"] == {"MESSAGE_REJECTED": 2}
    cloud.ses.control.end(number)

    act_on(issue_id, "retry")
    tick(issue_id)
    act_on(issue_id, "retry")
    assert books_of(issue_id)["waiting"] == 2
    send(cloud, issue_id)

    again = cloud.ses.mails()[4:]
    assert sorted(mail.to for mail in again) == failing
    assert {mail.tags["round"] for mail in again} == {"2"}
    document = show(issue_id)
    assert (document["status"], document["books"]["accepted"]) == ("finished", 6)
    assert document["books"]["failed"] == {}
    assert problem_in(act_on(issue_id, "retry"))["status"] == 409


def test_recipients_who_fail_again_can_be_retried_in_another_round(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com", "octavia@example.com")
    number = cloud.ses.control.refuse_entries("MESSAGE_REJECTED", recipients=["ursula@example.com"])
    issue_id = publish_issue()
    send(cloud, issue_id)
    for _ in range(2):
        act_on(issue_id, "retry")
        send(cloud, issue_id)
        assert books_of(issue_id)["failed"] == {"MESSAGE_REJECTED": 1}
    cloud.ses.control.end(number)

    act_on(issue_id, "retry")
    send(cloud, issue_id)

    (mail,) = cloud.mails_to("ursula@example.com")
    assert mail.tags["round"] == "4"
    assert books_of(issue_id)["accepted"] == 2


def test_retry_while_the_issue_is_sending_and_while_it_is_paused(cloud: Cloud) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(40)])
    issue_id = sending(cloud)
    first, second = pointer(issue_id, 1), pointer(issue_id, 2)
    number = cloud.ses.control.refuse_entries("MESSAGE_REJECTED", count=1)
    deliver_all([first])
    cloud.ses.control.end(number)
    act_on(issue_id, "pause")

    assert act_on(issue_id, "retry")["statusCode"] == 202
    document = show(issue_id)
    assert (document["status"], document["books"]["waiting"]) == ("paused", 14)
    act_on(issue_id, "resume")
    deliver_all([second])
    send(cloud, issue_id)

    assert books_of(issue_id)["accepted"] == 40
    assert show(issue_id)["status"] == "finished"


def test_unresolved_mails_can_not_be_retried(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = sending(cloud)
    cloud.ses.control.drop(take="first", count=1)
    deliver_all(pointers(cloud))
    assert books_of(issue_id)["unresolved"] == 1

    assert problem_in(act_on(issue_id, "retry"))["status"] == 409

    assert books_of(issue_id)["unresolved"] == 1


def test_retry_starts_the_clock_again(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = finished_with_a_failure(cloud)
    tick(issue_id)
    assert clocks() == []

    act_on(issue_id, "retry")

    assert clocks() == [issue_id]


def test_a_new_round_has_batches_of_two_seconds_of_sending(cloud: Cloud) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(30)])
    number = cloud.ses.control.refuse_entries("MESSAGE_REJECTED")
    issue_id = sending(cloud)
    deliver_all([pointer(issue_id, 1), pointer(issue_id, 2)])
    cloud.ses.control.end(number)

    act_on(issue_id, "retry")

    sizes = cloud.rows(
        "SELECT cardinality(recipients) AS size FROM delivery_batches WHERE round = 2"
        " ORDER BY number"
    )
    assert [row["size"] for row in sizes] == [27, 3]


def schedule(issue_id: str, publish_at: datetime) -> dict[str, Any]:
    return act_on(issue_id, "schedule", publish_at=publish_at.isoformat())


def clock_of(issue_id: str) -> dict[str, Any]:
    return dict(boto3.client("scheduler").get_schedule(Name=issue_id, GroupName="clocks"))


def test_rescheduling_an_issue_moves_its_clock(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = scheduled(cloud)
    in_an_hour = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    next_week = in_an_hour + timedelta(days=7)

    for moment in (next_week, in_an_hour):
        schedule(issue_id, moment)
        assert datetime.fromisoformat(show(issue_id)["publish_at"]) == moment
        assert moment_of(clock_of(issue_id)) == moment
        tick(issue_id)
        assert show(issue_id)["status"] == "scheduled"

    schedule(issue_id, datetime.now(UTC) - timedelta(hours=1))
    assert "StartDate" not in clock_of(issue_id)
    send(cloud, issue_id)
    assert show(issue_id)["status"] == "finished"


def moment_of(clock: dict[str, Any]) -> datetime:
    start = clock["StartDate"]
    assert isinstance(start, datetime)
    return start.astimezone(UTC)


def test_an_issue_whose_clock_can_not_be_moved_keeps_its_time(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id = scheduled(cloud)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SCHEDULER", "http://127.0.0.1:9")
    issue_clock.client.cache_clear()
    answer = schedule(issue_id, datetime.now(UTC) + timedelta(hours=1))
    monkeypatch.delenv("AWS_ENDPOINT_URL_SCHEDULER")
    issue_clock.client.cache_clear()

    assert problem_in(answer)["status"] == 503
    assert datetime.fromisoformat(show(issue_id)["publish_at"]) == datetime.fromisoformat(LATER)
    assert clocks() == [issue_id]


@pytest.mark.parametrize(
    "publish_at",
    ["0001-01-01T00:00:00+14:00", "tomorrow", None, 7.5, 0, -1, 20261224, "2026", True],
)
def test_an_invalid_time_is_refused(cloud: Cloud, publish_at: object) -> None:
    issue_id = scheduled(cloud)

    answer = act_on(issue_id, "schedule", publish_at=publish_at)

    assert problem_in(answer)["errors"].keys() == {"publish_at"}
    assert clocks() == [issue_id]
    assert datetime.fromisoformat(show(issue_id)["publish_at"]) > datetime.now(UTC)


def test_a_canceled_scheduled_issue_is_never_sent_and_its_clock_stops(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = scheduled(cloud)

    act_on(issue_id, "cancel")
    cloud.rows("UPDATE issues SET publish_at = now()")
    send(cloud, issue_id)

    document = show(issue_id)
    assert (document["status"], document["audience"], document["books"]) == (
        "canceled",
        None,
        None,
    )
    assert cloud.ses.mails() == []
    assert clocks() == []


@pytest.mark.parametrize(
    ("action", "status"),
    [("schedule", "scheduled"), ("pause", "paused"), ("cancel", "canceled")],
)
def test_what_its_author_does_just_as_dispatch_begins_an_issue_comes_first(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, action: str, status: str
) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    usual_rate = pacing.usual_rate

    def act_meanwhile(connection: Connection) -> float:
        monkeypatch.setattr(pacing, "usual_rate", usual_rate)
        act_on(issue_id, action, **FIELDS.get(action, {}))
        return usual_rate(connection)

    monkeypatch.setattr(pacing, "usual_rate", act_meanwhile)

    send(cloud, issue_id)

    assert show(issue_id)["status"] == status
    assert show(issue_id)["books"] is None
    assert cloud.ses.mails() == []


def test_a_paused_issues_clock_stops_when_nothing_is_in_progress_and_starts_again(
    cloud: Cloud,
) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = paused(cloud)

    tick(issue_id)
    assert clocks() == []
    act_on(issue_id, "resume")
    assert clocks() == [issue_id]

    cloud.ses.control.drop(take="never", count=1)
    cloud.messages("DELIVERY")
    cloud.rows("UPDATE delivery_batches SET released_at = NULL")
    tick(issue_id)
    deliver_all(pointers(cloud))
    act_on(issue_id, "pause")
    tick(issue_id)
    assert clocks() == [issue_id], "settling goes on"


# --- The breaker ----------------------------------------------------------------------------------


@pytest.fixture
def thousand(cloud: Cloud) -> tuple[str, list[UUID]]:
    """An issue that SES has taken 1,000 mails of, and that is not at its end."""
    return an_issue_of_which_ses_took(cloud, 1000)


def an_issue_of_which_ses_took(cloud: Cloud, mails: int) -> tuple[str, list[UUID]]:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    took(cloud, issue_id, mails)
    readers = cloud.rows("SELECT subscriber_id FROM deliveries ORDER BY subscriber_id")
    return issue_id, [row["subscriber_id"] for row in readers]


def took(cloud: Cloud, issue_id: str, mails: int) -> None:
    cloud.rows(
        "INSERT INTO deliveries (issue_id, subscriber_id, round, outcome, message_id)"
        " SELECT %(issue)s, gen_random_uuid(), 1, 'accepted', 'm' || n"
        " FROM generate_series(1, %(mails)s) AS n",
        issue=issue_id,
        mails=mails,
    )
    cloud.rows("UPDATE issues SET audience = audience + %(mails)s", mails=mails)


def bounce(issue_id: str, readers: Sequence[UUID], subtype: str = "General") -> None:
    tell(
        *[
            ses_event("Bounce", issue=issue_id, subscriber=reader, bounceSubType=subtype)
            for reader in readers
        ]
    )


def complain(issue_id: str, readers: Sequence[UUID], subtype: str | None = None) -> None:
    tell(
        *[
            ses_event("Complaint", issue=issue_id, subscriber=reader, complaintSubType=subtype)
            for reader in readers
        ]
    )


def test_the_breaker_trips_above_five_bounces_in_a_hundred(
    cloud: Cloud, thousand: tuple[str, list[UUID]], output: Callable[[], str]
) -> None:
    issue_id, readers = thousand

    bounce(issue_id, readers[:50])
    assert show(issue_id)["status"] == "sending"
    bounce(issue_id, readers[50:51])

    document = show(issue_id)
    assert document["status"] == "paused"
    assert document["paused_because"] == "of 1000 mails, 51 bounced and 0 were complained of"
    assert "IssuesPaused" in output()


def test_the_breaker_waits_for_twenty_bounces(cloud: Cloud) -> None:
    issue_id, readers = an_issue_of_which_ses_took(cloud, 100)

    bounce(issue_id, readers[:19])
    assert show(issue_id)["status"] == "sending"
    bounce(issue_id, readers[19:20])

    assert show(issue_id)["status"] == "paused"


def test_the_breaker_trips_above_one_complaint_in_a_thousand_and_not_before_three(
    cloud: Cloud,
) -> None:
    issue_id, readers = an_issue_of_which_ses_took(cloud, 3000)

    complain(issue_id, readers[:3])  # exactly one in a thousand
    assert show(issue_id)["status"] == "sending"
    complain(issue_id, readers[3:4])

    assert show(issue_id)["status"] == "paused"
    assert "4 were complained of" in show(issue_id)["paused_because"]


def test_two_complaints_never_trip_the_breaker(cloud: Cloud) -> None:
    issue_id, readers = an_issue_of_which_ses_took(cloud, 10)

    complain(issue_id, readers[:2])

    assert show(issue_id)["status"] == "sending"


def test_the_breaker_counts_mails_accepted_since_its_last_count(
    cloud: Cloud, thousand: tuple[str, list[UUID]]
) -> None:
    issue_id, readers = thousand
    bounce(issue_id, readers[:50])
    took(cloud, issue_id, 1000)

    bounce(issue_id, readers[50:100])
    assert show(issue_id)["status"] == "sending"
    bounce(issue_id, readers[100:101])

    assert show(issue_id)["status"] == "paused"


def test_the_breaker_does_not_count_what_ses_suppressed(
    cloud: Cloud, thousand: tuple[str, list[UUID]]
) -> None:
    issue_id, readers = thousand

    bounce(issue_id, readers[:60], "OnAccountSuppressionList")
    complain(issue_id, readers[60:70], "OnAccountSuppressionList")

    document = show(issue_id)
    assert document["status"] == "sending"
    assert (document["books"]["bounced"], document["books"]["complained"]) == (60, 10)


def test_resuming_resets_the_breakers_counts(
    cloud: Cloud, thousand: tuple[str, list[UUID]]
) -> None:
    issue_id, readers = thousand
    bounce(issue_id, readers[:51])
    act_on(issue_id, "resume")

    bounce(issue_id, readers[51:200])  # of mails from before
    assert show(issue_id)["status"] == "sending"
    took(cloud, issue_id, 100)
    newer = cloud.rows(
        "SELECT subscriber_id FROM deliveries WHERE recorded_at > ("
        "SELECT breaker_since FROM issues)"
    )
    bounce(issue_id, [row["subscriber_id"] for row in newer[:20]])

    document = show(issue_id)
    assert document["paused_because"] == "of 100 mails, 20 bounced and 0 were complained of"


def test_a_tripped_breaker_stops_batches_that_have_not_started(cloud: Cloud) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(54)])
    issue_id = sending(cloud)
    first, second = pointer(issue_id, 1), pointer(issue_id, 2)
    deliver_all([first])
    mailed = [row["subscriber_id"] for row in cloud.rows("SELECT subscriber_id FROM deliveries")]

    bounce(issue_id, mailed[:20])
    deliver_all([second])

    assert len(cloud.ses.mails()) == 27
    assert show(issue_id)["status"] == "paused"


def test_a_finished_issue_is_not_paused_by_late_bounces(cloud: Cloud) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(27)])
    issue_id = finished(cloud)
    mailed = [row["subscriber_id"] for row in cloud.rows("SELECT subscriber_id FROM deliveries")]

    bounce(issue_id, mailed[:20])

    assert show(issue_id)["status"] == "finished"
    assert books_of(issue_id)["bounced"] == 20


def test_an_issue_that_was_canceled_before_it_began_leaves_its_slug_to_the_next(
    cloud: Cloud,
) -> None:
    for _ in range(2):
        issue_id = publish_issue(title="Tea", publish_at="2030-01-01T00:00:00Z")
        assert show(issue_id)["slug"] == "tea"
        assert act_on(issue_id, "cancel")["statusCode"] == 202
        assert show(issue_id)["slug"] == issue_id

    cloud.add_confirmed("ursula@example.com")
    began = publish_issue(title="Tea")
    tick(began)
    act_on(began, "cancel")

    assert show(began)["slug"] == "tea"  # somebody may have it
    assert show(publish_issue(title="Tea"))["slug"] == "tea-2"
