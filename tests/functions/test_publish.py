"""Publishing an issue: once for each key, at once or later."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from broadsheet.database import subscribers_table
from broadsheet.domain.issue_requests import MAX_CONTENT_CHARACTERS
from functions.publish.app import handler
from local.lambda_events import api_event
from tests.cloud import Cloud, context, json_of, problem_in
from tests.conftest import forget_everything

ISSUE = {"title": "Number one", "markdown": "Hello, **world**"}
FLAWLESS = ISSUE | {"preheader": "To the world"}


def post(
    body: Mapping[str, object] | str = ISSUE,
    *,
    key: str | None = "first",
    author: str = "ada",
    content_type: str = "application/json",
) -> dict[str, Any]:
    headers = {"content-type": content_type} | ({"idempotency-key": key} if key else {})
    text = body if isinstance(body, str) else json.dumps(body)
    return handler(
        api_event("POST", "/issues", body=text, headers=headers, author=author), context()
    )


def get(query: Mapping[str, str] | None = None) -> dict[str, Any]:
    return handler(api_event("GET", "/issues", query=query, author="ada"), context())


def get_issue(issue_id: str) -> dict[str, Any]:
    event = api_event("GET", "/issues/{id}", path_parameters={"id": issue_id}, author="ada")
    return handler(event, context())


def clocks() -> list[str]:
    return [s["Name"] for s in boto3.client("scheduler").list_schedules()["Schedules"]]


def test_a_published_issue_has_its_location_and_its_clock(cloud: Cloud) -> None:
    answer = post()

    document = json_of(answer)
    assert answer["statusCode"] == 202
    assert answer["headers"]["Location"] == f"/issues/{document['id']}"
    assert document["title"] == "Number one"
    assert clocks() == [document["id"]]
    row = cloud.row("SELECT author, status, content, html FROM issues")
    assert (row["author"], row["status"]) == ("ada", "scheduled")
    assert row["content"] == {"markdown": "Hello, **world**"}
    assert "<strong>world</strong>" in row["html"]


def test_the_same_request_with_the_same_key_is_one_issue_and_one_response(cloud: Cloud) -> None:
    first = post()
    again = post({"markdown": "Hello, **world**", "title": " Number one "})

    assert (again["statusCode"], again["body"]) == (first["statusCode"], first["body"])
    assert len(cloud.rows("SELECT 1 FROM issues")) == 1
    assert len(clocks()) == 1


def test_another_request_with_the_same_key_is_refused(cloud: Cloud) -> None:
    post()

    answer = post({"title": "Number two", "markdown": "Hello"})

    assert answer["statusCode"] == 422
    assert "Idempotency-Key" in json_of(answer)["detail"]
    assert len(cloud.rows("SELECT 1 FROM issues")) == 1


IN_AN_HOUR = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
AN_HOUR_AGO = (datetime.now(UTC) - timedelta(hours=1)).isoformat()


@pytest.mark.parametrize(
    ("time", "words", "advice"),
    [
        ({}, "goes to 0 readers now", "takes another issue (for programs: a new Idempotency-Key)"),
        ({"publish_at": AN_HOUR_AGO}, "goes to 0 readers now", "(for programs: a new"),
        ({"publish_at": IN_AN_HOUR}, "would go to 0 readers now", "nobody has confirmed yet"),
    ],
    ids=["at once", "past", "scheduled"],
)
def test_an_issue_without_an_audience_has_a_warning(
    cloud: Cloud, time: dict[str, str], words: str, advice: str
) -> None:
    cloud.rows(
        "INSERT INTO subscribers (id, email, name, language, signed_up_at)"
        " SELECT gen_random_uuid(), 'u@example.com', 'Ursula', 'en', now()"
    )

    document = json_of(post(FLAWLESS | time))

    assert document["audience_now"] == 0
    (warning,) = [each for each in document["warnings"] if each["code"] == "nobody-to-send-to"]
    assert words in warning["message"]
    assert advice in warning["message"]


def test_the_response_says_how_many_readers_there_are_now(cloud: Cloud) -> None:
    cloud.add_confirmed("u@example.com", "v@example.com")
    gone = cloud.add_confirmed("w@example.com")
    cloud.rows("UPDATE subscribers SET unsubscribed_at = now() WHERE id = ANY(%(i)s)", i=gone)

    document = json_of(post(FLAWLESS))

    assert document["audience_now"] == 2
    assert document["warnings"] == []


def test_counting_the_readers_takes_no_longer_with_more_of_them(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers_table, "COUNTED_EXACTLY", 100)
    cloud.rows(
        """
        INSERT INTO subscribers
            (id, email, name, language, signed_up_at, confirmation_issued_at, confirmed_at)
        SELECT gen_random_uuid(), number || '@example.com', 'Ursula', 'en', now(), at, at
        FROM generate_series(1, 20000) AS number,
             LATERAL (SELECT CASE WHEN mod(number, 4) = 0 THEN now() END AS at) AS confirmation
        """
    )
    cloud.rows("ANALYZE subscribers")

    document = json_of(post())

    assert document["audience_now"] == pytest.approx(5000, rel=0.3)
    assert document["audience_now"] % 1000 == 0
    cloud.rows("UPDATE subscribers SET unsubscribed_at = now() WHERE status = 'confirmed'")
    cloud.rows("ANALYZE subscribers")
    assert json_of(post(key="second"))["audience_now"] == 0


def test_the_readers_are_counted_without_looking_at_those_who_never_confirmed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers_table, "COUNTED_EXACTLY", 100)
    for confirmed_at in ("NULL", "now()"):  # the old robots first, as a newsletter has them
        cloud.rows(
            f"""
            INSERT INTO subscribers
                (id, email, name, language, signed_up_at, confirmation_issued_at, confirmed_at)
            SELECT gen_random_uuid(), gen_random_uuid() || '@example.com', 'Ursula', 'en', now(),
                   {confirmed_at}, {confirmed_at}
            FROM generate_series(1, 20000)
            """  # noqa: S608 - one of two words above
        )
    cloud.rows("ANALYZE subscribers")
    read = """
        SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'subscribers_confirmed'
    """
    scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'subscribers'"
    cloud.rows("SELECT pg_stat_reset()")

    assert json_of(post())["audience_now"] == pytest.approx(20_000, rel=0.1)

    cloud.rows("SELECT pg_stat_force_next_flush()")
    assert cloud.row(scans)["seq_scan"] == 0
    assert 0 < cloud.row(read)["idx_tup_read"] <= 101


def test_two_authors_may_use_the_same_key(cloud: Cloud) -> None:
    post(author="ada")
    post(author="grace")

    assert len(cloud.rows("SELECT 1 FROM issues")) == 2


def test_without_its_clock_an_issue_is_not_published(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SCHEDULER", "http://127.0.0.1:9")

    answer = post()

    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"]
    assert cloud.rows("SELECT 1 FROM issues") == []
    monkeypatch.delenv("AWS_ENDPOINT_URL_SCHEDULER")
    forget_everything()
    assert post()["statusCode"] == 202


def test_an_issue_may_be_scheduled_and_its_clock_starts_then(cloud: Cloud) -> None:
    then = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)

    answer = post(ISSUE | {"publish_at": then.isoformat()})

    document = json_of(answer)
    assert datetime.fromisoformat(document["publish_at"]) == then
    clock = boto3.client("scheduler").get_schedule(Name=document["id"], GroupName="clocks")
    assert clock["StartDate"] == then
    assert cloud.row("SELECT status FROM issues")["status"] == "scheduled"


def test_html_with_its_text_is_published_as_given(cloud: Cloud) -> None:
    answer = post({"title": "One", "content": {"html": "<p>Hi {{you}}</p>", "text": "Hi {{you}}"}})

    assert answer["statusCode"] == 202
    assert cloud.row("SELECT content FROM issues")["content"] == {
        "html": "<p>Hi {{you}}</p>",
        "text": "Hi {{you}}",
    }


def test_html_without_a_text_is_published_with_one(cloud: Cloud) -> None:
    answer = post({"title": "One", "content": {"html": "<p>Hi <b>all</b>, [[name]]"}})

    assert answer["statusCode"] == 202
    text = str(cloud.row("SELECT text FROM issues")["text"])
    assert text.startswith("One\n===\n\nHi *all*, {{name_text}}\n")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"markdown": "x"}, "title"),
        ({"title": "  ", "markdown": "x"}, "title"),
        ({"title": "two\nlines", "markdown": "x"}, "title"),
        ({"title": "x" * 201, "markdown": "x"}, "title"),
        ({"title": "One"}, "content"),
        ({"title": "One", "markdown": " \n "}, "markdown"),
        ({"title": "One", "markdown": "x" * (MAX_CONTENT_CHARACTERS + 1)}, "markdown"),
        ({"title": "One", "content": {"text": "only"}}, "content"),
        ({"title": "One", "markdown": "x", "content": {"html": "a", "text": "b"}}, "request"),
        ({"title": "One", "markdown": "a NUL: \x00"}, "markdown"),
        ({"title": "One", "content": {"html": "<p>\x0b</p>", "text": "b"}}, "content"),
        ({"title": "One", "content": {"html": "<p>a</p>", "text": "\x1b[31m"}}, "content"),
        (ISSUE | {"publish_at": "tomorrow"}, "publish_at"),
        (ISSUE | {"publish_at": "2026-12-24T10:00:00"}, "publish_at"),
        (ISSUE | {"publish_at": 20261224}, "publish_at"),
        (ISSUE | {"publish_at": "20261224"}, "publish_at"),
        (ISSUE | {"publish_at": "2026"}, "publish_at"),
        (ISSUE | {"publish_at": 0}, "publish_at"),
        (ISSUE | {"publish_at": 1.5}, "publish_at"),
        (ISSUE | {"publish_at": -1}, "publish_at"),
        (ISSUE | {"publish_at": True}, "publish_at"),
        ({"title": "Zo\ufffd", "markdown": "x"}, "title"),
        ({"title": "One", "markdown": "Zo\ufffd"}, "markdown"),
        ({"title": "One", "content": {"html": "<p>\ufffd</p>", "text": "b"}}, "content"),
        (ISSUE | {"subtitle": "?"}, "subtitle"),
        (ISSUE | {"accept_warnings": "relative-link"}, "accept_warnings"),
        (ISSUE | {"accept_warnings": [7]}, "accept_warnings"),
        (ISSUE | {"accept_warnings": ["No Code"]}, "accept_warnings"),
        (ISSUE | {"accept_warnings": ["x"] * 101}, "accept_warnings"),
    ],
)
def test_a_bad_issue_is_refused_and_not_stored(
    cloud: Cloud, body: dict[str, object], field: str
) -> None:
    answer = post(body)

    assert answer["statusCode"] == 400
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert any(name.split(".")[0] == field for name in json_of(answer)["errors"])
    assert cloud.rows("SELECT 1 FROM issues") == []


FAULTY = (
    "Dear [[nome]],\n\nsee [our page](about.html)\n\n![A pier](pier.png)\n\n"
    "and [[vorname]] and <!-- a note"
)
ITS_ERRORS = ["unknown-placeholder", "relative-link", "relative-image", "unfinished-comment"]


def test_all_that_is_wrong_with_an_issue_is_said_at_once_with_its_lines(cloud: Cloud) -> None:
    answer = post({"title": "One", "markdown": FAULTY})

    problem = problem_in(answer)
    assert (answer["statusCode"], problem["code"]) == (400, "unsendable-issue")
    errors = [
        (each["code"], each["where"]) for each in problem["warnings"] if each["severity"] == "error"
    ]
    assert errors == [
        ("unknown-placeholder", "line 1"),
        ("relative-link", "line 3"),
        ("relative-image", "line 5"),
        ("unfinished-comment", "line 7"),
        ("unknown-placeholder", "line 7"),
    ]
    assert "line 5: an image is at pier.png, which is no whole address" in problem["detail"]
    assert cloud.rows("SELECT 1 FROM issues") == []
    assert clocks() == []


def test_errors_that_the_author_accepts_are_published_and_answered(cloud: Cloud) -> None:
    wanted = {"title": "One", "markdown": FAULTY}
    some = post(wanted | {"accept_warnings": ITS_ERRORS[:2]})
    answer = post(wanted | {"accept_warnings": ITS_ERRORS})
    again = post(wanted | {"accept_warnings": [*ITS_ERRORS, "no-such-code"]})

    assert some["statusCode"] == 400
    assert answer["statusCode"] == 202
    assert {each["code"] for each in json_of(answer)["warnings"]} >= set(ITS_ERRORS)
    assert again["body"] == answer["body"]
    assert "[[nome]]" in cloud.row("SELECT text FROM issues")["text"]


def test_a_draft_is_stored_with_its_errors(cloud: Cloud) -> None:
    answer = post({"title": "One", "markdown": FAULTY, "draft": True})

    assert answer["statusCode"] == 202
    assert {each["code"] for each in json_of(answer)["warnings"]} >= set(ITS_ERRORS)
    assert cloud.row("SELECT status FROM issues")["status"] == "draft"


def codes(answer: dict[str, Any]) -> list[str]:
    return [each["code"] for each in json_of(answer)["warnings"]]


def test_an_issue_that_resembles_an_earlier_one_has_warnings(cloud: Cloud) -> None:
    cloud.add_confirmed("u@example.com")
    assert codes(post(FLAWLESS)) == []
    scheduled = post(FLAWLESS | {"title": "number ONE"}, key="second")
    cloud.rows(
        "UPDATE issues SET frozen_at = now(), frozen_under = 6, status = 'sending', audience = 1"
    )

    sent = post(FLAWLESS, key="third")
    another = post(FLAWLESS | {"title": "Number two", "markdown": "Hi"}, key="fourth")

    assert codes(scheduled) == ["subject-as-last"]
    assert codes(sent) == ["same-as-sent", "subject-as-last"]
    assert codes(another) == []
    assert codes(post(FLAWLESS)) == ["same-as-sent"]  # as the second, but not as itself


def test_an_issue_does_not_resemble_a_draft_or_a_canceled_one(cloud: Cloud) -> None:
    cloud.add_confirmed("u@example.com")
    post(FLAWLESS | {"draft": True})
    post(FLAWLESS, key="second")
    cloud.rows("UPDATE issues SET status = 'canceled', canceled_at = now() WHERE status <> 'draft'")

    assert codes(post(FLAWLESS, key="third")) == []


@pytest.mark.parametrize(
    ("publish_at", "expected"),
    [
        (timedelta(hours=-1), ["publish-at-past"]),
        (timedelta(minutes=-1), []),
        (timedelta(days=365), []),
        (timedelta(days=800), ["publish-at-far"]),
    ],
)
def test_a_time_that_is_most_likely_mistyped_has_a_warning(
    cloud: Cloud, publish_at: timedelta, expected: list[str]
) -> None:
    cloud.add_confirmed("u@example.com")
    moment = (datetime.now(UTC) + publish_at).isoformat()

    assert codes(post(FLAWLESS | {"publish_at": moment})) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "has passed: the issue is sent at once."),
        ({"draft": True}, "has passed: the issue is sent at once when it is published."),
    ],
)
def test_a_time_that_has_passed_sends_a_draft_only_once_it_is_published(
    cloud: Cloud, fields: dict[str, Any], expected: str
) -> None:
    cloud.add_confirmed("u@example.com")
    an_hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()

    answer = json_of(post(FLAWLESS | {"publish_at": an_hour_ago} | fields))

    assert answer["warnings"][0]["message"].endswith(expected)


@pytest.mark.parametrize(
    ("code", "html"),
    [
        ("placeholder-in-markup", "<script>'[[name]]'</script>"),
        ("name-in-host", "<a href='https://[[name]].example.com/'>x</a>"),
        ("unfinished-markup", "<p>x</p><!-- y"),
        ("too-complex", "<b>" * 501),
        ("too-large", "é" * 200_000),
    ],
)
def test_what_no_mail_can_carry_is_refused_whatever_is_accepted(
    cloud: Cloud, code: str, html: str
) -> None:
    answer = post(
        {
            "title": "One",
            "content": {"html": f"<p>Hello</p>{html}", "text": "Hello"},
            "accept_warnings": [code],
        }
    )

    assert answer["statusCode"] == 400
    assert code in [each["code"] for each in problem_in(answer)["warnings"]]
    assert cloud.rows("SELECT 1 FROM issues") == []


@pytest.mark.parametrize("key", [None, "two words", "ü", "k" * 256])
def test_an_idempotency_key_is_needed(cloud: Cloud, key: str | None) -> None:
    answer = post(key=key)

    assert answer["statusCode"] == 400
    assert "Idempotency-Key" in json_of(answer)["detail"]
    assert cloud.rows("SELECT 1 FROM issues") == []


def test_a_body_that_is_not_json_or_too_large_is_refused(cloud: Cloud) -> None:
    assert post("{", key="a")["statusCode"] == 400
    assert post("[]", key="b")["statusCode"] == 400
    assert post("hi", content_type="text/plain")["statusCode"] == 415
    assert post('"' + "x" * (2 * 1024 * 1024) + '"')["statusCode"] == 413
    assert cloud.rows("SELECT 1 FROM issues") == []


def test_while_the_database_is_down_publishing_waits_and_then_is_refused(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMINGS", '{"publish_connect_timeout": 0.1}')

    with cloud.database_down():
        answer = post()

    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"]
    assert "database" in json_of(answer)["detail"]
    assert clocks() == []
    assert post()["statusCode"] == 202


def test_issues_are_listed_newest_first_page_by_page(cloud: Cloud) -> None:
    ids = [json_of(post(ISSUE | {"title": f"No. {n}"}, key=str(n)))["id"] for n in range(5)]

    first = json_of(get({"limit": "3"}))
    before = first["next"].partition("before=")[2]
    second = json_of(get({"limit": "3", "before": before}))

    assert [issue["id"] for issue in first["issues"]] == ids[:1:-1]
    assert [issue["id"] for issue in second["issues"]] == ids[1::-1]
    assert second["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "x"},
        {"limit": "101"},
        {"limit": "1" * 5000},
        {"before": "x"},
        {"before": "WzEsMl0"},
    ],
)
def test_a_page_that_does_not_exist_is_refused(cloud: Cloud, query: dict[str, str]) -> None:
    assert get(query)["statusCode"] == 400


def test_an_issue_is_shown_without_books_before_its_audience_is_fixed(cloud: Cloud) -> None:
    issue_id = json_of(post())["id"]

    document = json_of(get_issue(issue_id))

    assert document["status"] == "scheduled"
    assert document["audience"] is None
    assert document["books"] is None


@pytest.mark.parametrize("issue_id", ["0b9e1a5e-0000-4000-8000-000000000000", "7", "../secrets"])
def test_an_issue_that_does_not_exist_is_not_found(cloud: Cloud, issue_id: str) -> None:
    assert get_issue(issue_id)["statusCode"] == 404


def test_a_clock_that_could_not_call_dispatch_leaves_a_dead_letter(cloud: Cloud) -> None:
    issue_id = json_of(post())["id"]

    clock = boto3.client("scheduler").get_schedule(GroupName="clocks", Name=issue_id)

    kept = cloud.environment["ISSUE_CLOCK_DEAD_LETTER_QUEUE_ARN"]
    assert clock["Target"]["DeadLetterConfig"] == {"Arn": kept}
