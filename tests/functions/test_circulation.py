"""A finished issue's circulation is certified: signed, public, and verified without Broadsheet."""

import json
import re
from base64 import urlsafe_b64decode
from io import BytesIO
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from cryptography.exceptions import InvalidSignature

from broadsheet import secrets, settings
from broadsheet.database.ledger import books
from broadsheet.domain.books import Books
from broadsheet.domain.issues import IssueId
from broadsheet.storage import archive, bucket
from functions.archive.app import handler
from functions.publish.app import handler as publish
from local.lambda_events import api_event
from tests.cloud import Cloud, context, json_of
from tests.functions.issues import act_on, clocks, publish_issue, send, ses_event, tell, tick
from tests.functions.test_archiving import break_s3, stored
from tests.template.transformation import ROOT


def get(path: str, resource: str = "/archive/{slug}/circulation.json") -> dict[str, Any]:
    archive._index_in.cache_clear()
    parameters = {"slug": path.split("/")[2]}
    return handler(api_event("GET", resource, path_parameters=parameters), context())


def statement_of(slug: str) -> dict[str, Any]:
    return json_of(get(f"/archive/{slug}/circulation.json"))


def keys() -> dict[str, Any]:
    return json_of(get("/archive/keys.json", "/archive/keys.json"))


GUIDE = (ROOT / "docs" / "people.md").read_text(encoding="utf-8")
(SCRIPT,) = re.findall(r"^```python\n(import json\n.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def independently_verify(document: dict[str, Any], keys: dict[str, Any]) -> None:
    """Verify it by the script of docs/people.md, which uses nothing of Broadsheet."""
    site = "https://news.example.com/archive"
    answers = {f"{site}/november/circulation.json": document, f"{site}/keys.json": keys}

    def answer(url: str) -> BytesIO:
        return BytesIO(json.dumps(answers[url]).encode())

    with patch("urllib.request.urlopen", answer):
        exec(compile(SCRIPT, "docs/people.md", "exec"), {})  # noqa: S102 - our own


def finished(cloud: Cloud, *readers: str, **fields: object) -> str:
    for reader in readers or ("ursula@example.com",):
        cloud.add_confirmed(reader)
    issue_id = publish_issue(title="November", slug="november", **fields)
    send(cloud, issue_id)
    return issue_id


def put_signing_keys(keys: dict[str, str]) -> None:
    """Change the secret; key 2 signs."""
    boto3.client("secretsmanager").put_secret_value(
        SecretId=settings.signing_keys_secret_arn(),
        SecretString=json.dumps({"signing_key_id": "2", **keys}),
    )
    secrets._cache.clear()


def grow_older(cloud: Cloud, days: int) -> None:
    """Have it be some days later, and let the daily look come."""
    cloud.rows(
        "UPDATE issues SET finished_at = finished_at - make_interval(days => %(days)s)", days=days
    )
    cloud.rows("UPDATE statements SET as_of = as_of - make_interval(days => %(days)s)", days=days)
    tick(None)


def test_a_finished_issue_has_a_statement_that_others_verify(cloud: Cloud) -> None:
    issue_id = finished(cloud, "ursula@example.com", "octavia@example.com")

    signed = statement_of("november")

    statement = signed["statement"]
    counts = {name: statement[name] for name in ("audience", "accepted", "failed", "skipped")}
    assert counts == {"audience": 2, "accepted": 2, "failed": 0, "skipped": 0}
    assert statement["versions"] == {"1": 2}
    assert (statement["issue"], statement["slug"]) == (issue_id, "november")
    assert statement["newsletter"] == "The Daily Page"
    assert statement["segment"] is None
    assert not statement["is_final"]
    assert statement["keys"] == "https://news.page.example/archive/keys.json"
    assert "ursula" not in json.dumps(signed)
    independently_verify(signed, keys())
    signed["statement"]["accepted"] = 3
    with pytest.raises(InvalidSignature):
        independently_verify(signed, keys())


def test_a_page_says_it_and_the_issues_page_leads_there(cloud: Cloud) -> None:
    finished(cloud)

    page = get("/archive/november/circulation", "/archive/{slug}/circulation")
    issue = get("/archive/november", "/archive/{slug}")

    assert page["statusCode"] == 200
    assert "<h1>Circulation</h1>" in page["body"]
    assert "/archive/november/circulation.json" in page["body"]
    assert "<dt>Accepted for delivery</dt><dd>1</dd>" in page["body"]
    assert "/archive/november/circulation" in issue["body"]


def test_late_events_change_it_daily_until_it_is_final(cloud: Cloud) -> None:
    issue_id = finished(cloud)
    subscriber = cloud.row("SELECT id FROM subscribers")["id"]
    tell(ses_event("Delivery", issue=issue_id, subscriber=subscriber))
    assert statement_of("november")["statement"]["delivered"] == 0

    grow_older(cloud, 1)
    daily = statement_of("november")
    grow_older(cloud, 14)
    last = statement_of("november")
    grow_older(cloud, 30)

    assert (daily["statement"]["delivered"], daily["statement"]["is_final"]) == (1, False)
    assert last["statement"]["is_final"]
    independently_verify(last, keys())
    assert statement_of("november") == last


def test_it_stays_owed_while_s3_is_away(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue(title="November")
    tick(issue_id)
    with monkeypatch.context() as broken:
        break_s3(broken)
        send(cloud, issue_id)
        assert clocks() == [issue_id]

    tick(issue_id)

    assert clocks() == []
    assert statement_of("november")["statement"]["accepted"] == 1


def test_old_keys_verify_after_a_rotation_and_not_after_a_leak(cloud: Cloud) -> None:
    finished(cloud)
    first = statement_of("november")

    put_signing_keys({"1": "a key", "2": "another"})
    tick(None)
    independently_verify(first, keys())
    assert len(keys()["keys"]) == 2

    put_signing_keys({"2": "another"})
    tick(None)

    (retired,) = (key for key in keys()["keys"] if "retired_at" in key)
    again = statement_of("november")
    first_key = json.loads(urlsafe_b64decode(first["signature"].split(".")[0] + "==="))["kid"]
    assert first_key == retired["kid"]
    assert again["signature"] != first["signature"]
    independently_verify(again, {"keys": [key for key in keys()["keys"] if key != retired]})


def test_an_issue_outside_the_archive_has_one_for_its_authors_only(cloud: Cloud) -> None:
    issue_id = finished(cloud, archive=False)
    event = api_event(
        "GET", "/issues/{id}/statement", path_parameters={"id": issue_id}, author="ada"
    )

    signed = json_of(publish(event, context()))

    assert get("/archive/november/circulation.json")["statusCode"] == 404
    assert stored().keys() == {"archive/keys.json"}
    independently_verify(signed, keys())
    act_on(issue_id, "archive", archive=True)
    tick(issue_id)
    assert statement_of("november")["statement"]["accepted"] == 1
    act_on(issue_id, "archive", archive=False)
    tick(issue_id)
    assert get("/archive/november/circulation.json")["statusCode"] == 404
    assert bucket.get(f"archive/statements/{issue_id}.json") is None


def test_the_daily_look_certifies_the_past_and_stops_at_no_issue(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an update, from a release without statements."""
    first = finished(cloud)
    second = publish_issue(title="December")
    send(cloud, second)
    cloud.rows("DELETE FROM statements")
    read_books = books.read_books

    def fail_for_the_newest(connection: Any, issue_id: IssueId, *rest: Any, **more: Any) -> Books:  # noqa: ANN401
        if str(issue_id) == second:
            raise LookupError
        return read_books(connection, issue_id, *rest, **more)

    monkeypatch.setattr(books, "read_books", fail_for_the_newest)

    tick(None)

    certified = cloud.rows("SELECT issue_id FROM statements")
    assert [str(each["issue_id"]) for each in certified] == [first]


def test_an_issue_that_has_not_finished_has_none(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue(title="November")
    tick(issue_id)
    event = api_event(
        "GET", "/issues/{id}/statement", path_parameters={"id": issue_id}, author="ada"
    )

    assert publish(event, context())["statusCode"] == 404
    assert get("/archive/november/circulation.json")["statusCode"] == 404
    assert get("/archive/unknown/circulation.json")["statusCode"] == 404
