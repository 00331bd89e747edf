"""A newsletter moves in: a file with everything makes it anew, with all that it was."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import boto3
import psycopg
import pytest

from broadsheet import signed_tokens, signing
from broadsheet.database import imports_table
from broadsheet.database.everything import PARTS
from broadsheet.domain.issues import IssueId
from broadsheet.domain.subscribers import EmailAddress
from broadsheet.services.people import moving_in
from broadsheet.services.subscribers import departing
from broadsheet.storage import archive
from broadsheet.telemetry import InvocationFailed
from functions.archive.app import handler as archive_handler
from functions.transfer.app import handler as transfer
from local.lambda_events import api_event
from tests.cloud import Cloud, at, context, json_of, problem_in
from tests.conftest import forget_what_was_read
from tests.functions import test_everything
from tests.functions.issues import deliver_all, pointers, publish_issue, tick
from tests.functions.test_everything import members
from tests.functions.test_exports import exported
from tests.functions.test_imports_api import Importing, call
from tests.functions.webhooks import Functions
from tests.images import png

functions = test_everything.functions


def file_of(export: dict[str, Any]) -> bytes:
    stored: Any = boto3.client("s3").get_object(Bucket="content", Key=f"exports/{export['id']}")
    content: bytes = stored["Body"].read()
    return content


def without_time(found: dict[str, bytes]) -> dict[str, object]:
    """Return what is in a file, but for when it was made."""
    return {**found, "manifest.json": json.loads(found["manifest.json"]) | {"exported_at": ""}}


def empty(cloud: Cloud) -> None:
    """Leave the newsletter as a new stack is."""
    tables = ", ".join(part.table for part in PARTS)
    cloud.rows(f"TRUNCATE {tables}, exports CASCADE")
    s3 = boto3.client("s3")
    for each in s3.list_objects_v2(Bucket="content").get("Contents", []):
        s3.delete_object(Bucket="content", Key=each["Key"])


def brought(functions: Functions, content: bytes) -> Importing:
    """Import a file into a newsletter, and return the import."""
    importing = looked_at(functions, content)
    assert importing.shown()["status"] == "ready"
    assert importing.act("apply")["statusCode"] == 202
    return importing


def looked_at(functions: Functions, content: bytes) -> Importing:
    importing = Importing(functions, "newsletter.zip")
    importing.upload(content)
    assert importing.act("read")["statusCode"] == 202
    return importing


def changed(file: bytes, changes: dict[str, Callable[[bytes], bytes]]) -> bytes:
    """Return a file with everything in which some members are others."""
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(file)) as before,
        zipfile.ZipFile(written, "w") as after,
    ):
        for name in before.namelist():
            content = before.read(name)
            after.writestr(name, changes[name](content) if name in changes else content)
    return written.getvalue()


def test_a_newsletter_that_moves_is_the_same_afterwards(functions: Functions, cloud: Cloud) -> None:
    export = exported(functions, "everything")
    before, content = members(export), file_of(export)
    empty(cloud)

    importing = looked_at(functions, content)
    shown = importing.shown()
    assert (shown["status"], shown["format"], shown["notes"]) == ("ready", "everything", [])
    assert shown["outcomes"]["subscribers"] == shown["outcomes"]["issues"] == 2
    assert not cloud.rows("SELECT id FROM subscribers")
    importing.act("apply")
    applied = importing.shown()
    assert applied["status"] == "applied"
    assert applied["done"] == 0 or applied["done"] == applied["rows"]

    assert without_time(members(exported(functions, "everything"))) == without_time(before)


def published() -> dict[str, bytes]:
    """Return the public content of the bucket, by key."""
    s3 = boto3.client("s3")
    names = [each["Key"] for each in s3.list_objects_v2(Bucket="content")["Contents"]]
    return {
        name: s3.get_object(Bucket="content", Key=name)["Body"].read()
        for name in names
        if name.startswith(("archive/", "images/"))
    }


def put_signing_keys(cloud: Cloud, **keys: str) -> None:
    """Give the stack other keys, of which the first signs."""
    document = {"signing_key_id": next(iter(keys)), **keys}
    boto3.client("secretsmanager").put_secret_value(
        SecretId=cloud.environment["SIGNING_KEYS_SECRET_ARN"], SecretString=json.dumps(document)
    )
    forget_what_was_read()


def test_nobody_is_mailed_and_the_archive_is_there_again(
    functions: Functions, cloud: Cloud
) -> None:
    cloud.rows("UPDATE statements SET is_final = true")  # as after two weeks
    public = published()
    sent = str(cloud.row("SELECT id FROM issues WHERE status = 'finished'")["id"])
    content = file_of(exported(functions, "everything"))
    empty(cloud)
    brought(functions, content)

    mails = len(cloud.ses.mails())
    for issue in (None, sent, None):
        tick(issue)
        deliver_all(pointers(cloud))

    assert len(cloud.ses.mails()) == mails
    statuses = {row["status"] for row in cloud.rows("SELECT status FROM issues")}
    assert statuses == {"finished", "draft"}
    stored = published()
    assert set(stored) >= set(public)
    kept = ("images/", "archive/redirects/", "archive/statements/", "archive/keys")
    same = [name for name in public if name.startswith(kept)]
    assert {name: stored[name] for name in same} == {name: public[name] for name in same}
    index = {each.slug for each in archive.read_index().issues}
    assert index == {"number-one-later", "old"}
    for slug in index:
        event = api_event("GET", "/archive/{slug}", path_parameters={"slug": slug})
        assert archive_handler(event, context())["statusCode"] == 200


def test_what_was_being_sent_waits_for_its_author_and_sends_to_the_rest_alone(
    functions: Functions, cloud: Cloud
) -> None:
    issue = publish_issue(title="Now")
    tick(issue)
    cloud.messages("DELIVERY")
    content = file_of(exported(functions, "everything"))
    empty(cloud)
    importing = brought(functions, content)
    assert importing.shown()["notes"] == ["issues-under-way"]

    tick(issue)
    assert not cloud.messages("DELIVERY")
    assert cloud.row("SELECT status FROM issues WHERE id = %(id)s", id=UUID(issue)) == {
        "status": "paused"
    }
    cloud.rows(
        "UPDATE issues SET status = 'sending', paused_because = NULL WHERE id = %(id)s",
        id=UUID(issue),
    )
    tick(issue)
    mails = len(cloud.ses.mails())
    deliver_all(pointers(cloud))
    assert len(cloud.ses.mails()) == mails + 2


@pytest.mark.parametrize("dies_at", [1, 25])
def test_a_worker_that_is_killed_is_followed_by_one_that_goes_on(
    functions: Functions, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    export = exported(functions, "everything")
    before, content = members(export), file_of(export)
    empty(cloud)
    monkeypatch.setattr(moving_in, "LINES_AT_ONCE", 1)
    importing = looked_at(functions, content)
    called, store = 0, imports_table.store_progress

    def store_and_die(*arguments: Any) -> None:  # noqa: ANN401 - as the function has them
        nonlocal called
        called += 1
        store(*arguments)
        if called == dies_at:
            raise RuntimeError

    monkeypatch.setattr(imports_table, "store_progress", store_and_die)
    with pytest.raises(InvocationFailed):
        importing.act("apply")
    functions.transfers.append({"import_id": importing.path[1:]})
    while functions.transfers:  # each with time for one range
        transfer(functions.transfers.pop(), context(seconds_left=0))

    assert importing.shown()["status"] == "applied"
    after = members(exported(functions, "everything"))
    assert without_time(after) == without_time(before)


@pytest.mark.parametrize("seconds_left", [60, 0], ids=["everything", "one range"])
def test_a_worker_that_another_overtakes_ends_and_nothing_is_doubled(
    functions: Functions, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, seconds_left: float
) -> None:
    export = exported(functions, "everything")
    before, content = members(export), file_of(export)
    empty(cloud)
    importing = looked_at(functions, content)
    assert call("POST", f"{importing.path}/apply")["statusCode"] == 202
    lock = imports_table.lock

    def be_overtaken(*arguments: Any) -> Any:  # noqa: ANN401 - as the function has them
        monkeypatch.setattr(imports_table, "lock", lock)
        transfer({"import_id": importing.path[1:]}, context(seconds_left))
        return lock(*arguments)

    monkeypatch.setattr(imports_table, "lock", be_overtaken)
    importing.work()

    assert importing.shown()["status"] == "applied"
    after = members(exported(functions, "everything"))
    assert without_time(after) == without_time(before)


def test_it_is_refused_where_something_is_already_and_cannot_be_undone(
    functions: Functions, cloud: Cloud
) -> None:
    content = file_of(exported(functions, "everything"))

    importing = looked_at(functions, content)
    refused = problem_in(importing.act("apply"))
    assert refused["code"] == "newsletter-not-empty"
    assert "subscribers and issues and imported posts" in refused["detail"]

    empty(cloud)
    importing = brought(functions, content)
    assert problem_in(importing.act("undo"))["code"] == "import-stays"
    assert json_of(importing.act("apply"))["status"] == "applied"


def test_whoever_signs_up_meanwhile_is_merged_and_whoever_is_erased_stays_so(
    functions: Functions, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = file_of(exported(functions, "everything"))
    known = {row["email"]: row["id"] for row in cloud.rows("SELECT id, email FROM subscribers")}
    empty(cloud)
    importing = looked_at(functions, content)
    newcomer = uuid4()
    begin = imports_table.begin

    def begin_late(*arguments: Any) -> None:  # noqa: ANN401 - as the function has them
        begin(*arguments)
        cloud.rows(
            "INSERT INTO subscribers (id, email, language, signed_up_at, unsubscribed_at)"
            " VALUES (%(id)s, 'ann@example.com', 'en', now(), %(at)s)",
            id=newcomer,
            at=at(60),
        )
        cloud.rows(
            "INSERT INTO consents (request_id, subscriber_id, change, at)"
            " VALUES (gen_random_uuid(), %(id)s, 'signed_up', now())",
            id=newcomer,
        )
        monkeypatch.setattr(imports_table, "begin", begin)

    monkeypatch.setattr(imports_table, "begin", begin_late)
    importing.act("apply")

    assert importing.shown()["status"] == "applied"
    assert {row["email"]: row["id"] for row in cloud.rows("SELECT * FROM subscribers")} == known
    assert cloud.status_of("ann@example.com") == "unsubscribed"
    ann = known["ann@example.com"]
    merged = cloud.rows("SELECT id, subscriber_id FROM merged_subscribers")
    assert {"id": newcomer, "subscriber_id": ann} in merged
    assert cloud.row(
        "SELECT count(*) AS number FROM consents WHERE subscriber_id = %(id)s", id=ann
    ) == {"number": 3}


def test_whoever_was_erased_here_is_not_brought_back_and_a_complaint_meanwhile_counts(
    functions: Functions, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = file_of(exported(functions, "everything"))
    emails = {row["email"] for row in cloud.rows("SELECT email FROM subscribers")}
    assert {"ann@example.com", "ben@example.com"} <= emails
    empty(cloud)
    importing = looked_at(functions, content)
    begin = imports_table.begin

    def begin_late(*arguments: Any) -> None:  # noqa: ANN401 - as the function has them
        begin(*arguments)
        with psycopg.connect(cloud.database_url) as connection:
            for email, left in (
                ("ann@example.com", datetime.now(UTC)),
                ("ben@example.com", at(-9)),
            ):
                departing.depart(connection, EmailAddress(email), left, "erased")
        cloud.rows(
            "INSERT INTO subscribers (id, email, language, signed_up_at, complained_at)"
            " VALUES (gen_random_uuid(), 'ben@example.com', 'en', now(), now())"
        )
        monkeypatch.setattr(imports_table, "begin", begin)

    monkeypatch.setattr(imports_table, "begin", begin_late)
    importing.act("apply")

    assert importing.shown()["status"] == "applied"
    found = {row["email"] for row in cloud.rows("SELECT email FROM subscribers")}
    assert found == emails - {"ann@example.com"}
    assert cloud.status_of("ben@example.com") == "complained"


def test_with_the_old_keys_the_erased_are_remembered_and_old_links_work(
    functions: Functions, cloud: Cloud
) -> None:
    gone = EmailAddress("gone@example.com")
    with psycopg.connect(cloud.database_url) as connection:
        departing.depart(connection, gone, datetime.now(UTC), "erased")
    issue = IssueId(cloud.row("SELECT id FROM issues WHERE status = 'finished'")["id"])
    ann = cloud.row("SELECT id FROM subscribers WHERE email LIKE 'ann%%'")["id"]
    link = signing.mail_signer(issue)(ann)[0]
    content = file_of(exported(functions, "everything"))
    empty(cloud)

    put_signing_keys(cloud, new="another key")
    assert looked_at(functions, content).shown()["notes"] == ["other-signing-keys"]

    put_signing_keys(cloud, new="another key", moved="a key")
    assert brought(functions, content).shown()["notes"] == []
    with psycopg.connect(cloud.database_url) as connection:
        assert departing.departure(connection, gone) is not None
    assert signed_tokens.read_unsubscribe(link).subscriber_id.root == ann


DAMAGES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("subscribers.jsonl", lambda _: b"{}\n", "newer-format"),
    ("subscribers.jsonl", lambda lines: lines.replace(b"ann@", b"Ann@"), "address-invalid"),
    ("issues.jsonl", lambda lines: lines[:-1], "damaged-lines"),
    (
        "issues.jsonl",
        lambda lines: re.sub(rb'("status": ?)"\w+"', rb'\1"scheduled"', lines),
        "damaged-lines",
    ),
    ("deliveries.jsonl", lambda lines: lines + lines, "damaged-lines"),
    ("consents.jsonl", lambda _: b"no json\n", "damaged-lines"),
    ("consents.jsonl", lambda _: b"[]\n", "damaged-lines"),
    ("redirects.jsonl", lambda _: b"{}\n", "damaged-lines"),
    (
        "redirects.jsonl",
        lambda lines: lines + b'{"path": "/p/one-more", "slug": "one-more"}\n',
        "damaged-lines",
    ),
    ("an image", lambda _: b"no image", "damaged-image"),
    ("an image", lambda _: png("L"), "damaged-image"),  # a sound one, of another name
    (
        "manifest.json",
        lambda text: text.replace(b'"redirects.jsonl"', b'"of-a-newer-release.jsonl"'),
        "newer-format",
    ),
    (
        "manifest.json",
        lambda text: text.replace(b'"version": 1', b'"version": 2'),
        "newer-format",
    ),
    (
        "manifest.json",
        lambda text: text.replace(b'"images": 1', b'"images": 2'),
        "damaged-archive",
    ),
]


def test_a_file_that_is_damaged_or_newer_is_refused_before_anything_happens(
    functions: Functions, cloud: Cloud
) -> None:
    content = file_of(exported(functions, "everything"))
    (image,) = (name for name in zipfile.ZipFile(io.BytesIO(content)).namelist() if "png" in name)
    empty(cloud)

    for member, change, problem in DAMAGES:
        name = image if member == "an image" else member
        importing = looked_at(functions, changed(content, {name: change}))
        assert importing.shown()["problem"] == problem, member
        assert problem_in(importing.act("apply"))["code"] == "import-not-ready"
    assert not cloud.rows("SELECT id FROM subscribers")
