"""Requests in, answers out: what an event says, and what becomes of every error."""

import importlib
import json
import pkgutil
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

import broadsheet
from broadsheet.domain import errors
from broadsheet.domain.subscribers import EmailAddress, SubscriberName
from broadsheet.mail.ses import results
from broadsheet.web.http import _PROBLEMS, Request, Response, invalid_fields, router
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
    answer = fail(results.MailNotTaken("do it so"))

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
    assert any("test_http.py" in place for place in failure["raised_at"])
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


def test_one_invocations_correlation_id_is_not_in_the_next_ones_log(
    output: Callable[[], str],
) -> None:
    handler = router({"GET /": lambda _: Response.json(HTTPStatus.OK, {})})
    events = [api_event("GET", "/") for _ in range(3)]

    for event in events:
        handler(event, context())

    lines = [json.loads(line) for line in output().splitlines()]
    assert [line["correlation_id"] for line in lines] == [
        event["requestContext"]["requestId"] for event in events
    ]


def test_header_names_may_be_written_in_any_case() -> None:
    request = Request.parse(api_event("GET", "/", headers={"ACCEPT": "text/html", "X-y": "z"}))

    assert request.wants_page
    assert request.headers == {"accept": "text/html", "x-y": "z"}


def test_what_api_gateway_leaves_out_is_empty() -> None:
    event = api_event("GET", "/")
    event |= {"headers": None, "queryStringParameters": None, "pathParameters": None, "body": None}

    request = Request.parse(event)

    assert request.headers == request.query == request.path_parameters == {}
    assert request.body == b""
    assert request.author == request.origin.user_agent == ""
    assert not request.wants_page


@pytest.mark.parametrize(
    ("accept", "is_browser"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("text/html", True),
        ("*/*", False),
        ("application/json", False),
        ("application/problem+json, application/json", False),
        ("application/json, text/html;q=0.5", False),
        ("", False),
    ],
)
def test_a_browser_is_known_by_what_it_accepts(accept: str, *, is_browser: bool) -> None:
    request = Request.parse(api_event("GET", "/", headers={"accept": accept}))

    assert request.wants_page == is_browser


@pytest.mark.parametrize(
    ("resource", "outer_path", "parameters", "link"),
    [
        ("/", "/prod/", {}, "/prod/x"),
        ("/", "/prod", {}, "/prod/x"),
        ("/", "/", {}, "/x"),
        ("/subscriptions", "/prod/subscriptions", {}, "/prod/x"),
        ("/subscriptions", "/subscriptions", {}, "/x"),
        ("/subscriptions", "/the/letter/subscriptions", {}, "/the/letter/x"),
        ("/subscriptions/confirm", "/prod/subscriptions/confirm", {}, "/prod/x"),
        ("/issues/{id}", "/prod/issues/7", {"id": "7"}, "/prod/x"),
        ("/{proxy+}", "/prod/no/where", {"proxy": "no/where"}, "/prod/x"),
    ],
)
def test_a_link_starts_where_the_request_came_in(
    resource: str, outer_path: str, parameters: dict[str, str], link: str
) -> None:
    event = api_event("GET", resource, path_parameters=parameters)
    event["requestContext"]["path"] = outer_path

    assert Request.parse(event).link("/x") == link


@pytest.mark.parametrize(
    ("public_url", "link"),
    [
        ("https://news.example.com", "/x"),
        ("https://news.example.com/", "/x"),
        ("https://example.com/the/letter", "/the/letter/x"),
        ("http://127.0.0.1:8080/letter/", "/letter/x"),
    ],
)
def test_a_link_starts_where_the_operator_says(
    monkeypatch: pytest.MonkeyPatch, public_url: str, link: str
) -> None:
    monkeypatch.setenv("PUBLIC_URL", public_url)

    assert Request.parse(api_event("GET", "/subscriptions")).link("/x") == link


@pytest.mark.parametrize(
    "answer",
    [
        Response.json(HTTPStatus.OK, {"a": "ü"}),
        Response.json(HTTPStatus.ACCEPTED, [], {"Location": "/issues/1"}),
        Response.page(HTTPStatus.OK, "<!doctype html>"),
        Response.page(HTTPStatus.SERVICE_UNAVAILABLE, "<!doctype html>", {"Retry-After": "30"}),
    ],
)
def test_an_answer_is_what_api_gateway_takes(answer: Response) -> None:
    event = answer.as_event()

    assert json.loads(json.dumps(event)) == event
    assert type(event["statusCode"]) is int
    assert all(isinstance(value, str) for value in event["headers"].values())
    assert event["headers"].items() >= dict(answer.headers).items()
    assert event["headers"]["Cache-Control"] == "no-store"
    assert event["headers"]["Referrer-Policy"] == "no-referrer"
    assert event["headers"]["X-Content-Type-Options"] == "nosniff"


def test_a_page_may_do_nothing_but_post_its_own_form() -> None:
    policy = Response.page(HTTPStatus.OK, "").as_event()["headers"]["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy


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


HEADED = {"a page": BROWSER, "JSON": {}}


@pytest.mark.parametrize("headers", HEADED.values(), ids=HEADED)
@pytest.mark.parametrize("resource", ["/", "/broken", "/gone"])
def test_head_is_answered_as_get_is_but_for_the_body(
    headers: dict[str, str], resource: str
) -> None:
    def show(request: Request) -> Response:
        words = "Zoë"
        if request.wants_page:
            return Response.page(HTTPStatus.OK, words, {"X-Made-By": "us"})
        return Response.json(HTTPStatus.OK, words)

    def fail_for_good(_request: Request) -> Response:
        raise errors.ExpiredToken("do it so")

    def fail_by_fault(_request: Request) -> Response:
        raise RuntimeError

    handler = router({"GET /": show, "GET /gone": fail_for_good, "GET /broken": fail_by_fault})

    got = handler(api_event("GET", resource, headers=headers), context())
    head = handler(api_event("HEAD", resource, headers=headers), context())

    assert head["body"] == ""
    assert head["statusCode"] == got["statusCode"]
    assert head["headers"] == got["headers"] | {"Content-Length": str(len(got["body"].encode()))}


@pytest.mark.parametrize(
    ("body", "content_type", "fields"),
    [
        ('{"name": "Zo\ufffd", "email": "zoe@example.com"}', "application/json", {"name"}),
        (r'{"name": "Zo\ufffd", "email": "zo\uFFFD"}', "application/json", {"name", "email"}),
        ('{"content": {"html": "<p>\ufffd</p>", "text": "x"}}', "application/json", {"content"}),
        ('{"to": ["x", {"deep": "\ufffd"}]}', "application/json", {"to"}),
        ('{"\ufffd": "x"}', "application/json", {"request"}),
        ("name=Zo%EF%BF%BD&email=x", "application/x-www-form-urlencoded", {"name"}),
        ("name=Zo\ufffd&email=x", "application/x-www-form-urlencoded", {"name"}),
    ],
)
def test_text_of_which_a_character_was_lost_on_the_way_is_refused(
    body: str, content_type: str, fields: set[str]
) -> None:
    event = api_event("POST", "/", body=body, headers={"content-type": content_type})

    with pytest.raises(errors.InvalidRequest) as refusal:
        Request.parse(event).fields(1000)

    assert refusal.value.errors.keys() == fields
    assert all("a character was lost" in said for said in refusal.value.errors.values())


class Form(BaseModel):
    name: SubscriberName
    email: EmailAddress
    age: int = 0


@given(
    st.text(alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=3),
)
def test_what_is_said_of_fields_holds_nothing_that_was_typed(typed: str) -> None:
    with pytest.raises(ValidationError) as error:
        Form.model_validate({"name": f"<{typed}>", "email": f"{typed}@{typed}", "age": typed})

    refusal = invalid_fields(error.value)
    assert refusal.errors.keys() == {"name", "email", "age"}
    assert typed not in f"{refusal}{refusal.errors}"
    assert all(sentence[0].islower() for sentence in refusal.errors.values())


def test_each_field_is_told_in_a_sentence_of_its_own() -> None:
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(list[Form]).validate_python([{"name": " ", "age": "old"}, 5])

    assert invalid_fields(refusal.value).errors == {
        "0.name": "a name is needed",
        "0.email": "this field is needed",
        "0.age": "input should be a valid integer, unable to parse string as an integer",
        "1": "this must be a JSON object",
    }


body_bytes = st.binary(max_size=200) | st.text(max_size=200).map(
    lambda text: text.encode(errors="surrogatepass")
)


@given(body_bytes, st.sampled_from(["application/json", "application/x-www-form-urlencoded"]))
def test_whatever_the_body_it_is_read_or_refused_and_never_our_fault(
    body: bytes, content_type: str
) -> None:
    request = Request.parse(api_event("POST", "/", headers={"content-type": content_type}))

    for sent in (body, b'{"name": "' + body + b'"}', b"name=" + body):
        try:
            fields = Request(**(vars(request) | {"body": sent})).fields(1000)
        except errors.InvalidRequest:
            continue
        assert "\ufffd" not in json.dumps(fields, ensure_ascii=False).encode().decode()
