"""Readers are unsubscribed by their ids, as if they had clicked, and as often as one likes."""

from http import HTTPStatus
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
import urllib3

from broadsheet.domain.subscribers import SubscriberId
from functions.enroll.app import handler as enroll
from functions.unsubscribe.app import handler as unsubscribe_page
from local.lambda_events import api_event
from operations import unsubscribe
from operations.unsubscribe import UnsubscribeFailed
from tests.cloud import Cloud, context

URL = "https://news.page.example"


@pytest.fixture
def edge(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stack's page, without a network between; what it was asked for."""
    asked: list[str] = []

    def request(method: str, url: str, *, body: str, **_: object) -> Any:  # noqa: ANN401
        asked.append(url)
        token = parse_qs(urlsplit(url).query)["token"][0]
        event = api_event(method, "/subscriptions/unsubscribe", query={"token": token}, body=body)
        return SimpleNamespace(status=unsubscribe_page(event, context())["statusCode"])

    monkeypatch.setattr(urllib3, "request", request)
    return asked


def test_those_who_are_named_are_unsubscribed_and_nobody_else(
    cloud: Cloud, edge: list[str]
) -> None:
    leaving, staying = cloud.add_confirmed("leaving@example.com", "staying@example.com")
    ids = unsubscribe.read([f"{leaving}\n", "\n", f"  {leaving}  "])  # twice is once

    assert unsubscribe.unsubscribe(URL, ids) == 1
    enroll({"Records": cloud.messages("REQUESTS")}, context())

    assert cloud.status_of("leaving@example.com") == "unsubscribed"
    assert cloud.status_of("staying@example.com") == "confirmed"
    assert {url.partition("?")[0] for url in edge} == {f"{URL}/subscriptions/unsubscribe"}
    consents = cloud.rows("SELECT subscriber_id, change FROM consents")
    assert consents == [{"subscriber_id": leaving, "change": "unsubscribed"}]
    assert staying != leaving


def test_unsubscribing_an_unknown_id_is_harmless(cloud: Cloud, edge: list[str]) -> None:
    assert unsubscribe.unsubscribe(URL, [SubscriberId(uuid4())]) == 1

    enroll({"Records": cloud.messages("REQUESTS")}, context())
    assert cloud.messages("REQUESTS_DEAD_LETTER") == []


def test_what_is_no_id_is_refused_before_anybody_is_unsubscribed() -> None:
    with pytest.raises(UnsubscribeFailed, match="not a subscriber's id: ursula"):
        unsubscribe.read([str(uuid4()), "ursula"])


def test_a_stack_that_refuses_ends_it_with_how_far_it_came(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = SimpleNamespace(status=HTTPStatus.UNAUTHORIZED)
    monkeypatch.setattr(urllib3, "request", lambda *_, **__: refused)

    with pytest.raises(UnsubscribeFailed, match=r"^0 were unsubscribed; the stack answered 401"):
        unsubscribe.unsubscribe(URL, [SubscriberId(uuid4())])
