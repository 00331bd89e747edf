"""Leaving: one button, or a mail client's one click (RFC 8058).

``test_signed_links.py`` has what all links do.
"""

import base64
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadsheet import signed_tokens
from broadsheet.domain.requests import UnsubscribeRequest, read_queued
from tests.cloud import Edge, Page, context, json_of, problem_in
from tests.functions.signed_links import BROWSER, UNSUBSCRIBE, UNSUBSCRIBE_TOKEN, unsubscribe_link

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


def press(
    text: str, accept: str = "*/*", *, body: str | None = None, content_type: str | None = None
) -> dict[str, Any]:
    headers = {"Content-Type": content_type} if content_type else {}
    return UNSUBSCRIBE.call("POST", text, accept, body=body, headers=headers)


def taken(edge: Edge) -> UnsubscribeRequest:
    (record,) = edge.requests()
    request = read_queued(record["body"])
    assert isinstance(request, UnsubscribeRequest)
    return request


@pytest.mark.parametrize("kind", ONE_CLICK)
@pytest.mark.parametrize("accept", ["*/*", "", "application/json", BROWSER])
def test_a_mail_clients_one_click_gets_a_200_and_never_a_redirect(
    edge: Edge, kind: str, accept: str
) -> None:
    body, content_type = ONE_CLICK[kind]

    answer = press(unsubscribe_link(), accept, body=body, content_type=content_type)

    assert answer["statusCode"] == 200
    assert "location" not in {name.lower() for name in answer["headers"]}
    assert taken(edge).token == UNSUBSCRIBE_TOKEN


@pytest.mark.parametrize(
    ("query", "body", "way"),
    [
        ("", None, "link"),
        ("", "List-Unsubscribe=One-Click", "one-click"),
        ("&by=mail", "List-Unsubscribe=One-Click", "mail"),
        ("&by=pigeon", None, "link"),
    ],
    ids=["link", "one click", "mail", "unknown"],
)
def test_the_way_of_leaving_is_kept(edge: Edge, query: str, body: str | None, way: str) -> None:
    event = UNSUBSCRIBE.event("POST", unsubscribe_link(), body=body)
    event["queryStringParameters"] |= dict(parse_qsl(query))

    UNSUBSCRIBE.handler(event, context())

    assert taken(edge).way == way


def test_a_mail_client_may_send_no_headers(edge: Edge) -> None:
    event = UNSUBSCRIBE.event("POST", unsubscribe_link(), body="List-Unsubscribe=One-Click")
    event["headers"] = None

    answer = UNSUBSCRIBE.handler(event, context())

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
def test_no_body_keeps_a_reader_from_leaving(
    edge: Edge, body: str | None, content_type: str | None
) -> None:
    answer = press(unsubscribe_link(), body=body, content_type=content_type)

    assert answer["statusCode"] == 202
    assert taken(edge).token == UNSUBSCRIBE_TOKEN


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
def test_any_form_of_a_mail_client_unsubscribes_its_reader(
    edge: Edge, part: bytes, content_type: str, accept: str
) -> None:
    body = b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n\r\nOne-Click\r\n--b--\r\n"
    headers = {"Accept": accept, "Content-Type": content_type}
    event = UNSUBSCRIBE.event("POST", unsubscribe_link(), headers=headers)
    event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}

    answer = UNSUBSCRIBE.handler(event, context())

    assert answer["statusCode"] == (200 if b"List-Unsubscribe" in body else 202)
    assert taken(edge).token == UNSUBSCRIBE_TOKEN


def test_a_one_click_with_a_bad_token_is_refused(edge: Edge) -> None:
    body, content_type = ONE_CLICK["urlencoded"]

    answer = press(unsubscribe_link()[:-1], body=body, content_type=content_type)

    assert answer["statusCode"] == 401
    assert problem_in(answer)
    assert edge.requests() == []


def test_the_link_works_a_hundred_years_later(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    text = unsubscribe_link()
    monkeypatch.setattr(signed_tokens, "now", lambda: datetime(2126, 1, 1, tzinfo=UTC))

    answer = UNSUBSCRIBE.call("POST", text)

    assert answer["statusCode"] == 202
    assert taken(edge).token == UNSUBSCRIBE_TOKEN


def test_a_reader_who_wants_to_leave_is_not_asked_to_sign_up(edge: Edge) -> None:
    page = Page(UNSUBSCRIBE.call("GET", "x"))

    assert "This link doesn't work" in page.words
    assert "use the one in any other issue" in page.words
    assert "sign" not in page.words.lower()


def test_a_one_click_while_the_queue_is_down_can_be_repeated(edge: Edge) -> None:
    body, content_type = ONE_CLICK["urlencoded"]
    edge.lose_queue()

    answer = press(unsubscribe_link(), body=body, content_type=content_type)

    assert problem_in(answer)["status"] == 503
    assert answer["headers"]["Retry-After"] == "30"
