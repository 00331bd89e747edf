"""How fast mails leave: as SES allows, and no faster, however many send."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import boto3
import psycopg
import pytest

from broadsheet.mail.ses import client as ses_client
from broadsheet.services.sending import pacing
from broadsheet.settings import Timings
from functions.deliver.app import handler as deliver
from tests.cloud import Cloud, context
from tests.conftest import forget_what_was_read
from tests.functions.issues import (
    books_of,
    deliver_all,
    pointer,
    pointers,
    publish_issue,
    send,
    ses_event,
    show,
    slots_used,
    tell,
    tick,
)

type Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def connection(cloud: Cloud) -> Iterator[Connection]:
    with psycopg.connect(cloud.database_url, autocommit=True) as connection:
        yield connection


def known_rate(cloud: Cloud, rate: float) -> None:
    cloud.rows(
        "UPDATE send_governor SET account_rate = %(rate)s, refreshed_at = now(),"
        " next_slot_at = '-infinity'",
        rate=rate,
    )


def reserve(connection: Connection, mails: int, rate: float) -> timedelta | None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return pacing.reserve(connection, mails, pacing.Allowed(rate, None, 0, tomorrow))


def issue_rate(connection: Connection) -> float | None:
    at_most = pacing.allowed(connection)
    return None if at_most is None else at_most.rate


def seconds(wait: timedelta | None) -> float:
    assert wait is not None
    return wait.total_seconds()


def test_slots_are_given_one_after_the_other_at_the_rate(connection: Connection) -> None:
    timings = [seconds(reserve(connection, 10, 10)) for _ in range(4)]

    # Of the second's worth in SES's bucket, what a call of half a second's and its being late
    # leave of it is lent once: those slots are past, and their mails leave at once.
    assert timings == pytest.approx([-0.3, 0.7, 1.7, 2.7], abs=0.1)


def test_what_was_not_used_is_not_saved_up(cloud: Cloud, connection: Connection) -> None:
    cloud.rows("UPDATE send_governor SET next_slot_at = now() - interval '1 hour'")

    timings = [seconds(reserve(connection, 10, 10)) for _ in range(3)]

    assert timings == pytest.approx([-0.3, 0.7, 1.7], abs=0.1)


def test_a_sender_that_is_a_little_late_gets_the_slots_that_it_missed(
    cloud: Cloud, connection: Connection
) -> None:
    cloud.rows("UPDATE send_governor SET next_slot_at = clock_timestamp() - interval '0.2 seconds'")

    assert seconds(reserve(connection, 10, 10)) == pytest.approx(-0.2, abs=0.1)


def test_nothing_is_reserved_beyond_the_horizon(connection: Connection) -> None:
    assert seconds(reserve(connection, 200, 10)) < 0

    assert reserve(connection, 10, 10) is None
    assert reserve(connection, 10, 10) is None


@pytest.mark.parametrize(
    ("rate", "call", "batch"), [(0.5, 1, 1), (1, 1, 2), (14, 7, 28), (99, 49, 50), (5000, 50, 50)]
)
def test_a_call_is_half_a_second_and_a_batch_two_within_ses_limit(
    rate: float, call: int, batch: int
) -> None:
    assert (pacing.call_size(rate), pacing.batch_size(rate)) == (call, batch)


def test_a_stack_sends_its_share_less_a_headroom_for_confirmations(
    cloud: Cloud, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEND_RATE_SHARE", "0.5")
    forget_what_was_read()

    assert issue_rate(connection) == pytest.approx(14 * 0.5 * 0.98)


def test_a_confirmation_mail_makes_the_issues_wait(cloud: Cloud, connection: Connection) -> None:
    known_rate(cloud, 1 / 0.98)
    reserve(connection, 2, 1)
    before = seconds(reserve(connection, 1, 1))

    pacing.count_single_mail(connection)

    assert seconds(reserve(connection, 1, 1)) == pytest.approx(before + 2, abs=0.1)


def test_many_who_reserve_at_once_never_overdraw_ses_bucket(cloud: Cloud) -> None:
    rate, mails = 200.0, 100
    call = pacing.call_size(rate)
    calls: list[float] = []

    def reserve_often() -> None:
        with psycopg.connect(cloud.database_url, autocommit=True) as own:
            for _ in range(4):
                wait = reserve(own, mails, rate)
                if wait is not None:
                    now = time.monotonic()
                    first = now + wait.total_seconds()
                    calls.extend(max(now, first + n * call / rate) for n in range(mails // call))

    at_once(reserve_often, 4)

    assert len(calls) >= 20
    tokens, last = rate, min(calls)  # a bucket of one second's worth
    for moment in sorted(calls):
        tokens = min(rate, tokens + (moment - last) * rate) - call
        last = moment
        assert tokens > -0.05 * rate  # what the threads' own looks at the clock are off by


def at_once(work: Callable[[], None], times: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_delivers_at_once_are_never_throttled_by_ses(cloud: Cloud) -> None:
    cloud.ses.control.change_account(max_send_rate=40, enforces_rate=True)
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(150)])
    issue_id = publish_issue()
    tick(issue_id)
    batches = cloud.row("SELECT count(*) FROM delivery_batches")["count"]

    began = time.monotonic()
    halves = [
        [pointer(issue_id, number) for number in range(first, batches + 1, 2)] for first in (1, 2)
    ]
    at_once(lambda: deliver_all(halves.pop()), 2)
    took = time.monotonic() - began

    assert cloud.ses.control.throttles().rate == 0
    assert len(cloud.ses.mails()) == 150
    assert took > (150 - 40) / 40, "faster than SES's bucket allows"


def test_a_deliver_that_is_late_catches_up(cloud: Cloud) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(12)])
    issue_id = publish_issue()
    tick(issue_id)

    deliver_all(pointers(cloud))

    first, *_, last = sorted(mail.received_at for mail in cloud.ses.mails())
    # Two calls of six at 13.72 a second are 0.44 s apart; nothing has left before, so that the
    # first of them is 0.36 s late.
    assert (last - first).total_seconds() < 0.4


def test_a_deliver_that_finds_no_free_slot_waits_for_one_before_it_claims(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMINGS", '{"slot_horizon": 0.1, "slot_poll": 0.1}')
    forget_what_was_read()
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    tick(issue_id)
    free = cloud.row(
        "UPDATE send_governor SET next_slot_at = clock_timestamp() + interval '1 second'"
        " RETURNING next_slot_at"
    )

    deliver_all(pointers(cloud))

    (mail,) = cloud.ses.mails()
    assert mail.received_at >= free["next_slot_at"]
    assert books_of(issue_id)["accepted"] == 1


def test_a_burst_of_throttles_slows_down_once_and_time_heals(
    cloud: Cloud, connection: Connection
) -> None:
    usual = issue_rate(connection)
    assert usual is not None

    for _ in range(5):
        pacing.slow_down(connection)
    assert issue_rate(connection) == pytest.approx(usual * 0.7)
    cloud.rows("UPDATE send_governor SET slowed_at = now() - interval '3 seconds'")
    pacing.slow_down(connection)
    assert issue_rate(connection) == pytest.approx(usual * 0.49)

    for _ in range(8):
        cloud.rows("UPDATE send_governor SET refreshed_at = now() - interval '61 seconds'")
        rate = issue_rate(connection)
    assert rate == pytest.approx(usual)


def test_who_is_throttled_is_sent_to_later_and_everybody_more_slowly(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com", "octavia@example.com")
    cloud.ses.control.throttle_entries(1)
    issue_id = publish_issue()

    send(cloud, issue_id)
    assert (books_of(issue_id)["accepted"], books_of(issue_id)["waiting"]) == (1, 1)
    assert cloud.row("SELECT slowdown FROM send_governor")["slowdown"] == pytest.approx(0.7)
    cloud.rows("UPDATE delivery_batches SET not_before = now()")
    send(cloud, issue_id)

    assert show(issue_id)["status"] == "finished"


def test_when_the_rate_falls_nothing_is_released_until_there_is_room(cloud: Cloud) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(120)])
    issue_id = publish_issue()
    tick(issue_id)
    query = "SELECT number, released_at FROM delivery_batches ORDER BY number"
    released = cloud.rows(query)
    assert len(released) >= 3
    known_rate(cloud, 0.005)  # one mail within the window of a release

    tick(issue_id)

    assert cloud.rows(query) == released


def test_a_retry_takes_the_rate_of_those_alone_who_are_sent_to_again(cloud: Cloud) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(20)])
    cloud.ses.control.throttle_entries(3)
    issue_id = publish_issue()
    tick(issue_id)

    first = slots_used(cloud, lambda: deliver_all(pointers(cloud)))
    cloud.rows("UPDATE delivery_batches SET not_before = now()")
    tick(issue_id)
    again = slots_used(cloud, lambda: deliver_all(pointers(cloud)))

    assert [first, again] == pytest.approx([20, 3], abs=0.01)
    assert books_of(issue_id)["accepted"] == 20


def test_a_batch_in_which_nobody_is_left_to_send_to_takes_no_rate_and_waits_for_none(
    cloud: Cloud,
) -> None:
    (ursula,) = cloud.add_confirmed("ursula@example.com")
    cloud.ses.control.throttle_entries(1)
    issue_id = publish_issue()
    tick(issue_id)
    deliver_all(pointers(cloud))
    tell(ses_event("Send", issue=issue_id, subscriber=ursula))  # SES had it after all
    cloud.rows("UPDATE delivery_batches SET not_before = now()")
    tick(issue_id)

    assert slots_used(cloud, lambda: deliver_all(pointers(cloud))) == 0

    tick(issue_id)
    assert show(issue_id)["status"] == "finished"
    assert cloud.ses.mails() == []


def test_a_spent_quota_stops_the_issue_until_it_has_room(cloud: Cloud) -> None:
    cloud.ses.control.change_account(max_24_hour_send=1)
    cloud.add_confirmed("ursula@example.com", "octavia@example.com")
    issue_id = publish_issue()

    send(cloud, issue_id)
    document = show(issue_id)
    assert (document["status"], document["seconds_to_go"]) == ("sending", None)
    assert (document["books"]["accepted"], document["books"]["waiting"]) == (1, 1)
    assert cloud.row("SELECT tries FROM delivery_batches")["tries"] == 0

    cloud.rows("UPDATE delivery_batches SET not_before = now()")
    another_minute(cloud)
    send(cloud, issue_id)  # SES says that it is still spent
    assert books_of(issue_id)["waiting"] == 1
    cloud.ses.control.change_account(max_24_hour_send=2)
    another_minute(cloud)
    send(cloud, issue_id)

    assert show(issue_id)["status"] == "finished"


@pytest.mark.parametrize("rate_before", [14, None])
def test_at_a_rate_of_nothing_the_issue_waits_and_goes_on_when_the_rate_comes_back(
    cloud: Cloud, rate_before: float | None, output: Callable[[], str]
) -> None:
    if rate_before:
        known_rate(cloud, rate_before)
        another_minute(cloud)
    cloud.ses.control.change_account(max_send_rate=0, enforces_rate=True)
    cloud.add_confirmed("ursula@example.com", "octavia@example.com")
    issue_id = publish_issue()

    send(cloud, issue_id)
    deliver_late = deliver({"Records": [pointer(issue_id, 1)]}, context())
    document = show(issue_id)
    assert (document["status"], document["seconds_to_go"]) == ("sending", None)
    assert (document["books"]["waiting"], document["books"]["rate"]) == (2, 0)
    assert cloud.row("SELECT count(*), max(tries) AS tries FROM delivery_batches") == {
        "count": 1,
        "tries": 0,
    }
    assert [one["itemIdentifier"] for one in deliver_late["batchItemFailures"]] == ["m1"]
    assert "SES accepts no mail now" in output()
    assert cloud.ses.control.throttles().rate == 0

    cloud.ses.control.change_account(max_send_rate=14, enforces_rate=False)
    another_minute(cloud)
    send(cloud, issue_id)

    assert show(issue_id)["status"] == "finished"
    assert len(cloud.ses.mails()) == 2


def another_minute(cloud: Cloud) -> None:
    cloud.rows("UPDATE send_governor SET refreshed_at = now() - interval '61 seconds'")


@pytest.fixture
def asked(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When SES was asked for its quota."""
    moments: list[float] = []
    events = ses_client.asking_client().meta.events
    events.register("before-send.sesv2.GetAccount", lambda **_: moments.append(time.monotonic()))
    return moments


def test_one_of_all_asks_ses_for_its_quota_once_a_minute(cloud: Cloud, asked: list[float]) -> None:
    def ask() -> None:
        with psycopg.connect(cloud.database_url, autocommit=True) as own:
            for _ in range(5):
                issue_rate(own)

    for expected in (1, 2):
        at_once(ask, 4)
        assert len(asked) == expected
        another_minute(cloud)


def test_when_ses_does_not_report_its_quota_the_last_one_stays_in_force(
    cloud: Cloud, output: Callable[[], str]
) -> None:
    cloud.add_confirmed("ursula@example.com")
    known_rate(cloud, 14)
    another_minute(cloud)
    cloud.ses.control.refuse_calls("AccessDeniedException", operations=["GetAccount"])
    issue_id = publish_issue()

    send(cloud, issue_id)

    assert show(issue_id)["status"] == "finished"
    assert "SES did not report its quota" in output()


def test_before_ses_has_ever_reported_its_quota_nothing_leaves_and_nothing_is_lost(
    cloud: Cloud,
) -> None:
    cloud.add_confirmed("ursula@example.com")
    number = cloud.ses.control.refuse_calls("AccessDeniedException", operations=["GetAccount"])
    issue_id = publish_issue()
    with pytest.raises(Exception, match="DependencyUnavailable"):
        tick(issue_id)
    assert show(issue_id)["status"] == "scheduled"

    cloud.ses.control.end(number)
    another_minute(cloud)
    send(cloud, issue_id)

    assert show(issue_id)["status"] == "finished"


def test_a_rate_that_fell_does_not_make_a_claim_outlive_its_deadline(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(10)])
    issue_id = publish_issue()
    tick(issue_id)
    known_rate(cloud, 1)
    timings = Timings(claim_deadline=2, ses_call_timeout=1, deliver_margin=1)
    monkeypatch.setenv("TIMINGS", timings.model_dump_json(exclude_defaults=True))
    forget_what_was_read()

    began = time.monotonic()
    deliver_all(pointers(cloud))

    assert time.monotonic() - began < 5
    books = books_of(issue_id)
    assert (books["accepted"], books["waiting"], books["unresolved"]) == (2, 8, 0)
    assert len(cloud.ses.mails()) == 2
    assert cloud.row("SELECT tries FROM delivery_batches")["tries"] == 0


def test_the_pace_and_the_time_to_go_are_shown(cloud: Cloud) -> None:
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(49)])
    issue_id = publish_issue()
    tick(issue_id)

    assert show(issue_id)["seconds_to_go"] == pytest.approx(49 / (14 * 0.98), abs=0.1)
    assert boto3.client("scheduler").list_schedules()["Schedules"]
