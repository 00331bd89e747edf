"""Confirming: a link works for seven days. ``test_signed_links.py`` has what all links do."""

from collections.abc import Callable
from datetime import timedelta

from tests.cloud import Edge, Page, problem_in
from tests.functions.signed_links import (
    CONFIRM,
    both_methods,
    confirmation_link,
    every_reader,
    sentence_in,
)


@both_methods
@every_reader
def test_after_seven_days_the_link_has_expired(edge: Edge, method: str, accept: str) -> None:
    in_time = CONFIRM.call(method, confirmation_link(timedelta(days=6, hours=23)), accept)
    too_late = CONFIRM.call(method, confirmation_link(timedelta(days=7, minutes=1)), accept)

    assert in_time["statusCode"] == (200 if method == "GET" else 202)
    assert too_late["statusCode"] == 410
    assert "has expired: please sign up again" in sentence_in(too_late, accept)
    assert len(edge.requests()) == (0 if method == "GET" else 1)


def test_an_expired_link_has_its_own_code_and_stands_in_no_log(
    edge: Edge, output: Callable[[], str]
) -> None:
    expired = confirmation_link(timedelta(days=8))

    answer = CONFIRM.call("POST", expired, "*/*")

    assert problem_in(answer)["code"] == "expired-confirmation-token"
    written = output()
    assert written
    assert expired[:20] not in written
    assert expired[-20:] not in written


def test_a_link_that_is_too_old_says_so_and_what_to_do(edge: Edge) -> None:
    page = Page(CONFIRM.call("GET", confirmation_link(timedelta(days=8))))

    assert "This link doesn't work any more" in page.words
    assert "sign up again" in page.words
    assert "Go to the sign-up page" in page.words


def test_a_reader_who_has_left_since_is_shown_the_way_back(edge: Edge) -> None:
    page = Page(CONFIRM.call("POST", confirmation_link()))

    assert "We have your confirmation" in page.words
    assert "Have you unsubscribed since we sent our email?" in page.words
    assert "sign up again" in page.words
