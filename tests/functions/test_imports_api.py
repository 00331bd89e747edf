"""An author imports a file: uploads it, looks what would become of it, applies and undoes it."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import boto3
import pytest
import requests  # moto stands behind it

from broadsheet import aws
from broadsheet.database import imports_table
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.people import PeopleFormat, Person, Standing
from broadsheet.domain.requests import now
from broadsheet.services.people import importing as importing_service
from broadsheet.services.people import imports
from broadsheet.services.people.importing import MOST_ATTEMPTS
from broadsheet.storage import bucket, uploads
from broadsheet.telemetry import InvocationFailed
from broadsheet.transfer import write
from functions.enroll.app import handler as enroll
from functions.people.app import handler as people
from functions.transfer.app import handler as transfer
from local.lambda_events import api_event
from tests.broadsheet.transfer import exports
from tests.broadsheet.transfer.test_plain import BOUNCES, COMPLAINTS, UNSUBSCRIBES
from tests.cloud import Cloud, at, context, json_of, problem_in, sqs_event
from tests.conftest import forget_what_was_read
from tests.functions.issues import tick
from tests.functions.test_enroll import sign_up
from tests.functions.test_imported_posts import showing
from tests.functions.webhooks import Functions
from tests.images import png
from tests.receiver import receiving

LONG_AGO = datetime(2021, 5, 3, 10, tzinfo=UTC)
MAILCHIMP = "subscribed_email_audience_export_1a2b.csv"


class Importing:
    """An author at work on one import, and the worker."""

    def __init__(self, functions: Functions, file_name: str, **more: object) -> None:
        self._functions = functions
        self.created = call("POST", "", {"file_name": file_name, **more})
        assert self.created["statusCode"] == 201
        document = json_of(self.created)
        self.path, self.upload_url = f"/{document['id']}", document["upload"]["url"]

    def upload(self, content: bytes) -> None:
        key = f"imports{self.path}"
        boto3.client("s3").put_object(Bucket="content", Key=key, Body=content)

    def act(self, action: str, document: object = None) -> dict[str, Any]:
        """Ask for an action, and have the worker do what it is kicked for."""
        answer = call("POST", f"{self.path}/{action}", document)
        self.work()
        return answer

    def work(self) -> None:
        while self._functions.transfers:
            transfer(self._functions.transfers.pop(), context())

    def shown(self) -> dict[str, Any]:
        return json_of(call("GET", self.path))

    def lines(self, **query: str) -> list[dict[str, Any]]:
        return json_of(call("GET", f"{self.path}/lines", query=query))["lines"]  # type: ignore[no-any-return]


def call(
    method: str,
    path: str,
    document: object = None,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    resource = "/imports"
    parameters = None
    if path:
        _, import_id, *action = path.split("/")
        resource = "/".join(["/imports/{id}", *action])
        parameters = {"id": import_id}
    body = None if document is None else json.dumps(document)
    event = api_event(
        method,
        resource,
        body=body,
        author="ada",
        path_parameters=parameters,
        query=query,
        headers={"content-type": "application/json"} | (headers or {}),
    )
    return people(event, context())


@pytest.fixture
def functions(cloud: Cloud) -> Functions:
    assert cloud
    return Functions()


def people_file(*people: Person) -> bytes:
    return b"".join(write(PeopleFormat.CSV, people))


CONSENTED = Person("ann@example.com", status=Standing.SUBSCRIBED, consented_at=at(0))
UNDATED = Person("ben@example.com", name="Ben", status=Standing.SUBSCRIBED)
LEFT = Person("cleo@example.com", status=Standing.UNSUBSCRIBED, left_at=at(0))
BAD = Person("nobody", status=Standing.SUBSCRIBED)


def test_a_file_is_uploaded_looked_at_applied_and_undone(
    functions: Functions, cloud: Cloud
) -> None:
    importing = Importing(functions, "people.csv")
    importing.upload(people_file(CONSENTED, UNDATED, LEFT, BAD))

    assert importing.act("read")["statusCode"] == 202
    looked_at = importing.shown()
    assert (looked_at["status"], looked_at["format"]) == ("ready", "csv")
    assert looked_at["outcomes"] == {
        "added": 1,
        "added_to_confirm": 1,
        "added_as_left": 1,
        "unusable:address-invalid": 1,
    }
    assert not cloud.rows("SELECT id FROM subscribers")
    assert looked_at["first_lines"]["unusable:address-invalid"] == [5]
    assert [each["reason"] for each in importing.lines(outcome="unusable")] == ["address-invalid"]

    importing.act("apply")
    assert importing.shown()["status"] == "applied"
    assert cloud.status_of("ann@example.com") == "confirmed"
    assert cloud.status_of("ben@example.com") == "pending"
    assert cloud.status_of("cleo@example.com") == "unsubscribed"
    assert not boto3.client("s3").list_objects_v2(Bucket="content").get("Contents")

    importing.act("undo")
    assert importing.shown()["status"] == "undone"
    assert not cloud.rows("SELECT id FROM subscribers")


@pytest.mark.usefixtures("cloud")
def test_an_upload_is_signed_as_new_buckets_need_it_also_in_the_oldest_regions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aws, "_session", lambda: boto3.Session(region_name="us-east-1"))
    monkeypatch.setattr(bucket, "_client", bucket._client.__wrapped__)

    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in uploads.address(uuid4())


def test_the_upload_needs_nothing_but_the_url_that_was_answered(functions: Functions) -> None:
    importing = Importing(functions, "people.csv")

    answer = requests.put(importing.upload_url, data=people_file(CONSENTED), timeout=10)

    assert answer.ok
    importing.act("read")
    assert importing.shown()["outcomes"] == {"added": 1}


def test_whoever_is_to_confirm_is_mailed_when_the_author_says_so(
    functions: Functions, cloud: Cloud
) -> None:
    importing = Importing(functions, "people.csv")
    importing.upload(people_file(CONSENTED, UNDATED))
    importing.act("read")
    assert problem_in(importing.act("confirm"))["code"] == "import-not-ready"
    importing.act("apply")
    assert not cloud.messages("REQUESTS")

    assert json_of(importing.act("confirm")) == {"asked": 1, "left": 0}
    assert json_of(importing.act("confirm")) == {"asked": 0, "left": 0}
    (message,) = cloud.messages("REQUESTS")
    assert json.loads(message["body"])["email"] == "ben@example.com"
    assert not enroll(sqs_event(message["body"]), context())["batchItemFailures"]
    assert len(cloud.mails_to("ben@example.com")) == 1
    logged = cloud.row("SELECT * FROM consents WHERE change = 'signed_up'")
    assert (logged["recorded_by"], logged["source_address"]) == ("ada", None)
    assert cloud.row("SELECT source_network FROM sign_ups")["source_network"] == ""


def test_of_those_who_are_asked_to_confirm_only_the_address_has_a_budget(
    functions: Functions, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ADDRESS_PER_DAY", "SOURCE_PER_HOUR", "DOMAIN_PER_HOUR"):
        monkeypatch.setenv(f"CONFIRMATIONS_PER_{name}", "1")
    forget_what_was_read()
    importing = Importing(functions, "people.csv")
    undated = (f"r{number}@own.example" for number in range(3))
    importing.upload(people_file(*(Person(email, status=Standing.SUBSCRIBED) for email in undated)))
    importing.act("read")
    importing.act("apply")
    assert not enroll(sqs_event(sign_up(now(), "r0@own.example").model_dump_json()), context())[
        "batchItemFailures"
    ]
    cloud.rows("UPDATE strict_mode SET since = now(), checked_at = now()")

    assert json_of(importing.act("confirm")) == {"asked": 3, "left": 0}
    bodies = [message["body"] for message in cloud.messages("REQUESTS")]
    assert not enroll(sqs_event(*bodies), context())["batchItemFailures"]

    assert [len(cloud.mails_to(f"r{number}@own.example")) for number in range(3)] == [1, 1, 1]
    (kept,) = cloud.rows("SELECT mail_granted FROM sign_ups WHERE NOT mail_granted")
    assert kept == {"mail_granted": False}  # hers, who had signed up herself
    assert json_of(importing.act("confirm")) == {"asked": 0, "left": 0}


def test_of_a_file_that_could_be_several_things_the_author_says_which(
    functions: Functions,
) -> None:
    importing = Importing(functions, "people.csv")
    importing.upload(b"first_name,email,created_at,status\nAnn,ann@example.com,2024-01-02,active\n")
    importing.act("read")
    unsure = importing.shown()
    assert unsure["status"] == "waiting"
    assert unsure["is_looked_at"]
    assert "csv" in unsure["candidates"]

    importing.act("read", {"format": unsure["candidates"][0]})

    assert importing.shown()["status"] == "ready"


@pytest.mark.parametrize(
    ("file_name", "content", "standing", "column"),
    [
        pytest.param("bounces.csv", BOUNCES, "bounced", "bounced_at", id="bounces"),
        pytest.param("complaints.csv", COMPLAINTS, "complained", "complained_at", id="complaints"),
        pytest.param("export.csv", UNSUBSCRIBES, "unsubscribed", "unsubscribed_at", id="leaving"),
    ],
)
def test_a_mail_services_list_of_departures_stops_mail_and_asks_nobody_to_confirm(  # noqa: PLR0913 - the parts of a case
    functions: Functions, cloud: Cloud, *, file_name: str, content: str, standing: str, column: str
) -> None:
    readers = Importing(functions, "people.csv")
    readers.upload(people_file(Person("zoe@example.com", None, Standing.SUBSCRIBED, LONG_AGO)))
    readers.act("read")
    readers.act("apply")
    assert cloud.status_of("zoe@example.com") == "confirmed"

    importing = Importing(functions, file_name, standing=standing)
    importing.upload(content.encode())
    importing.act("read")
    assert importing.shown()["standing"] == standing
    importing.act("apply")

    left = importing.shown()["outcomes"]
    assert left["left"] == 1
    assert set(left) <= {"left", "added_as_left"}
    assert {row["status"] for row in cloud.rows("SELECT status::text FROM subscribers")} == {
        standing
    }
    zoe = cloud.row("SELECT * FROM subscribers WHERE email = 'zoe@example.com'")
    assert zoe[column] == datetime(2024, 5, 6, 12, tzinfo=UTC)
    assert json_of(importing.act("confirm")) == {"asked": 0, "left": 0}

    later = Importing(functions, "people.csv")
    later.upload(people_file(Person("zoe@example.com", None, Standing.SUBSCRIBED, at(0))))
    later.act("read")
    later.act("apply")
    assert later.shown()["outcomes"] == {"kept_as_left": 1}
    assert cloud.status_of("zoe@example.com") == standing

    importing.act("undo")
    assert cloud.status_of("zoe@example.com") == "confirmed"


def test_a_complaint_stays_one_whatever_list_follows(functions: Functions, cloud: Cloud) -> None:
    for standing in ("complained", "bounced", "unsubscribed"):
        importing = Importing(functions, "list.csv", standing=standing, format="csv")
        importing.upload(b"email\nzoe@example.com\n")
        importing.act("read")
        importing.act("apply")

    assert cloud.status_of("zoe@example.com") == "complained"


def test_who_is_in_what_looks_like_a_list_of_departures_is_asked_before_it_is_read(
    functions: Functions,
) -> None:
    importing = Importing(functions, "bounces.csv", format="csv")
    importing.upload(BOUNCES.encode())
    importing.act("read")
    importing.act("read", {"format": "csv"})
    unsure = importing.shown()
    assert (unsure["status"], unsure["is_looked_at"], unsure["rows"]) == ("waiting", True, 0)
    assert unsure["standings"] == ["subscribed", "unsubscribed", "bounced", "complained"]
    assert importing.act("apply")["statusCode"] == 409
    assert problem_in(importing.act("read", {"standing": "gone"}))["code"] == "invalid-fields"

    importing.act("read", {"standing": "bounced"})

    assert importing.shown()["status"] == "ready"
    assert importing.shown()["standings"] == []
    assert importing.shown()["outcomes"] == {"added_as_left": 2}


def test_whoever_its_author_calls_readers_is_to_confirm(functions: Functions) -> None:
    importing = Importing(functions, "all but bounces.csv")
    importing.upload(b"email\nzoe@example.com\n")
    importing.act("read")

    importing.act("read", {"standing": "subscribed"})

    assert importing.shown()["outcomes"] == {"added_to_confirm": 1}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b'{"results": [{"email": "a@b.example", "lists": []}]}', "unknown-json"),
        pytest.param(b"a,b\n1,2\n", "no-address-column"),
    ],
)
def test_a_list_of_departures_is_a_table_with_addresses(
    functions: Functions, content: bytes, problem: str
) -> None:
    importing = Importing(functions, "bounces.json", standing="bounced")
    importing.upload(content)
    importing.act("read")

    assert importing.shown()["problem"] == problem


def test_what_is_no_list_of_people_is_said_to_be_none(functions: Functions) -> None:
    importing = Importing(functions, "notes.csv")
    importing.upload(b"title,text\nMonday,rain\n")

    importing.act("read")

    assert importing.shown()["status"] == "waiting"
    assert importing.shown()["problem"] == "no-address-column"


def test_posts_are_imported_with_their_pictures_and_taken_out_again(
    functions: Functions, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLS_ANYWHERE", "true")
    importing = Importing(functions, "export.zip")
    with receiving() as site:
        site.plan = [showing(png())]
        text = f'<p>Hello.<img src="{site.url}"></p>'
        rows = exports.substack_row() + "\n" + exports.substack_row("paid", audience="only_paid")
        importing.upload(exports.substack(rows, hello=text, paid="For some."))
        importing.act("read")
        importing.act("apply")
    importing.act("read")
    applied = importing.shown()
    assert applied["format"] == "substack-posts"
    left_out = "left_out:for-payers-only"
    assert applied["outcomes"] == {"posts": 1, "images": 1, left_out: 1}
    assert applied["first_lines"][left_out] == [3]
    assert cloud.rows("SELECT id FROM imported_posts")

    importing.act("undo")
    assert importing.shown()["status"] == "undone"
    assert not cloud.rows("SELECT id FROM imported_posts")


def test_lines_are_read_a_page_at_a_time_and_as_csv(functions: Functions) -> None:
    importing = Importing(functions, "people.csv")
    importing.upload(
        people_file(*(Person(f"r{at}@example.com", status=Standing.SUBSCRIBED) for at in range(3)))
    )
    importing.act("read")

    first = json_of(call("GET", f"{importing.path}/lines", query={"limit": "2"}))
    assert [each["email"] for each in first["lines"]] == ["r0@example.com", "r1@example.com"]
    assert first["next"]
    table = call("GET", f"{importing.path}/lines", headers={"accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(table["body"])))
    assert [row["outcome"] for row in rows] == ["added_to_confirm"] * 3


def test_what_cannot_be_done_says_what_to_do(functions: Functions) -> None:
    importing = Importing(functions, "people.csv")

    assert problem_in(importing.act("read"))["code"] == "import-file-missing"
    assert problem_in(importing.act("apply"))["code"] == "import-not-ready"
    assert problem_in(call("GET", "/nothing"))["code"] == "import-not-found"
    assert (
        problem_in(call("GET", f"{importing.path}/lines", query={"outcome": "odd"}))["code"]
        == "invalid-outcome"
    )
    assert problem_in(call("POST", "", {"file_name": ""}))["code"] == "invalid-fields"


def test_a_file_that_is_too_large_is_refused_before_anybody_reads_it(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = people_file(CONSENTED)
    importing = Importing(functions, "people.csv")
    importing.upload(content)

    monkeypatch.setattr(importing_service, "MOST_BYTES", len(content) - 1)
    refused = problem_in(importing.act("read"))
    assert (refused["code"], importing.shown()["status"]) == ("import-file-too-large", "waiting")

    monkeypatch.setattr(importing_service, "MOST_BYTES", len(content))
    assert importing.act("read")["statusCode"] == 202
    assert importing.shown()["status"] == "ready"


def test_a_consent_of_the_future_is_none(functions: Functions, cloud: Cloud) -> None:
    importing = Importing(functions, "people.csv", format="csv")
    importing.upload(people_file(CONSENTED._replace(consented_at=at(60 * 24 * 365 * 70))))
    importing.act("read")
    importing.act("apply")

    assert importing.shown()["outcomes"] == {"unusable:time-in-future": 1}
    assert not cloud.rows("SELECT id FROM subscribers")


def test_a_worker_whose_time_is_up_calls_the_next(functions: Functions) -> None:
    importing = Importing(functions, "people.csv")
    importing.upload(people_file(CONSENTED))
    call("POST", f"{importing.path}/read")

    transfer(functions.transfers.pop(), context(seconds_left=0))

    assert importing.shown()["status"] == "reading"
    importing.work()
    assert importing.shown()["status"] == "ready"


@pytest.mark.parametrize("looks", ["author", "daily look"])
def test_an_import_whose_worker_died_goes_on(
    functions: Functions, cloud: Cloud, looks: str
) -> None:
    importing = Importing(functions, "people.csv")
    importing.upload(people_file(CONSENTED))
    importing.act("read")
    call("POST", f"{importing.path}/apply")
    functions.transfers.clear()
    importing.shown()
    assert not functions.transfers  # it may still be at work

    cloud.rows("UPDATE imports SET touched_at = now() - interval '6 minutes'")
    if looks == "author":
        importing.shown()
    else:
        tick(None)
    importing.work()

    assert importing.shown()["status"] == "applied"


def test_posts_whose_file_is_deleted_are_refused_and_not_tried_for_ever(
    functions: Functions,
) -> None:
    importing = Importing(functions, "export.zip")
    importing.upload(exports.substack(exports.substack_row(), hello="<p>Hello.</p>"))
    importing.act("read")
    boto3.client("s3").delete_object(Bucket="content", Key=f"imports{importing.path}")

    assert problem_in(importing.act("apply"))["code"] == "import-file-missing"
    assert importing.shown()["status"] == "ready"


def test_an_undo_that_breaks_off_counts_the_posts_that_it_takes_out_when_it_is_repeated(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing = Importing(functions, "export.zip")
    importing.upload(exports.substack(exports.substack_row(), hello="<p>Hello.</p>"))
    importing.act("read")
    importing.act("apply")
    call("POST", f"{importing.path}/undo")
    event = functions.transfers.pop()
    with monkeypatch.context() as killed:
        killed.setattr(imports_table, "store_progress", Mock(side_effect=OSError))
        with pytest.raises(InvocationFailed):
            transfer(event, context())

    transfer(event, context())

    assert importing.shown()["outcomes"] == {"undone": 1}


def test_webhooks_are_notified_of_whom_an_import_unsubscribes(
    functions: Functions, cloud: Cloud
) -> None:
    cloud.add_confirmed("cleo@example.com")
    cloud.rows(
        "INSERT INTO webhooks (id, url, events, created_by, key_id)"
        " VALUES (gen_random_uuid(), 'https://hook.example', '{subscriber.unsubscribed}', 'ada',"
        " '1')"
    )
    importing = Importing(functions, "people.csv")
    importing.upload(people_file(LEFT._replace(left_at=at(1))))
    importing.act("read")
    assert functions.kicks == 0

    importing.act("apply")

    assert cloud.status_of("cleo@example.com") == "unsubscribed"
    assert functions.kicks >= 1


def test_an_import_whose_file_is_deleted_while_it_is_read_fails_and_says_so(
    functions: Functions,
) -> None:
    importing = Importing(functions, "people.csv")
    importing.upload(people_file(CONSENTED))
    call("POST", f"{importing.path}/read")
    boto3.client("s3").delete_object(Bucket="content", Key=f"imports{importing.path}")

    importing.work()

    shown = importing.shown()
    assert shown["status"] == "failed"
    assert shown["failure"]["code"] == "file-deleted"
    assert "needs a new import" in shown["failure"]["detail"]
    assert problem_in(importing.act("apply"))["code"] == "import-not-ready"
    assert problem_in(importing.act("read"))["code"] == "import-file-missing"
    importing.upload(people_file(CONSENTED))
    importing.act("read")
    assert (importing.shown()["status"], importing.shown()["failure"]) == ("ready", None)


def test_while_s3_is_away_workers_try_again_and_the_import_does_not_fail(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing = Importing(functions, "people.csv")
    importing.upload(people_file(CONSENTED))
    call("POST", f"{importing.path}/read")
    event = functions.transfers.pop()

    def be_away(*_: object) -> None:
        raise DependencyUnavailable("S3 does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(uploads, "copy_to", be_away)
        for _ in range(MOST_ATTEMPTS + 1):
            with pytest.raises(InvocationFailed):
                transfer(event, context())
    transfer(event, context())
    importing.work()

    assert (importing.shown()["status"], importing.shown()["failure"]) == ("ready", None)


@pytest.mark.parametrize("then", ["apply", "undo"])
def test_a_step_that_gets_no_further_fails_and_is_begun_again_or_undone(
    functions: Functions, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    importing = Importing(functions, "people.csv")
    importing.upload(people_file(CONSENTED, LEFT))
    importing.act("read")
    call("POST", f"{importing.path}/apply")
    event = functions.transfers.pop()
    with monkeypatch.context() as broken:
        broken.setattr(imports, "ROWS_AT_ONCE", 8)  # a row at a time
        apply, calls = imports_table.apply, iter(range(99))

        def fail(*given: Any, **more: Any) -> None:  # noqa: ANN401
            if next(calls):
                raise ValueError
            apply(*given, **more)

        broken.setattr(imports_table, "apply", fail)
        for _ in range(MOST_ATTEMPTS + 1):  # the first gets further
            with pytest.raises(InvocationFailed):
                transfer(event, context())
        transfer(event, context())
    failed = importing.shown()
    assert (failed["status"], failed["failure"]["step"]) == ("failed", "applying")
    assert failed["failure"]["code"] == "no-progress"
    assert len(cloud.rows("SELECT id FROM subscribers")) == 1
    cloud.rows("UPDATE imports SET touched_at = now() - interval '6 minutes'")
    tick(None)
    importing.work()
    assert importing.shown()["status"] == "failed", "nobody tries again unasked"

    importing.act(then)

    if then == "apply":
        assert importing.shown()["outcomes"] == {"added": 1, "added_as_left": 1}
    else:
        assert importing.shown()["outcomes"] == {"undone": 2}
        assert not cloud.rows("SELECT id FROM subscribers")


def test_imports_are_listed_newest_first_a_page_at_a_time(functions: Functions) -> None:
    for name in ("first.csv", "second.csv", "third.csv"):
        Importing(functions, name)

    page = json_of(call("GET", "", query={"limit": "2"}))
    assert [each["file_name"] for each in page["imports"]] == ["third.csv", "second.csv"]
    query = dict(parse_qsl(urlsplit(page["next"]).query))
    rest = json_of(call("GET", "", query=query))
    assert [each["file_name"] for each in rest["imports"]] == ["first.csv"]
    assert rest["next"] is None
