"""An author uploads an image, and readers' mail programs fetch it."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from broadsheet.services.issues.illustrating import LARGEST_IMAGE
from broadsheet.storage import bucket
from functions.archive.app import handler as archive
from functions.images.app import handler as images
from local.lambda_events import api_event
from tests.cloud import Edge, context, json_of, problem_in
from tests.images import CANARY, LANDSCAPE, gif, jpeg, opened, png, png_bomb

SITE = "https://abcdefghij.execute-api.eu-central-1.amazonaws.com"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


def upload(content: bytes, role: str = "write", **headers: str) -> dict[str, Any]:
    """Upload as API Gateway passes it on, with every type taken for a binary one."""
    event = api_event("POST", "/images", headers=headers, author="ada", role=role)
    event["requestContext"]["domainName"] = SITE.removeprefix("https://")
    event |= {"body": base64.b64encode(content).decode(), "isBase64Encoded": True}
    return images(event, context())


def fetch(file: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    event = api_event(method, "/images/{file}", path_parameters={"file": file}, headers=named)
    return archive(event, context())


def address(answer: dict[str, Any]) -> str:
    return str(json_of(answer)["url"])


def name(answer: dict[str, Any]) -> str:
    return address(answer).rpartition("/")[2]


@pytest.mark.parametrize(
    ("made", "media_type"), [(jpeg, "image/jpeg"), (png, "image/png"), (gif, "image/gif")]
)
def test_an_uploaded_image_has_an_address_where_everybody_gets_it(
    edge: Edge, made: Callable[[], bytes], media_type: str
) -> None:
    answer = upload(made())

    assert answer["statusCode"] == 201
    document = json_of(answer)
    assert document.keys() == {"url", "width", "height"}
    assert document["url"] == answer["headers"]["Location"]
    assert document["url"].startswith(f"{SITE}/prod/images/")
    assert (document["width"], document["height"]) == LANDSCAPE
    shown = fetch(name(answer))
    assert shown["statusCode"] == 200
    assert shown["isBase64Encoded"] is True
    content = base64.b64decode(shown["body"])
    assert {f"images/{name(answer)}": content} == edge.stored()
    assert opened(content).size == LANDSCAPE
    assert CANARY.encode() not in content
    assert shown["headers"]["Content-Type"] == media_type
    assert shown["headers"]["X-Content-Type-Options"] == "nosniff"
    assert shown["headers"]["Cache-Control"] == "public, max-age=31536000, immutable"


def test_the_address_is_the_newsletters_own_where_it_has_one(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://news.page.example")

    answer = upload(png())

    assert address(answer) == f"https://news.page.example/images/{name(answer)}"
    assert edge.stored()


def test_the_same_bytes_twice_have_the_same_address(edge: Edge) -> None:
    first, second = upload(jpeg()), upload(jpeg())

    assert first["statusCode"] == second["statusCode"] == 201
    assert json_of(first) == json_of(second)
    assert len(edge.stored()) == 1
    assert address(upload(png())) != address(first)


@pytest.mark.usefixtures("edge")
@pytest.mark.parametrize("declared", ["image/png", "text/html", "application/json", ""])
def test_the_content_decides_and_not_what_it_is_called(declared: str) -> None:
    answer = upload(gif(), **{"content-type": declared})

    assert name(answer).endswith(".gif")


REFUSED = {
    "an SVG": (SVG, 415, "not-an-image"),
    "HTML called an image": (b"<!doctype html><p>Hello", 415, "not-an-image"),
    "nothing": (b"", 415, "not-an-image"),
    "half an image": (jpeg()[:200], 400, "damaged-image"),
    "a bomb": (png_bomb(), 400, "image-too-many-pixels"),
    "too many bytes": (b"\xff" * (LARGEST_IMAGE + 1), 413, "request-too-large"),
}


@pytest.mark.parametrize(("content", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_image_is_refused_in_words_and_nothing_is_stored(
    edge: Edge, content: bytes, status: int, code: str
) -> None:
    answer = upload(content, **{"content-type": "image/png"})

    assert answer["statusCode"] == status
    document = problem_in(answer)
    assert document["code"] == code
    assert document["detail"]
    assert edge.stored() == {}


def test_the_largest_image_fits_into_a_call_of_lambda_as_base64() -> None:
    largest_call, headers = 6 * 1024 * 1024, 10_240  # Lambda's and API Gateway's quotas

    assert LARGEST_IMAGE * 4 / 3 + 10 * headers < largest_call


@pytest.mark.usefixtures("edge")
@pytest.mark.parametrize("tags", ['"{digest}"', 'W/"{digest}"', '"other", "{digest}"', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_image_that_the_client_has_is_not_sent_again(tags: str, method: str) -> None:
    file = name(upload(png()))
    digest = file.partition(".")[0]

    answer = fetch(file, method, if_none_match=tags.format(digest=digest))

    assert (answer["statusCode"], answer["body"]) == (304, "")
    assert answer["headers"]["ETag"] == f'"{digest}"'
    assert "immutable" in answer["headers"]["Cache-Control"]
    assert fetch(file, method, if_none_match='"other"')["statusCode"] == 200


@pytest.mark.usefixtures("edge")
def test_head_says_how_large_an_image_is() -> None:
    file = name(upload(png()))

    head, got = fetch(file, "HEAD"), fetch(file)

    assert head["body"] == ""
    content = base64.b64decode(got["body"])
    assert head["headers"] == got["headers"] | {"Content-Length": str(len(content))}


@pytest.mark.usefixtures("edge")
@pytest.mark.parametrize(
    "file",
    [
        f"{64 * '0'}.png",
        f"{64 * '0'}.svg",
        f"{64 * 'A'}.png",
        "0.png",
        "..",
        "%2e%2e%2fsecret",
        f"{64 * '0'}.png/x",
        f"{64 * '0'}.png\n",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_unknown_image_is_not_found(file: str, method: str) -> None:
    answer = fetch(file, method, if_none_match="*")

    assert answer["statusCode"] == 404
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert method == "HEAD" or json.loads(answer["body"])["code"] == "page-not-found"


def test_while_s3_is_away_author_and_reader_are_asked_to_come_back(edge: Edge) -> None:
    file = name(upload(png()))
    edge.lose_bucket()

    for answer in (upload(gif()), fetch(file)):
        assert (answer["statusCode"], problem_in(answer)["code"]) == (503, "dependency-unavailable")
        assert answer["headers"]["Retry-After"]
        assert answer["headers"]["Cache-Control"] == "no-store"


class _Body:
    """The body of an answer that urllib3 has read."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> list[bytes]:
        return [self._content]


@pytest.mark.usefixtures("edge")
@pytest.mark.parametrize(("conflicts", "status"), [(1, 201), (2, 503)])
def test_an_upload_of_what_is_being_stored_at_the_same_time_is_repeated_once(
    conflicts: int, status: int
) -> None:
    """S3 answers 409 to a conditional write while another one of the same key is under way."""
    left = [b"<Error><Code>ConditionalRequestConflict</Code></Error>"] * conflicts

    def conflict(**_: object) -> Any:  # noqa: ANN401 - the stubs know of no answer
        return AWSResponse("", 409, HTTPHeaders(), _Body(left.pop())) if left else None

    events = bucket._client().meta.events
    events.register_first("before-send.s3.PutObject", conflict)
    try:
        answer = upload(png())
    finally:
        events.unregister("before-send.s3.PutObject", conflict)

    assert answer["statusCode"] == status
    assert left == []


def test_no_log_line_holds_what_an_image_tells(edge: Edge, output: Callable[[], str]) -> None:
    upload(jpeg())
    upload(SVG + CANARY.encode())

    assert "image stored" in output()
    assert CANARY not in output()
    assert edge.stored()
