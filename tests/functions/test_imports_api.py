"""An author imports a file: uploads it, looks what would become of it, applies and undoes it."""

import csv
import io
import json
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import boto3
import pytest
import requests  # moto stands behind it

from broadsheet import aws
from broadsheet.database import imports_table
from broadsheet.domain.people import PeopleFormat, Person, Standing
from broadsheet.storage import bucket, uploads
from broadsheet.telemetry import InvocationFailed
from broadsheet.transfer import write
from functions.people.app import handler as people
from functions.transfer.app import handler as transfer
from local.lambda_events import api_event
from tests.broadsheet.transfer import exports
from tests.cloud import Cloud, at, context, json_of, problem_in
from tests.functions.issues import tick
from tests.functions.test_imported_posts import showing
from tests.functions.webhooks import Functions
from tests.images import png
from tests.receiver import receiving

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
        importing.upload(exports.substack(exports.substack_row(), hello=text))
        importing.act("read")
        importing.act("apply")
    importing.act("read")
    applied = importing.shown()
    assert applied["format"] == "substack-posts"
    assert applied["outcomes"] == {"posts": 1, "images": 1}
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
