"""How an API Gateway event becomes a request."""

import pytest

from broadsheet.web.request import Request
from local.lambda_events import api_event

pytestmark = pytest.mark.usefixtures("edge")


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
