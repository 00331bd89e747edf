"""Routes, the description of the API, and the template are one."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from broadsheet import settings
from broadsheet.domain.findings import Severity
from broadsheet.domain.issue_requests import WrittenMail
from broadsheet.services.issues import checking
from broadsheet.web.roles import ROLES
from functions.archive.app import handler as archive
from functions.manage.app import ACTS
from local.lambda_events import api_event
from openapi.__main__ import DOCUMENT, PAGE, SERVED, files
from openapi.document import errors_of, status_of
from openapi.endpoints import ENDPOINTS
from tests.cloud import Edge, context
from tests.template.test_template import AUTHORS_ROUTES, OPEN_ROUTES

ROOT = Path(__file__).parents[2]
NOT_DESCRIBED = {
    "GET /{proxy+}",  # answers 404 to whatever has no route
    # Screens, for a browser.
    *("GET /studio", "GET /studio/{path+}", "POST /studio/{path+}"),
    *("GET /studio/enter", "POST /studio/enter", "POST /studio/sign-in"),
}
WRITTEN: dict[str, Any] = json.loads(DOCUMENT.read_text())


def described() -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, operations in WRITTEN["paths"].items()
        for method, operation in operations.items()
    }


def routes_of(app: Path) -> set[str]:
    """Return the routes of a function, from the call of `router` in its file."""
    return {
        str(key.value)
        for node in ast.walk(ast.parse(app.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "router"
        for table in node.args
        if isinstance(table, ast.Dict)
        for key in table.keys
        if isinstance(key, ast.Constant)
    }


@pytest.mark.parametrize("file", [DOCUMENT, SERVED, PAGE], ids=lambda file: file.name)
def test_what_is_written_is_what_the_code_says(file: Path) -> None:
    assert file.read_text() == files()[file], "run `make openapi`"


def test_routes_description_template_and_functions_are_one() -> None:
    in_code = set[str]().union(*(routes_of(app) for app in ROOT.glob("functions/*/app.py")))

    assert in_code - NOT_DESCRIBED == described().keys() == ENDPOINTS.keys()
    assert described().keys() == (AUTHORS_ROUTES | OPEN_ROUTES) - NOT_DESCRIBED


def test_a_role_is_described_where_one_is_needed() -> None:
    needed = {route: operation.get("x-role") for route, operation in described().items()}

    assert {route: role for route, role in needed.items() if role} == ROLES
    for route, operation in described().items():
        assert operation["security"] == ([{"author": []}] if route in ROLES else [])


@pytest.mark.parametrize("route", ENDPOINTS)
def test_each_error_has_its_status_and_its_code(route: str) -> None:
    responses = described()[route]["responses"]

    for error in errors_of(route, ENDPOINTS[route]):
        response = responses[str(int(status_of(error)))]
        codes = response["content"]["application/problem+json"]["schema"]["allOf"][1]
        assert error.code in codes["properties"]["code"]["enum"]


def test_a_list_is_limited_in_items_and_a_text_in_characters() -> None:
    """Pydantic writes ``minLength`` for a list whose limit comes after a function of ours."""
    of_others = {
        "array": {"minLength", "maxLength", "pattern"},
        "string": {"minItems", "maxItems"},
    }

    def wrong(part: object) -> Iterator[object]:
        if isinstance(part, dict):
            if of_others.get(str(part.get("type")), set()) & part.keys():
                yield part
            for inner in part.values():
                yield from wrong(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from wrong(inner)

    assert list(wrong(json.loads(DOCUMENT.read_text()))) == []


def test_the_document_is_openapi_3_1() -> None:
    schema = schemathesis.openapi.from_dict(WRITTEN)

    schema.validate()
    assert WRITTEN["openapi"] == "3.1.0"
    assert len(list(schema.get_all_operations())) == len(ENDPOINTS)


EXAMPLES = [
    (route, content["schema"], content["example"])
    for route, operation in described().items()
    for content in operation.get("requestBody", {}).get("content", {}).values()
    if "example" in content
]


@pytest.mark.parametrize(("route", "schema", "example"), EXAMPLES)
def test_an_example_is_what_its_schema_describes(
    route: str, schema: dict[str, Any], example: object
) -> None:
    whole = schema | {"components": WRITTEN["components"]}

    jsonschema_rs.validator_for(whole).validate(example)


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    "route",
    [
        "POST /issues",
        "PUT /issues/{id}",
        "POST /issues/preview",
        "POST /issues/{id}/correct",
        "PUT /welcome",
    ],
)
def test_the_example_of_a_text_could_be_sent(route: str) -> None:
    (example,) = [example for described_route, _, example in EXAMPLES if described_route == route]
    takes = ENDPOINTS[route].takes
    assert isinstance(takes, type)
    assert issubclass(takes, WrittenMail)

    found = checking.check(takes.model_validate(example), settings.newsletter()).findings

    assert not [each for each in found if each.severity is Severity.ERROR]


def test_every_request_has_an_example() -> None:
    with_json = {
        route
        for route, operation in described().items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }

    assert {route for route, _, _ in EXAMPLES} == with_json


def test_what_readers_can_ask_for_is_described_in_full() -> None:
    form = WRITTEN["components"]["schemas"]["SubscriptionForm"]["properties"]

    assert set(form["do"]["enum"]) == set(ACTS)
    assert ["pattern" in kind for kind in form["language"]["anyOf"]] == [True, False]
    answers = described()["POST /subscriptions/confirm"]["responses"]
    assert answers["403"]["content"].keys() == {"text/html"}
    assert " or ".join(f"`{act}`" for act in form["do"]["enum"]) in PAGE.read_text()


@pytest.mark.usefixtures("edge")
def test_a_stack_serves_its_description() -> None:
    answer = archive(api_event("GET", "/openapi.json"), context())

    assert answer["statusCode"] == 200
    assert answer["headers"]["Content-Type"] == "application/json"
    assert json.loads(answer["body"]) == WRITTEN
    again = api_event("GET", "/openapi.json", headers={"if-none-match": answer["headers"]["ETag"]})
    assert archive(again, context())["statusCode"] == 304


def test_serving_it_needs_nothing_else(edge: Edge) -> None:
    edge.lose_bucket()
    edge.lose_secrets()

    assert archive(api_event("GET", "/openapi.json"), context())["statusCode"] == 200
