"""How an error becomes a response: a problem document, or a page for a reader."""

import importlib
import json
import pkgutil
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
import regex
from pydantic import ValidationError

import broadsheet
from broadsheet.domain import errors
from broadsheet.domain.findings import Finding
from broadsheet.domain.subscribers import EmailAddress
from broadsheet.mail.ses import results
from broadsheet.web import authors_sentences, sentences
from broadsheet.web.problems import STATUSES
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


ERRORS: list[tuple[errors.BroadsheetError, int, str, str]] = [
    (errors.InvalidJson(), 400, "invalid-json", "not valid JSON"),
    (errors.InvalidLimit(100), 400, "invalid-limit", "from 1 to 100"),
    (errors.InvalidCursor("after"), 400, "invalid-cursor", "after must be taken from"),
    (errors.InvalidUnsubscribeToken(), 401, "invalid-unsubscribe-token", "is not valid"),
    (errors.WorkflowRefused(), 401, "workflow-refused", "no author is bound to this workflow"),
    (errors.RoleNeeded("publish"), 403, "role-needed", "with the role publish"),
    (errors.PageNotFound(), 404, "page-not-found", "there is nothing here"),
    (errors.IssueNotFound(), 404, "issue-not-found", "no issue with this id"),
    (errors.ImportNotFound(), 404, "import-not-found", "no import with this id"),
    (errors.ImportNotReady("reading"), 409, "import-not-ready", "it is reading"),
    (errors.IssueEnded("canceled"), 409, "issue-ended", "the issue is canceled"),
    (errors.ExpiredToken(), 410, "expired-confirmation-token", "sign up again"),
    (errors.RequestTooLarge(16_384), 413, "request-too-large", "16,384 bytes"),
    (errors.JsonExpected(), 415, "json-expected", "send application/json"),
    (errors.IdempotencyKeyReused(), 422, "idempotency-key-reused", "for another request"),
    (errors.IssueStarted("finished"), 409, "issue-started", "finished: it can't be rescheduled"),
    (errors.SpentTestMails(50, "2026-12-01T00:00:00Z", 60), 429, "test-mails-spent", "50"),
    (errors.UnknownTestMail(2, 1), 502, "test-mail-unknown", "address 2"),
    (errors.IssueIsDraft(), 409, "issue-is-draft", "only be edited, published or deleted"),
    (errors.DependencyUnavailable("canary"), 503, "dependency-unavailable", "try again"),
    (errors.DatabaseUnavailable("canary"), 503, "database-unavailable", "try again"),
]


@pytest.mark.parametrize(("error", "status", "code", "words"), ERRORS)
def test_an_error_is_answered_with_its_code_and_its_sentence(
    error: errors.BroadsheetError, status: int, code: str, words: str
) -> None:
    in_program, in_browser = fail(error), fail(error, BROWSER)

    assert in_program["statusCode"] == in_browser["statusCode"] == status
    document = problem_in(in_program)
    assert document.keys() == {"title", "status", "code", "detail"} | error.members.keys()
    assert (document["title"], document["code"]) == (HTTPStatus(status).phrase, code)
    assert words in document["detail"]
    page = Page(in_browser).words
    assert words.lower() in page.lower() or code in authors_sentences.PROGRAMS
    assert words.lower() not in page.lower() or code not in authors_sentences.PROGRAMS
    assert HTTPStatus(status).phrase not in page  # a reader's heading, not HTTP's
    for answer in (in_program, in_browser):
        assert "canary" not in answer["body"]
        assert ("Retry-After" in answer["headers"]) == (status in {429, 503})


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


def made(kind: type[errors.BroadsheetError]) -> errors.BroadsheetError:
    """Return an error of a class, with some value for each parameter."""
    if issubclass(kind, errors.InvalidFields):
        return kind({})
    if issubclass(kind, errors.UnsendableIssue):
        return kind([], [])
    return kind(*(7 for _ in getattr(kind, "__match_args__", ())))


@pytest.mark.parametrize("kind", every_error())
def test_an_error_has_the_response_of_its_nearest_parent(
    kind: type[errors.BroadsheetError],
) -> None:
    class Later(kind):  # type: ignore[misc,valid-type]
        """Somebody adds it and thinks of no answer."""

    parent = next(each for each in kind.__mro__ if each in STATUSES)

    answer, later = fail(made(kind)), fail(made(Later))

    assert answer["statusCode"] == later["statusCode"] == STATUSES[parent]
    assert 400 <= answer["statusCode"] < 500 or answer["statusCode"] in {502, 503}
    assert answer["body"] == later["body"]
    assert json_of(answer)["code"] == kind.code


def test_every_code_is_of_one_class_and_has_its_sentence() -> None:
    codes = {kind: kind.code for kind in every_error() if "code" in vars(kind)}

    assert len(set(codes.values())) == len(codes)
    assert set(codes.values()) <= sentences.SENTENCES.keys()
    assert all(regex.fullmatch(r"[a-z0-9]+(-[a-z]+)*", code) for code in sentences.SENTENCES)


def test_a_mail_that_ses_did_not_accept_is_an_outage() -> None:
    answer = fail(results.MailNotTaken("SES did not take the mail"))

    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"]


def test_a_field_by_field_error_names_the_fields() -> None:
    wrong = {"name": errors.InvalidField("not-text"), "age": errors.InvalidField("missing-field")}

    problem = problem_in(fail(errors.InvalidFields(wrong)))

    assert problem["detail"] == "name: this must be text; age: this field is needed"
    assert problem["errors"] == {"name": "this must be text", "age": "this field is needed"}
    assert problem["error_codes"] == {"name": "not-text", "age": "missing-field"}


def test_an_unsendable_issue_lists_all_findings_and_says_the_errors() -> None:
    missing = Finding("no-address", "line 3")
    nobody = Finding("nobody-to-send-to")

    problem = problem_in(fail(errors.UnsendableIssue([nobody, missing], [missing])))

    assert (problem["status"], problem["code"]) == (400, "unsendable-issue")
    assert problem["detail"] == "line 3: a link or an image has no address"
    assert [each["code"] for each in problem["warnings"]] == ["no-address", "nobody-to-send-to"]
    assert problem["warnings"][0] == {
        "code": "no-address",
        "severity": "error",
        "message": "A link or an image has no address.",
        "where": "line 3",
    }
    assert problem["warnings"][1]["where"] is None


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
def test_an_unexpected_error_is_a_500_and_is_logged_without_its_message(
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


def test_an_invalid_value_that_was_not_caught_is_not_in_the_log(
    output: Callable[[], str],
) -> None:
    with pytest.raises(ValidationError) as refusal:
        EmailAddress("<canary@example.com>")

    answer = fail(refusal.value)

    assert answer["statusCode"] == 500
    assert "canary" not in f"{output()}{answer}"


def test_a_chain_of_errors_is_not_in_the_log(output: Callable[[], str]) -> None:
    error = RuntimeError("outer canary")
    error.__cause__ = ValueError("inner canary")
    error.add_note("canary")

    fail(error)

    assert "canary" not in output()


READERS_WORDS = {
    errors.InvalidConfirmationToken(): ("This link doesn't work", True),
    errors.InvalidSignUpState(): ("This form doesn't work", True),
    errors.ExpiredCode(): ("This code doesn't work any more", True),
    errors.SpentCode(): ("This code doesn't work any more", True),
    errors.ExpiredToken(): ("This link doesn't work any more", True),
    errors.PageNotFound(): ("This page doesn't exist", True),
    errors.DependencyUnavailable(): ("This doesn't work just now", False),
    errors.InvalidForm(): ("We can't take this as it is", False),
    RuntimeError("x"): ("Something went wrong on our side", False),
}


@pytest.mark.parametrize("error", READERS_WORDS, ids=lambda error: type(error).__name__)
def test_an_error_page_has_a_heading_for_readers_and_links_to_the_sign_up_page(
    error: Exception,
) -> None:
    heading, leads_to_sign_up = READERS_WORDS[error]

    page = Page(fail(error, BROWSER))

    assert heading in page.words
    assert ("Go to the sign-up page" in page.words) == leads_to_sign_up
