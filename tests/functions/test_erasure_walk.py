"""After an erasure, nothing of the person is in any table, object, message or line of a log."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal
from uuid import UUID

import boto3
import pytest

from broadsheet.domain.requests import (
    AddressToken,
    ChangeAddressRequest,
    ConfirmAddressRequest,
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
from operations import template_file
from tests.cloud import ORIGIN, Cloud, context, token_in
from tests.conftest import forget_what_was_read
from tests.functions.issues import clocks, publish_issue, ses_event, tick
from tests.functions.test_exports import exported
from tests.functions.test_importing import Importer, person
from tests.functions.test_imports_api import Importing
from tests.functions.test_on_behalf import call
from tests.functions.webhooks import Functions, Hook
from tests.receiver import receiving
from tests.template.transformation import ROOT

NAME = "Zephyrine Quillfeather"
EMAIL = "zephyrine.quillfeather@inbox.example"
EARLIER = "zephyrine@earlier.example"
SOURCE, AGENT = "203.0.113.77", "Netscape Navigator 4.08"
DIGESTS = [make(EMAIL.encode()).hexdigest() for make in (hashlib.sha256, hashlib.md5)]  # unkeyed
WORDS = ["zephyrine", "quillfeather", SOURCE, AGENT, *DIGESTS]
CALLS = ROOT / "tests" / "template" / "calls.json"
HELD = (
    "subscribers",
    "consents",
    "sign_ups",
    "suspicious_sign_ups",
    "new_address_mails",
    "merged_subscribers",
    "import_rows",
)
# What authors asked for or uploaded holds many people, and is gone within these days by itself, as
# docs/privacy.md says; each old version is a day later.
FORGET_THEMSELVES = {"exports": 1, "imports": 7}
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

    def send_form(self, email: str) -> None:
        body = json.dumps({"name": NAME, "email": email})
        headers = {"content-type": "application/json", "user-agent": AGENT}
        event = api_event("POST", "/subscriptions", body=body, headers=headers, source=SOURCE)
        assert subscribe(event, context())["statusCode"] == 202
        self.work_off("REQUESTS", enroll)

    def sign_up(self, email: str = EMAIL) -> None:
        self.send_form(email)
        newest = "SELECT request_id FROM sign_ups ORDER BY received_at DESC LIMIT 1"
        sign_up = self.cloud.row(newest)["request_id"]
        self.ask(WrongCodeRequest(sign_up_id=sign_up, received_at=now(), origin=ORIGIN))
        token = token_in(self.cloud.mails_to(email)[-1])
        event = api_event("POST", "/subscriptions/confirm", query={"token": token}, source=SOURCE)
        assert confirm(event, context())["statusCode"] == 202
        self.work_off("REQUESTS", enroll)

    def sign_up_elsewhere_and_move(self) -> None:
        """Have two addresses, and move to the second, which merges their rows."""
        self.sign_up(EARLIER)
        self.send_form(EMAIL)
        row = self.cloud.row("SELECT id FROM subscribers WHERE email = %(e)s", e=EARLIER)
        token = AddressToken(subscriber_id=SubscriberId(row["id"]), email=EmailAddress(EMAIL))
        self.ask(ConfirmAddressRequest(token=token, received_at=now(), origin=ORIGIN))
        assert self.id == row["id"]

    def sign_up_as_robots_do(self) -> None:
        self.cloud.rows("UPDATE strict_mode SET since = now(), checked_at = now()")
        self.send_form(EMAIL)
        self.cloud.rows("UPDATE strict_mode SET since = NULL")

    def be_in_files(self) -> None:
        """Be exported by an author, imported, and in a file that waits for its author."""
        assert exported(self.hook.functions, "csv")["status"] == "ready"
        content = f"email,status,name\n{EMAIL},subscribed,{NAME}\n".encode()
        for actions in (("read", "apply"), ()):
            importing = Importing(self.hook.functions, "people.csv")
            importing.upload(content)
            for action in actions:
                importing.act(action)

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
        self.sign_up_elsewhere_and_move()
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
        self.sign_up_as_robots_do()
        self.be_in_files()
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
    boto3.client("s3").put_bucket_versioning(
        Bucket="content", VersioningConfiguration={"Status": "Enabled"}
    )
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
    """Return every version of every object, by its key and whether it is the present one."""
    s3 = boto3.client("s3")
    found: dict[str, str] = {}
    for bucket in (each["Name"] for each in s3.list_buckets()["Buckets"]):
        for item in s3.list_object_versions(Bucket=bucket).get("Versions", []):
            key, version = item["Key"], item["VersionId"]
            body = s3.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read()
            place = f"{bucket}/{key}" if item["IsLatest"] else f"{bucket}/{key} (old version)"
            found[place] = found.get(place, key) + body.decode("latin-1")
    return found


def of_files(places: set[str]) -> set[str]:
    """Return those places that forget by themselves, each once for its folder."""
    folders = "|".join(FORGET_THEMSELVES)
    found = (re.fullmatch(rf"object content/({folders})/[^ ]+( \(.*\))?", each) for each in places)
    return {f"{each[1]}{each[2] or ''}" for each in found if each}


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

    assert of_files(held) == {"exports", "imports", "imports (old version)"}

    life.erase()
    left_in_files = {each for each in held if of_files({each})}
    assert traces(life.cloud, subscriber, output()) == left_in_files
    life.tell(*(life.event(kind, mail) for kind in ("Delivery", "Bounce", "Complaint")))
    tick(None)

    assert traces(life.cloud, subscriber, output()) == left_in_files
    assert {row["because"] for row in life.cloud.rows("SELECT because FROM tombstones")} == {
        "erased",
        "moved",
    }
    (left,) = life.cloud.rows("SELECT subscriber_id, complained_at FROM deliveries")
    assert left["subscriber_id"] == subscriber  # the late events are in the ledger
    assert left["complained_at"] is not None
    assert life.cloud.rows("SELECT 1 FROM wrong_codes") == []


def test_what_forgets_by_itself_does_so_when_the_guide_says() -> None:
    resources = template_file.read(ROOT / "infra" / "storage.yaml")["Resources"]
    rules = resources["Content"]["Properties"]["LifecycleConfiguration"]["Rules"]
    of_folders = {rule["Prefix"].rstrip("/"): rule for rule in rules if "Prefix" in rule}
    guide = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    after_erasure = guide.partition("\nNot at once, but by themselves, these forget:")[2]

    for folder, days in FORGET_THEMSELVES.items():
        assert of_folders[folder]["ExpirationInDays"] == days
        assert of_folders[folder]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
        said = "a day" if days == 1 else f"{days} days"
        assert re.search(rf"`{folder}/`,[^;]*? {said}, and a day more", after_erasure), folder


def test_an_import_does_not_bring_the_erased_back_and_a_sign_up_of_theirs_is_a_fresh_consent(
    life: Life, output: Callable[[], str]
) -> None:
    subscriber, _ = life.live()
    life.erase()

    counts = Importer(person(EMAIL, name=NAME)).apply()

    assert list(counts.values()) == [1]
    assert "added" not in counts
    left = traces(life.cloud, subscriber, output())
    assert {each for each in left if not of_files({each})} == set()
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
    before = traces(cloud, subscriber, output())
    cloud.rows('UPDATE issues SET content = \'{"by": "Zephyrine"}\'')
    cloud.rows(
        "UPDATE tombstones SET address_digest = sha256(%(email)s::bytea) WHERE because = 'erased'",
        email=EMAIL,
    )
    cloud.rows("INSERT INTO form_nonces VALUES (gen_random_uuid(), %(id)s)", id=subscriber)
    for body in (EMAIL, "nobody"):
        boto3.client("s3").put_object(Bucket="content", Key="archive/1", Body=body.encode())
    life.put("REQUESTS_DEAD_LETTER", f'{{"source_address": "{SOURCE}"}}')
    logger.info("signed up", email=EMAIL)

    assert traces(cloud, subscriber, output()) - before == {
        "table issues",
        "table tombstones",
        "table form_nonces",
        "object content/archive/1 (old version)",
        "queue requests-dead-letter",
        "log",
    }


def test_no_function_stores_a_template_in_ses_where_a_name_could_stay() -> None:
    stored = json.loads(CALLS.read_text())
    actions = {each["action"] for calls in stored.values() for each in calls}

    assert "ses:SendBulkEmail" in actions
    assert {each for each in actions if "Template" in each} == {"ses:SendBulkTemplatedEmail"}
