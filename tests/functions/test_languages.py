"""Pages in the reader's language: as they chose, as their browser asks, or the newsletter's."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from broadsheet.domain.requests import SubscribeRequest, read_queued
from functions.archive.app import handler as archive
from functions.subscribe.app import handler
from local.lambda_events import api_event
from tests.cloud import Edge, context

URSULA = {"name": "Ursula Le Guin", "email": "ursula@example.com"}
BROWSER = {"accept": "text/html"}


def get(
    path: str = "/",
    *,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
) -> dict[str, Any]:
    event = api_event("GET", path, headers=BROWSER | (headers or {}), query=query)
    return (archive if path == "/{proxy+}" else handler)(event, context())


def sign_up(fields: Mapping[str, str], headers: dict[str, str]) -> dict[str, Any]:
    sent = {"content-type": "application/x-www-form-urlencoded", **headers}
    event = api_event("POST", "/subscriptions", body=urlencode(fields), headers=sent)
    return handler(event, context())


def language_of(answer: dict[str, Any]) -> str:
    return str(answer["body"]).partition('<html lang="')[2].partition('"')[0]


def taken(edge: Edge) -> SubscribeRequest:
    (record,) = edge.requests()
    request = read_queued(record["body"])
    assert isinstance(request, SubscribeRequest)
    return request


def cookies_of(answer: dict[str, Any]) -> list[str]:
    cookies: list[str] = answer.get("multiValueHeaders", {}).get("Set-Cookie", [])
    return cookies


@pytest.mark.parametrize(
    ("asked", "language"), [("de-CH, en;q=0.5", "de"), ("en", "en"), ("fr", "en"), ("q=;;", "en")]
)
def test_a_page_is_in_the_browsers_language(edge: Edge, asked: str, language: str) -> None:
    answer = get(headers={"accept-language": asked})

    assert language_of(answer) == language
    assert answer["headers"]["Vary"] == "Accept-Language, Cookie"
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert not cookies_of(answer)


@pytest.mark.parametrize(("newsletter", "language"), [("de-AT", "de"), ("fr", "en"), ("", "en")])
def test_a_page_is_in_the_newsletters_language_if_the_browser_names_none(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, newsletter: str, language: str
) -> None:
    monkeypatch.setenv("NEWSLETTER_LANGUAGE", newsletter)

    assert language_of(get()) == language


def test_a_choice_is_stronger_and_is_remembered(edge: Edge) -> None:
    english = {"accept-language": "en"}
    chosen = get(headers=english, query={"lang": "de"})

    assert language_of(chosen) == "de"
    (cookie,) = cookies_of(chosen)
    pair, *attributes = cookie.split("; ")
    assert pair == "__Host-language=de"
    assert set(attributes) == {"Max-Age=31536000", "Path=/", "HttpOnly", "SameSite=Lax", "Secure"}
    again = get(headers=english | {"cookie": f"other=1; {pair}; x"})
    assert language_of(again) == "de"
    assert not cookies_of(again)
    assert language_of(get(headers={"cookie": pair}, query={"lang": "en"})) == "en"


def test_the_stack_on_one_machine_remembers_it_without_https(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "http://localhost:4000")

    (cookie,) = cookies_of(get(query={"lang": "de"}))

    assert cookie.startswith("language=de; ")
    assert "Secure" not in cookie
    assert language_of(get(headers={"cookie": "language=de"})) == "de"


@pytest.mark.parametrize("choice", ["fr", "DE", "", "de-AT", "../de", "<script>", "d" * 10_000])
def test_a_choice_that_there_isnt_changes_nothing(edge: Edge, choice: str) -> None:
    answer = get(query={"lang": choice}, headers={"cookie": f"__Host-language={choice}"})

    assert (answer["statusCode"], language_of(answer)) == (200, "en")
    assert not cookies_of(answer)


def test_a_page_that_was_not_found_can_be_read_in_another_language(edge: Edge) -> None:
    answer = get("/{proxy+}", query={"lang": "de", "a": "1"})

    assert (answer["statusCode"], language_of(answer)) == (404, "de")
    assert 'href="?lang=en&amp;a=1"' in answer["body"]


def test_what_is_kept_for_everybody_remembers_nobodys_choice(edge: Edge) -> None:
    event = api_event("GET", "/archive", headers=BROWSER, query={"lang": "de"})

    answer = archive(event, context())

    assert (answer["statusCode"], language_of(answer)) == (200, "en")
    assert answer["headers"]["Cache-Control"].startswith("public")
    assert not cookies_of(answer)


def test_a_reader_is_written_to_in_the_language_of_the_page(edge: Edge) -> None:
    answer = sign_up(URSULA, BROWSER | {"accept-language": "de"})

    assert language_of(answer) == "de"
    assert 'href="?' not in answer["body"]  # a form's answer has no address
    assert taken(edge).language == "de"


def test_a_program_may_name_the_language(edge: Edge) -> None:
    assert sign_up(URSULA | {"language": "pt-BR"}, {"accept": "*/*"})["statusCode"] == 202
    assert taken(edge).language == "pt-BR"


@pytest.mark.parametrize("language", ["Deutsch", "d", "de_DE", "../", "de\n", "de" + "-ab" * 12])
def test_what_is_no_language_is_refused(edge: Edge, language: str) -> None:
    answer = sign_up(URSULA | {"language": language}, {"accept": "*/*"})

    assert answer["statusCode"] == 400
    assert '"error_codes": {"language": "' in answer["body"]
    assert not edge.requests()


def test_what_is_wrong_is_said_in_the_readers_language(edge: Edge) -> None:
    german = BROWSER | {"accept-language": "de"}

    refused = sign_up({"email": "ursula"}, german)
    lost = get("/{proxy+}", headers=german)
    too_large = sign_up(URSULA | {"name": "x" * 20_000}, german)

    assert "muss ein @ zwischen Postfach und Domain stehen." in refused["body"]
    assert "Bitte prüfen Sie das Formular" in refused["body"]
    assert "<h1>Diese Seite gibt es nicht</h1>" in lost["body"]
    assert "Eine Anfrage darf höchstens 16.384 Byte groß sein." in too_large["body"]


def test_a_program_gets_english_whatever_it_accepts(edge: Edge) -> None:
    answer = sign_up({"email": "ursula"}, {"accept": "application/json", "accept-language": "de"})

    assert "an email address must have an @-sign between mailbox and domain" in answer["body"]
    assert '"error_codes": {"email": "address-without-at"}' in answer["body"]
