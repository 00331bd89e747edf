"""A correction: an issue for exactly those who have an older version of another one."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from broadsheet.database.ledger import older_versions
from broadsheet.services.sending import pacing
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
    publish_issue,
    send,
    ses_event,
    show,
    tell,
    tick,
)

READERS, SIZE = 9, 3  # three batches
NOTE: dict[str, object] = {"title": "The date was wrong", "markdown": "It is Tuesday."}


def correct(
    issue_id: str, body: object = NOTE, key: str | None = None, role: str = "publish"
) -> dict[str, Any]:
    event = api_event(
        "POST",
        "/issues/{id}/correct",
        path_parameters={"id": issue_id},
        headers={"content-type": "application/json", "idempotency-key": key or str(uuid4())},
        body=json.dumps(body),
        author="ada",
        role=role,
    )
    return publish(event, context())


def corrected(issue_id: str, **fields: object) -> dict[str, Any]:
    """Correct an issue, and return the answer."""
    answer = correct(issue_id, NOTE | fields)
    assert answer["statusCode"] == 202, answer["body"]
    return json_of(answer)


def refused(answer: Mapping[str, Any]) -> tuple[int, str]:
    return answer["statusCode"], problem_in(answer)["code"]


@pytest.fixture
def issue_id(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """A paused issue: a batch has version 1, and all others will have version 2."""
    monkeypatch.setattr(pacing, "batch_size", lambda _rate: SIZE)
    cloud.add_confirmed(*[f"reader{number}@example.com" for number in range(READERS)])
    issue_id = publish_issue()
    tick(issue_id)
    deliver_all([pointer(issue_id, 1)])
    act_on(issue_id, "pause")
    assert edit(issue_id, markdown="On Tuesday.")["statusCode"] == 200
    return issue_id


def batch(cloud: Cloud, issue_id: str, number: int = 1) -> list[UUID]:
    recipients: list[UUID] = cloud.row(
        "SELECT recipients FROM delivery_batches WHERE issue_id = %(id)s AND number = %(number)s",
        id=issue_id,
        number=number,
    )["recipients"]
    return recipients


def finish(cloud: Cloud, issue_id: str) -> None:
    act_on(issue_id, "resume")
    send(cloud, issue_id)
    assert show(issue_id)["status"] == "finished"


def got_correction(cloud: Cloud) -> list[UUID]:
    """Return who got the correction's mails, with repetitions."""
    mails = [mail for mail in cloud.ses.mails() if mail.subject == NOTE["title"]]
    return sorted(UUID(mail.tags["subscriber"]) for mail in mails)


def test_a_correction_reaches_exactly_those_who_have_an_older_version(
    cloud: Cloud, issue_id: str
) -> None:
    older = batch(cloud, issue_id)
    finish(cloud, issue_id)
    assert books_of(issue_id)["accepted_by_version"] == {"1": SIZE, "2": READERS - SIZE}

    answer = correct(issue_id)

    document = json_of(answer)
    assert answer["headers"]["Location"].endswith(f"/issues/{document['id']}")
    assert (document["audience_now"], document["unsettled"]) == (SIZE, 0)
    assert (document["corrects"], document["corrects_version"]) == (issue_id, 2)
    send(cloud, document["id"])
    assert got_correction(cloud) == sorted(older)
    shown = show(document["id"])
    assert (shown["status"], shown["audience"], shown["books"]["accepted"]) == (
        "finished",
        SIZE,
        SIZE,
    )
    assert (shown["corrects"], shown["corrects_version"]) == (issue_id, 2)


@pytest.mark.parametrize("action", [None, "resume", "cancel"])
def test_an_issue_that_still_has_readers_waiting_is_corrected_at_once(
    cloud: Cloud, issue_id: str, action: str | None
) -> None:
    older = batch(cloud, issue_id)
    if action:
        act_on(issue_id, action)

    correction = corrected(issue_id)["id"]
    send(cloud, correction)
    send(cloud, issue_id)

    assert got_correction(cloud) == sorted(older)
    tick(correction)
    assert len(got_correction(cloud)) == SIZE


def test_whoever_has_left_since_gets_no_correction(cloud: Cloud, issue_id: str) -> None:
    left, *stayed = batch(cloud, issue_id)
    cloud.rows("UPDATE subscribers SET unsubscribed_at = now() WHERE id = %(id)s", id=left)

    document = corrected(issue_id)
    send(cloud, document["id"])

    assert document["audience_now"] == SIZE - 1
    assert got_correction(cloud) == sorted(stayed)


def test_a_correction_waits_for_a_claim_of_an_older_version(cloud: Cloud, issue_id: str) -> None:
    older = batch(cloud, issue_id)
    late = batch(cloud, issue_id, 2)
    cloud.rows(
        "UPDATE delivery_batches SET state = 'claimed', claim_id = %(id)s, claim_deadline = now()"
        " WHERE number = 2",
        id=uuid4(),
    )

    document = corrected(issue_id)
    correction = document["id"]
    assert (document["audience_now"], document["unsettled"]) == (SIZE, SIZE)
    tick(correction)
    assert show(correction)["audience"] is None
    tell(*[ses_event("Send", issue=issue_id, subscriber=each) for each in late])
    tick(correction)
    assert show(correction)["audience"] is None
    cloud.rows(
        "UPDATE delivery_batches SET state = 'closed', claim_id = NULL, claim_deadline = NULL"
        " WHERE number = 2"
    )
    send(cloud, correction)

    assert got_correction(cloud) == sorted([*older, *late])


def test_a_correction_waits_for_a_mail_whose_outcome_is_unknown(
    cloud: Cloud, issue_id: str
) -> None:
    unknown, *known = batch(cloud, issue_id)
    cloud.rows(
        "UPDATE deliveries SET outcome = 'unresolved', claim_deadline = now(), message_id = NULL"
        " WHERE subscriber_id = %(id)s",
        id=unknown,
    )

    document = corrected(issue_id)
    tick(document["id"])
    assert (document["audience_now"], document["unsettled"]) == (SIZE - 1, 1)
    assert (show(document["id"])["audience"], got_correction(cloud)) == (None, [])
    tell(ses_event("Delivery", issue=issue_id, subscriber=unknown))
    send(cloud, document["id"])

    assert got_correction(cloud) == sorted([unknown, *known])


def test_whoever_was_sent_the_new_version_after_a_lost_answer_gets_no_correction(
    cloud: Cloud, issue_id: str
) -> None:
    again, *others = batch(cloud, issue_id)
    cloud.rows("DELETE FROM deliveries WHERE subscriber_id = %(id)s", id=again)
    cloud.rows("UPDATE delivery_batches SET state = 'waiting' WHERE number = 1")
    finish(cloud, issue_id)
    assert books_of(issue_id)["accepted_by_version"] == {"1": SIZE - 1, "2": READERS - SIZE + 1}

    send(cloud, corrected(issue_id)["id"])

    assert got_correction(cloud) == sorted(others)


@pytest.mark.parametrize("first", [1, 2])
def test_whoever_was_mailed_both_versions_gets_no_correction(
    cloud: Cloud, issue_id: str, first: int
) -> None:
    _, *others = batch(cloud, issue_id)
    twice = batch(cloud, issue_id)[0]
    cloud.rows("DELETE FROM deliveries WHERE subscriber_id = %(id)s", id=twice)

    for version in (first, 3 - first):
        tell(
            ses_event(
                "Send",
                issue=issue_id,
                subscriber=twice,
                version=version,
                message_id=f"0100-{version}",
            )
        )

    assert books_of(issue_id)["duplicates"] == 1
    assert corrected(issue_id)["audience_now"] == len(others)


def test_both_mails_of_somebody_are_known_by_version_when_their_events_come_together(
    cloud: Cloud, issue_id: str
) -> None:
    twice = batch(cloud, issue_id)[0]
    cloud.rows("DELETE FROM deliveries WHERE subscriber_id = %(id)s", id=twice)

    sent = datetime.now(UTC)
    tell(
        *[
            ses_event(
                "Send",
                issue=issue_id,
                subscriber=twice,
                version=version,
                message_id=f"0100-{version}",
                sent_at=sent + timedelta(seconds=version),
            )
            for version in (2, 1)
        ]
    )

    assert cloud.rows("SELECT message_id, version FROM duplicate_mails") == [
        {"message_id": "0100-2", "version": 2}
    ]
    assert corrected(issue_id)["audience_now"] == SIZE - 1


def test_the_ledger_is_counted_before_the_issue_is_locked(
    cloud: Cloud, issue_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A count of a million rows takes seconds, for which dispatch would wait."""
    count = older_versions.count

    def unlocked(*arguments: Any) -> int:  # noqa: ANN401 - whatever it is called with
        cloud.rows("SELECT 1 FROM issues FOR UPDATE NOWAIT")
        return count(*arguments)

    monkeypatch.setattr(older_versions, "count", unlocked)

    assert corrected(issue_id)["audience_now"] == SIZE


def test_a_correction_that_is_requested_again_with_its_key_is_one_correction(
    cloud: Cloud, issue_id: str
) -> None:
    first, again = correct(issue_id, key="k"), correct(issue_id, key="k")
    assert edit(issue_id, markdown="On Wednesday.")["statusCode"] == 200
    later = correct(issue_id, key="k")

    assert again["body"] == first["body"] == later["body"]
    assert refused(correct(issue_id, NOTE | {"title": "Another"}, key="k")) == (
        422,
        "idempotency-key-reused",
    )
    assert len(cloud.rows("SELECT 1 FROM issues")) == 2
    send(cloud, json_of(first)["id"])
    assert len(got_correction(cloud)) == SIZE


def test_a_key_of_a_correction_is_no_key_of_another_request(cloud: Cloud, issue_id: str) -> None:
    headers = {"content-type": "application/json", "idempotency-key": "k"}
    event = api_event("POST", "/issues", body=json.dumps(NOTE), headers=headers, author="ada")
    assert publish(event, context())["statusCode"] == 202

    assert refused(correct(issue_id, key="k")) == (422, "idempotency-key-reused")


def test_a_version_is_corrected_once(cloud: Cloud, issue_id: str) -> None:
    first = corrected(issue_id)

    second = correct(issue_id)

    assert refused(second) == (409, "already-corrected")
    assert problem_in(second)["correction"] == first["id"]
    assert len(cloud.rows("SELECT 1 FROM issues")) == 2


def test_a_later_version_has_a_correction_of_its_own(cloud: Cloud, issue_id: str) -> None:
    older = batch(cloud, issue_id)
    send(cloud, corrected(issue_id)["id"])
    act_on(issue_id, "resume")
    deliver_all([pointer(issue_id, 2)])
    act_on(issue_id, "pause")
    edit(issue_id, markdown="On Wednesday.")
    second = batch(cloud, issue_id, 2)

    document = corrected(issue_id)
    send(cloud, document["id"])

    assert (document["corrects_version"], document["audience_now"]) == (3, 2 * SIZE)
    assert got_correction(cloud) == sorted([*older, *older, *second])


def test_a_correction_that_was_canceled_before_it_began_makes_way_for_another(
    cloud: Cloud, issue_id: str
) -> None:
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    first = corrected(issue_id, publish_at=later)["id"]
    tick(first)
    assert show(first)["audience"] is None
    act_on(first, "cancel")

    second = corrected(issue_id)["id"]
    send(cloud, second)

    assert len(got_correction(cloud)) == SIZE
    assert refused(correct(issue_id)) == (409, "already-corrected")


def test_a_correction_that_was_canceled_midway_makes_way_for_none(
    cloud: Cloud, issue_id: str
) -> None:
    first = corrected(issue_id)["id"]
    tick(first)
    act_on(first, "cancel")

    assert refused(correct(issue_id)) == (409, "already-corrected")


def test_nobody_with_an_older_version_is_nothing_to_correct(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue()
    send(cloud, issue_id)

    assert refused(correct(issue_id)) == (409, "nothing-to-correct")
    assert len(cloud.rows("SELECT 1 FROM issues")) == 1
    assert issue_id not in clocks()
    assert clocks() == []


def test_an_issue_that_was_edited_before_it_began_is_nothing_to_correct(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    issue_id = publish_issue(publish_at=later)
    edit(issue_id)

    assert refused(correct(issue_id)) == (409, "nothing-to-correct")


def test_a_draft_and_an_unknown_issue_can_t_be_corrected(cloud: Cloud) -> None:
    draft = publish_issue(draft=True)

    assert refused(correct(draft)) == (409, "issue-is-draft")
    assert refused(correct(str(uuid4()))) == (404, "issue-not-found")
    assert refused(correct("one")) == (404, "issue-not-found")
    assert cloud.rows("SELECT 1 FROM issues WHERE corrects IS NOT NULL") == []


def test_a_token_that_may_only_write_corrects_nothing(cloud: Cloud, issue_id: str) -> None:
    answer = correct(issue_id, role="write")

    assert (refused(answer), problem_in(answer)["role"]) == ((403, "role-needed"), "publish")
    assert len(cloud.rows("SELECT 1 FROM issues")) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid-fields"),
        (NOTE | {"title": " "}, "invalid-fields"),
        (NOTE | {"title": "x" * 201}, "invalid-fields"),
        (NOTE | {"markdown": 7}, "invalid-fields"),
        (NOTE | {"content": {"html": "<p>x</p>", "text": "x"}}, "invalid-fields"),
        (NOTE | {"publish_at": "tomorrow"}, "invalid-fields"),
        (NOTE | {"draft": True}, "invalid-fields"),
        (NOTE | {"careful": {"sample": 0.1, "hold": "PT1H"}}, "invalid-fields"),
        (NOTE | {"corrects_version": 1}, "invalid-fields"),
        (NOTE | {"markdown": "Dear [[nome]]"}, "unsendable-issue"),
        ([NOTE], "no-json-object"),
    ],
)
def test_a_correction_that_can_t_be_read_is_refused_and_nothing_is_stored(
    cloud: Cloud, issue_id: str, body: object, code: str
) -> None:
    assert refused(correct(issue_id, body)) == (400, code)
    assert refused(correct(issue_id, key=" ")) == (400, "invalid-idempotency-key")
    assert len(cloud.rows("SELECT 1 FROM issues")) == 1
    assert clocks() == [issue_id]
