"""Drafts: stored, listed, and nothing else until they are published."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from broadsheet.database import issues_table
from broadsheet.domain.issue_progress import Issue
from broadsheet.domain.issue_requests import IssueDraft
from broadsheet.domain.newsletter import Newsletter
from broadsheet.services.issues import checking
from functions.publish.app import handler
from local.lambda_events import api_event
from tests.cloud import Cloud, context, json_of, problem_in
from tests.conftest import forget_everything
from tests.functions.issues import (
    act_on,
    clocks,
    edit,
    pointers,
    publish_issue,
    send,
    show,
    tick,
)

UNKNOWN = "0b9e1a5e-0000-4000-8000-000000000000"
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
        ("colour", "red", "unknown-field"),
        ("version", 2, "unknown-field"),
    ],
)
def test_a_bad_field_is_refused_and_nothing_is_stored(
    cloud: Cloud, field: str, value: object, code: str
) -> None:
    answer = post(DRAFT | {field: value})

    assert (answer["statusCode"], problem_in(answer)["error_codes"]) == (400, {field: code})
    assert cloud.rows("SELECT 1 FROM issues") == cloud.rows("SELECT 1 FROM issue_versions") == []


def publish_draft(  # noqa: PLR0913 - the parts of a request
    issue_id: str,
    key: str | None = "k",
    body: Mapping[str, object] | str | None = None,
    role: str = "publish",
    *,
    author: str = "ada",
    if_match: str | None = None,
) -> dict[str, Any]:
    named = {"idempotency-key": key, "if-match": if_match}
    headers = {"content-type": "application/json"} | {n: v for n, v in named.items() if v}
    event = api_event(
        "POST",
        "/issues/{id}/publish",
        path_parameters={"id": issue_id},
        author=author,
        role=role,
        headers=headers,
        body=json.dumps(body) if isinstance(body, Mapping) else body,
    )
    return handler(event, context())


def delete(issue_id: str, role: str = "write") -> dict[str, Any]:
    parameters = {"id": issue_id}
    event = api_event("DELETE", "/issues/{id}", path_parameters=parameters, author="ada", role=role)
    return handler(event, context())


@pytest.mark.parametrize("body", [None, {}, {"publish_at": None}])
def test_a_draft_is_published_at_once(cloud: Cloud, body: Mapping[str, object] | None) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = stored_draft()

    answer = publish_draft(issue_id, body=body)

    document = json_of(answer)
    assert (answer["statusCode"], answer["headers"]["ETag"]) == (202, '"1"')
    assert (document["status"], document["audience_now"]) == ("scheduled", 1)
    assert [each["code"] for each in document["warnings"]] == ["no-preheader"]
    assert clocks() == [issue_id]
    send(cloud, issue_id)
    assert [mail.to for mail in cloud.ses.mails()] == ["ursula@example.com"]


def test_nobody_publishes_what_another_has_written_since_they_read_it(cloud: Cloud) -> None:
    """Jo reads version 1 and publishes, while Ada, who may only write, stores another text."""
    issue_id = stored_draft()
    edit(issue_id, role="write", markdown="Something else")

    late = publish_draft(issue_id, author="jo", if_match='"1"')

    assert (late["statusCode"], problem_in(late)["code"]) == (412, "stale-version")
    assert problem_in(late)["version"] == 2
    assert (show(issue_id)["status"], clocks()) == ("draft", [])
    read = publish_draft(issue_id, author="jo", if_match='"2"')
    assert (read["statusCode"], json_of(read)["status"]) == (202, "scheduled")
    again = publish_draft(issue_id, author="jo", if_match='"2"')
    assert again["statusCode"] == 202
    assert cloud.row("SELECT count(*) AS of FROM issues")["of"] == 1


@pytest.mark.parametrize("if_match", [None, "*"])
def test_whoever_publishes_what_another_wrote_says_which_version_they_have_read(
    cloud: Cloud, if_match: str | None
) -> None:
    assert cloud
    issue_id = stored_draft()
    edit(issue_id, author="jo", markdown="Something else")

    refused = publish_draft(issue_id, if_match=if_match)

    assert (refused["statusCode"], problem_in(refused)["code"]) == (428, "if-match-needed")
    assert (show(issue_id)["status"], clocks()) == ("draft", [])
    assert publish_draft(issue_id, author="jo", if_match=if_match)["statusCode"] == 202


def test_a_draft_is_rendered_before_it_is_locked(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id = stored_draft()
    check = checking.check

    def unlocked(
        draft: IssueDraft, newsletter: Newsletter, *known_links: Mapping[str, int] | None
    ) -> checking.Checked:
        cloud.rows("SELECT 1 FROM issues FOR UPDATE NOWAIT")
        return check(draft, newsletter, *known_links)

    monkeypatch.setattr(checking, "check", unlocked)

    assert publish_draft(issue_id)["statusCode"] == 202


def test_a_version_that_is_stored_while_another_is_published_is_not_sent_unread(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is rendered before the issue is locked, so that nobody waits for that."""
    assert cloud
    issue_id = stored_draft()
    lock = issues_table.lock

    def overtaken(*arguments: Any) -> Issue | None:  # noqa: ANN401 - whatever it is called with
        monkeypatch.setattr(issues_table, "lock", lock)
        edit(issue_id, markdown="Too late?")
        return lock(*arguments)

    monkeypatch.setattr(issues_table, "lock", overtaken)
    answer = publish_draft(issue_id)

    assert (answer["statusCode"], answer["headers"]["ETag"]) == (202, '"2"')
    assert "Too late?" in cloud.row("SELECT html FROM issues")["html"]
    assert "Too late?" in cloud.row("SELECT html FROM issue_versions WHERE version = 2")["html"]


@pytest.mark.parametrize("planned", [None, "2030-01-01T00:00:00+00:00"])
@pytest.mark.parametrize("wanted", [None, "2031-01-01T00:00:00+00:00"])
def test_a_draft_is_published_at_the_time_that_was_wanted_last(
    cloud: Cloud, planned: str | None, wanted: str | None
) -> None:
    issue_id = stored_draft(**({"publish_at": planned} if planned else {}))

    publish_draft(issue_id, body={"publish_at": wanted} if wanted else {})

    publish_at = datetime.fromisoformat(show(issue_id)["publish_at"])
    if then := wanted or planned:
        assert publish_at == datetime.fromisoformat(then)
        clock = boto3.client("scheduler").get_schedule(Name=issue_id, GroupName="clocks")
        assert clock["StartDate"] == publish_at
    else:
        assert datetime.now(UTC) - publish_at < timedelta(minutes=1)


def test_a_draft_is_published_once_however_often_its_key_comes(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = stored_draft()

    publish_draft(issue_id)
    send(cloud, issue_id)
    again = publish_draft(issue_id)

    assert (again["statusCode"], json_of(again)["status"]) == (202, "finished")
    assert (len(cloud.ses.mails()), clocks()) == (1, [])
    other_time = publish_draft(issue_id, body={"publish_at": "2031-01-01T00:00:00Z"})
    assert (other_time["statusCode"], problem_in(other_time)["code"]) == (
        422,
        "idempotency-key-reused",
    )
    other_key = publish_draft(issue_id, "another")
    assert (other_key["statusCode"], problem_in(other_key)["code"]) == (409, "issue-published")


def test_an_issue_that_never_was_a_draft_can_t_be_published_again(cloud: Cloud) -> None:
    issue_id = publish_issue()

    answer = publish_draft(issue_id)

    assert (answer["statusCode"], problem_in(answer)["code"]) == (409, "issue-published")


def test_a_draft_is_published_with_the_newsletter_s_present_name(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = stored_draft()
    monkeypatch.setenv("NEWSLETTER_NAME", "The Weekly Page")
    forget_everything()

    publish_draft(issue_id)
    send(cloud, issue_id)

    (mail,) = cloud.ses.mails()
    assert "The Weekly Page" in (mail.text or "")
    assert show(issue_id)["version"] == 1


def test_a_draft_with_an_error_stays_a_draft_until_the_error_is_accepted(cloud: Cloud) -> None:
    answer = post(DRAFT | {"markdown": "Dear [[nome]]"})
    issue_id = json_of(answer)["id"]
    assert [each["code"] for each in json_of(answer)["warnings"]] == [
        "unknown-placeholder",
        "no-preheader",
        "nobody-to-send-to",
    ]

    refused = publish_draft(issue_id)

    assert (refused["statusCode"], problem_in(refused)["code"]) == (400, "unsendable-issue")
    assert (show(issue_id)["status"], clocks()) == ("draft", [])
    accepted = publish_draft(issue_id, body={"accept_warnings": ["unknown-placeholder"]})
    assert (accepted["statusCode"], clocks()) == (202, [issue_id])


def test_a_clock_that_can_t_be_made_leaves_the_draft_a_draft(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id = stored_draft()

    with monkeypatch.context() as broken:
        broken.setenv("AWS_ENDPOINT_URL_SCHEDULER", "http://127.0.0.1:9")
        answer = publish_draft(issue_id)

    forget_everything()
    assert answer["statusCode"] == 503
    assert show(issue_id)["status"] == "draft"
    assert publish_draft(issue_id)["statusCode"] == 202


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"publish_at": "tomorrow"}, {"publish_at": "invalid-value"}),
        ({"publish_at": 20300101}, {"publish_at": "invalid-value"}),
        ({"title": "Two"}, {"title": "unknown-field"}),
        ({"accept_warnings": "all"}, {"accept_warnings": "not-a-list"}),
    ],
)
def test_a_bad_publication_leaves_the_draft_a_draft(
    cloud: Cloud, body: Mapping[str, object], errors: dict[str, str]
) -> None:
    issue_id = stored_draft()

    answer = publish_draft(issue_id, body=body)

    assert (answer["statusCode"], problem_in(answer)["error_codes"]) == (400, errors)
    assert (show(issue_id)["status"], clocks()) == ("draft", [])


def test_publishing_a_draft_needs_a_key_a_role_and_json(cloud: Cloud) -> None:
    issue_id = stored_draft()

    answers = [
        publish_draft(issue_id, None),
        publish_draft(issue_id, role="write"),
        publish_draft(issue_id, body="[]"),
        publish_draft(UNKNOWN),
    ]

    assert [(each["statusCode"], problem_in(each)["code"]) for each in answers] == [
        (400, "invalid-idempotency-key"),
        (403, "role-needed"),
        (400, "no-json-object"),
        (404, "issue-not-found"),
    ]
    assert (show(issue_id)["status"], clocks()) == ("draft", [])


def test_a_draft_is_deleted_with_all_its_versions(cloud: Cloud) -> None:
    issue_id = stored_draft()
    edit(issue_id, markdown="Coffee")

    answer = delete(issue_id)

    assert (answer["statusCode"], answer["body"]) == (204, "")
    assert cloud.rows("SELECT 1 FROM issues") == cloud.rows("SELECT 1 FROM issue_versions") == []
    again = delete(issue_id)
    assert (again["statusCode"], problem_in(again)["code"]) == (404, "issue-not-found")


@pytest.mark.parametrize("status", ["scheduled", "paused", "canceled", "finished"])
def test_a_published_issue_can_t_be_deleted(cloud: Cloud, status: str) -> None:
    issue_id = stored_draft()
    publish_draft(issue_id)
    if status == "finished":
        send(cloud, issue_id)
    if action := {"paused": "pause", "canceled": "cancel"}.get(status):
        act_on(issue_id, action)

    answer = delete(issue_id, role="manage")

    assert (answer["statusCode"], problem_in(answer)["code"]) == (409, "issue-published")
    assert status in problem_in(answer)["detail"]
    assert show(issue_id)["status"] == status
