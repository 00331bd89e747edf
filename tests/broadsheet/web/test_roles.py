"""Every authors' route needs a role, and is refused to a token with a lesser one."""

import importlib
import json
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest

from broadsheet.domain.authors import Role
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.roles import ROLES
from broadsheet.web.router import router
from local.lambda_events import api_event
from tests.cloud import context, json_of, problem_in
from tests.template.test_template import AUTHORS_ROUTES, FUNCTIONS, OPEN_ROUTES

pytestmark = pytest.mark.usefixtures("edge")

type Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def authors_routes() -> Iterator[tuple[str, str]]:
    """Yield each route of the template that the authorizer guards, with its function."""
    for function in FUNCTIONS.values():
        for event in function["Properties"].get("Events", {}).values():
            route = event["Properties"]
            if route.get("Auth", {}).get("Authorizer") != "NONE":
                folder = function["Properties"]["CodeUri"].strip("/").rpartition("/")[2]
                yield f"{route['Method'].upper()} {route['Path']}", folder


# HEAD is GET without its body, and needs the same role.
EVERY_AUTHORS_ROUTE = [route for route in authors_routes() if not route[0].startswith("HEAD ")]


def call(handler: Handler, route: str, role: str) -> dict[str, Any]:
    method, resource = route.split(" ")
    event = api_event(
        method, resource, path_parameters={"id": "none"}, author="ada", role=role, body="{}"
    )
    return handler(event, context())


def test_every_authors_route_of_the_template_and_no_other_has_its_role() -> None:
    assert {route for route, _ in EVERY_AUTHORS_ROUTE} == ROLES.keys()
    assert ROLES.keys() == AUTHORS_ROUTES
    assert not ROLES.keys() & OPEN_ROUTES


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("route", "function"), EVERY_AUTHORS_ROUTE)
def test_a_route_is_open_to_its_role_and_those_above_and_to_no_other(
    route: str, function: str, role: Role
) -> None:
    handler = importlib.import_module(f"functions.{function}.app").handler
    roles = list(Role)

    answer = call(handler, route, role)

    allowed = roles.index(role) >= roles.index(ROLES[route])
    refused = answer["statusCode"] == HTTPStatus.FORBIDDEN
    assert refused != allowed
    if refused:
        document = problem_in(answer)
        assert document["code"] == "role-needed"
        assert document["role"] == ROLES[route]
        assert f"the role {ROLES[route]}" in document["detail"]


@pytest.mark.parametrize("role", ["", None])
def test_an_authors_route_is_refused_without_a_role(role: str | None) -> None:
    called: list[str] = []

    def show(request: Request) -> Response:
        called.append(request.author)
        return Response.json(HTTPStatus.OK, {})

    event = api_event("GET", "/issues", author="ada")
    event["requestContext"]["authorizer"] = {"author": "ada", "role": role} if role == "" else None

    answer = router({"GET /issues": show})(event, context())

    assert answer["statusCode"] == HTTPStatus.FORBIDDEN
    assert not called


def test_head_needs_the_role_of_get() -> None:
    def show(_request: Request) -> Response:
        return Response.json(HTTPStatus.OK, {})

    handler = router({"GET /issues/{id}/deliveries": show})

    assert call(handler, "HEAD /issues/{id}/deliveries", "write")["statusCode"] == 403
    assert call(handler, "HEAD /issues/{id}/deliveries", "publish")["statusCode"] == 200


def test_an_authors_route_that_has_no_role_is_nobodys() -> None:
    handler = router({"GET /forgotten": lambda _: Response.json(HTTPStatus.OK, "secret")})

    answer = call(handler, "GET /forgotten", "manage")

    assert answer["statusCode"] == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "secret" not in json.dumps(json_of(answer))
