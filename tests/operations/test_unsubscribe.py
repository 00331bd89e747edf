"""Readers are unsubscribed by their mails or ids, as if they had clicked, as often as one likes."""

import mailbox
from http import HTTPStatus
from pathlib import Path
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
from tests.conftest import forget_what_was_read
from tests.functions.issues import publish_issue, send

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

    assert unsubscribe.unsubscribe(URL, unsubscribe.tokens_of(ids)) == (1, 0)
    enroll({"Records": cloud.messages("REQUESTS")}, context())

    assert cloud.status_of("leaving@example.com") == "unsubscribed"
    assert cloud.status_of("staying@example.com") == "confirmed"
    assert {url.partition("?")[0] for url in edge} == {f"{URL}/subscriptions/unsubscribe"}
    consents = cloud.rows("SELECT subscriber_id, change FROM consents")
    assert consents == [{"subscriber_id": leaving, "change": "unsubscribed"}]
    assert staying != leaving


def test_unsubscribing_an_unknown_id_is_harmless(cloud: Cloud, edge: list[str]) -> None:
    tokens = unsubscribe.tokens_of([SubscriberId(uuid4())])
    assert unsubscribe.unsubscribe(URL, tokens) == (1, 0)

    enroll({"Records": cloud.messages("REQUESTS")}, context())
    assert cloud.messages("REQUESTS_DEAD_LETTER") == []


def test_what_is_no_id_is_refused_before_anybody_is_unsubscribed() -> None:
    with pytest.raises(UnsubscribeFailed, match="not a subscriber's id: ursula"):
        unsubscribe.read([str(uuid4()), "ursula"])


def test_a_stack_that_refuses_ends_it_with_how_far_it_came(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = SimpleNamespace(status=HTTPStatus.BAD_GATEWAY)
    monkeypatch.setattr(urllib3, "request", lambda *_, **__: refused)

    with pytest.raises(UnsubscribeFailed, match=r"^0 were unsubscribed; the stack answered 502"):
        unsubscribe.unsubscribe(URL, ["a token"])


MAILBOX = "leave@page.example"
FOLDED = "From: u@example.com\nSubject: Re: unsubscribe\n {}\n\nThanks\n"


@pytest.fixture
def subject(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """What Ursula's mail program writes, by the header of the issue that she got."""
    monkeypatch.setenv("UNSUBSCRIBE_MAILBOX", MAILBOX)
    forget_what_was_read()
    cloud.add_confirmed("ursula@example.com")
    send(cloud, publish_issue())
    (mail,) = cloud.mails_to("ursula@example.com")
    _web, by_mail = (mail.header("List-Unsubscribe") or "").split(", ")
    link = urlsplit(by_mail.strip("<>"))
    assert (link.scheme, link.path) == ("mailto", MAILBOX)
    return parse_qs(link.query)["subject"][0]


def test_who_mails_the_subject_of_the_header_is_unsubscribed(
    cloud: Cloud, edge: list[str], subject: str, tmp_path: Path
) -> None:
    (tmp_path / "one.eml").write_text(f"Subject: {subject}\n\n")

    wishes = unsubscribe.read_mails([tmp_path / "one.eml"])
    assert unsubscribe.unsubscribe(URL, wishes.tokens) == (1, 0)
    enroll({"Records": cloud.messages("REQUESTS")}, context())

    assert len(edge) == 1
    assert cloud.status_of("ursula@example.com") == "unsubscribed"
    assert cloud.row("SELECT issue_id FROM consents")["issue_id"] is not None


def test_mails_are_read_in_every_form_in_which_they_are_exported(tmp_path: Path) -> None:
    first, second, third = (f"{letter * 43}.{'x-_' * 14}y" for letter in "abc")
    box = mailbox.mbox(tmp_path / "leave.mbox")
    box.add(FOLDED.format(first))
    box.add(FOLDED.format(first))
    box.add(f"Subject: =?utf-8?q?unsubscribe_{second.replace('_', '=5F')}?=\n\nBody\n")
    box.add("Subject: Please no more\n\nunsubscribe " + third)
    box.close()
    folder = mailbox.Maildir(tmp_path / "leave")
    folder.add(f"Subject: unsubscribe {third}\n\n")
    (tmp_path / "one.eml").write_bytes(b"X: y\r\n\r\nno subject")

    files = (tmp_path / name for name in ("leave.mbox", "leave", "one.eml"))

    assert unsubscribe.read_mails(files) == ([first, second, third], 2)


def test_a_token_that_nobody_signed_unsubscribes_nobody_and_stops_nothing(
    cloud: Cloud, edge: list[str], subject: str
) -> None:
    forged = f"{'a' * 43}.{'b' * 43}"

    assert unsubscribe.unsubscribe(URL, [forged, subject.split()[1]]) == (1, 1)

    enroll({"Records": cloud.messages("REQUESTS")}, context())
    assert cloud.status_of("ursula@example.com") == "unsubscribed"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for file in (tmp_path / "none.mbox", tmp_path):
        with pytest.raises(UnsubscribeFailed, match=f"{file} can't be read"):
            unsubscribe.read_mails([file])
