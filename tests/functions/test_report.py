"""What dispatch reports to the operator's doctor: what is unsolved, whatever the alarms say."""

from typing import Any
from uuid import UUID

import pytest

from broadsheet.domain import pauses
from broadsheet.telemetry import InvocationFailed
from functions.dispatch.app import handler as dispatch
from tests.cloud import Cloud, context
from tests.conftest import forget_what_was_read
from tests.functions.issues import act_on, publish_issue, tick

NOBODY = {"asked": 0, "confirmed": 0, "by_way": {}}
NOTHING = {
    "paused": [],
    "unresolved_mails": 0,
    "duplicate_mails": 0,
    "strict_since": None,
    "suspicious_sign_ups": {},
    "owed_pages": 0,
    "disabled_webhooks": {},
    "completion": {"days_30": NOBODY, "always": NOBODY},
}


def report() -> dict[str, Any] | None:
    return dispatch({"report": True}, context())


def test_a_quiet_newsletter_has_nothing_to_report(cloud: Cloud) -> None:
    assert report() == NOTHING


def test_an_issue_that_stopped_itself_is_reported_until_it_goes_on(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    stopped, paused = publish_issue(), publish_issue(title="Number two")
    tick(stopped)
    because = "of 400 mails, 40 bounced and 0 were complained of"
    cloud.rows(
        "UPDATE issues SET status = 'paused', paused_because = %(because)s WHERE id = %(id)s",
        because=because,
        id=stopped,
    )
    act_on(paused, "pause")
    assert cloud.rows("SELECT id FROM issues WHERE paused_because = %(by)s", by=pauses.BY_AUTHOR)

    assert report() == NOTHING | {"paused": [{"issue_id": stopped, "because": because}]}

    act_on(stopped, "resume")
    assert report() == NOTHING


def test_strict_mode_and_what_it_kept_are_reported(cloud: Cloud) -> None:
    (reader,) = cloud.add_confirmed("ursula@example.com")
    cloud.rows("UPDATE strict_mode SET since = '2026-11-22T12:00Z'")
    cloud.rows(
        """
        WITH applied AS (
            INSERT INTO sign_ups (request_id, subscriber_id, source_network, received_at,
                                  mail_granted)
            VALUES (gen_random_uuid(), %(reader)s, '192.0.2.7', now(), false)
            RETURNING *
        )
        INSERT INTO suspicious_sign_ups (request_id, subscriber_id, reason, received_at)
        SELECT request_id, subscriber_id, 'unproven', received_at FROM applied
        """,
        reader=reader,
    )

    assert report() == NOTHING | {
        "strict_since": "2026-11-22T12:00:00Z",
        "suspicious_sign_ups": {"unproven": 1},
    }


def test_unresolved_mails_are_reported_once_their_grace_time_is_over(cloud: Cloud) -> None:
    cloud.rows(
        "INSERT INTO deliveries (issue_id, subscriber_id, round, outcome, claim_deadline)"
        " SELECT gen_random_uuid(), gen_random_uuid(), 1, 'unresolved', now() - age"
        " FROM unnest(ARRAY[interval '31 minutes', interval '32 minutes', interval '1 day']) AS age"
    )

    assert report() == NOTHING | {"unresolved_mails": 2}


def test_duplicates_of_the_last_fortnight_are_reported(cloud: Cloud) -> None:
    cloud.rows(
        "INSERT INTO duplicate_mails (issue_id, subscriber_id, round, message_id, seen_at)"
        " SELECT gen_random_uuid(), gen_random_uuid(), 1, '0100-second', now() - age"
        " FROM unnest(ARRAY[interval '1 hour', interval '13 days', interval '15 days']) AS age"
    )

    assert report() == NOTHING | {"duplicate_mails": 2}


def test_pages_that_the_archive_has_owed_for_an_hour_are_reported(cloud: Cloud) -> None:
    for title in ("One", "Two", "Three"):
        tick(publish_issue(title=title))
    cloud.rows(
        "UPDATE issues SET archived = NULL, frozen_at = now() - interval '61 minutes'"
        " WHERE title = 'One'"
    )
    cloud.rows("UPDATE issues SET archived = NULL WHERE title = 'Two'")

    assert report() == NOTHING | {"owed_pages": 1}

    dispatch({}, context())
    assert report() == NOTHING


def test_a_report_changes_nothing_and_starts_no_clock(cloud: Cloud) -> None:
    publish_issue()
    before = cloud.rows("SELECT id, status, publish_at, frozen_at FROM issues")

    report()

    assert cloud.rows("SELECT id, status, publish_at, frozen_at FROM issues") == before
    assert cloud.messages("DELIVERY") == []


def test_without_a_database_the_report_fails(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMINGS", '{"worker_connect_timeout": 0}')
    forget_what_was_read()

    with cloud.database_down(), pytest.raises(InvocationFailed):
        report()


def test_a_webhook_that_was_disabled_is_reported(cloud: Cloud) -> None:
    cloud.rows(
        """
        INSERT INTO webhooks (id, url, events, created_by, key_id, disabled_at, disabled_because)
        VALUES (%(id)s, 'https://a.example/', '{issue.paused}', 'ada', '1', now(), 'gone'),
               (gen_random_uuid(), 'https://b.example/', '{issue.paused}', 'ada', '1', NULL, NULL)
        """,
        id=UUID(int=7),
    )

    assert report() == NOTHING | {"disabled_webhooks": {str(UUID(int=7)): "gone"}}
