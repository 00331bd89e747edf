"""How a response becomes an event for API Gateway."""

import json
from http import HTTPStatus

import pytest

from broadsheet.web.response import Response

pytestmark = pytest.mark.usefixtures("edge")


@pytest.mark.parametrize(
    "answer",
    [
        Response.json(HTTPStatus.OK, {"a": "ü"}),
        Response.json(HTTPStatus.ACCEPTED, [], {"Location": "/issues/1"}),
        Response.page(HTTPStatus.OK, "<!doctype html>"),
        Response.page(HTTPStatus.SERVICE_UNAVAILABLE, "<!doctype html>", {"Retry-After": "30"}),
    ],
)
def test_a_response_has_the_form_that_api_gateway_expects(answer: Response) -> None:
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
