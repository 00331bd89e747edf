"""A warm-up: few mails a day at first; the rest of an issue leaves the next day by itself."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import boto3
import pytest

from broadsheet.domain.warm_up import DAYS, allowance
from tests.cloud import Cloud
from tests.conftest import forget_what_was_read
from tests.functions.issues import (
    act_on,
    books_of,
    clocks,
    deliver_all,
    pointers,
    publish_issue,
    send,
    show,
    tick,
)

FIRST_DAY = 200


@pytest.fixture(autouse=True)
def fast_account(cloud: Cloud) -> None:
    cloud.ses.control.change_account(max_send_rate=1000, enforces_rate=False)


@pytest.fixture
def warm_up(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cloud
    monkeypatch.setenv("WARM_UP", "true")
    forget_what_was_read()


def add_readers(cloud: Cloud, number: int) -> list[UUID]:
    return cloud.add_confirmed(*[f"reader{each}@example.com" for each in range(number)])


def tomorrow(cloud: Cloud) -> None:
    """Make what was today yesterday."""
    cloud.rows("UPDATE send_governor SET first_day = first_day - 1, newest_day = newest_day - 1")


def send_all_that_may_leave(cloud: Cloud, issue_id: str) -> None:
    for _ in range(3):
        tick(issue_id)
        deliver_all(pointers(cloud))
    tick(issue_id)


def test_a_warm_up_grows_from_200_mails_a_day_to_200_000_in_42_days() -> None:
    by_day = [allowance(day) for day in range(DAYS)]

    assert len(by_day) == 42
    assert (by_day[0], by_day[1], by_day[41]) == (200, 236, 200_000)
    assert by_day == sorted(by_day, key=lambda mails: mails or 0)
    assert allowance(42) is None


@pytest.mark.usefixtures("warm_up")
def test_the_rest_of_an_issue_leaves_on_the_next_day(cloud: Cloud) -> None:
    readers = add_readers(cloud, 250)
    issue_id = publish_issue()

    send_all_that_may_leave(cloud, issue_id)

    assert len(cloud.ses.mails()) == FIRST_DAY
    document = show(issue_id)
    assert document["status"] == "sending"
    assert document["books"]["waiting"] == len(readers) - FIRST_DAY
    assert document["seconds_to_go"] is None
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert document["waits"] == {
        "code": "warm-up",
        "until": f"{midnight + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
        "message": "Today's mails of the warm-up are all sent; the others leave tomorrow (UTC).",
    }
    tomorrow(cloud)
    send_all_that_may_leave(cloud, issue_id)
    assert Counter(mail.to for mail in cloud.ses.mails()).most_common(1)[0][1] == 1
    assert len(cloud.ses.mails()) == len(readers)
    assert show(issue_id)["status"] == "finished"


@pytest.mark.usefixtures("warm_up")
def test_the_last_batch_of_a_day_leaves_today(cloud: Cloud) -> None:
    add_readers(cloud, 50)
    today = (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    cloud.rows(
        "UPDATE send_governor SET first_day = %(day)s, newest_day = %(day)s, mails_that_day = 150",
        day=today,
    )
    issue_id = publish_issue()

    send_all_that_may_leave(cloud, issue_id)

    assert show(issue_id)["status"] == "finished"
    assert len(cloud.ses.mails()) == 50


@pytest.mark.usefixtures("warm_up")
def test_the_clock_sleeps_until_the_next_day(cloud: Cloud) -> None:
    add_readers(cloud, 250)
    issue_id = publish_issue()

    send_all_that_may_leave(cloud, issue_id)

    clock = boto3.client("scheduler").get_schedule(Name=issue_id, GroupName="clocks")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert clock["StartDate"] == midnight + timedelta(days=1)
    assert clocks() == [issue_id]


@pytest.mark.usefixtures("warm_up")
def test_two_issues_share_the_mails_of_a_day(cloud: Cloud) -> None:
    add_readers(cloud, 130)
    first, second = publish_issue(), publish_issue()

    for issue_id in (first, second):
        tick(issue_id)
    deliver_all(pointers(cloud))
    for issue_id in (first, second):
        send_all_that_may_leave(cloud, issue_id)

    assert FIRST_DAY - 50 < len(cloud.ses.mails()) <= FIRST_DAY
    assert cloud.row("SELECT mails_that_day AS mails FROM send_governor")["mails"] <= FIRST_DAY


@pytest.mark.usefixtures("warm_up")
def test_a_pointer_that_finds_too_few_mails_left_is_released_again_the_next_day(
    cloud: Cloud,
) -> None:
    add_readers(cloud, 50)
    issue_id = publish_issue()
    tick(issue_id)
    records = pointers(cloud)
    cloud.rows(
        "UPDATE send_governor SET mails_that_day = 170,"
        " newest_day = floor(extract(epoch FROM now()) / 86400)"
    )

    deliver_all(records)
    tick(issue_id)

    assert cloud.ses.mails() == []
    assert pointers(cloud) == []
    assert show(issue_id)["waits"]["code"] == "warm-up"
    tomorrow(cloud)
    send(cloud, issue_id)
    assert len(cloud.ses.mails()) == 50


@pytest.mark.usefixtures("warm_up")
def test_a_slot_that_another_sender_took_meanwhile_is_not_exceeded(cloud: Cloud) -> None:
    """Two delivers read that 60 mails are left; one has 50, and the other's claim is undone."""
    add_readers(cloud, 100)
    issue_id = publish_issue()
    tick(issue_id)
    records = pointers(cloud)
    cloud.rows(
        "UPDATE send_governor SET mails_that_day = 140,"
        " newest_day = floor(extract(epoch FROM now()) / 86400)"
    )

    deliver_all(records)

    assert len(cloud.ses.mails()) == 50
    states = cloud.rows("SELECT state, released_at FROM delivery_batches ORDER BY state")
    assert [row["state"] for row in states] == ["waiting", "closed"]
    assert states[0]["released_at"] is None


@pytest.mark.usefixtures("warm_up")
def test_after_42_days_an_issue_leaves_as_fast_as_ses_allows(cloud: Cloud) -> None:
    readers = add_readers(cloud, 250)
    cloud.rows("UPDATE send_governor SET first_day = floor(extract(epoch FROM now()) / 86400) - 42")
    issue_id = publish_issue()

    send_all_that_may_leave(cloud, issue_id)

    assert books_of(issue_id)["accepted"] == len(readers)


def test_without_a_warm_up_no_day_has_a_limit(cloud: Cloud) -> None:
    readers = add_readers(cloud, 250)
    issue_id = publish_issue()

    send_all_that_may_leave(cloud, issue_id)

    assert books_of(issue_id)["accepted"] == len(readers)
    assert show(issue_id)["waits"] is None


@pytest.mark.usefixtures("warm_up")
def test_an_issue_that_waits_for_tomorrow_can_be_canceled(cloud: Cloud) -> None:
    add_readers(cloud, 250)
    issue_id = publish_issue()
    send_all_that_may_leave(cloud, issue_id)

    act_on(issue_id, "cancel")
    tick(issue_id)

    assert books_of(issue_id)["skipped"] == {"canceled": 50}
    assert clocks() == []


def test_days_that_last_three_seconds_never_have_more_mails_than_they_may(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = 3
    monkeypatch.setenv("WARM_UP", "true")
    monkeypatch.setenv("TIMINGS", f'{{"warm_up_day": {day}}}')
    forget_what_was_read()
    readers = add_readers(cloud, 500)
    issue_id = publish_issue()
    first = int(time.time() // day)

    deadline = time.monotonic() + 20 * day
    while show(issue_id)["status"] != "finished" and time.monotonic() < deadline:
        send(cloud, issue_id)
        time.sleep(0.1)

    mails = cloud.ses.mails()
    assert sorted(mail.to for mail in mails) == sorted({mail.to for mail in mails})
    assert len(mails) == len(readers)
    days = Counter(int(mail.received_at.timestamp() // day) for mail in mails)
    begun = cloud.row("SELECT first_day FROM send_governor")["first_day"]
    assert begun >= first
    for last in days:  # a mail whose slot is reserved at a day's end may leave in the next
        so_far = sum(number for each, number in days.items() if each <= last)
        assert so_far <= sum(allowance(each) or 0 for each in range(last - begun + 1))
    assert len(days) >= 2
