"""Drafts: stored, listed, and nothing else until they are published."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from functions.publish.app import handler
from local.lambda_events import api_event
from tests.cloud import Cloud, context, json_of, problem_in
from tests.functions.issues import act_on, clocks, pointers, show, tick

DRAFT: dict[str, object] = {"title": "Zoë's 2nd issue", "markdown": "Hello", "draft": True}


def post(
    body: Mapping[str, object] = DRAFT, key: str | None = None, role: str = "manage"
) -> dict[str, Any]:
    headers = {"content-type": "application/json", "idempotency-key": key or str(uuid4())}
    text = json.dumps(body)
    event = api_event("POST", "/issues", body=text, headers=headers, author="ada", role=role)
    return handler(event, context())


def stored_draft(**fields: object) -> str:
    return str(json_of(post(DRAFT | fields))["id"])


def test_a_draft_is_stored_and_listed_and_nobody_is_mailed(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")

    answer = post()

    assert (answer["statusCode"], answer["headers"]["ETag"]) == (202, '"1"')
    issue_id = json_of(answer)["id"]
    tick(issue_id)
    tick(None)
    shown = show(issue_id)
    assert (shown["status"], shown["publish_at"], shown["audience"]) == ("draft", None, None)
    listed = json_of(handler(api_event("GET", "/issues", author="ada"), context()))["issues"]
    assert [(each["id"], each["status"]) for each in listed] == [(issue_id, "draft")]
    assert (clocks(), pointers(cloud), cloud.ses.mails()) == ([], [], [])


@pytest.mark.parametrize("draft", [False, None])
def test_a_token_that_may_only_write_stores_drafts_and_sends_nothing(
    cloud: Cloud, *, draft: bool | None
) -> None:
    wanted = {"title": "One", "markdown": "Hello"} | ({} if draft is None else {"draft": draft})

    refused = post(wanted, role="write")

    assert (refused["statusCode"], problem_in(refused)["role"]) == (403, "publish")
    assert cloud.rows("SELECT id FROM issues") == []
    assert clocks() == []
    assert post(DRAFT, role="write")["statusCode"] == 202


def test_a_draft_keeps_the_time_for_which_it_is_planned(cloud: Cloud) -> None:
    then = datetime.now(UTC) - timedelta(hours=1)

    issue_id = stored_draft(publish_at=then.isoformat())

    tick(issue_id)
    shown = show(issue_id)
    assert (shown["status"], datetime.fromisoformat(shown["publish_at"])) == ("draft", then)
    assert clocks() == []


def test_a_draft_that_is_sent_again_with_its_key_is_one_draft(cloud: Cloud) -> None:
    first, again = post(key="k"), post(key="k")

    assert (again["statusCode"], again["body"]) == (first["statusCode"], first["body"])
    assert problem_in(post(DRAFT | {"draft": False}, key="k"))["code"] == "idempotency-key-reused"
    assert len(cloud.rows("SELECT 1 FROM issues")) == 1


@pytest.mark.parametrize("action", ["pause", "resume", "cancel", "retry", "schedule"])
def test_a_draft_can_t_be_acted_on_as_if_it_were_published(cloud: Cloud, action: str) -> None:
    issue_id = stored_draft()
    fields = {"publish_at": "2030-01-01T00:00:00Z"} if action == "schedule" else {}

    answer = act_on(issue_id, action, **fields)

    assert (answer["statusCode"], problem_in(answer)["code"]) == (409, "issue-is-draft")
    assert (show(issue_id)["status"], clocks()) == ("draft", [])


def test_an_issue_shows_what_stands_beside_its_text(cloud: Cloud) -> None:
    beside = {"preheader": "In this issue: tea", "slug": "tea-time", "archive": False}

    shown = show(stored_draft(**beside))

    assert {name: shown[name] for name in beside} == beside
    assert shown["version"] == 1
    plain = show(stored_draft())
    assert (plain["preheader"], plain["archive"]) == (None, True)


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Zoë's 2nd issue", "zoe-s-2nd-issue"),
        ("  Straße & Ünïcode!  ", "strasse-unicode"),
        ("Привет", "issue"),
        ("x" * 200, "x" * 90),
    ],
)
def test_a_slug_is_made_from_the_title(cloud: Cloud, title: str, slug: str) -> None:
    assert show(stored_draft(title=title))["slug"] == slug


def test_no_two_issues_have_the_same_slug(cloud: Cloud) -> None:
    slugs = [show(stored_draft(title=title))["slug"] for title in ("Tea", "Tea!", "tea 2", "TEA")]

    assert slugs == ["tea", "tea-2", "tea-2-2", "tea-3"]
    taken = post(DRAFT | {"slug": "tea-2"})
    assert (taken["statusCode"], problem_in(taken)["code"]) == (409, "slug-taken")
    assert "tea-2" in problem_in(taken)["detail"]
    assert len(cloud.rows("SELECT 1 FROM issues")) == 4


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("preheader", "", "invalid-value"),
        ("preheader", " \N{ZERO WIDTH SPACE} ", "invalid-value"),
        ("preheader", "two\nlines", "invalid-value"),
        ("preheader", "x" * 201, "invalid-value"),
        ("preheader", 7, "not-text"),
        ("slug", "", "invalid-value"),
        ("slug", "Tea", "invalid-value"),
        ("slug", "-tea", "invalid-value"),
        ("slug", "tea--time", "invalid-value"),
        ("slug", "../tea", "invalid-value"),
        ("slug", "tea\n", "invalid-value"),
        ("slug", "x" * 101, "invalid-value"),
        ("slug", ["tea"], "not-text"),
        ("archive", "yes", "not-a-truth-value"),
        ("archive", 1, "not-a-truth-value"),
        ("draft", "true", "not-a-truth-value"),
        ("draft", None, "not-a-truth-value"),
        ("segment", "members", "unknown-field"),
        ("version", 2, "unknown-field"),
    ],
)
def test_a_bad_field_is_refused_and_nothing_is_stored(
    cloud: Cloud, field: str, value: object, code: str
) -> None:
    answer = post(DRAFT | {field: value})

    assert (answer["statusCode"], problem_in(answer)["error_codes"]) == (400, {field: code})
    assert cloud.rows("SELECT 1 FROM issues") == cloud.rows("SELECT 1 FROM issue_versions") == []
