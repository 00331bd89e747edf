"""How a function's routes become its handler."""

import json
from collections.abc import Callable
from http import HTTPStatus

import pytest

from broadsheet.domain import errors
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router
from local.lambda_events import api_event
from tests.cloud import context

BROWSER = {"accept": "text/html,*/*;q=0.8"}

pytestmark = pytest.mark.usefixtures("edge")


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


HEADED = {"a page": BROWSER, "JSON": {}}


@pytest.mark.parametrize("headers", HEADED.values(), ids=HEADED)
@pytest.mark.parametrize("resource", ["/", "/broken", "/gone"])
def test_head_gets_the_response_of_get_without_its_body(
    headers: dict[str, str], resource: str
) -> None:
    def show(request: Request) -> Response:
        words = "Zoë"
        if request.wants_page:
            return Response.page(HTTPStatus.OK, words, {"X-Made-By": "us"})
        return Response.json(HTTPStatus.OK, words)

    def fail_for_good(_request: Request) -> Response:
        raise errors.ExpiredToken

    def fail_by_fault(_request: Request) -> Response:
        raise RuntimeError

    handler = router({"GET /": show, "GET /gone": fail_for_good, "GET /broken": fail_by_fault})

    got = handler(api_event("GET", resource, headers=headers), context())
    head = handler(api_event("HEAD", resource, headers=headers), context())

    assert head["body"] == ""
    assert head["statusCode"] == got["statusCode"]
    assert head["headers"] == got["headers"] | {"Content-Length": str(len(got["body"].encode()))}
