"""An issue that starts carefully: its sample goes first, and the rest only if that was good.

The shortest hold is a minute. Here it ends sooner, by its time in the database.
"""

from collections.abc import Iterator

import psycopg
import pytest

from broadsheet.domain.careful_start import LEAST_SAMPLE
from tests.journey.people import Town
from tests.journey.sending import clock_of, disperse, gather, taken, tick

CROWD = 2 * LEAST_SAMPLE
CAREFUL = {"sample": 0.01, "hold": "PT1M"}


@pytest.fixture
def crowd(town: Town) -> Iterator[set[str]]:
    """More readers than a sample has; they get nothing of the other journeys."""
    yield gather(town, CROWD)
    town.ses.end_all_fates()
    disperse(town)


def test_the_rest_of_an_issue_follows_a_good_sample_by_itself(town: Town, crowd: set[str]) -> None:
    issue = town.publish(careful=CAREFUL)
    issue_id = issue.shown()["id"]
    clock = clock_of(town, issue_id)
    tick(town, clock, lambda: bool(issue.shown()["careful"]["held_until"]))

    held, sample = issue.shown(), taken(town, issue_id)

    assert held["status"] == "sending"
    assert sample.total() == len(sample) == LEAST_SAMPLE
    assert held["books"]["waiting"] == held["audience"] - LEAST_SAMPLE > 0
    with psycopg.connect(town.stack.database_url) as connection:
        connection.execute("UPDATE issues SET held_until = now() WHERE id = %s", [issue_id])
    tick(town, clock, lambda: issue.shown()["status"] == "finished")
    sent = taken(town, issue_id)
    assert set(sent.values()) == {1}
    assert crowd <= sent.keys()
    assert sample.keys() <= sent.keys()


def test_a_sample_that_bounces_stops_its_issue_with_the_rest_unsent(
    town: Town, crowd: set[str]
) -> None:
    town.ses.bounce(crowd)

    issue = town.publish(careful=CAREFUL)
    issue_id = issue.shown()["id"]
    clock = clock_of(town, issue_id)
    tick(town, clock, lambda: issue.shown()["status"] == "paused")

    stopped = issue.shown()
    assert stopped["status"] == "paused"
    assert stopped["paused_because"].startswith(f"of the first {LEAST_SAMPLE} mails, ")
    assert taken(town, issue_id).total() == LEAST_SAMPLE
    assert stopped["books"]["waiting"] == stopped["audience"] - LEAST_SAMPLE > 0
    assert town.ask_as_author("POST", f"{issue.href}/cancel").status == 202
    assert taken(town, issue_id).total() == LEAST_SAMPLE
