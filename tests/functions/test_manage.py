"""A reader's own subscription at the edge: what the page shows, and what it queues.

``test_managing.py`` has what enroll makes of it.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from broadsheet import signed_tokens
from broadsheet.domain.issues import IssueId
from broadsheet.domain.requests import (
    AddressToken,
    ManageToken,
    QueuedRequest,
    now,
    read_queued,
)
from broadsheet.domain.subscribers import EmailAddress, SubscriberId
from functions.manage.app import handler
from local.lambda_events import api_event
from tests.broadsheet.domain.test_subscribers import INVALID_EMAILS
from tests.cloud import Edge, Page, context, json_of, problem_in
from tests.conftest import forget_what_was_read
from tests.functions.signed_links import BROWSER, confirmation_link, unsubscribe_link

FORM = "application/x-www-form-urlencoded"
READER = SubscriberId.new()
IN_AN_ISSUE = ManageToken(subscriber_id=READER, issue_id=IssueId.new())
PATHS = ("/subscription", "/subscription/address")


def mailed(**ago: float) -> str:
    """Return the token of a link that was mailed on request some time ago."""
    token = ManageToken(subscriber_id=READER, issued_at=now() - timedelta(**ago))
    return signed_tokens.sign_manage(token)


def in_an_issue() -> str:
    return signed_tokens.sign_manage(IN_AN_ISSUE)


def to_new_address(**ago: float) -> str:
    token = AddressToken(
        subscriber_id=READER,
        email=EmailAddress("ursula@new.example"),
        issued_at=now() - timedelta(**ago),
    )
    return signed_tokens.sign_address(token)


def call(  # noqa: PLR0913 - the parts of a request
    method: str,
    token: str | None = None,
    path: str = "/subscription",
    *,
    form: dict[str, str] | None = None,
    document: object = None,
    accept: str = BROWSER,
    **query: str,
) -> dict[str, Any]:
    asked = ({"token": token} if token is not None else {}) | query
    headers = {"Accept": accept, "User-Agent": "Firefox"}
    body = None
    if form is not None:
        headers["Content-Type"], body = FORM, urlencode(form)
    if document is not None:
        headers["Content-Type"], body = "application/json", json.dumps(document)
    event = api_event(method, path, query=asked or None, headers=headers, body=body)
    return handler(event, context())


def queued(edge: Edge) -> list[QueuedRequest]:
    return [read_queued(record["body"]) for record in edge.requests()]


# --- The page -------------------------------------------------------------------------------------


def test_a_fresh_link_shows_all_that_a_reader_can_do_and_changes_nothing(edge: Edge) -> None:
    text = mailed(hours=1)

    answer = call("GET", text)

    page = Page(answer)
    assert answer["statusCode"] == 200
    for words in (
        "Unsubscribe",
        "Change the name",
        "Change the language",
        "Change the address",
        "Email me my data",
        "have everything about you erased",
    ):
        assert words in page.words
    assert urlsplit(page.action).path == "/prod/subscription"
    assert parse_qs(urlsplit(page.action).query) == {"token": [text]}
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert answer["headers"]["Referrer-Policy"] == "no-referrer"
    assert edge.requests() == []


@pytest.mark.parametrize("text", [in_an_issue, lambda: mailed(hours=25)], ids=["issue", "old"])
def test_a_link_that_may_have_been_passed_on_neither_moves_nor_erases(
    edge: Edge, text: Callable[[], str]
) -> None:
    page = Page(call("GET", text()))
    asked_to_erase = call("GET", text(), show="erase")
    refused = [
        call("POST", text(), form={"do": "erase"}),
        call("POST", text(), form={"do": "address", "email": "thief@example.org"}),
        call("POST", text(), document={"do": "erase"}, accept="application/json"),
    ]

    assert "Email me a new link" in page.words
    assert "Change the address" not in page.words
    assert [each["statusCode"] for each in (asked_to_erase, *refused)] == [403] * 4
    assert "within the last 24 hours" in Page(refused[0]).words
    assert "Email me a new link" in Page(refused[0]).words
    assert problem_in(refused[2])["code"] == "fresh-link-needed"
    assert edge.requests() == []


def test_erasing_asks_a_second_time_on_a_page_with_one_button(edge: Edge) -> None:
    text = mailed(hours=1)

    answer = call("GET", text, show="erase")

    page = Page(answer)
    assert answer["statusCode"] == 200
    assert "can't be undone" in page.words
    assert page.fields == {"do": "erase"}
    assert parse_qs(urlsplit(page.action).query) == {"token": [text]}
    assert edge.requests() == []


def test_without_a_link_the_page_asks_for_the_address_and_mails_one(edge: Edge) -> None:
    answer = call("GET")

    page = Page(answer)
    assert answer["statusCode"] == 200
    assert page.action == "/prod/subscription/link"
    assert page.fields == {"email": ""}
    assert edge.requests() == []


# --- What is queued -------------------------------------------------------------------------------

ASKED: dict[str, tuple[dict[str, str], dict[str, object]]] = {
    "name": ({"name": " Ursula K. "}, {"kind": "change_name", "name": "Ursula K."}),
    "no name": ({"name": " "}, {"kind": "change_name", "name": None}),
    "language": ({"language": "de"}, {"kind": "change_language", "language": "de"}),
    "address": (
        {"email": "New@Example.COM"},
        {"kind": "change_address", "email": "new@example.com"},
    ),
    "export": ({}, {"kind": "export"}),
    "erase": ({}, {"kind": "erase"}),
    "leave": ({}, {"kind": "unsubscribe"}),
    "link": ({}, {"kind": "manage_link", "reader": str(READER)}),
}


@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize("accept", [BROWSER, "application/json"], ids=["page", "program"])
def test_each_wish_is_queued_for_enroll(edge: Edge, what: str, accept: str) -> None:
    fields, wanted = ASKED[what]
    asked = {"do": what.removeprefix("no "), **fields}
    by_form = accept == BROWSER

    answer = call(
        "POST",
        mailed(hours=1),
        form=asked if by_form else None,
        document=None if by_form else asked,
        accept=accept,
    )

    assert answer["statusCode"] == 202
    (request,) = queued(edge)
    document = request.model_dump(mode="json")
    assert {name: document[name] for name in wanted} == wanted
    assert document["origin"] == {"source_address": "192.0.2.7", "user_agent": "Firefox"}
    if by_form:
        words = Page(answer).words
        is_over = what in {"leave", "erase"}
        assert ("Back to your subscription" in words) is not is_over
        assert "the address you gave" not in words  # none was given
    else:
        assert json_of(answer) == {"status": "received"}


def test_leaving_by_an_issues_link_says_which_issue_it_was(edge: Edge) -> None:
    call("POST", in_an_issue(), form={"do": "leave"})

    (request,) = queued(edge)
    assert request.model_dump()["token"]["issue_id"] == IN_AN_ISSUE.issue_id.root


def test_the_link_is_mailed_on_request_with_the_same_answer_for_every_address(edge: Edge) -> None:
    answers = [
        call("POST", path="/subscription/link", form={"email": email})
        for email in ("Ursula@Example.com", "nobody@example.com")
    ]
    by_program = call(
        "POST",
        path="/subscription/link",
        document={"email": "zoe@example.com"},
        accept="application/json",
    )

    assert answers[0] == answers[1]
    assert answers[0]["statusCode"] == by_program["statusCode"] == 202
    words = Page(answers[0]).words
    assert "Look for our email with a link to your subscription" in words  # which promises none
    for who in ("never confirmed", "had everything erased", "a few emails a day", "as spam"):
        assert who in words
    assert json_of(by_program) == {"status": "received"}
    readers = [request.model_dump(mode="json")["reader"] for request in queued(edge)]
    assert sorted(readers) == ["nobody@example.com", "ursula@example.com", "zoe@example.com"]


def test_who_reloads_the_page_after_the_form_is_led_back_to_it(edge: Edge) -> None:
    answer = call("GET", path="/subscription/link")

    assert (answer["statusCode"], answer["headers"]["Location"]) == (303, "/prod/subscription")
    assert edge.requests() == []


def test_the_link_to_a_new_address_shows_a_button_and_pressing_it_is_queued(edge: Edge) -> None:
    text = to_new_address()

    page = Page(call("GET", text, "/subscription/address"))
    assert edge.requests() == []
    answer = call("POST", text, "/subscription/address")

    assert urlsplit(page.action).path == "/prod/subscription/address"
    assert "Use this address" in page.words
    assert "new.example" not in page.words
    assert answer["statusCode"] == 202
    (request,) = queued(edge)
    assert request.model_dump(mode="json")["token"]["email"] == "ursula@new.example"


def test_a_link_to_a_new_address_expires_after_a_week(edge: Edge) -> None:
    answer = call("POST", to_new_address(days=8), "/subscription/address")

    assert answer["statusCode"] == 410
    assert "please ask for the change again" in Page(answer).words
    assert edge.requests() == []


# --- Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"do": ""},
        {"do": "everything"},
        {"do": "language"},
        {"do": "language", "language": "<script>"},
        {"do": "language", "language": "x" * 400},
        {"do": "address"},
        {"do": "address", "email": ""},
        {"do": "name", "name": "<script>alert(1)</script>"},
        {"do": "name", "name": "x" * 300},
    ],
    ids=lambda fields: " ".join(f"{name}={value[:12]}" for name, value in fields.items()) or "none",
)
def test_a_wish_that_cannot_be_understood_shows_the_page_with_what_is_wrong(
    edge: Edge, fields: dict[str, str]
) -> None:
    answer = call("POST", mailed(hours=1), form=fields)
    problem = call("POST", mailed(hours=1), document=fields, accept="application/json")

    assert answer["statusCode"] == 400
    assert 'role="alert"' in answer["body"]
    assert "<script>" not in answer["body"]
    assert problem_in(problem)["code"] == "invalid-fields"
    assert edge.requests() == []


@pytest.mark.parametrize(
    "document", [{"do": 5}, {"do": ["erase"]}, [], "erase", {"do": "name", "name": 5}]
)
def test_json_of_another_shape_is_refused(edge: Edge, document: object) -> None:
    answer = call("POST", mailed(hours=1), document=document, accept="application/json")

    assert answer["statusCode"] == 400
    assert edge.requests() == []


def test_no_address_with_any_oddity_is_queued_or_logged(
    edge: Edge, output: Callable[[], str]
) -> None:
    text = mailed(hours=1)
    typed = [
        email for email in INVALID_EMAILS.values() if "\ud800" not in email and len(email) < 9_000
    ]
    for email in typed:
        move = call("POST", text, form={"do": "address", "email": email})
        link = call("POST", path="/subscription/link", form={"email": email})
        assert (move["statusCode"], link["statusCode"]) == (400, 400), email
        assert 'role="alert"' in move["body"]
        assert 'role="alert"' in link["body"]

    assert edge.requests() == []
    written = output()
    for email in typed:
        if len(email.strip()) > 5:
            assert email not in written


SPOILED: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "cut": lambda text: text[:-1],
    "cut at its start": lambda text: text[1:],
    "doubled": lambda text: text + text,
    "in the other case": lambda text: text.swapcase(),
    "unsigned": lambda text: text.partition(".")[0],
    "a script": lambda _: "<script>alert(1)</script>",
    "of a confirmation": lambda _: confirmation_link(),
    "to unsubscribe": lambda _: unsubscribe_link(),
    "of 10 kB": lambda text: text * 100,
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_bad_token_is_refused_with_a_page_that_helps(edge: Edge, spoiled: str) -> None:
    for path, good in zip(PATHS, (mailed(hours=1), to_new_address()), strict=True):
        text = SPOILED[spoiled](good)
        answers = [call("POST", text, path, form={"do": "leave"})]
        if text or path != "/subscription":  # without a token, it is the form that mails one
            answers.append(call("GET", text, path))
        for answer in answers:
            assert answer["statusCode"] == 401
            assert "is not valid" in Page(answer).words
            assert "sign-up page" not in Page(answer).words
            assert '<p><a href="/prod/subscription">Ask for a new link</a></p>' in answer["body"]
            assert "<script>" not in answer["body"]
    assert edge.requests() == []


def test_a_token_of_the_other_link_or_of_another_newsletter_is_refused(edge: Edge) -> None:
    swapped = [
        call("POST", to_new_address(), form={"do": "leave"}),
        call("POST", mailed(hours=1), "/subscription/address"),
    ]
    theirs = mailed(hours=1)
    edge.put_signing_keys("1", **{"1": "another newsletter's key"})
    forget_what_was_read()

    of_another = call("POST", theirs, form={"do": "erase"})

    assert [each["statusCode"] for each in (*swapped, of_another)] == [401] * 3
    assert edge.requests() == []


def test_while_the_queue_is_down_no_answer_says_that_it_worked(edge: Edge) -> None:
    text, new = mailed(hours=1), to_new_address()
    edge.lose_queue()

    answers = [
        call("POST", text, form={"do": "erase"}),
        call("POST", path="/subscription/link", form={"email": "ursula@example.com"}),
        call("POST", new, "/subscription/address"),
    ]

    assert [each["statusCode"] for each in answers] == [503] * 3
    assert {each["headers"]["Retry-After"] for each in answers} == {"30"}


def test_no_log_line_holds_a_token_an_address_or_a_name(
    edge: Edge, output: Callable[[], str]
) -> None:
    text, new = mailed(hours=1), to_new_address()

    call("POST", text, form={"do": "name", "name": "Canary"})
    call("POST", text, form={"do": "address", "email": "canary@example.com"})
    call("POST", path="/subscription/link", form={"email": "canary@example.com"})
    call("POST", new, "/subscription/address")
    call("POST", text[:-1], form={"do": "erase"})

    written = output().lower()
    assert len(edge.requests()) == 4
    assert "subscription request received" in written
    for secret in ("canary", "new.example", text[:20].lower(), new[:20].lower()):
        assert secret not in written
