"""Requests in, answers out, for functions behind API Gateway's proxy integration.

A browser gets pages, any other client gets JSON; errors are problem documents (RFC 9457), or an
error page. Every error of ``domain/errors.py`` becomes an answer here and nowhere else.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from broadsheet import settings
from broadsheet.domain import errors
from broadsheet.domain.requests import MAX_USER_AGENT_CHARACTERS, Origin
from broadsheet.domain.subscribers import SourceAddress
from broadsheet.telemetry import correlated, flush_metrics, log_failure, logger
from broadsheet.web import pages, trusted_proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from pydantic import ValidationError


class _Problem(NamedTuple):
    """How an error is answered: its status, and the heading of the page that a reader gets."""

    status: HTTPStatus
    heading: str


# An error whose class is not here is answered as its nearest parent is.
_PROBLEMS: dict[type[errors.BroadsheetError], _Problem] = {
    errors.InvalidRequest: _Problem(HTTPStatus.BAD_REQUEST, "We can't take this as it is"),
    errors.InvalidToken: _Problem(HTTPStatus.UNAUTHORIZED, "This link doesn't work"),
    errors.PageNotFound: _Problem(HTTPStatus.NOT_FOUND, "This page doesn't exist"),
    errors.IssueNotFound: _Problem(HTTPStatus.NOT_FOUND, "This issue doesn't exist"),
    errors.WrongState: _Problem(HTTPStatus.CONFLICT, "This can't be done now"),
    errors.ExpiredToken: _Problem(HTTPStatus.GONE, "This link doesn't work any more"),
    errors.RequestTooLarge: _Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This is too long"),
    errors.UnsupportedContentType: _Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "We can't read this form"
    ),
    errors.IdempotencyKeyReused: _Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "This key is used already"
    ),
    errors.DependencyUnavailable: _Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "This doesn't work just now"
    ),
    errors.DatabaseUnavailable: _Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "This doesn't work just now"
    ),
}
_OUR_FAULT = _Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side")
# A reader who ends here can sign up.
_DEAD_ENDS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_RETRY_AFTER_SECONDS = "30"  # Aurora wakes in 15 to 30 s
_LOST_CHARACTER = (
    "a character was lost on the way (it came as U+FFFD); please send this again, as UTF-8"
)
_UNREADABLE_FORM = "the form can't be read: send it as UTF-8"
_SECURITY_HEADERS = {
    "Referrer-Policy": "no-referrer",  # tokens are in URLs
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Request:
    """An API Gateway proxy event, parsed. Header names are in lower case."""

    method: str
    resource: str
    path_parameters: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    origin: Origin
    author: str
    base_path: str
    correlation_id: str

    @classmethod
    def parse(cls, event: Mapping[str, Any]) -> Request:
        """Take a REST API's proxy event (payload version 1.0)."""
        context = event["requestContext"]
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        body = (event.get("body") or "").encode()
        return cls(
            method=event["httpMethod"],
            resource=event["resource"],
            path_parameters=event.get("pathParameters") or {},
            query=event.get("queryStringParameters") or {},
            headers=headers,
            body=base64.b64decode(body) if event.get("isBase64Encoded") else body,
            origin=Origin(
                source_address=trusted_proxy.reader_address(
                    headers, SourceAddress(context["identity"]["sourceIp"])
                ),
                user_agent=headers.get("user-agent", "")[:MAX_USER_AGENT_CHARACTERS],
            ),
            author=(context.get("authorizer") or {}).get("author", ""),
            base_path=_base_path(event),
            correlation_id=context["requestId"],
        )

    @property
    def wants_page(self) -> bool:
        """Tell whether a browser asks: it names HTML among what it accepts, and not JSON."""
        accepted = self.headers.get("accept", "")
        return "text/html" in accepted and "application/json" not in accepted

    def link(self, path: str) -> str:
        """Return the URL path, seen from outside, of one of our own paths."""
        return self.base_path + path

    def fields(self, limit: int) -> dict[str, Any]:
        """Return a form's or a JSON object's fields.

        ``limit``: the largest body, in bytes. Raises ``RequestTooLarge``,
        ``UnsupportedContentType`` and ``InvalidRequest``.
        """
        if len(self.body) > limit:
            raise errors.RequestTooLarge(f"the body may have at most {limit:,} bytes")
        match self._media_type:
            case "application/json":
                return _unharmed(_json_object(self.body))
            case "application/x-www-form-urlencoded":
                return _unharmed(_form(self.body))
        raise errors.UnsupportedContentType(
            "send application/json or application/x-www-form-urlencoded"
        )

    def document(self, limit: int) -> dict[str, Any]:
        """Return a JSON object's fields; as ``fields``, but of JSON only."""
        if self._media_type != "application/json":
            raise errors.UnsupportedContentType("send application/json")
        return self.fields(limit)

    @property
    def _media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def _base_path(event: Mapping[str, Any]) -> str:
    """Return what stands before our paths from outside: the operator's URL's, or the stage."""
    public_url = settings.public_url()
    if public_url:
        return urlsplit(public_url).path
    own_path = str(event["resource"]).replace("+}", "}")
    for name, value in (event.get("pathParameters") or {}).items():
        own_path = own_path.replace(f"{{{name}}}", value)
    return str(event["requestContext"]["path"]).removesuffix(own_path).rstrip("/")


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
        json.dumps(fields, ensure_ascii=False).encode()  # no half of a surrogate pair in it
    except (ValueError, RecursionError):  # a UnicodeError is a ValueError
        raise errors.InvalidRequest("the body is not valid JSON") from None
    if not isinstance(fields, dict):
        raise errors.InvalidRequest("the body must be a JSON object")
    return fields


def _form(body: bytes) -> dict[str, Any]:
    try:
        return dict(
            parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=20)
        )
    except ValueError:
        raise errors.InvalidRequest(_UNREADABLE_FORM) from None


def _unharmed(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields none of which has U+FFFD, by which bytes that are no UTF-8 were replaced."""
    harmed = {
        "request" if "\ufffd" in name else name: _LOST_CHARACTER
        for name, value in fields.items()
        if "\ufffd" in json.dumps({name: value}, ensure_ascii=False)
    }
    if harmed:
        raise _naming_fields(harmed)
    return fields


@dataclass(frozen=True)
class Response:
    """What a client gets."""

    status: HTTPStatus
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def page(
        cls, status: HTTPStatus, html: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Response a browser."""
        return cls(
            status,
            html,
            "text/html; charset=utf-8",
            {"Content-Security-Policy": pages.CONTENT_SECURITY_POLICY, **(headers or {})},
        )

    @classmethod
    def json(
        cls, status: HTTPStatus, document: object, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Response a program."""
        return cls(status, json.dumps(document), headers=headers or {})

    @classmethod
    def redirect(cls, location: str) -> Response:
        """Send a browser to another page of ours, to be asked for by GET (RFC 9110 §15.4.4)."""
        return cls(HTTPStatus.SEE_OTHER, headers={"Location": location})

    def as_event(self, method: str = "GET") -> dict[str, Any]:
        """Return it as API Gateway takes it; of HEAD, GET's headers alone (RFC 9110 §9.3.2)."""
        headers = {"Content-Type": self.content_type, **_SECURITY_HEADERS, **self.headers}
        if method == "HEAD":
            headers["Content-Length"] = str(len(self.body.encode()))
        return {
            "statusCode": int(self.status),
            "headers": headers,
            "body": "" if method == "HEAD" else self.body,
        }


type Endpoint = Callable[[Request], Response]


def router(
    routes: Mapping[str, Endpoint],
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """Make a function's handler of its routes, each named as in ``POST /subscriptions``.

    HEAD is answered as GET is, without the body.
    An error that nobody expected is logged without its message and answered as 500.
    """

    def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
        with correlated(event["requestContext"]["requestId"]):
            try:
                request = Request.parse(event)
                answer = _answer(routes, request)
                logger.info(
                    "answered",
                    method=request.method,
                    resource=request.resource,
                    status=int(answer.status),
                )
            except Exception as error:  # noqa: BLE001 - the last place: told and answered
                log_failure("a request could not be read", error)
                answer = Response(
                    HTTPStatus.INTERNAL_SERVER_ERROR,
                    json.dumps({"title": "Internal Server Error", "status": 500}),
                    "application/problem+json",
                )
            flush_metrics()
        return answer.as_event(event["httpMethod"])

    return handler


def _answer(routes: Mapping[str, Endpoint], request: Request) -> Response:
    method = "GET" if request.method == "HEAD" else request.method
    try:
        return routes[f"{method} {request.resource}"](request)
    except errors.BroadsheetError as error:
        answered_as = _answered_as(error)
        if answered_as is not None:
            return _problem(request, answered_as, error)
        log_failure("unexpected error", error)
    except Exception as error:  # noqa: BLE001 - the last place: logged and answered
        log_failure("unexpected error", error)
    return _problem(request, _OUR_FAULT)


def _answered_as(error: errors.BroadsheetError) -> _Problem | None:
    """Return how the nearest class that an error inherits from is answered; None if none is."""
    return next((_PROBLEMS[kind] for kind in type(error).__mro__ if kind in _PROBLEMS), None)


def _problem(
    request: Request, problem: _Problem, error: errors.BroadsheetError | None = None
) -> Response:
    """Response an error: a problem document (RFC 9457), or a page for a browser."""
    status = problem.status
    detail = str(error) if error else "this is our fault: please try again in a minute"
    unavailable = status is HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Retry-After": _RETRY_AFTER_SECONDS} if unavailable else {}
    if request.wants_page:
        # Nobody who wants to leave is asked to sign up.
        leaving = request.resource.endswith("/unsubscribe")
        html = pages.error(
            settings.newsletter_name(),
            status,
            problem.heading,
            f"{detail}.",
            sign_up_url=request.link("/") if status in _DEAD_ENDS and not leaving else "",
        )
        return Response.page(status, html, headers)
    document: dict[str, Any] = {"title": status.phrase, "status": int(status), "detail": detail}
    if isinstance(error, errors.InvalidRequest) and error.errors:
        document["errors"] = error.errors
    return Response(status, json.dumps(document), "application/problem+json", headers)


def invalid_fields(error: ValidationError) -> errors.InvalidRequest:
    """Make the answer to fields that can't be parsed: a sentence for each, without its value."""
    sentences = {
        _field(detail["loc"]): _sentence(detail["type"], detail["msg"])
        for detail in error.errors(include_url=False, include_input=False)
    }
    return _naming_fields(sentences)


def _naming_fields(sentences: dict[str, str]) -> errors.InvalidRequest:
    named = "; ".join(f"{name}: {sentence}" for name, sentence in sentences.items())
    return errors.InvalidRequest(named, sentences)


def _field(place: tuple[int | str, ...]) -> str:
    """Name a field as its author wrote it: pydantic names a union's variant as well."""
    match place:
        case ("content", "markdown", "markdown"):
            return "markdown"
        case ("content", "html", field):
            return f"content.{field}"
        case _:
            return ".".join(str(part) for part in place) or "request"


_SENTENCES = {
    "missing": "this field is needed",
    "string_type": "this must be text",
    "extra_forbidden": "there is no such field",
    "model_type": "this must be a JSON object",
    "model_attributes_type": "this must be a JSON object",
}


def _sentence(kind: str, message: str) -> str:
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind.startswith(("datetime", "timezone", "date_")):
        return "give a time with its zone, as in 2026-12-01T08:00:00Z"
    return _SENTENCES.get(kind) or message[:1].lower() + message[1:]
