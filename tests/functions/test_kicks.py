"""Dispatch is called at once, so that no issue waits for its clock's next minute."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.functions import test_correct
from tests.functions.issues import (
    act_on,
    deliver_all,
    edit,
    pointer,
    publish_issue,
    tick,
)
from tests.functions.test_correct import corrected
from tests.functions.test_lifecycle import (
    LATER,
    finished,
    finished_with_a_failure,
    paused,
    scheduled,
)
from tests.functions.webhooks import Functions

half_sent = test_correct.issue_id
PAST = (datetime.now(UTC) - timedelta(days=1)).isoformat()


@pytest.fixture
def functions(cloud: Cloud) -> Functions:
    assert cloud
    return Functions()


@pytest.mark.parametrize(
    ("fields", "is_called"),
    [({}, True), ({"publish_at": PAST}, True), ({"publish_at": LATER}, False)],
    ids=["now", "a time that has passed", "later"],
)
def test_an_issue_that_is_due_calls_dispatch_when_it_is_published(
    functions: Functions, fields: dict[str, Any], *, is_called: bool
) -> None:
    issue_id = publish_issue(**fields)

    assert functions.dispatches == ([issue_id] if is_called else [])


def test_a_draft_calls_dispatch_once_it_is_published(functions: Functions) -> None:
    issue_id = publish_issue(draft=True)
    assert functions.dispatches == []

    assert act_on(issue_id, "publish", key="1")["statusCode"] == 202

    assert functions.dispatches == [issue_id]


@pytest.mark.parametrize(
    ("story", "act", "is_called"),
    [
        (paused, lambda issue_id: act_on(issue_id, "resume"), True),
        (paused, lambda issue_id: act_on(issue_id, "cancel"), True),
        (paused, lambda issue_id: edit(issue_id, title="Number two"), True),
        (finished_with_a_failure, lambda issue_id: act_on(issue_id, "retry"), True),
        (finished, lambda issue_id: act_on(issue_id, "archive", archive=False), True),
        (scheduled, lambda issue_id: act_on(issue_id, "schedule", publish_at=PAST), True),
        (scheduled, lambda issue_id: act_on(issue_id, "schedule", publish_at=LATER), False),
        (scheduled, lambda issue_id: edit(issue_id, title="Number two"), False),
    ],
    ids=[
        *("resume", "cancel", "edit", "retry", "archive", "schedule in the past"),
        *("schedule for later", "edit before it begins"),
    ],
)
def test_what_an_author_does_calls_dispatch_if_there_is_work_for_it(
    cloud: Cloud,
    functions: Functions,
    story: Callable[[Cloud], str],
    act: Callable[[str], dict[str, Any]],
    *,
    is_called: bool,
) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = story(cloud)
    functions.dispatches.clear()

    assert act(issue_id)["statusCode"] < 300

    assert functions.dispatches == ([issue_id] if is_called else [])


def test_whoever_sends_the_last_batch_calls_dispatch_to_finish_the_issue(
    cloud: Cloud, functions: Functions
) -> None:
    cloud.ses.control.change_account(max_send_rate=200)
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(60)])
    issue_id = publish_issue()
    tick(issue_id)
    functions.dispatches.clear()

    deliver_all([pointer(issue_id, 2)])
    assert functions.dispatches == []

    deliver_all([pointer(issue_id, 1)])
    assert functions.dispatches == [issue_id]


def test_a_correction_calls_dispatch_for_itself(functions: Functions, half_sent: str) -> None:
    functions.dispatches.clear()

    correction = corrected(half_sent)

    assert functions.dispatches == [correction["id"]]
