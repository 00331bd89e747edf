"""What becomes of every error: a problem document, or a page for a reader."""

import importlib
import json
import pkgutil
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from pydantic import ValidationError

import broadsheet
from broadsheet.domain import errors
from broadsheet.domain.subscribers import EmailAddress
from broadsheet.mail import ses_mailer
from broadsheet.web.problems import _PROBLEMS
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router
from local.lambda_events import api_event
from tests.cloud import Page, context, json_of, problem_in

BROWSER = {"accept": "text/html,*/*;q=0.8"}
CANARY = "canary@example.com"

pytestmark = pytest.mark.usefixtures("edge")


def handler_of(raised: Exception) -> Callable[..., dict[str, Any]]:
    def fail(_request: Request) -> Response:
        raise raised

    return router({"GET /": fail})


def fail(raised: Exception, headers: dict[str, str] | None = None) -> dict[str, Any]:
    return handler_of(raised)(api_event("GET", "/", headers=headers), context())


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidRequest("do it so"), 400),
        (errors.UnsendableIssue("do it so"), 400),
        (errors.InvalidToken("do it so"), 401),
        (errors.PageNotFound("do it so"), 404),
        (errors.IssueNotFound("do it so"), 404),
        (errors.WrongState("do it so"), 409),
        (errors.ExpiredToken("do it so"), 410),
        (errors.RequestTooLarge("do it so"), 413),
        (errors.UnsupportedContentType("do it so"), 415),
        (errors.IdempotencyKeyReused("do it so"), 422),
        (errors.DependencyUnavailable("do it so"), 503),
        (errors.DatabaseUnavailable("do it so"), 503),
    ],
)
def test_an_error_of_ours_is_told_with_its_own_words(
    error: errors.BroadsheetError, status: int
) -> None:
    in_program, in_browser = fail(error), fail(error, BROWSER)

    assert in_program["statusCode"] == in_browser["statusCode"] == status
    assert json_of(in_program) == {
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": "do it so",
    }
    assert problem_in(in_program)
    words = Page(in_browser).words
    assert "do it so" in words.lower()
    assert HTTPStatus(status).phrase not in words  # a reader's heading, not HTTP's
    for answer in (in_program, in_browser):
        assert ("Retry-After" in answer["headers"]) == (status == 503)


def every_error() -> list[type[errors.BroadsheetError]]:
    """Return all classes of errors, wherever in the layer they are defined.

    Those about a queue's message are raised by no endpoint.
    """
    for module in pkgutil.walk_packages(broadsheet.__path__, "broadsheet."):
        importlib.import_module(module.name)
    found, rest = set[type[errors.BroadsheetError]](), [errors.BroadsheetError]
    while rest:
        rest += (subclasses := rest.pop().__subclasses__())
        found.update(subclasses)
    of_endpoints = [kind for kind in found if not issubclass(kind, errors.CanNeverSucceed)]
    return sorted(of_endpoints, key=lambda error: error.__name__)


@pytest.mark.parametrize("error", every_error())
def test_an_error_is_answered_as_the_nearest_class_that_it_inherits_from(
    error: type[errors.BroadsheetError],
) -> None:
    class Later(error):  # type: ignore[misc,valid-type]
        """Somebody adds it and thinks of no answer."""

    parent = next(kind for kind in error.__mro__ if kind in _PROBLEMS)

    answer = fail(Later("do it so"))

    assert answer["statusCode"] == fail(error("do it so"))["statusCode"] == _PROBLEMS[parent].status
    assert 400 <= answer["statusCode"] < 500 or answer["statusCode"] == 503
    assert problem_in(answer)["detail"] == "do it so"


def test_a_mail_that_was_not_taken_is_answered_as_an_outage() -> None:
    answer = fail(ses_mailer.MailNotTaken("do it so"))

    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"]


def test_a_field_by_field_error_names_the_fields() -> None:
    answer = fail(errors.InvalidRequest("name: a name is needed", {"name": "a name is needed"}))

    assert problem_in(answer)["errors"] == {"name": "a name is needed"}


@pytest.mark.parametrize(
    "error",
    [
        errors.CanNeverSucceed(CANARY),
        RuntimeError(CANARY),
        KeyError(CANARY),
        RecursionError(CANARY),
        ValueError(CANARY, CANARY),
    ],
)
@pytest.mark.parametrize("headers", [{}, BROWSER])
def test_an_unexpected_error_is_answered_500_and_logged_without_its_message(
    error: Exception, headers: dict[str, str], output: Callable[[], str]
) -> None:
    answer = fail(error, headers)

    assert answer["statusCode"] == 500
    said = Page(answer).words if headers else problem_in(answer)["detail"]
    assert "our fault: please try again in a minute" in said
    written = output()
    assert CANARY not in f"{written}{answer}"
    failure, answered = [json.loads(line) for line in written.splitlines()]
    assert failure["level"] == "ERROR"
    assert failure["error"] == type(error).__name__
    assert any("test_problems.py" in place for place in failure["raised_at"])
    assert answered["status"] == 500
    assert failure["correlation_id"] == answered["correlation_id"]


def test_an_invalid_value_that_nobody_caught_is_not_quoted_in_the_log(
    output: Callable[[], str],
) -> None:
    with pytest.raises(ValidationError) as refusal:
        EmailAddress("<canary@example.com>")

    answer = fail(refusal.value)

    assert answer["statusCode"] == 500
    assert "canary" not in f"{output()}{answer}"


def test_a_chain_of_errors_is_not_quoted_in_the_log(output: Callable[[], str]) -> None:
    error = RuntimeError("outer canary")
    error.__cause__ = ValueError("inner canary")
    error.add_note("canary")

    fail(error)

    assert "canary" not in output()


READERS_WORDS = {
    errors.InvalidToken("x"): ("This link doesn't work", True),
    errors.ExpiredToken("x"): ("This link doesn't work any more", True),
    errors.PageNotFound("x"): ("This page doesn't exist", True),
    errors.DependencyUnavailable("x"): ("This doesn't work just now", False),
    errors.InvalidRequest("x"): ("We can't take this as it is", False),
    RuntimeError("x"): ("Something went wrong on our side", False),
}


@pytest.mark.parametrize("error", READERS_WORDS, ids=lambda error: type(error).__name__)
def test_an_error_page_speaks_to_readers_and_shows_the_way_on(error: Exception) -> None:
    heading, leads_to_sign_up = READERS_WORDS[error]

    page = Page(fail(error, BROWSER))

    assert heading in page.words
    assert ("Go to the sign-up page" in page.words) == leads_to_sign_up
