"""Leaving: a link with one button, or a mail client's one click (RFC 8058)."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadsheet import signed_tokens
from broadsheet.domain.issues import IssueId
from broadsheet.domain.requests import (
    ConfirmationToken,
    UnsubscribeRequest,
    UnsubscribeToken,
    now,
    subscriber_request,
)
from broadsheet.domain.subscribers import EmailAddress, SubscriberId, SubscriberName
from functions.unsubscribe.app import handler
from local.lambda_events import api_event
from tests.cloud import Edge, Page, context, json_of, problem_in
from tests.conftest import forget_what_was_read

RESOURCE = "/subscriptions/unsubscribe"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
TOKEN = UnsubscribeToken(subscriber_id=SubscriberId.new(), issue_id=IssueId.new())
ONE_CLICK = {
    "urlencoded": ("List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
    "multipart": (
        (
            '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
            "One-Click\r\n--b--\r\n"
        ),
        "multipart/form-data; boundary=b",
    ),
}

every_reader = pytest.mark.parametrize("accept", ["*/*", BROWSER])
both_methods = pytest.mark.parametrize("method", ["GET", "POST"])


def link() -> str:
    return signed_tokens.sign_unsubscribe(TOKEN)


def confirmation_link() -> str:
    return signed_tokens.sign_confirmation(
        ConfirmationToken(email=EmailAddress("u@example.com"), name=SubscriberName("Ursula"))
    )


def call(
    method: str,
    text: str | None,
    accept: str = BROWSER,
    *,
    body: str | None = None,
    content_type: str | None = None,
) -> dict[str, Any]:
    query = None if text is None else {"token": text}
    headers = {"Accept": accept, "User-Agent": "Firefox"}
    if content_type:
        headers["Content-Type"] = content_type
    event = api_event(method, RESOURCE, query=query, headers=headers, body=body)
    return handler(event, context())


def what_is_said(answer: dict[str, Any], accept: str) -> str:
    return Page(answer).words if accept == BROWSER else str(problem_in(answer)["detail"])


def taken(edge: Edge) -> UnsubscribeRequest:
    (record,) = edge.requests()
    request = subscriber_request.validate_json(record["body"])
    assert isinstance(request, UnsubscribeRequest)
    return request


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
    assert action.path == "/prod/subscriptions/unsubscribe"
    assert parse_qs(action.query) == {"token": [text]}
    assert edge.requests() == []


def test_pressing_the_button_is_kept_for_enroll_and_answered_with_a_page(edge: Edge) -> None:
    before = now()

    answer = call("POST", link(), body="", content_type="application/x-www-form-urlencoded")

    assert answer["statusCode"] == 202
    assert "The Daily Page" in Page(answer).words
    request = taken(edge)
    assert request.token == TOKEN
    assert before <= request.received_at <= now()
    assert str(request.origin.source_address) == "192.0.2.7"
    assert request.origin.user_agent == "Firefox"


@pytest.mark.parametrize("kind", ONE_CLICK)
@pytest.mark.parametrize("accept", ["*/*", "", "application/json", BROWSER])
def test_a_mail_clients_one_click_is_answered_200_and_never_redirected(
    edge: Edge, kind: str, accept: str
) -> None:
    body, content_type = ONE_CLICK[kind]

    answer = call("POST", link(), accept, body=body, content_type=content_type)

    assert answer["statusCode"] == 200
    assert "location" not in {name.lower() for name in answer["headers"]}
    assert taken(edge).token == TOKEN


def test_a_mail_client_that_sends_no_headers_at_all_is_understood(edge: Edge) -> None:
    event = api_event("POST", RESOURCE, query={"token": link()}, body="List-Unsubscribe=One-Click")
    event["headers"] = None

    answer = handler(event, context())

    assert answer["statusCode"] == 200
    assert json_of(answer) == {"status": "received"}
    assert taken(edge).origin.user_agent == ""


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (None, None),
        ("", "text/plain"),
        ("{", "application/json"),
        ("name=%FF", "application/x-www-form-urlencoded"),
        ("x" * 100_000, "application/octet-stream"),
        ("--b", "multipart/form-data"),
    ],
)
def test_no_body_is_so_wrong_that_a_reader_could_not_leave(
    edge: Edge, body: str | None, content_type: str | None
) -> None:
    answer = call("POST", link(), "*/*", body=body, content_type=content_type)

    assert answer["statusCode"] == 202
    assert taken(edge).token == TOKEN


@settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # one queue will do for all
)
@given(
    part=st.binary(max_size=200) | st.sampled_from([b"u*", b'name*0="x"; name*', b'name="\xff"']),
    content_type=st.sampled_from(
        ["multipart/form-data; boundary=b", "multipart/form-data", "multipart/form-data; boundary"]
    )
    | st.text(max_size=40),
    accept=st.sampled_from(["*/*", BROWSER]),
)
def test_whatever_form_a_mail_client_sends_its_reader_leaves(
    edge: Edge, part: bytes, content_type: str, accept: str
) -> None:
    body = b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n\r\nOne-Click\r\n--b--\r\n"
    headers = {"Accept": accept, "Content-Type": content_type}
    event = api_event("POST", RESOURCE, query={"token": link()}, headers=headers)
    event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}

    answer = handler(event, context())

    assert answer["statusCode"] == (200 if b"List-Unsubscribe" in body else 202)
    assert taken(edge).token == TOKEN


def test_leaving_twice_is_harmless(edge: Edge) -> None:
    first, second = call("POST", link()), call("POST", link())

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
        lambda text: text.swapcase(),
        lambda text: text.partition(".")[0],
        lambda text: "A" + text[1:] if text[0] != "A" else "B" + text[1:],
        lambda _: confirmation_link(),
    ],
    ids=[
        "absent",
        "empty",
        "short",
        "a script",
        "cut at its end",
        "cut at its start",
        "longer",
        "in the other case",
        "unsigned",
        "tampered with",
        "of a confirmation link",
    ],
)
def test_a_bad_token_is_refused_and_changes_nothing(
    edge: Edge, method: str, accept: str, spoil: Callable[[str], str | None]
) -> None:
    answer = call(method, spoil(link()), accept)

    assert answer["statusCode"] == 401
    assert "unsubscribe link is not valid" in what_is_said(answer, accept)
    assert "script" not in answer["body"]
    assert edge.requests() == []


def test_a_one_click_with_a_bad_token_is_refused(edge: Edge) -> None:
    body, content_type = ONE_CLICK["urlencoded"]

    answer = call("POST", link()[:-1], "*/*", body=body, content_type=content_type)

    assert answer["statusCode"] == 401
    assert problem_in(answer)
    assert edge.requests() == []


def test_the_link_works_a_hundred_years_later(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    text = link()
    monkeypatch.setattr(signed_tokens, "now", lambda: datetime(2126, 1, 1, tzinfo=UTC))

    answer = call("POST", text)

    assert answer["statusCode"] == 202
    assert taken(edge).token == TOKEN


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
@pytest.mark.parametrize("body", [None, "List-Unsubscribe=One-Click"])
def test_while_the_queue_is_down_nobody_is_told_that_it_worked(
    edge: Edge, accept: str, body: str | None
) -> None:
    text = link()
    edge.lose_queue()

    answer = call("POST", text, accept, body=body)

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
        ("https://news.example.com", "/subscriptions/unsubscribe"),
        ("https://example.com/the/letter/", "/the/letter/subscriptions/unsubscribe"),
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


def test_no_log_line_holds_a_token_whatever_happens(
    edge: Edge, output: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = link()

    texts = (good, good[:-1])
    statuses = [call(method, text)["statusCode"] for method in ("GET", "POST") for text in texts]
    edge.lose_queue()
    statuses.append(call("POST", good)["statusCode"])
    monkeypatch.delenv("REQUESTS_QUEUE_URL")
    statuses.append(call("POST", good)["statusCode"])
    edge.put_signing_keys("lost", **{"1": "a key of canaries"})
    forget_what_was_read()
    statuses.append(call("POST", good)["statusCode"])

    written = output()
    assert statuses == [200, 401, 202, 401, 503, 500, 500]
    assert len([line for line in written.splitlines() if json.loads(line)]) > len(statuses)
    for secret in (good[:20], good[-20:], "a key"):
        assert secret not in written


def test_nobody_who_wants_to_leave_is_asked_to_sign_up(edge: Edge) -> None:
    page = Page(call("GET", "x"))

    assert "This link doesn't work" in page.words
    assert "use the one in any other issue" in page.words
    assert "sign" not in page.words.lower()


def test_a_link_scanner_that_asks_by_head_changes_nothing(edge: Edge) -> None:
    head = call("HEAD", link())

    assert (head["statusCode"], head["body"]) == (200, "")
    assert call("HEAD", "x")["statusCode"] == 401
    assert edge.requests() == []
