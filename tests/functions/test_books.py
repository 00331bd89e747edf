"""An issue's books at every moment, and its ledger."""

import csv
import io
import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest

from functions.publish.app import handler as publish
from local.lambda_events import api_event
from tests.cloud import Cloud, context, json_of, problem_in
from tests.functions.issues import (
    act_on,
    assert_balanced,
    books_of,
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


def readers(cloud: Cloud, number: int) -> list[UUID]:
    cloud.add_confirmed(*[f"reader{n:02}@example.com" for n in range(number)])
    rows = cloud.rows("SELECT id FROM subscribers ORDER BY email")
    return [row["id"] for row in rows]


def test_the_books_balance_in_every_state(cloud: Cloud) -> None:
    readers(cloud, 30)
    issue_id = publish_issue()
    assert show(issue_id)["books"] is None
    tick(issue_id)
    assert books_of(issue_id)["waiting"] == 30
    order = cloud.row("SELECT recipients FROM delivery_batches WHERE number = 1")
    left, failing = order["recipients"][0], order["recipients"][1:3]
    cloud.rows("UPDATE subscribers SET unsubscribed_at = now() WHERE id = %(id)s", id=left)
    addresses = [
        row["email"]
        for row in cloud.rows("SELECT email FROM subscribers WHERE id = ANY(%(i)s)", i=failing)
    ]
    number = cloud.ses.control.refuse_entries("MESSAGE_REJECTED", recipients=addresses)

    deliver_all([pointer(issue_id, 1)])
    books = books_of(issue_id)
    assert (books["waiting"], books["accepted"]) == (3, 24)
    assert (books["skipped"], books["failed"]) == ({"unsubscribed": 1}, {"MESSAGE_REJECTED": 2})

    cloud.ses.control.drop(take="first", count=1)
    deliver_all([pointer(issue_id, 2)])
    assert books_of(issue_id)["unresolved"] == 3

    for person in order["recipients"][3:5]:
        tell(ses_event("Reject", issue=issue_id, subscriber=person, message_id="m"))
    assert books_of(issue_id)["failed"] == {"MESSAGE_REJECTED": 2, "REJECT": 2}

    act_on(issue_id, "retry")
    assert books_of(issue_id)["waiting"] == 4
    send(cloud, issue_id)
    assert books_of(issue_id)["failed"] == {"MESSAGE_REJECTED": 2}
    cloud.ses.control.end(number)
    act_on(issue_id, "retry")
    act_on(issue_id, "cancel")
    tick(issue_id)

    books = books_of(issue_id)
    assert (books["waiting"], books["accepted"], books["unresolved"]) == (0, 24, 3)
    assert books["skipped"] == {"unsubscribed": 1, "canceled": 2}


def test_a_recipient_is_accepted_if_any_round_is_else_unresolved_if_any_else_as_the_last(
    cloud: Cloud,
) -> None:
    people = readers(cloud, 4)
    number = cloud.ses.control.refuse_entries("MESSAGE_REJECTED")
    issue_id = publish_issue()
    send(cloud, issue_id)
    act_on(issue_id, "retry")
    cloud.ses.control.end(number)
    tick(issue_id)
    cloud.rows("UPDATE subscribers SET unsubscribed_at = now() WHERE id = %(id)s", id=people[0])
    later = cloud.ses.control.refuse_entries(
        "INVALID_PARAMETER", recipients=["reader01@example.com"]
    )
    deliver_all(pointers(cloud))
    cloud.ses.control.end(later)
    # Of the first round after all, since an event was late.
    tell(ses_event("Delivery", issue=issue_id, subscriber=people[1], message_id="late"))
    cloud.rows(
        "UPDATE deliveries SET outcome = 'unresolved', claim_deadline = now()"
        " WHERE subscriber_id = %(id)s AND round = 1",
        id=people[2],
    )
    cloud.rows(
        "UPDATE deliveries SET outcome = 'failed' WHERE subscriber_id = %(id)s AND round = 2",
        id=people[2],
    )

    books = books_of(issue_id)

    assert (books["accepted"], books["unresolved"]) == (2, 1)
    assert (books["skipped"], books["failed"]) == ({"unsubscribed": 1}, {})
    assert books["delivered"] == 1


def test_an_issue_is_finished_only_when_nothing_is_open(cloud: Cloud) -> None:
    people = readers(cloud, 2)
    issue_id = publish_issue()
    tick(issue_id)
    cloud.ses.control.drop(take="first", count=1)

    deliver_all(pointers(cloud))
    tick(issue_id)
    assert show(issue_id)["status"] == "sending"
    tell(ses_event("Send", issue=issue_id, subscriber=people[0]))
    tick(issue_id)
    assert show(issue_id)["status"] == "sending"
    tell(ses_event("Send", issue=issue_id, subscriber=people[1]))
    tick(issue_id)

    assert show(issue_id)["status"] == "finished"


def test_the_list_of_issues_has_each_status(cloud: Cloud) -> None:
    readers(cloud, 1)
    issue_id = publish_issue()
    send(cloud, issue_id)

    (issue,) = json_of(publish(api_event("GET", "/issues", author="ada"), context()))["issues"]

    assert (issue["status"], issue["audience"]) == ("finished", 1)


# --- The ledger -----------------------------------------------------------------------------------


def ledger(issue_id: str, accept: str = "application/json", **query: str) -> dict[str, Any]:
    event = api_event(
        "GET",
        "/issues/{id}/deliveries",
        path_parameters={"id": issue_id},
        query=query,
        headers={"accept": accept},
        author="ada",
    )
    return publish(event, context())


def query_of(link: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


@pytest.fixture
def issue_id(cloud: Cloud) -> str:
    readers(cloud, 7)
    issue_id = publish_issue()
    send(cloud, issue_id)
    return issue_id


def test_the_ledger_is_read_a_page_at_a_time_each_row_once(issue_id: str) -> None:
    rows: list[dict[str, Any]] = []
    sizes = []
    query = {"limit": "3"}

    while query:
        document = json_of(ledger(issue_id, **query))
        rows += document["deliveries"]
        sizes.append(len(document["deliveries"]))
        query = query_of(document["next"]) if document["next"] else {}

    assert sizes == [3, 3, 1]
    assert len({row["subscriber_id"] for row in rows}) == 7
    assert {row["outcome"] for row in rows} == {"accepted"}
    assert min(row["email"] for row in rows) == "reader00@example.com"


def test_the_ledger_is_exported_as_csv_with_a_link_to_the_next_page(issue_id: str) -> None:
    rows: list[dict[str, str]] = []
    query = {"limit": "4"}

    while query:
        answer = ledger(issue_id, "text/csv", **query)
        assert answer["headers"]["Content-Type"] == "text/csv; charset=utf-8"
        rows += csv.DictReader(io.StringIO(answer["body"]))
        link = re.fullmatch(r'<(.+)>; rel="next"', answer["headers"].get("Link", ""))
        query = query_of(link[1]) if link else {}

    assert len({row["subscriber_id"] for row in rows}) == 7
    assert rows[0].keys() == json_of(ledger(issue_id))["deliveries"][0].keys()
    assert {row["outcome"] for row in rows} == {"accepted"}
    assert {row["possibly_twice"] for row in rows} == {"false"}  # as in JSON


LAMBDAS_LIMIT = 6 * 1024 * 1024  # bytes of a function's answer


@pytest.fixture
def enormous(cloud: Cloud) -> str:
    """An issue whose largest page is more than Lambda hands over: with it, 10,000 rows."""
    issue_id = publish_issue()
    cloud.rows(
        """
        WITH readers AS (
            INSERT INTO subscribers (id, email, name, language, signed_up_at)
            SELECT gen_random_uuid(), repeat('x', 230) || number || '@example.com', 'Ursula', 'en',
                   now()
            FROM generate_series(1, 10050) AS number
            RETURNING id
        )
        INSERT INTO deliveries (issue_id, subscriber_id, round, outcome, reason, message_id)
        SELECT %(issue)s, id, 1, 'failed', repeat('"ü"', 60), repeat('m', 255)
        FROM readers
        """,
        issue=issue_id,
    )
    return issue_id


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_a_page_of_the_ledger_ends_before_it_is_more_than_lambda_returns(
    enormous: str, accept: str
) -> None:
    seen: list[str] = []
    pages = 0
    query = {"limit": "10000"}

    while query:
        answer = ledger(enormous, accept, **query)
        assert answer["statusCode"] == 200
        assert len(json.dumps(answer)) < LAMBDAS_LIMIT
        pages += 1
        if accept == "text/csv":
            rows = list(csv.DictReader(io.StringIO(answer["body"])))
            link = re.fullmatch(r'<(.+)>; rel="next"', answer["headers"].get("Link", ""))
            following = link[1] if link else None
        else:
            document = json_of(answer)
            rows, following = document["deliveries"], document["next"]
        assert rows
        seen += [row["subscriber_id"] for row in rows]
        query = query_of(following) if following else {}

    assert len(seen) == len(set(seen)) == 10_050
    assert seen == sorted(seen)
    assert pages > 1


def test_an_address_is_never_a_formula_in_a_spreadsheet(cloud: Cloud) -> None:
    addresses = ["=1+1@example.com", "+a@example.com", "-a@example.com", "a=b@example.com"]
    cloud.add_confirmed(*addresses)
    issue_id = publish_issue()
    send(cloud, issue_id)

    exported = csv.DictReader(io.StringIO(ledger(issue_id, "text/csv")["body"]))
    shown = json_of(ledger(issue_id))["deliveries"]

    assert sorted(row["email"] for row in exported) == sorted(
        ["'=1+1@example.com", "'+a@example.com", "'-a@example.com", "a=b@example.com"]
    )
    assert sorted(row["email"] for row in shown) == sorted(addresses)


def test_the_ledger_shows_bounces_and_what_was_possibly_sent_twice(
    cloud: Cloud, issue_id: str
) -> None:
    row = json_of(ledger(issue_id))["deliveries"][0]
    tell(
        ses_event(
            "Bounce",
            issue=issue_id,
            subscriber=row["subscriber_id"],
            message_id="another",
            bounceSubType="OnAccountSuppressionList",
        )
    )
    cloud.rows(
        "INSERT INTO resends (issue_id, subscriber_id, round, claim_id)"
        " VALUES (%(issue)s, %(subscriber)s, 1, %(claim)s)",
        issue=issue_id,
        subscriber=row["subscriber_id"],
        claim=uuid4(),
    )

    shown = json_of(ledger(issue_id))["deliveries"][0]

    assert datetime.fromisoformat(shown["bounced_at"]) <= datetime.now(UTC)
    assert shown["suppressed_as"] == "OnAccountSuppressionList"
    assert (shown["duplicates"], shown["possibly_twice"]) == (1, True)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "10001"},
        {"limit": "many"},
        {"after": "nobody"},
        {"after": f"{uuid4()}"},
        {"after": f"{uuid4()}.first"},
    ],
)
def test_a_page_that_does_not_exist_is_refused(issue_id: str, query: dict[str, str]) -> None:
    assert problem_in(ledger(issue_id, **query))["status"] == 400


@pytest.mark.parametrize("issue", ["00000000-0000-0000-0000-000000000000", "7"])
def test_an_unknown_issue_has_no_ledger(cloud: Cloud, issue: str) -> None:
    assert problem_in(ledger(issue))["status"] == 404


def test_an_issue_that_has_not_begun_has_an_empty_ledger(cloud: Cloud) -> None:
    document = json_of(ledger(publish_issue()))

    assert document == {"deliveries": [], "next": None}


def test_books_that_do_not_balance_fail_a_test() -> None:
    books = {"waiting": 1, "accepted": 1, "unresolved": 0, "failed": {}, "skipped": {}}

    with pytest.raises(AssertionError, match="balance"):
        assert_balanced(books, audience=3)
