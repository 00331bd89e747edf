"""The database is away: readers notice nothing, an author is told, and nothing is lost."""

import pytest

from broadsheet.settings import Timings
from tests.journey import readme
from tests.journey.outage import Outage

AT_ONCE = 5  # seconds; a busy machine's cold function, and far less than any wait for a database

# What publish may take beside its wait for a database: in production, where it waits as long as the
# settings say, its answer then comes before API Gateway ends the call.
API_GATEWAY = 29  # seconds
BESIDE_THE_WAIT = API_GATEWAY - Timings().publish_connect_timeout


@pytest.mark.parametrize("wish", ["signed_up", "confirmed", "unsubscribed"])
def test_a_reader_is_answered_as_ever_and_at_once(outage: Outage, wish: str):
    asked = getattr(outage, wish)

    assert asked.answer.status == (200 if wish == "unsubscribed" else 202)
    assert asked.seconds < AT_ONCE


def test_the_archive_and_the_sign_up_page_are_shown(outage: Outage):
    assert outage.sign_up_page.status == 200
    listed, page, feed = outage.archive
    assert [each.status for each in (listed, page, feed)] == [200] * 3
    assert "Hello" in page.data.decode()
    assert b"<entry>" in feed.data
    assert page.headers["Cache-Control"] == "public, max-age=300"


def test_an_author_is_asked_to_come_back(outage: Outage):
    answer = outage.published.answer

    assert answer.status == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["status"] == 503
    waited = readme.TIMINGS["publish_connect_timeout"]
    assert outage.published.seconds < waited + BESIDE_THE_WAIT


def test_what_readers_asked_for_is_applied_when_it_is_back(outage: Outage):
    assert [mail.subject for mail in outage.new.mails()] == [
        "Please confirm your subscription to The Local Broadsheet"
    ]
    assert len(outage.confirming.copies(outage.issue)) == 1
    assert outage.leaving.copies(outage.issue) == []


def test_the_author_publishes_with_the_same_key_and_everyone_gets_it_once(outage: Outage):
    assert outage.published_after.status == 202
    assert len(outage.staying.copies(outage.issue)) == 1
    assert outage.issue.shown()["status"] == "finished"
