"""What a sign-up proves: by a form's signed, timed token, by an author's, or not at all."""

import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest

from broadsheet import signed_tokens
from broadsheet.domain.requests import SubscribeRequest, now, read_queued
from broadsheet.web import sign_up_proof
from functions.subscribe.app import handler
from local.lambda_events import api_event
from tests.cloud import Edge, Page, context
from tests.conftest import forget_what_was_read

EMAIL = "ursula@example.com"
PAGE = {"accept": "text/html", "content-type": "application/x-www-form-urlencoded"}


def form_at(path: str = "/") -> Page:
    return Page(handler(api_event("GET", path, headers={"accept": "text/html"}), context()))


def post(proof: str | None, email: str = EMAIL) -> dict[str, Any]:
    fields = {"email": email} | ({"proof": proof} if proof is not None else {})
    return handler(
        api_event("POST", "/subscriptions", body=urlencode(fields), headers=PAGE), context()
    )


def queued(edge: Edge) -> SubscribeRequest:
    (record,) = edge.requests()
    request = read_queued(record["body"])
    assert isinstance(request, SubscribeRequest)
    return request


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let seconds pass, as the tokens see it."""
    passed = [0.0]
    for reads_it in (signed_tokens, sign_up_proof):
        monkeypatch.setattr(reads_it, "now", lambda: now() + timedelta(seconds=passed[0]))

    def wait(seconds: float) -> None:
        passed[0] += seconds

    return wait


@pytest.mark.parametrize("path", ["/", "/form"])
def test_every_form_has_a_token_of_its_own_that_proves_it_was_filled_in(
    edge: Edge, later: Callable[[float], None], path: str
) -> None:
    first, second = (form_at(path).fields["proof"] for _ in range(2))
    assert first != second
    later(3)

    assert post(first)["statusCode"] == 202

    request = queued(edge)
    assert (request.proof, request.nonce) == ("form", signed_tokens.read_form(first)[0])


def test_whoever_is_too_quick_for_a_person_is_asked_once_more_and_not_lost(
    edge: Edge, later: Callable[[float], None]
) -> None:
    form = form_at("/form").fields["proof"]
    later(0.5)

    answer = post(form)

    assert answer["statusCode"] == 400
    again = Page(answer)
    assert again.fields["email"] == EMAIL
    assert "please press the button once more" in again.words
    assert edge.requests() == []
    later(0.5)
    once_more = Page(post(again.fields["proof"]))  # a program gains nothing
    later(1.1)
    assert post(once_more.fields["proof"])["statusCode"] == 202
    assert queued(edge).proof == "form"


def test_whoever_was_too_quick_and_mistyped_waits_no_longer_than_from_the_first_form(
    edge: Edge, later: Callable[[float], None]
) -> None:
    form = form_at().fields["proof"]
    later(1)
    again = Page(post(form, email="ursula@"))
    later(1.1)

    assert post(again.fields["proof"])["statusCode"] == 202

    assert queued(edge).proof == "form"


def test_a_program_that_is_too_quick_is_taken_and_has_proved_nothing(edge: Edge) -> None:
    fields = {"email": EMAIL, "proof": form_at().fields["proof"]}
    event = api_event(
        "POST",
        "/subscriptions",
        body=json.dumps(fields),
        headers={"content-type": "application/json"},
    )

    assert handler(event, context())["statusCode"] == 202

    assert queued(edge).proof is None


def test_a_form_that_was_open_for_hours_is_shown_again_and_counts_at_once(
    edge: Edge, later: Callable[[float], None]
) -> None:
    old = form_at().fields["proof"]
    later(2 * 3600 + 60)

    answer = post(old)

    assert answer["statusCode"] == 400
    again = Page(answer)
    assert again.fields["email"] == EMAIL
    assert "please press the button once more" in again.words
    assert edge.requests() == []


def test_a_form_that_is_shown_again_counts_at_once(
    edge: Edge, later: Callable[[float], None]
) -> None:
    token = form_at().fields["proof"]
    later(3)
    again = Page(post(token, email="ursula@"))

    assert post(again.fields["proof"])["statusCode"] == 202

    assert queued(edge).proof == "form"


def swapped(_: str) -> str:
    return signed_tokens.sign_browser([])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1],
        lambda token: token * 2,
        lambda _: "",
        lambda _: "x" * 9000,
        lambda _: "\N{PILE OF POO}",
        swapped,
    ],
    ids=["cut", "doubled", "empty", "long", "no ASCII", "of another kind"],
)
def test_a_token_that_is_none_proves_nothing_and_harms_nothing(
    edge: Edge, later: Callable[[float], None], spoil: Callable[[str], str]
) -> None:
    token = form_at().fields["proof"]
    later(3)

    assert post(spoil(token))["statusCode"] == 202

    assert queued(edge).proof is None


@pytest.mark.parametrize(
    ("authorization", "proof"),
    [("Bearer ada's token", "author"), ("Bearer nobody's", None), ("Basic YTpi", None), ("", None)],
)
def test_an_author_s_program_proves_itself_by_its_token(
    edge: Edge, authorization: str, proof: str | None
) -> None:
    digest = sha256(b"ada's token").hexdigest()
    edge.put_authors({"name": "ada", "token_sha256": digest, "created_at": "2026-11-22T12:00:00Z"})
    headers = {"content-type": "application/json", "authorization": authorization}
    event = api_event("POST", "/subscriptions", body=json.dumps({"email": EMAIL}), headers=headers)

    assert handler(event, context())["statusCode"] == 202

    assert queued(edge).proof == proof


def test_no_field_of_a_request_is_taken_for_its_proof(edge: Edge) -> None:
    fields = {"email": EMAIL, "proof": "author", "nonce": "0b9e1a5e-0000-4000-8000-000000000001"}
    event = api_event(
        "POST",
        "/subscriptions",
        body=json.dumps(fields),
        headers={"content-type": "application/json"},
    )

    handler(event, context())

    request = queued(edge)
    assert (request.proof, request.nonce) == (None, None)


def test_without_its_secrets_the_page_is_shown_and_sign_ups_are_taken(
    edge: Edge, output: Callable[[], str]
) -> None:
    edge.lose_secrets()

    assert "proof" not in form_at().fields
    assert post("x.y")["statusCode"] == 202

    assert queued(edge).proof is None
    assert EMAIL not in output()


@pytest.mark.parametrize(
    ("domain", "is_refused"),
    [("mailinator.com", True), ("eu.mailinator.com", True), ("mailinator.com.example.org", False)],
)
def test_throw_away_addresses_are_refused_only_if_the_operator_wants_it(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, domain: str, *, is_refused: bool
) -> None:
    assert post(None, f"reader@{domain}")["statusCode"] == 202
    edge.requests()
    monkeypatch.setenv("REFUSE_DISPOSABLE_DOMAINS", "true")
    forget_what_was_read()

    answer = post(None, f"reader@{domain}")

    assert answer["statusCode"] == (400 if is_refused else 202)
    assert ("please give one that you keep" in answer["body"]) == is_refused
    assert len(edge.requests()) == (0 if is_refused else 1)
