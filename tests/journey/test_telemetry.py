"""What operators read: enough to follow everything, and nothing about anybody.

Every address, name, user agent and token that the journeys use is remembered by ``people.py``;
none may be found in what any process printed, nor beside a message's body in any queue.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from local.deployment import SENDER
from tests.journey.bad_requests import Refused
from tests.journey.outage import Outage
from tests.journey.output import leaks, printed, said_beside_bodies
from tests.journey.people import Town, until


@pytest.fixture(scope="module")
def mishaps(town: Town, refused: dict[str, Refused], outage: Outage) -> None:
    """Everything that can go wrong has gone wrong, with somebody's name in it."""
    _poison_the_queues(town)
    _let_ses_refuse_somebody(town)
    late, surprising = town.reader("Refused At-First"), town.reader("Surprising Name")
    with _sender_unverified(town), _database_refusing(town, surprising.name):
        late.sign_up()
        surprising.sign_up()
        answer = town.ask_as_author(
            *("POST", "/issues"),
            json={"title": surprising.name, "markdown": f"Dear {surprising.email}"},
            headers={"Idempotency-Key": "surprising"},
        )
        assert answer.status == 500
        assert answer.headers["Content-Type"] == "application/problem+json"
        until(
            lambda: _all(town, "error") >= {"MailNotTaken", "CheckViolation 23514"},
            what="both errors",
        )
    assert late.confirmation_link()
    assert surprising.confirmation_link()
    town.await_length("RequestsDeadLetterQueueUrl", 3)
    town.await_length("DeliveryDeadLetterQueueUrl", 1)
    town.await_readers_wishes()


def test_nothing_private_is_in_anything_that_a_process_printed(town: Town, mishaps: None):
    # So that the search is known to be about something:
    assert _all(town, "message") >= {
        *("answered", "refused", "mail sent", "batches sent", "put to the dead letters"),
        *("messages failed, to be tried again", "unexpected error"),
    }
    assert {place.place for place in printed(town.stack)} >= {
        *("emulator.log", "front.log", "functions.log", "postgres.log", "ses.log", "up.log")
    }
    assert len(town.private) > 50

    assert leaks(printed(town.stack), town.private) == []


def test_nothing_private_is_beside_a_messages_body(town: Town, mishaps: None, outage: Outage):
    said = said_beside_bodies(town.stack)

    requests = [line for line in outage.said_meanwhile if line.place == "broadsheet-requests"]
    assert len(requests) == 3
    assert {line.place for line in said} >= {
        *("broadsheet-requests-dead-letters", "broadsheet-delivery-dead-letters"),
    }
    dead = [line for line in said if line.place.endswith("dead-letters")]
    assert all("reason" in json.loads(line.text) for line in dead)
    assert leaks([*said, *outage.said_meanwhile], town.private) == []


def _name_in_a_log_line_and_a_dead_letter(town: Town, name: str) -> None:
    """What a function logs goes the way of this correlation id."""
    town.sqs.send_message(
        QueueUrl=town.queue("RequestsQueueUrl"),
        MessageBody="no JSON",
        MessageAttributes={"correlation_id": {"DataType": "String", "StringValue": name}},
    )


def _name_in_a_statement(town: Town, name: str) -> None:
    query = sql.SQL("SELECT {} FROM nowhere").format(name)
    with (
        psycopg.connect(town.stack.database_url) as connection,
        pytest.raises(psycopg.errors.UndefinedTable),
    ):
        connection.execute(query)


@pytest.mark.parametrize(
    ("plant", "place"),
    [
        (_name_in_a_log_line_and_a_dead_letter, "functions.log"),
        (_name_in_a_log_line_and_a_dead_letter, "broadsheet-requests-dead-letters"),
        (_name_in_a_statement, "postgres.log"),
    ],
)
def test_a_planted_leak_is_found(town: Town, plant: Callable[[Town, str], None], place: str):
    name = f"Planted {uuid4()}"

    plant(town, name)

    def found() -> set[str]:
        lines = [*printed(town.stack), *said_beside_bodies(town.stack)]
        return {line.place for line in leaks(lines, [name])}

    until(lambda: place in found(), what=f"the leak in {place}")


# The first function's line tells the id. On AWS the answer's header x-amzn-RequestId tells it too;
# the emulator puts another id there than into the function's event.


def test_one_id_leads_from_a_sign_up_to_its_mail(town: Town):
    with _id_of_new("sign-up received", town) as ids:
        town.reader().sign_up()

    until(
        lambda: (
            [_story(town, one) for one in ids()]
            == [
                {
                    "subscribe": ["sign-up received", "answered"],
                    "enroll": ["signed up", "mail sent"],
                }
            ]
        ),
        what="the sign-up's story",
        seconds=90,  # each look reads all logs
        every=1,
    )


def test_one_id_leads_from_publishing_to_the_last_mail(town: Town):
    town.subscriber()

    with _id_of_new("issue published", town) as ids:
        town.publish().sent()

    until(
        lambda: (
            [_story(town, one, sorts=True) for one in ids()]
            == [
                {
                    "publish": ["answered", "issue published"],
                    "dispatch": [  # two at once: one archives, another finishes
                        *("archived", "audience frozen", "batches released"),
                        *("circulation certified", "clock stopped", "issue finished"),
                    ],
                    "deliver": ["batches sent"],
                }
            ]
        ),
        what="the issue's story",
        seconds=90,  # each look reads all logs
        every=1,
    )


@pytest.mark.parametrize(
    ("function", "metric"),
    [
        ("enroll", "SignUps"),
        ("enroll", "Confirmations"),
        ("deliver", "MailsAccepted"),
        ("deliver", "MailsFailed"),
    ],
)
def test_what_matters_is_counted(town: Town, mishaps: None, function: str, metric: str):
    def counted() -> float:
        return sum(
            sum(line[metric])
            for name, line in _logged(town)
            if name == function and metric in _metrics_of(line)
        )

    until(lambda: counted() > 0, what=metric)


def _poison_the_queues(town: Town) -> None:
    """Put messages there that nothing can be done about."""
    reader = town.reader("Poison Ivy")
    impossible = {"kind": "subscribe", "name": f"<{reader.name}>", "email": f"{reader.email}@"}
    for queue, body in (
        ("RequestsQueueUrl", f"{reader.email} is no JSON"),
        ("RequestsQueueUrl", json.dumps(impossible)),
        ("DeliveryQueueUrl", json.dumps({"issue_id": reader.email, "numbers": [reader.name]})),
    ):
        town.sqs.send_message(QueueUrl=town.queue(queue), MessageBody=body)


def _let_ses_refuse_somebody(town: Town) -> None:
    """Refuse one reader's confirmation mail and another's issue for good."""
    reader, subscriber = town.reader("Refused Outright"), town.subscriber("Refused Later")
    town.ses.refuse_calls("BadRequestException", recipients=frozenset({reader.email}))
    town.ses.refuse_entries("MESSAGE_REJECTED", recipients=frozenset({subscriber.email}))
    reader.sign_up()
    assert town.publish().sent().shown()["books"]["failed"] == {"MESSAGE_REJECTED": 1}
    until(lambda: "put to the dead letters" in _all(town, "message"), what="the dead letter")


@contextmanager
def _sender_unverified(town: Town) -> Iterator[None]:
    """SES takes no mail, and that is about us."""
    domain = SENDER.rpartition("@")[2]
    town.ses.change_identity(domain, verification="FAILED")
    try:
        yield
    finally:
        town.ses.change_identity(domain, verification="SUCCESS")


@contextmanager
def _database_refusing(town: Town, name: str) -> Iterator[None]:
    """A mistake in the schema, which the error message quotes whole rows for."""
    with psycopg.connect(town.stack.database_url, autocommit=True) as connection:
        for table, column in (("subscribers", "name"), ("issues", "title")):
            connection.execute(
                sql.SQL("ALTER TABLE {} ADD CONSTRAINT mistake CHECK ({} <> {})").format(
                    sql.Identifier(table), sql.Identifier(column), name
                )
            )
        try:
            yield
        finally:
            connection.execute("ALTER TABLE subscribers DROP CONSTRAINT mistake")
            connection.execute("ALTER TABLE issues DROP CONSTRAINT mistake")


def _logged(town: Town) -> list[tuple[str, dict[str, Any]]]:
    """Every line that a function logged, with the function's name."""
    return [
        (line.function, json.loads(line.text))
        for line in town.stack.function_logs()
        if line.function != "stack"  # what happened to it is said in words
    ]


def _all(town: Town, key: str) -> set[str]:
    """Every value that a key has in the functions' logs."""
    return {str(line[key]) for _, line in _logged(town) if key in line}


@contextmanager
def _id_of_new(message: str, town: Town) -> Iterator[Callable[[], set[str]]]:
    """Tell the correlation ids of the lines with this message that were logged since."""

    def ids() -> set[str]:
        return {
            line["correlation_id"] for _, line in _logged(town) if line.get("message") == message
        }

    before = ids()
    yield lambda: ids() - before


def _story(town: Town, correlation_id: str, *, sorts: bool = False) -> dict[str, list[str]]:
    """What each function said of one request, in its order or sorted."""
    story: dict[str, list[str]] = {}
    for name, line in _logged(town):
        if line.get("correlation_id") == correlation_id:
            story.setdefault(name, []).append(line["message"])
    return {name: sorted(said) for name, said in story.items()} if sorts else story


def _metrics_of(line: dict[str, Any]) -> set[str]:
    """The metrics of a line in CloudWatch's embedded format."""
    return {
        metric["Name"]
        for group in line.get("_aws", {}).get("CloudWatchMetrics", [])
        for metric in group["Metrics"]
        if group["Namespace"] == "Broadsheet"
    }
