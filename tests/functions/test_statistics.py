"""A newsletter's numbers: what happened a day, in UTC, and what became of each issue."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from broadsheet.database import statistics
from functions.dispatch.app import handler as dispatch
from functions.people.app import handler
from local.lambda_events import api_event
from tests.cloud import Cloud, context, json_of, problem_in
from tests.functions.issues import publish_issue, send, ses_event, tell
from tests.functions.test_enroll import leaving
from tests.functions.test_managing import enroll


def ask(**query: str) -> dict[str, Any]:
    return handler(api_event("GET", "/statistics", query=query, author="ada"), context())


def log(cloud: Cloud, subscriber: UUID, *changes: tuple[str, str]) -> None:
    for change, at in changes:
        cloud.rows(
            "INSERT INTO consents (request_id, subscriber_id, change, at)"
            " VALUES (gen_random_uuid(), %(id)s, %(change)s::consent_change, %(at)s)",
            id=subscriber,
            change=change,
            at=at,
        )


def test_each_day_has_what_happened_on_it_in_utc(cloud: Cloud) -> None:
    ursula, ged = cloud.add_confirmed("ursula@example.com", "ged@example.com")
    log(cloud, ursula, ("signed_up", "2026-01-01T23:59:59Z"), ("confirmed", "2026-01-02T00:00Z"))
    log(cloud, ged, ("confirmed", "2026-01-02T23:59:59+00"), ("bounced", "2026-01-03T00:00+00"))
    log(cloud, ged, ("forgiven", "2026-01-03T12:00Z"), ("unsubscribed", "2026-01-04T01:00+02"))
    log(cloud, ged, ("complained", "2026-01-05T00:00Z"))  # after the last day
    for because in ("erased", "moved", "expired"):
        cloud.rows(
            "INSERT INTO tombstones VALUES (sha256(%(d)s), '2026-01-02T12:00Z', %(b)s)",
            d=because.encode(),
            b=because,
        )

    document = json_of(ask(**{"from": "2026-01-01", "to": "2026-01-04"}))

    nothing = dict.fromkeys(document["days"][0], 0)
    assert document["days"] == [
        nothing | {"day": "2026-01-01", "signed_up": 1},
        nothing | {"day": "2026-01-02", "confirmed": 2, "erased": 1, "growth": 2},
        nothing
        | {"day": "2026-01-03", "bounced": 1, "forgiven": 1, "unsubscribed": 1, "growth": -2},
        nothing | {"day": "2026-01-04"},
    ]
    assert document["readers"] == {
        "pending": 0,
        "confirmed": 2,
        "unsubscribed": 0,
        "bounced": 0,
        "complained": 0,
    }


def test_the_opt_in_is_of_those_who_were_mailed_to_confirm(cloud: Cloud) -> None:
    asked = cloud.add_confirmed("a@example.com", "b@example.com", "c@example.com")
    for subscriber in asked:
        log(cloud, subscriber, ("signed_up", "2026-11-20T12:00Z"))
    cloud.rows(
        "INSERT INTO sign_ups (request_id, subscriber_id, source_network, received_at,"
        " mail_granted) SELECT request_id, subscriber_id, '192.0.2.7', at, subscriber_id <> %(c)s"
        " FROM consents",
        c=asked[2],
    )
    cloud.rows(
        "UPDATE subscribers SET confirmed_at = NULL, confirmation_issued_at = NULL"
        " WHERE id = %(id)s",
        id=asked[1],
    )

    document = json_of(ask(**{"from": "2026-11-01", "to": "2026-11-30"}))

    assert document["opt_in"] == {"asked": 2, "confirmed": 1}


def test_an_issue_has_what_became_of_its_mails(cloud: Cloud) -> None:
    emails = [f"{name}@example.com" for name in ("ursula", "ged", "tenar")]
    ids = cloud.add_confirmed(*emails)
    issue = publish_issue()
    send(cloud, issue)
    mails = {
        row["subscriber_id"]: row["message_id"]
        for row in cloud.rows("SELECT subscriber_id, message_id FROM deliveries")
    }
    kinds = ("Delivery", "Complaint", "Bounce")
    tell(
        *(
            ses_event(kind, issue=issue, subscriber=each, message_id=mails[each])
            for kind, each in zip(kinds, ids, strict=True)
        )
    )
    gone = leaving(cloud, datetime.now(UTC), emails[0])
    token = gone.token.model_copy(
        update={"issue_id": gone.token.issue_id.model_copy(update={"root": UUID(issue)})}
    )
    enroll(gone.model_copy(update={"token": token}))

    (shown,) = json_of(ask())["issues"]

    counted = {name: shown[name] for name in ("audience", "accepted", "delivered", "bounced")}
    assert counted == {"audience": 3, "accepted": 3, "delivered": 1, "bounced": 1}
    assert (shown["complained"], shown["unsubscribed"], shown["id"]) == (1, 1, issue)
    assert shown["counted_at"] is not None


def test_an_issue_is_counted_again_when_its_counts_are_old_for_its_age(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue = publish_issue()
    send(cloud, issue)
    ask()
    cloud.rows("UPDATE deliveries SET delivered_at = now()")

    def delivered() -> object:
        return json_of(ask())["issues"][0]["delivered"]

    assert delivered() == 0, "counted within the last minute"
    cloud.rows("UPDATE issue_counts SET counted_at = now() - interval '2 minutes'")
    assert delivered() == 1


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-12-02", "to": "2026-12-01"},
        {"from": "2024-01-01", "to": "2026-01-01"},
        {"from": "yesterday"},
        {"to": "20261201"},
        {"from": "2026-02-30"},
        {"to": "0001-01-01"},
    ],
    ids=["order", "long", "word", "basic", "no day", "before time"],
)
@pytest.mark.usefixtures("cloud")
def test_days_that_are_none_are_refused(query: dict[str, str]) -> None:
    answer = ask(**query)

    assert (answer["statusCode"], problem_in(answer)["code"]) == (400, "invalid-period")


@pytest.mark.usefixtures("cloud")
def test_without_days_the_last_thirty_are_shown() -> None:
    document = json_of(ask())

    assert len(document["days"]) == 30
    assert document["to"] == datetime.now(UTC).date().isoformat()
    assert document["from"] == (datetime.now(UTC).date() - timedelta(days=29)).isoformat()


def test_days_are_counted_in_the_background_once_the_log_is_long(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "SHORT_LOG", 2)
    (ursula,) = cloud.add_confirmed("ursula@example.com")
    log(cloud, ursula, *(("signed_up", f"2026-01-0{day}T12:00Z") for day in (1, 2, 2)))
    days = {"from": "2026-01-01", "to": "2026-01-04"}
    before = json_of(ask(**days))["days"]
    assert [day["signed_up"] for day in before] == [1, 2, 0, 0]

    def look() -> int:
        dispatch({}, context())
        return len(cloud.rows("SELECT * FROM day_counts"))

    assert look() == 0  # whatever was under way may have a smaller id
    assert look() == 0
    cloud.rows("UPDATE counted_days SET looked_at = now() - interval '1 hour'")
    assert look() == 2
    assert json_of(ask(**days))["days"] == before

    log(cloud, ursula, ("signed_up", "2026-01-02T12:00Z"), ("confirmed", "2026-01-03T12:00Z"))
    late = json_of(ask(**days))["days"]
    assert [(day["signed_up"], day["confirmed"]) for day in late][1:3] == [(3, 0), (0, 1)]
    cloud.rows("UPDATE counted_days SET looked_at = now() - interval '1 hour'")
    assert look() == 2
    assert json_of(ask(**days))["days"] == late, "none is counted twice"
