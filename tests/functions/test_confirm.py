"""A link in a mail, opened and pressed: looking changes nothing, pressing the button confirms."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from broadsheet import signed_tokens
from broadsheet.domain.issues import IssueId
from broadsheet.domain.requests import (
    ConfirmationToken,
    ConfirmRequest,
    UnsubscribeToken,
    now,
    subscriber_request,
)
from broadsheet.domain.subscribers import EmailAddress, SubscriberId, SubscriberName
from functions.confirm.app import handler
from local.lambda_events import api_event
from tests.cloud import Edge, Page, context, json_of, problem_in
from tests.conftest import forget_what_was_read

RESOURCE = "/subscriptions/confirm"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

every_reader = pytest.mark.parametrize("accept", ["*/*", BROWSER])
both_methods = pytest.mark.parametrize("method", ["GET", "POST"])


def token(age: timedelta = timedelta(0)) -> ConfirmationToken:
    return ConfirmationToken(
        email=EmailAddress("ursula@example.com"),
        name=SubscriberName("Ursula"),
        issued_at=now() - age,
    )


def link(age: timedelta = timedelta(0)) -> str:
    return signed_tokens.sign_confirmation(token(age))


def unsubscribe_link() -> str:
    return signed_tokens.sign_unsubscribe(
        UnsubscribeToken(subscriber_id=SubscriberId.new(), issue_id=IssueId.new())
    )


def call(method: str, text: str | None, accept: str = BROWSER) -> dict[str, Any]:
    query = None if text is None else {"token": text}
    headers = {"Accept": accept, "User-Agent": "Firefox"}
    return handler(api_event(method, RESOURCE, query=query, headers=headers), context())


def what_is_said(answer: dict[str, Any], accept: str) -> str:
    return Page(answer).words if accept == BROWSER else str(problem_in(answer)["detail"])


@every_reader
def test_opening_the_link_shows_a_button_and_changes_nothing(edge: Edge, accept: str) -> None:
    text = link()

    answer = call("GET", text, accept)

    page = Page(answer)
    assert answer["statusCode"] == 200
    assert (page.method, page.fields) == ("post", {})
    assert "button" in page.elements
    assert not page.elements & {"script", "img", "iframe"}
    action = urlsplit(page.action)
    assert action.path == "/prod/subscriptions/confirm"
    assert parse_qs(action.query) == {"token": [text]}
    assert edge.requests() == []


def test_pressing_the_button_is_kept_for_enroll(edge: Edge) -> None:
    signed = token()
    before = now()

    answer = call("POST", signed_tokens.sign_confirmation(signed))

    assert answer["statusCode"] == 202
    assert "We have your confirmation" in Page(answer).words
    (record,) = edge.requests()
    request = subscriber_request.validate_json(record["body"])
    assert isinstance(request, ConfirmRequest)
    assert request.token == signed
    assert before <= request.received_at <= now()
    assert str(request.origin.source_address) == "192.0.2.7"
    assert request.origin.user_agent == "Firefox"


def test_a_program_may_confirm_too(edge: Edge) -> None:
    answer = call("POST", link(), accept="*/*")

    assert answer["statusCode"] == 202
    assert json_of(answer) == {"status": "received"}
    assert len(edge.requests()) == 1


def test_the_button_may_be_pressed_more_than_once(edge: Edge) -> None:
    text = link()

    first, second = call("POST", text), call("POST", text)

    assert first == second
    assert len(edge.requests()) == 2


@both_methods
@every_reader
@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: None,
        lambda _: "",
        lambda _: "x",
        lambda _: "<script>alert(1)</script>",
        lambda text: text[:-1],
        lambda text: text[1:],
        lambda text: text + "x",
        lambda text: text.upper(),
        lambda text: text.partition(".")[0],
        lambda text: "A" + text[1:] if text[0] != "A" else "B" + text[1:],
        lambda _: unsubscribe_link(),
    ],
    ids=[
        "absent",
        "empty",
        "short",
        "a script",
        "cut at its end",
        "cut at its start",
        "longer",
        "in capitals",
        "unsigned",
        "tampered with",
        "of an unsubscribe link",
    ],
)
def test_a_bad_token_is_refused_and_changes_nothing(
    edge: Edge, method: str, accept: str, spoil: Callable[[str], str | None]
) -> None:
    answer = call(method, spoil(link()), accept)

    assert answer["statusCode"] == 401
    assert "confirmation link is not valid" in what_is_said(answer, accept)
    assert "script" not in answer["body"]
    assert edge.requests() == []


@both_methods
@every_reader
def test_after_seven_days_the_link_has_expired(edge: Edge, method: str, accept: str) -> None:
    in_time = call(method, link(age=timedelta(days=6, hours=23)), accept)
    too_late = call(method, link(age=timedelta(days=7, minutes=1)), accept)

    assert in_time["statusCode"] == (200 if method == "GET" else 202)
    assert too_late["statusCode"] == 410
    assert "has expired: please sign up again" in what_is_said(too_late, accept)
    assert len(edge.requests()) == (0 if method == "GET" else 1)


@both_methods
def test_a_link_works_until_its_key_is_removed(edge: Edge, method: str) -> None:
    text = link()

    edge.put_signing_keys("2", **{"1": "a key", "2": "a new key"})
    forget_what_was_read()
    rotated = call(method, text)
    edge.put_signing_keys("2", **{"2": "a new key"})
    forget_what_was_read()
    removed = call(method, text)

    assert rotated["statusCode"] in {200, 202}
    assert removed["statusCode"] == 401
    assert len(edge.requests()) == (0 if method == "GET" else 1)


@every_reader
def test_while_the_queue_is_down_nobody_is_told_that_it_worked(edge: Edge, accept: str) -> None:
    text = link()
    edge.lose_queue()

    answer = call("POST", text, accept)

    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"] == "30"
    assert "please try again in a minute" in what_is_said(answer, accept)


@both_methods
@every_reader
def test_without_keys_no_link_is_called_wrong(edge: Edge, method: str, accept: str) -> None:
    text = link()
    forget_what_was_read()
    edge.lose_secrets()

    answer = call(method, text, accept)

    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"] == "30"
    assert edge.requests() == []


@pytest.mark.parametrize(
    ("public_url", "path"),
    [
        ("https://news.example.com", "/subscriptions/confirm"),
        ("https://example.com/the/letter/", "/the/letter/subscriptions/confirm"),
    ],
)
def test_the_button_posts_to_where_the_newsletter_is_reached(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, public_url: str, path: str
) -> None:
    monkeypatch.setenv("PUBLIC_URL", public_url)

    assert urlsplit(Page(call("GET", link())).action).path == path
    assert edge.requests() == []


@both_methods
@every_reader
@pytest.mark.parametrize("good", [True, False])
def test_a_page_with_a_token_in_its_address_is_neither_stored_nor_referred_from(
    edge: Edge, method: str, accept: str, *, good: bool
) -> None:
    headers = call(method, link() if good else "x", accept)["headers"]

    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    if accept == BROWSER:
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert len(edge.requests()) == int(good and method == "POST")


def test_the_correlation_id_goes_along_and_nothing_personal_beside_the_body(edge: Edge) -> None:
    event = api_event("POST", RESOURCE, query={"token": link()})

    handler(event, context())

    (record,) = edge.requests()
    assert record["messageAttributes"] == {
        "correlation_id": {
            "stringValue": event["requestContext"]["requestId"],
            "dataType": "String",
        }
    }


def test_no_log_line_holds_address_name_or_token_whatever_happens(
    edge: Edge, output: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good, expired = link(), link(age=timedelta(days=8))

    texts = (good, expired, good[:-1])
    statuses = [call(method, text)["statusCode"] for method in ("GET", "POST") for text in texts]
    edge.lose_queue()
    statuses.append(call("POST", good)["statusCode"])
    monkeypatch.delenv("REQUESTS_QUEUE_URL")
    statuses.append(call("POST", good)["statusCode"])
    edge.put_signing_keys("lost", **{"1": "a key of canaries"})
    forget_what_was_read()
    statuses.append(call("POST", good)["statusCode"])

    written = output()
    assert statuses == [200, 410, 401, 202, 410, 401, 503, 500, 500]
    assert len([line for line in written.splitlines() if json.loads(line)]) > len(statuses)
    for secret in (good[:20], good[-20:], expired[-20:], "ursula", "a key"):
        assert secret.lower() not in written.lower()


def test_who_has_left_since_is_shown_the_way_back(edge: Edge) -> None:
    page = Page(call("POST", link()))

    assert "Have you unsubscribed since we sent this link?" in page.words
    assert "sign up again" in page.words


def test_a_link_that_is_too_old_says_so_and_what_to_do(edge: Edge) -> None:
    page = Page(call("GET", link(age=timedelta(days=8))))

    assert "This link doesn't work any more" in page.words
    assert "sign up again" in page.words
    assert "Go to the sign-up page" in page.words


def test_a_link_scanner_that_asks_by_head_changes_nothing(edge: Edge) -> None:
    head = call("HEAD", link())

    assert (head["statusCode"], head["body"]) == (200, "")
    assert call("HEAD", "x")["statusCode"] == 401
    assert edge.requests() == []
