"""Requests in, answers out, for functions behind API Gateway's proxy integration.

A browser gets pages, any other client gets JSON; errors are problem documents (RFC 9457), or an
error page. Every error of ``domain/errors.py`` becomes an answer here and nowhere else.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from broadsheet import settings
from broadsheet.domain import errors
from broadsheet.domain.requests import MAX_USER_AGENT_CHARACTERS, Origin
from broadsheet.domain.subscribers import SourceAddress
from broadsheet.telemetry import correlated, flush_metrics, log_failure, logger
from broadsheet.web import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from pydantic import ValidationError

_PROBLEMS: dict[type[errors.BroadsheetError], HTTPStatus] = {
    errors.InvalidRequest: HTTPStatus.BAD_REQUEST,
    errors.UnsendableIssue: HTTPStatus.BAD_REQUEST,
    errors.InvalidToken: HTTPStatus.UNAUTHORIZED,
    errors.PageNotFound: HTTPStatus.NOT_FOUND,
    errors.IssueNotFound: HTTPStatus.NOT_FOUND,
    errors.WrongState: HTTPStatus.CONFLICT,
    errors.ExpiredToken: HTTPStatus.GONE,
    errors.RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedContentType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.DependencyUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DatabaseUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
# A reader who ends here can start anew.
_LEADING_NOWHERE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_RETRY_AFTER_SECONDS = "30"  # Aurora wakes in 15 to 30 s
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
    mount: str
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
                source_address=SourceAddress(context["identity"]["sourceIp"]),
                user_agent=headers.get("user-agent", "")[:MAX_USER_AGENT_CHARACTERS],
            ),
            author=(context.get("authorizer") or {}).get("author", ""),
            mount=_mount(event),
            correlation_id=context["requestId"],
        )

    @property
    def wants_page(self) -> bool:
        """Tell whether a browser asks, which names HTML among what it accepts."""
        return "text/html" in self.headers.get("accept", "")

    def link(self, path: str) -> str:
        """Return the URL path, seen from outside, of one of our own paths."""
        return self.mount + path

    def fields(self, limit: int) -> dict[str, Any]:
        """Return a form's or a JSON object's fields.

        ``limit``: the largest body, in bytes. Raises ``RequestTooLarge``,
        ``UnsupportedContentType`` and ``InvalidRequest``.
        """
        if len(self.body) > limit:
            raise errors.RequestTooLarge(f"the body may have at most {limit:,} bytes")
        content_type = self.headers.get("content-type", "")
        match content_type.partition(";")[0].strip().lower():
            case "application/json":
                return _json_object(self.body)
            case "application/x-www-form-urlencoded":
                return _form(self.body)
            case "multipart/form-data":
                return _multipart(content_type, self.body)
        raise errors.UnsupportedContentType(
            "send application/json, application/x-www-form-urlencoded or multipart/form-data"
        )

    def document(self, limit: int) -> dict[str, Any]:
        """Return a JSON object's fields; as ``fields``, but of JSON only."""
        content_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            raise errors.UnsupportedContentType("send application/json")
        return self.fields(limit)


def _mount(event: Mapping[str, Any]) -> str:
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


def _multipart(content_type: str, body: bytes) -> dict[str, Any]:
    message = message_from_bytes(
        b"Content-Type: " + content_type.encode("ascii", "replace") + b"\r\n\r\n" + body,
        policy=HTTP,
    )
    parts = message.iter_parts() if message.is_multipart() else ()
    contents = {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
        for part in parts
    }
    try:
        # Always UTF-8, the page's encoding: browsers name none in the parts (RFC 7578 §5.1.2).
        return {
            name: content.decode()
            for name, content in contents.items()
            if isinstance(content, bytes)
        }
    except ValueError:
        raise errors.InvalidRequest(_UNREADABLE_FORM) from None


@dataclass(frozen=True)
class Answer:
    """What a client gets."""

    status: HTTPStatus
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def page(
        cls, status: HTTPStatus, html: str, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Answer a browser."""
        return cls(
            status,
            html,
            "text/html; charset=utf-8",
            {"Content-Security-Policy": pages.CONTENT_SECURITY_POLICY, **(headers or {})},
        )

    @classmethod
    def json(
        cls, status: HTTPStatus, document: object, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Answer a program."""
        return cls(status, json.dumps(document), headers=headers or {})

    def as_event(self) -> dict[str, Any]:
        """Return it as API Gateway takes it."""
        return {
            "statusCode": int(self.status),
            "headers": {
                "Content-Type": self.content_type,
                **_SECURITY_HEADERS,
                **self.headers,
            },
            "body": self.body,
        }


type Endpoint = Callable[[Request], Answer]


def endpoints(
    routes: Mapping[str, Endpoint],
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """Make a function's handler of its routes, each named as in ``POST /subscriptions``.

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
                answer = Answer(
                    HTTPStatus.INTERNAL_SERVER_ERROR,
                    json.dumps({"title": "Internal Server Error", "status": 500}),
                    "application/problem+json",
                )
            flush_metrics()
        return answer.as_event()

    return handler


def _answer(routes: Mapping[str, Endpoint], request: Request) -> Answer:
    try:
        return routes[f"{request.method} {request.resource}"](request)
    except errors.BroadsheetError as error:
        return problem(request, _PROBLEMS[type(error)], error)
    except Exception as error:  # noqa: BLE001 - an error of ours: told and answered
        log_failure("unexpected error", error)
        return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR)


def problem(
    request: Request, status: HTTPStatus, error: errors.BroadsheetError | None = None
) -> Answer:
    """Answer an error: a problem document (RFC 9457), or a page for a browser."""
    detail = str(error) if error else "this is our fault: please try again in a minute"
    unavailable = status is HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Retry-After": _RETRY_AFTER_SECONDS} if unavailable else {}
    if request.wants_page:
        html = pages.error(
            settings.newsletter_name(),
            status,
            status.phrase,
            f"{detail[:1].upper()}{detail[1:]}.",
            sign_up_url=request.link("/") if status in _LEADING_NOWHERE else "",
        )
        return Answer.page(status, html, headers)
    document: dict[str, Any] = {"title": status.phrase, "status": int(status), "detail": detail}
    if isinstance(error, errors.InvalidRequest) and error.errors:
        document["errors"] = error.errors
    return Answer(status, json.dumps(document), "application/problem+json", headers)


def invalid_fields(error: ValidationError) -> errors.InvalidRequest:
    """Make the answer to fields that can't be parsed: a sentence for each, without its value."""
    sentences = {
        _field(detail["loc"]): _sentence(detail["type"], detail["msg"])
        for detail in error.errors(include_url=False, include_input=False)
    }
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
