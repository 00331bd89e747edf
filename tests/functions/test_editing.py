"""Editing an issue: whose edit counts, in which state, and what is refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cloud import Cloud, json_of, problem_in
from tests.functions.issues import (
    MARKDOWN,
    act_on,
    content,
    edit,
    publish_issue,
    send,
    show,
    tick,
)

UNKNOWN = "0b9e1a5e-0000-4000-8000-000000000000"
HTML = {"html": "<p>Coffee</p>"}
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()


@pytest.fixture
def draft(cloud: Cloud) -> str:
    return publish_issue(draft=True, preheader="Tea", slug="tea", archive=False)


@pytest.fixture
def scheduled(cloud: Cloud) -> str:
    return publish_issue(publish_at=TOMORROW)


def stored(cloud: Cloud) -> list[dict[str, object]]:
    return cloud.rows("SELECT version, title, html FROM issues") + cloud.rows(
        "SELECT version, title, html FROM issue_versions ORDER BY version"
    )


def test_an_edit_makes_the_next_version_and_keeps_the_one_before(cloud: Cloud, draft: str) -> None:
    answer = edit(draft, '"1"', title="Number two", markdown="Coffee", author="grace")

    assert (answer["statusCode"], answer["headers"]["ETag"]) == (200, '"2"')
    document = json_of(answer)
    assert (document["version"], document["title"], document["status"]) == (
        2,
        "Number two",
        "draft",
    )
    assert [each["code"] for each in document["warnings"]] == ["no-preheader"]
    now, before = content(draft), content(draft, "1")
    assert (now["headers"]["ETag"], before["headers"]["ETag"]) == ('"2"', '"1"')
    written = {
        (each["version"], each["author"], each["title"], each["markdown"], each["preheader"])
        for each in (json_of(now), json_of(before))
    }
    assert written == {
        (2, "grace", "Number two", "Coffee", None),
        (1, "ada", "Number one", MARKDOWN, "Tea"),
    }


def warned(answer: dict[str, Any]) -> set[str]:
    return {each["code"] for each in json_of(answer)["warnings"]}


def test_an_edit_warns_of_an_earlier_issue_that_is_alike(cloud: Cloud, draft: str) -> None:
    cloud.add_confirmed("u@example.com")
    send(cloud, publish_issue())

    assert {"same-as-sent", "subject-as-last"} <= warned(edit(draft))


@pytest.mark.parametrize(("days", "code"), [(-1, "publish-at-past"), (800, "publish-at-far")])
def test_every_time_that_is_most_likely_mistyped_has_a_warning(
    cloud: Cloud, draft: str, days: int, code: str
) -> None:
    cloud.add_confirmed("u@example.com")
    moment = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    planned = publish_issue(draft=True, publish_at=moment, slug="planned")
    moved, sent = publish_issue(publish_at=TOMORROW), publish_issue()
    send(cloud, sent)
    cloud.rows("UPDATE issues SET version = 2 WHERE id = %(id)s", id=sent)
    correction = {"title": "Wrong", "markdown": "Sorry", "publish_at": moment}

    for answer in (
        act_on(draft, "publish", key="1", publish_at=moment),
        act_on(moved, "schedule", publish_at=moment),
        act_on(sent, "correct", key="2", **correction),
        edit(planned),
        act_on(planned, "publish", key="3"),
    ):
        assert answer["statusCode"] in {200, 202}, answer["body"]
        assert code in warned(answer)


def test_an_edit_leaves_slug_and_archive_unless_it_names_them(cloud: Cloud, draft: str) -> None:
    edit(draft, title="Number two")
    kept = show(draft)
    edit(draft, slug="coffee", archive=True)
    changed = show(draft)

    assert (kept["slug"], kept["archive"]) == ("tea", False)
    assert (changed["slug"], changed["archive"]) == ("coffee", True)


CAREFUL = {"sample": 0.1, "hold": "PT2H"}


@pytest.mark.parametrize("story", ["draft", "scheduled"])
def test_an_edit_changes_how_an_issue_starts_until_it_has(
    request: pytest.FixtureRequest, story: str
) -> None:
    issue_id = request.getfixturevalue(story)

    begun = [json_of(edit(issue_id, careful=CAREFUL)), json_of(edit(issue_id, title="Number two"))]
    ended = json_of(edit(issue_id, careful=None))

    assert [(each["careful"]["sample"], each["careful"]["hold"]) for each in begun] == [
        (0.1, "PT2H")
    ] * 2
    assert ended["careful"] is None


def test_how_an_issue_has_started_can_t_be_changed(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    issue_id = publish_issue(careful=CAREFUL)
    tick(issue_id)
    act_on(issue_id, "pause")
    before = show(issue_id)

    refused = [edit(issue_id, careful=careful) for careful in (None, CAREFUL | {"sample": 0.5})]

    assert [problem_in(each)["code"] for each in refused] == ["careful-start-fixed"] * 2
    assert show(issue_id) == before
    assert json_of(edit(issue_id, careful=CAREFUL))["version"] == before["version"] + 1


@pytest.mark.parametrize("html", [HTML | {"text": "Coffee"}, HTML], ids=["text", "no text"])
def test_html_is_shown_as_it_was_written(cloud: Cloud, draft: str, html: dict[str, str]) -> None:
    edit(draft, content=html, without=["markdown"])

    document = json_of(content(draft))
    assert document["content"] == html
    assert "markdown" not in document


@pytest.mark.parametrize("if_match", ['"1"', "*", '"7", "1"', ' "1" '])
def test_an_edit_of_the_current_version_is_taken(cloud: Cloud, draft: str, if_match: str) -> None:
    assert edit(draft, if_match)["statusCode"] == 200


@pytest.mark.parametrize("if_match", ['"1"', '"3"', 'W/"2"', "2", '"', "", '"2'])
def test_an_edit_of_another_version_is_refused(cloud: Cloud, draft: str, if_match: str) -> None:
    edit(draft, '"1"', markdown="Coffee")
    before = stored(cloud)

    answer = edit(draft, if_match or " ", markdown="Cocoa")

    assert answer["statusCode"] == 412
    problem = problem_in(answer)
    assert (problem["code"], problem["version"]) == ("stale-version", 2)
    assert "version 2" in problem["detail"]
    assert stored(cloud) == before


def test_an_edit_says_which_version_it_is_of(cloud: Cloud, draft: str) -> None:
    answer = edit(draft, None)

    assert (answer["statusCode"], problem_in(answer)["code"]) == (428, "if-match-needed")
    assert show(draft)["version"] == 1


def test_a_write_token_edits_drafts_and_nothing_else(
    cloud: Cloud, draft: str, scheduled: str
) -> None:
    assert edit(draft, role="write")["statusCode"] == 200

    refused = edit(scheduled, role="write", markdown="Coffee")

    assert refused["statusCode"] == 403
    assert (problem_in(refused)["code"], problem_in(refused)["role"]) == ("role-needed", "publish")
    assert show(scheduled)["version"] == 1
    assert edit(scheduled, role="publish")["statusCode"] == 200


def finish(cloud: Cloud, issue_id: str) -> None:
    act_on(issue_id, "schedule", publish_at=datetime.now(UTC).isoformat())
    send(cloud, issue_id)


def begin(cloud: Cloud, issue_id: str) -> None:
    cloud.add_confirmed("ursula@example.com")
    throttle = cloud.ses.control.drop(take="never")
    finish(cloud, issue_id)
    cloud.ses.control.end(throttle)


@pytest.mark.parametrize(
    ("come_to", "status", "code"),
    [
        (begin, "sending", "issue-sending"),
        (finish, "finished", "issue-not-editable"),
        (lambda _, issue_id: act_on(issue_id, "cancel"), "canceled", "issue-not-editable"),
    ],
    ids=["sending", "finished", "canceled"],
)
def test_an_issue_that_is_on_its_way_or_has_ended_can_t_be_edited(
    cloud: Cloud,
    scheduled: str,
    come_to: Callable[[Cloud, str], object],
    status: str,
    code: str,
) -> None:
    come_to(cloud, scheduled)
    before = stored(cloud)

    answer = edit(scheduled, '"1"', markdown="Coffee")

    assert (answer["statusCode"], problem_in(answer)["code"]) == (409, code)
    assert (show(scheduled)["status"], stored(cloud)) == (status, before)


@pytest.mark.parametrize(
    ("fields", "without", "field", "code"),
    [
        ({}, ["title"], "title", "missing-field"),
        ({}, ["markdown"], "content", "missing-content"),
        ({"title": 7}, [], "title", "not-text"),
        ({"title": "x" * 201}, [], "title", "invalid-value"),
        ({"markdown": "x" * 400_001}, [], "markdown", "invalid-value"),
        ({"markdown": ["Hello"]}, [], "markdown", "not-text"),
        ({"preheader": "x" * 201}, [], "preheader", "invalid-value"),
        ({"slug": "A"}, [], "slug", "invalid-value"),
        ({"archive": "no"}, [], "archive", "not-a-truth-value"),
        ({"publish_at": TOMORROW}, [], "publish_at", "unknown-field"),
        ({"draft": True}, [], "draft", "unknown-field"),
        ({"version": 1}, [], "version", "unknown-field"),
    ],
)
def test_a_bad_edit_is_refused_and_nothing_is_stored(  # noqa: PLR0913, PLR0917 - a table's columns
    cloud: Cloud,
    draft: str,
    fields: dict[str, Any],
    without: list[str],
    field: str,
    code: str,
) -> None:
    before = stored(cloud)

    answer = edit(draft, without=without, **fields)

    assert (answer["statusCode"], problem_in(answer)["error_codes"]) == (400, {field: code})
    assert stored(cloud) == before


def test_what_can_t_be_sent_is_kept_in_a_draft_and_refused_in_a_scheduled_issue(
    cloud: Cloud, draft: str, scheduled: str
) -> None:
    wrong = "Dear [[nome]]"
    before = show(scheduled), content(scheduled)

    kept, refused = edit(draft, markdown=wrong), edit(scheduled, markdown=wrong)

    assert [each["code"] for each in json_of(kept)["warnings"]] == [
        "unknown-placeholder",
        "no-preheader",
        "subject-as-last",
    ]
    assert json_of(content(draft))["markdown"] == wrong
    assert (refused["statusCode"], problem_in(refused)["code"]) == (400, "unsendable-issue")
    assert (show(scheduled), content(scheduled)) == before
    accepted = edit(scheduled, markdown=wrong, accept_warnings=["unknown-placeholder"])
    assert (accepted["statusCode"], json_of(accepted)["version"]) == (200, 2)


def test_an_edit_can_t_take_another_issue_s_slug(cloud: Cloud, draft: str, scheduled: str) -> None:
    before = show(scheduled)

    answer = edit(scheduled, slug="tea")

    assert (answer["statusCode"], problem_in(answer)["code"]) == (409, "slug-taken")
    assert show(scheduled) == before
    assert edit(draft, slug="tea")["statusCode"] == 200


@pytest.mark.parametrize("issue_id", [UNKNOWN, "7"])
def test_an_issue_that_does_not_exist_can_t_be_edited_or_read(cloud: Cloud, issue_id: str) -> None:
    for answer in (edit(issue_id), content(issue_id), content(issue_id, "1")):
        assert (answer["statusCode"], problem_in(answer)["code"]) == (404, "issue-not-found")


@pytest.mark.parametrize(
    ("version", "status", "code"),
    [
        ("2", 404, "version-not-found"),
        ("999999999", 404, "version-not-found"),
        ("0", 400, "invalid-version"),
        ("", 400, "invalid-version"),
        ("-1", 400, "invalid-version"),
        ("one", 400, "invalid-version"),
        ("1.0", 400, "invalid-version"),
        ("1" * 10, 400, "invalid-version"),
        ("\N{ARABIC-INDIC DIGIT ONE}", 400, "invalid-version"),
    ],
)
def test_a_version_that_does_not_exist_is_not_shown(
    cloud: Cloud, draft: str, version: str, status: int, code: str
) -> None:
    answer = content(draft, version)

    assert (answer["statusCode"], problem_in(answer)["code"]) == (status, code)
