"""A link in a mail: opening it changes nothing, pressing its button does what it says."""

import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from broadsheet import signed_tokens
from broadsheet.domain.requests import ConfirmRequest, now, read_queued
from tests.cloud import Edge, Page, context, json_of, problem_in
from tests.conftest import forget_what_was_read
from tests.functions.signed_links import (
    BROWSER,
    CONFIRM,
    UNSUBSCRIBE,
    Link,
    both_methods,
    every_reader,
    sentence_in,
)

pytestmark = pytest.mark.parametrize("link", [CONFIRM, UNSUBSCRIBE], ids=["confirm", "unsubscribe"])


@every_reader
def test_opening_the_link_shows_a_button_and_changes_nothing(
    edge: Edge, link: Link, accept: str
) -> None:
    text = link.sign()

    answer = link.call("GET", text, accept)

    page = Page(answer)
    assert answer["statusCode"] == 200
    assert (page.method, page.fields) == ("post", {})
    assert "button" in page.elements
    assert not page.elements & {"script", "img", "iframe"}
    action = urlsplit(page.action)
    assert action.path == f"/prod{link.resource}"
    assert parse_qs(action.query) == {"token": [text]}
    assert edge.requests() == []


def test_pressing_the_button_is_queued_for_enroll_and_gets_a_page(edge: Edge, link: Link) -> None:
    text = link.sign()
    before = now()

    answer = link.call("POST", text)

    assert answer["statusCode"] == 202
    assert "We have your" in Page(answer).words
    (record,) = edge.requests()
    request = read_queued(record["body"])
    assert isinstance(request, link.request)
    if isinstance(request, ConfirmRequest):
        assert request.token == signed_tokens.read_confirmation(text)
    else:
        assert request.token == signed_tokens.read_unsubscribe(text)
    assert before <= request.received_at <= now()
    assert str(request.origin.source_address) == "192.0.2.7"
    assert request.origin.user_agent == "Firefox"


def test_a_program_may_press_the_button_too(edge: Edge, link: Link) -> None:
    answer = link.call("POST", link.sign(), accept="*/*")

    assert answer["statusCode"] == 202
    assert json_of(answer) == {"status": "received"}
    assert len(edge.requests()) == 1


def test_the_button_may_be_pressed_more_than_once(edge: Edge, link: Link) -> None:
    text = link.sign()

    first, second = link.call("POST", text), link.call("POST", text)

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
        lambda text: text * 2,
        lambda text: text.swapcase(),
        lambda text: text.partition(".")[0],
        lambda text: "A" + text[1:] if text[0] != "A" else "B" + text[1:],
    ],
    ids=[
        "absent",
        "empty",
        "short",
        "a script",
        "cut at its end",
        "cut at its start",
        "longer",
        "doubled",
        "in the other case",
        "unsigned",
        "tampered with",
    ],
)
def test_a_bad_token_is_refused_and_changes_nothing(
    edge: Edge, link: Link, method: str, accept: str, spoil: Callable[[str], str | None]
) -> None:
    answer = link.call(method, spoil(link.sign()), accept)

    assert answer["statusCode"] == 401
    assert "link is not valid" in sentence_in(answer, accept)
    assert "<script" not in answer["body"]
    assert edge.requests() == []


@both_methods
def test_the_token_of_the_other_kind_of_link_is_refused(
    edge: Edge, link: Link, method: str
) -> None:
    other = UNSUBSCRIBE if link is CONFIRM else CONFIRM

    answer = link.call(method, other.sign(), "*/*")

    kind = link.resource.rpartition("/")[2].replace("confirm", "confirmation")
    assert answer["statusCode"] == 401
    assert problem_in(answer)["code"] == f"invalid-{kind}-token"
    assert f"this {kind} link is not valid" in problem_in(answer)["detail"]
    assert edge.requests() == []


@both_methods
def test_a_link_works_until_its_key_is_removed(edge: Edge, link: Link, method: str) -> None:
    text = link.sign()

    edge.put_signing_keys("2", **{"1": "a key", "2": "a new key"})
    forget_what_was_read()
    rotated = link.call(method, text)
    edge.put_signing_keys("2", **{"2": "a new key"})
    forget_what_was_read()
    removed = link.call(method, text)

    assert rotated["statusCode"] == (200 if method == "GET" else 202)
    assert removed["statusCode"] == 401
    assert len(edge.requests()) == (0 if method == "GET" else 1)


@every_reader
def test_while_the_queue_is_down_no_answer_says_that_it_worked(
    edge: Edge, link: Link, accept: str
) -> None:
    text = link.sign()
    edge.lose_queue()

    answer = link.call("POST", text, accept)

    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"] == "30"
    assert "please try again in a minute" in sentence_in(answer, accept)


@both_methods
@every_reader
def test_without_keys_no_link_is_called_invalid(
    edge: Edge, link: Link, method: str, accept: str
) -> None:
    text = link.sign()
    forget_what_was_read()
    edge.lose_secrets()

    answer = link.call(method, text, accept)

    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"] == "30"
    assert edge.requests() == []


@pytest.mark.parametrize(
    ("public_url", "before"),
    [
        ("https://news.example.com", ""),
        ("https://example.com/the/letter/", "/the/letter"),
    ],
)
def test_the_button_posts_to_where_the_newsletter_is_reached(
    edge: Edge, link: Link, monkeypatch: pytest.MonkeyPatch, public_url: str, before: str
) -> None:
    monkeypatch.setenv("PUBLIC_URL", public_url)

    action = Page(link.call("GET", link.sign())).action

    assert urlsplit(action).path == before + link.resource
    assert edge.requests() == []


@both_methods
@every_reader
@pytest.mark.parametrize("good", [True, False])
def test_a_page_with_a_token_in_its_url_is_neither_cached_nor_sent_as_a_referrer(
    edge: Edge, link: Link, method: str, accept: str, *, good: bool
) -> None:
    headers = link.call(method, link.sign() if good else "x", accept)["headers"]

    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    if accept == BROWSER:
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert len(edge.requests()) == int(good and method == "POST")


def test_the_message_has_the_correlation_id_and_nothing_personal_outside_its_body(
    edge: Edge, link: Link
) -> None:
    event = link.event("POST", link.sign())

    link.handler(event, context())

    (record,) = edge.requests()
    assert record["messageAttributes"] == {
        "correlation_id": {
            "stringValue": event["requestContext"]["requestId"],
            "dataType": "String",
        }
    }


def test_no_log_line_holds_a_token_an_address_or_a_name_whatever_happens(
    edge: Edge, link: Link, output: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = link.sign()

    def statuses(*texts: str) -> list[int]:
        return [link.call(way, text)["statusCode"] for text in texts for way in ("GET", "POST")]

    answered = statuses(good, good[:-1])
    edge.lose_queue()
    answered += statuses(good)
    monkeypatch.delenv("REQUESTS_QUEUE_URL")
    answered += statuses(good)
    edge.put_signing_keys("lost", **{"1": "a key of canaries"})
    forget_what_was_read()
    answered += statuses(good)

    written = output()
    assert answered == [200, 202, 401, 401, 200, 503, 200, 500, 500, 500]
    assert len([line for line in written.splitlines() if json.loads(line)]) > len(answered)
    for secret in (good[:20], good[-20:], "ursula", "a key"):
        assert secret.lower() not in written.lower()


def test_a_head_request_of_a_link_scanner_changes_nothing(edge: Edge, link: Link) -> None:
    head = link.call("HEAD", link.sign())

    assert (head["statusCode"], head["body"]) == (200, "")
    assert link.call("HEAD", "x")["statusCode"] == 401
    assert edge.requests() == []
