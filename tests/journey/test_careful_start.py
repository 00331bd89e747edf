"""A careful start through the deployed stack: one that goes on by itself, and one that stops."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.journey.people import Issue, Town, until
from tests.journey.sending import clock_of, disperse, gather, schedule_of, taken, tick

CROWD = 150
SAMPLE = 50
CAREFUL = {"sample": 0.01, "hold": "PT1H"}


@pytest.fixture
def crowd(town: Town) -> Iterator[set[str]]:
    crowd = gather(town, CROWD)
    yield crowd
    disperse(town)


@pytest.fixture
def bouncing_crowd(town: Town, crowd: set[str]) -> Iterator[set[str]]:
    rule = town.ses.bounce(crowd)
    yield crowd
    town.ses.end_fate(rule)


def publish_carefully(town: Town) -> tuple[Issue, str]:
    """Publish an issue, and send its sample."""
    issue = town.publish(careful=CAREFUL)
    issue_id = str(issue.answer.json()["id"])
    until(lambda: taken(town, issue_id).total() >= SAMPLE, what="the sample's mails")
    return issue, issue_id


def hold_of(issue: Issue) -> dict[str, Any]:
    careful: dict[str, Any] = issue.shown()["careful"]
    return careful


def end_hold(town: Town, issue_id: str) -> None:
    """Bring the hold's end to now, by the database's clock."""
    with psycopg.connect(town.stack.database_url) as connection:
        connection.execute("UPDATE issues SET held_until = now() WHERE id = %s", [issue_id])


def test_an_issue_whose_sample_is_good_goes_on_by_itself(town: Town, crowd: set[str]) -> None:
    issue, issue_id = publish_carefully(town)
    clock = clock_of(town, issue_id)

    tick(town, clock, until=lambda: hold_of(issue)["held_until"] is not None)

    held_until = datetime.fromisoformat(hold_of(issue)["held_until"])
    assert held_until > datetime.now(UTC) + timedelta(minutes=55)
    schedule = schedule_of(town, issue_id)
    assert schedule
    assert abs(schedule["StartDate"] - held_until) < timedelta(seconds=1)
    assert taken(town, issue_id).total() == SAMPLE
    end_hold(town, issue_id)
    tick(town, clock, until=lambda: issue.shown()["status"] == "finished")
    mails = taken(town, issue_id)
    assert crowd <= mails.keys()
    assert set(mails.values()) == {1}
    assert issue.shown()["audience"] == len(mails)


@pytest.mark.usefixtures("bouncing_crowd")
def test_an_issue_whose_sample_bounces_stops_with_the_rest_unsent(town: Town) -> None:
    issue, issue_id = publish_carefully(town)
    until(lambda: issue.shown()["status"] == "paused", what="the breaker")

    document = issue.shown()
    rest = document["audience"] - SAMPLE
    assert document["paused_because"].startswith(f"of the first {SAMPLE} mails, ")
    assert document["paused_because"].endswith(f"the other {rest} were not sent")
    end_hold(town, issue_id)
    tick(town, clock_of(town, issue_id), until=lambda: clock_of(town, issue_id) is None)
    assert taken(town, issue_id).total() == SAMPLE
    assert document["books"]["waiting"] == rest
    town.ask_as_author("POST", f"{issue.href}/cancel")
