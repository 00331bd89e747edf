"""After an erasure, nothing of the person is in any table, object, message or line of a log."""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any, Literal
from uuid import UUID

import boto3
import pytest

from broadsheet.domain.requests import (
    ChangeAddressRequest,
    EraseRequest,
    ExportRequest,
    ManageLinkRequest,
    ManageToken,
    SubscriberRequest,
    WrongCodeRequest,
    now,
)
from broadsheet.domain.subscribers import EmailAddress, SubscriberId
from broadsheet.telemetry import logger
from functions.confirm.app import handler as confirm
from functions.deliver.app import handler as deliver
from functions.enroll.app import handler as enroll
from functions.feedback.app import handler as feedback
from functions.subscribe.app import handler as subscribe
from local.lambda_events import api_event
from tests.cloud import ORIGIN, Cloud, context, token_in
from tests.conftest import forget_what_was_read
from tests.functions.issues import clocks, publish_issue, ses_event, tick
from tests.functions.test_importing import Importer, person
from tests.functions.test_on_behalf import call
from tests.functions.webhooks import Functions, Hook
from tests.receiver import receiving
from tests.template.transformation import ROOT

NAME = "Zephyrine Quillfeather"
EMAIL = "zephyrine.quillfeather@inbox.example"
SOURCE, AGENT = "203.0.113.77", "Netscape Navigator 4.08"
DIGESTS = [make(EMAIL.encode()).hexdigest() for make in (hashlib.sha256, hashlib.md5)]  # unkeyed
WORDS = ["zephyrine", "quillfeather", SOURCE, AGENT, *DIGESTS]
CALLS = ROOT / "tests" / "template" / "calls.json"
HELD = ("subscribers", "consents", "sign_ups", "new_address_mails", "import_rows")
# Where the person's id stays, which leads to nobody: the ledger, and what a webhook is notified of.
HAVE_IDS = {
    "deliveries",
    "delivery_batches",
    "duplicate_mails",
    "resends",
    "webhook_messages",
}


class Life:
    """One person among the functions, their queues, and a webhook."""

    def __init__(self, cloud: Cloud, hook: Hook) -> None:
        self.cloud, self.hook = cloud, hook

    def put(self, queue: str, body: str) -> None:
        boto3.client("sqs").send_message(QueueUrl=self.cloud.queues[queue], MessageBody=body)

    def work_off(self, queue: str, handler: Callable[[Any, Any], Any]) -> None:
        """Hand over messages and delete them, as an event source does, until none is left."""
        while records := self.cloud.messages(queue):
            assert handler({"Records": records}, context())["batchItemFailures"] == []
            for record in records:
                boto3.client("sqs").delete_message(
                    QueueUrl=self.cloud.queues[queue], ReceiptHandle=record["receiptHandle"]
                )

    def ask(self, *requests: SubscriberRequest) -> None:
        for request in requests:
            self.put("REQUESTS", request.model_dump_json())
            self.work_off("REQUESTS", enroll)

    def tell(self, *events: dict[str, Any]) -> None:
        for event in events:
            self.put("FEEDBACK", json.dumps(event))
        self.work_off("FEEDBACK", feedback)

    @property
    def id(self) -> UUID:
        row = self.cloud.row("SELECT id FROM subscribers WHERE email = %(email)s", email=EMAIL)
        return UUID(str(row["id"]))

    def token(self) -> ManageToken:
        return ManageToken(subscriber_id=SubscriberId(self.id), issued_at=now())

    def sign_up(self) -> None:
        body = json.dumps({"name": NAME, "email": EMAIL})
        headers = {"content-type": "application/json", "user-agent": AGENT}
        event = api_event("POST", "/subscriptions", body=body, headers=headers, source=SOURCE)
        assert subscribe(event, context())["statusCode"] == 202
        self.work_off("REQUESTS", enroll)
        sign_up = self.cloud.row("SELECT request_id FROM sign_ups")["request_id"]
        self.ask(WrongCodeRequest(sign_up_id=sign_up, received_at=now(), origin=ORIGIN))
        token = token_in(self.cloud.mails_to(EMAIL)[-1])
        event = api_event("POST", "/subscriptions/confirm", query={"token": token}, source=SOURCE)
        assert confirm(event, context())["statusCode"] == 202
        self.work_off("REQUESTS", enroll)

    def receive_issue(self) -> dict[str, Any]:
        """Get an issue; return what finds its mail."""
        issue = publish_issue(title="The first")
        tick(issue)
        self.work_off("DELIVERY", deliver)
        tick(issue)
        self.tell(*(event.record for event in self.cloud.ses.events(to=EMAIL)))
        (mail,) = self.cloud.rows("SELECT message_id FROM deliveries")
        return {"issue": issue, "subscriber": self.id, "message_id": mail["message_id"]}

    def live(self) -> tuple[UUID, dict[str, Any]]:
        """Do all that a reader may do; return their id, and what finds their mail."""
        self.sign_up()
        assert (
            call("PUT", "/subscribers/{id}/tags", self.id, {"tags": ["poet"]})["statusCode"] == 200
        )
        mail = self.receive_issue()
        imported = person(EMAIL, name=NAME, tags=("fair",))
        Importer(imported, person("other@example.com")).apply()
        self.ask(
            ManageLinkRequest(reader=EmailAddress(EMAIL), received_at=now(), origin=ORIGIN),
            ExportRequest(token=self.token(), received_at=now(), origin=ORIGIN),
            ChangeAddressRequest(
                token=self.token(),
                email=EmailAddress("quillfeather@elsewhere.example"),
                received_at=now(),
                origin=ORIGIN,
            ),
        )
        self.tell(self.event("Bounce", mail))
        self.hook.functions.run()
        return self.id, mail

    def event(self, kind: str, mail: dict[str, Any]) -> dict[str, Any]:
        event = ses_event(kind, **mail)
        event["mail"]["destination"] = [EMAIL]
        return event

    def erase(self) -> None:
        self.ask(EraseRequest(token=self.token(), received_at=now(), origin=ORIGIN))
        self.hook.functions.run()


@pytest.fixture
def life(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    monkeypatch.setenv("CALLS_ANYWHERE", "true")
    forget_what_was_read()
    with receiving() as receiver:
        yield Life(cloud, Hook.add(cloud, Functions(), receiver))


def tables(cloud: Cloud) -> dict[str, str]:
    """Return every row of every table as PostgreSQL writes it."""
    named = cloud.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    every_row = "SELECT item::text AS text FROM {} AS item"
    return {
        name: "\n".join(row["text"] for row in cloud.rows(every_row.format(name)))
        for name in (each["table_name"] for each in named)
    }


def objects() -> dict[str, str]:
    s3 = boto3.client("s3")
    return {
        f"{bucket['Name']}/{item['Key']}": item["Key"]
        + s3.get_object(Bucket=bucket["Name"], Key=item["Key"])["Body"].read().decode("latin-1")
        for bucket in s3.list_buckets()["Buckets"]
        for item in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", [])
    }


def messages(cloud: Cloud) -> dict[str, str]:
    """Return what is on every queue of the account; nothing may be hidden from this look."""
    sqs = boto3.client("sqs")
    hidden: Literal["ApproximateNumberOfMessagesNotVisible"] = (
        "ApproximateNumberOfMessagesNotVisible"
    )
    found = {}
    for url in sqs.list_queues()["QueueUrls"]:
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[hidden])["Attributes"]
        assert counts[hidden] == "0", url
        got = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=0
        )
        found[url.rpartition("/")[2]] = json.dumps(got.get("Messages", []))
    assert set(cloud.queues.values()) <= set(sqs.list_queues()["QueueUrls"])
    return found


def traces(cloud: Cloud, subscriber: UUID, log: str) -> set[str]:
    """Return the places that have something of a person."""
    rows = tables(cloud)
    places = {
        **{f"table {name}": text for name, text in rows.items()},
        **{f"object {name}": text for name, text in objects().items()},
        **{f"queue {name}": text for name, text in messages(cloud).items()},
        **{f"clock {name}": name for name in clocks()},
        "log": log,
    }
    words = [*WORDS, *(word.encode().hex() for word in WORDS)]
    named = {
        place
        for place, text in places.items()
        if any(word.lower() in text.lower() for word in words)
    }
    # Logs name people by their ids, which lead to nobody once the row is deleted.
    exempt = {"log", *(f"table {name}" for name in HAVE_IDS)}
    return named | {
        place for place, text in places.items() if str(subscriber) in text and place not in exempt
    }


def test_after_an_erasure_nothing_of_the_person_is_left_anywhere(
    life: Life, output: Callable[[], str]
) -> None:
    subscriber, mail = life.live()
    held = traces(life.cloud, subscriber, output())
    assert {f"table {name}" for name in HELD} <= held

    life.erase()
    assert traces(life.cloud, subscriber, output()) == set()
    life.tell(*(life.event(kind, mail) for kind in ("Delivery", "Bounce", "Complaint")))
    tick(None)

    assert traces(life.cloud, subscriber, output()) == set()
    assert life.cloud.row("SELECT because FROM tombstones")["because"] == "erased"
    (left,) = life.cloud.rows("SELECT subscriber_id, complained_at FROM deliveries")
    assert left["subscriber_id"] == subscriber  # the late events are in the ledger
    assert left["complained_at"] is not None
    assert life.cloud.rows("SELECT 1 FROM wrong_codes") == []


def test_an_import_does_not_bring_the_erased_back_and_a_sign_up_of_theirs_is_a_fresh_consent(
    life: Life, output: Callable[[], str]
) -> None:
    subscriber, _ = life.live()
    life.erase()

    counts = Importer(person(EMAIL, name=NAME)).apply()

    assert list(counts.values()) == [1]
    assert "added" not in counts
    assert traces(life.cloud, subscriber, output()) == set()
    forget_what_was_read()
    life.sign_up()
    assert life.cloud.status_of(EMAIL) == "confirmed"
    assert life.id != subscriber
    log = [
        row["change"] for row in life.cloud.rows("SELECT change::text FROM consents ORDER BY id")
    ]
    assert log[-2:] == ["signed_up", "confirmed"]


def test_a_trace_that_is_planted_anywhere_is_found(life: Life, output: Callable[[], str]) -> None:
    subscriber, _ = life.live()
    life.erase()
    cloud = life.cloud
    cloud.rows('UPDATE issues SET content = \'{"by": "Zephyrine"}\'')
    cloud.rows("UPDATE tombstones SET address_digest = sha256(%(email)s::bytea)", email=EMAIL)
    cloud.rows("INSERT INTO form_nonces VALUES (gen_random_uuid(), %(id)s)", id=subscriber)
    boto3.client("s3").put_object(Bucket="content", Key="exports/1", Body=EMAIL.encode())
    life.put("REQUESTS_DEAD_LETTER", f'{{"source_address": "{SOURCE}"}}')
    logger.info("signed up", email=EMAIL)

    assert traces(cloud, subscriber, output()) == {
        "table issues",
        "table tombstones",
        "table form_nonces",
        "object content/exports/1",
        "queue requests-dead-letter",
        "log",
    }


def test_no_function_stores_a_template_in_ses_where_a_name_could_stay() -> None:
    stored = json.loads(CALLS.read_text())
    actions = {each["action"] for calls in stored.values() for each in calls}

    assert "ses:SendBulkEmail" in actions
    assert {each for each in actions if "Template" in each} == {"ses:SendBulkTemplatedEmail"}
