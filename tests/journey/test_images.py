"""An author uploads an image; browsers and mail programs show it, and cut off ones are refused."""

from http import HTTPStatus

import pytest

from tests.images import CANARY, jpeg, opened, png, png_bomb
from tests.journey.people import Town

BROWSER = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


def upload(town: Town, content: bytes) -> tuple[int, dict[str, object]]:
    answer = town.ask(
        "POST", "/images", body=content, headers=town.as_author | {"Content-Type": "image/jpeg"}
    )
    return answer.status, answer.json()


@pytest.fixture(scope="module")
def url(town: Town) -> str:
    status, document = upload(town, jpeg(6))
    assert status == HTTPStatus.CREATED, document
    assert (document["width"], document["height"]) == (16, 24)  # upright
    return str(document["url"])


@pytest.mark.parametrize("accept", [BROWSER, "*/*", "text/html"])
def test_an_image_reaches_every_client_as_bytes(town: Town, url: str, accept: str) -> None:
    answer = town.ask("GET", url, headers={"Accept": accept})

    assert answer.status == HTTPStatus.OK
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer.headers["Cache-Control"]
    assert opened(answer.data).format == "JPEG"
    assert CANARY.encode() not in answer.data


def test_an_image_is_asked_for_by_head_and_by_its_tag(town: Town, url: str) -> None:
    head = town.ask("HEAD", url)
    again = town.ask("GET", url, headers={"If-None-Match": head.headers["ETag"]})

    assert (head.status, head.data) == (HTTPStatus.OK, b"")
    assert int(head.headers["Content-Length"]) == len(town.ask("GET", url).data)
    assert (again.status, again.data) == (HTTPStatus.NOT_MODIFIED, b"")


def test_the_same_bytes_have_the_same_address(town: Town) -> None:
    content = png()

    assert upload(town, content) == upload(town, content)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "not-an-image"),
        (jpeg()[:300], 400, "damaged-image"),
        (png_bomb(), 400, "image-too-many-pixels"),
        (b"\xff\xd8\xff" * 1_500_001, 413, "request-too-large"),
    ],
)
def test_what_is_no_image_is_refused(town: Town, content: bytes, status: int, code: str) -> None:
    answered, problem = upload(town, content)

    assert (answered, problem["code"]) == (status, code)


def test_an_unknown_image_is_not_found(town: Town) -> None:
    assert town.ask("GET", f"/images/{64 * '0'}.png").status == HTTPStatus.NOT_FOUND
