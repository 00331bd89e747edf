"""Makes the document from the endpoints, the layer's types, its errors and its roles."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from broadsheet import __version__
from broadsheet.domain import errors, issue_requests, issues, segments, subscribers, tags
from broadsheet.domain.authors import Role
from broadsheet.domain.issue_requests import WrittenMail
from broadsheet.web.problems import STATUSES
from broadsheet.web.roles import ROLES
from broadsheet.web.sentences import SENTENCES
from openapi.answers import Problem
from openapi.endpoints import ENDPOINTS, Answered, Endpoint, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel
    from pydantic.json_schema import JsonSchemaMode

    type Keys = dict[tuple[type[BaseModel], JsonSchemaMode], dict[str, Any]]

PROBLEM = "application/problem+json"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
ABOUT = """\
An author sends a token with each request, `Authorization: Bearer …`, as `make author` prints it.
A token has a role, and each role includes the one before: `write` (drafts, previews, checks, test
mails), `publish` (what sends, stops or corrects an issue), `manage` (people and settings).

Errors are problem documents (RFC 9457); their `code` stays the same, their sentences may change.
A `GET` has its `HEAD`. Unknown members of a request are refused.
"""
# What our types check in Python, as far as JSON Schema says it without a list of Unicode.
_LIMITS: dict[str, dict[str, Any]] = {
    "IssueTitle": {"minLength": 1, "maxLength": issues.MAX_TITLE_CHARACTERS},
    "Preheader": {"minLength": 1, "maxLength": issues.MAX_PREHEADER_CHARACTERS},
    "Slug": {"pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": issues.MAX_SLUG_CHARACTERS},
    "SegmentName": {
        "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$",
        "maxLength": segments.MAX_NAME_CHARACTERS,
    },
    "Tag": {"minLength": 1, "maxLength": tags.MAX_TAG_CHARACTERS},
    "EmailAddress": {"minLength": 3, "maxLength": subscribers.MAX_EMAIL_CHARACTERS},
    "SubscriberName": {"minLength": 1, "maxLength": subscribers.MAX_NAME_CHARACTERS},
}
_HEADERS = {
    "Cache-Control": "How long it may be kept.",
    "ETag": "What this is a version of: for `If-Match` and `If-None-Match`.",
    "Location": "Where it is.",
    "Retry-After": "In how many seconds to try again.",
}
# API Gateway's own answers, as the template writes them: their codes, and what they mean.
_OF_THE_GATEWAY = {
    HTTPStatus.TOO_MANY_REQUESTS: {"too-many-requests": "too many requests at the moment"},
    HTTPStatus.GATEWAY_TIMEOUT: {
        "gateway-timeout": "it took too long; it does no harm to ask again"
    },
}
_TO_AUTHORS = {
    HTTPStatus.UNAUTHORIZED: {"token-needed": "no author's token was sent"},
    HTTPStatus.FORBIDDEN: {"token-unknown": "the token is not an author's"},
}
_OF_LARGE_BODIES = {"request-too-large": "the body is too large"}
_TAGS = {None: "Readers", Role.MANAGE: "People"}
_NOT_FOUND = {"subscribers": errors.SubscriberNotFound, "webhooks": errors.WebhookNotFound}
_WITH_DATABASE = (
    "issues",
    "welcome",
    "subscribers",
    "segments",
    "statistics",
    "webhooks",
)  # the first part of a route
_OF_BODIES = (errors.InvalidJson, errors.NoJsonObject, errors.InvalidFields)
_RETRIED = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)


def document() -> dict[str, Any]:
    """Return the whole document."""
    keys, schemas = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for route, endpoint in ENDPOINTS.items():
        method, _, path = route.partition(" ")
        paths.setdefault(path, {})[method.lower()] = _operation(route, endpoint, keys)
    bearer = {"type": "http", "scheme": "bearer", "description": "An author's token."}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Broadsheet",
            "version": __version__,
            "summary": "A newsletter's readers and authors",
            "description": ABOUT,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": ".", "description": "Where this document is"}],
        "tags": [
            {"name": "Authors", "description": "Writing and sending issues."},
            {"name": "People", "description": "Readers, and what becomes of them."},
            {"name": "Readers", "description": "Open to everybody."},
        ],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"author": bearer}},
    }


def _models() -> Iterator[tuple[type[BaseModel], JsonSchemaMode]]:
    yield Problem, "serialization"
    for endpoint in ENDPOINTS.values():
        if isinstance(endpoint.takes, type):
            yield endpoint.takes, "validation"
        for answered in endpoint.answers.values():
            if answered.model is not None:
                yield answered.model, "serialization"


def _schemas() -> tuple[Keys, dict[str, Any]]:
    """Return a reference for each type, and the schemas that they refer to."""
    models = list(dict.fromkeys(_models()))
    keys, definitions = models_json_schema(
        models, ref_template="#/components/schemas/{model}", by_alias=True
    )
    schemas: dict[str, Any] = definitions["$defs"]
    for name, limits in _LIMITS.items():
        schemas.get(name, {}).update(limits)
    for model, mode in models:
        if issubclass(model, WrittenMail):
            _allow_markdown(schemas[keys[model, mode]["$ref"].rpartition("/")[2]])
    return {key: keys[key] for key in models}, schemas


def _allow_markdown(schema: dict[str, Any]) -> None:
    """Describe a text as a request writes it: its Markdown stands beside the title."""
    properties = schema["properties"]
    html = next(
        ref for ref in properties["content"]["oneOf"] if ref["$ref"].endswith("/HtmlContent")
    )
    properties["content"] = html
    properties["markdown"] = {"type": "string", "maxLength": issue_requests.MAX_CONTENT_CHARACTERS}
    schema["required"] = [name for name in schema["required"] if name != "content"]
    schema["oneOf"] = [{"required": ["markdown"]}, {"required": ["content"]}]


def _operation(route: str, endpoint: Endpoint, keys: Keys) -> dict[str, Any]:
    method, _, path = route.partition(" ")
    role = ROLES.get(route)
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}{path}").strip("_"),
        "summary": endpoint.summary,
        "tags": [_TAGS.get(role, "Authors")],
        "security": [{"author": []}] if role else [],
    }
    if role:
        needs = f"Needs a token with the role `{role}`"
        operation["description"] = f"{needs}{endpoint.role_note}."
        operation["x-role"] = role.value
    if parameters := [*_in_path(path), *map(_parameter, endpoint.parameters)]:
        operation["parameters"] = parameters
    if endpoint.takes is not None:
        operation["requestBody"] = _body(endpoint, keys)
    answered = {str(int(status)): _answer(each, keys) for status, each in endpoint.answers.items()}
    operation["responses"] = answered | dict(_problems(route, endpoint))
    return operation


def _in_path(path: str) -> Iterator[dict[str, Any]]:
    text = {"type": "string"}
    of = {
        "id": text | {"format": "uuid"},
        "file": text,
        "slug": text,
        "issue": text | {"format": "uuid"},
        "number": {"type": "integer", "minimum": 1, "maximum": 999_999},
        "name": text,
        "email": text | _LIMITS["EmailAddress"],  # `format` would judge it as it is encoded
    }
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": of[name]}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "required": parameter.is_required,
        "schema": dict(parameter.schema),
    }


def _body(endpoint: Endpoint, keys: Keys) -> dict[str, Any]:
    if isinstance(endpoint.takes, tuple):
        content: dict[str, Any] = {media_type: {} for media_type in endpoint.takes}
    elif endpoint.takes is not None:
        described: dict[str, Any] = {"schema": keys[endpoint.takes, "validation"]}
        described |= {"example": endpoint.example} if endpoint.example is not None else {}
        content = {JSON: described} | ({FORM: described} if endpoint.takes_forms else {})
    return {"required": not endpoint.is_body_optional, "content": content}


def _answer(answered: Answered, keys: Keys) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answered.description}
    content: dict[str, Any] = {media_type: {} for media_type in answered.media_types}
    if answered.model is not None:
        content = {JSON: {"schema": keys[answered.model, "serialization"]}} | content
    if content:
        response["content"] = content
    if answered.headers:
        response["headers"] = {name: _header(name) for name in answered.headers}
    return response


def _header(name: str) -> dict[str, Any]:
    is_required = name != "Retry-After"  # nothing is to be retried today when a budget is spent
    return {
        "description": _HEADERS[name],
        "required": is_required,
        "schema": {"type": "string"},
    }


def errors_of(route: str, endpoint: Endpoint) -> list[type[errors.BroadsheetError]]:
    """Return every error that a route may answer, beside API Gateway's own."""
    found = [*endpoint.errors, errors.BroadsheetError]
    if isinstance(endpoint.takes, type):
        found += [*_OF_BODIES, errors.RequestTooLarge]
        found.append(errors.UnsupportedContentType if endpoint.takes_forms else errors.JsonExpected)
    if route in ROLES:
        found.append(errors.RoleNeeded)
    if _first_part(route) in _WITH_DATABASE:
        found.append(errors.DatabaseUnavailable)
    if "{id}" in route:
        found.append(_NOT_FOUND.get(_first_part(route), errors.IssueNotFound))
    return list(dict.fromkeys(found))


def _first_part(route: str) -> str:
    return route.split("/")[1]


def status_of(error: type[errors.BroadsheetError]) -> HTTPStatus:
    """Return the status of an error's response."""
    known = (STATUSES[kind] for kind in error.__mro__ if kind in STATUSES)
    return next(known, HTTPStatus.INTERNAL_SERVER_ERROR)


def _problems(route: str, endpoint: Endpoint) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the responses to errors, by their status: the codes that it has, and what they say."""
    by_status: dict[HTTPStatus, list[type[errors.BroadsheetError]]] = {}
    for error in errors_of(route, endpoint):
        by_status.setdefault(status_of(error), []).append(error)
    others = _OF_THE_GATEWAY | (_TO_AUTHORS if route in ROLES else {})
    if endpoint.takes is not None:
        others |= {HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _OF_LARGE_BODIES}
    for status in sorted({*by_status, *others}):
        ours = {error.code: _sentence(error) for error in by_status.get(status, [])}
        yield str(int(status)), _problem(status, others.get(status, {}) | ours)


def _sentence(error: type[errors.BroadsheetError]) -> str:
    """Return what an error says; where that depends on the request, what it is about."""
    sentence = SENTENCES[error.code]
    if "{" not in sentence:
        return sentence
    about = (error.__doc__ or "").partition("\n")[0].rstrip(".")
    return (about[:1].lower() + about[1:]).replace("``", "`")


def _problem(status: HTTPStatus, codes: Mapping[str, str]) -> dict[str, Any]:
    """Return a response: the codes that it may have, and what each says."""
    lines = [f"`{code}`: {codes[code]}" for code in sorted(codes)]
    known = {"properties": {"code": {"enum": sorted(codes)}}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, known]}
    response: dict[str, Any] = {
        "description": "  \n".join(lines),
        "content": {PROBLEM: {"schema": schema}},
    }
    if status in _RETRIED:
        response["headers"] = {"Retry-After": _header("Retry-After")}
    return response
