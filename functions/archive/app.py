"""Serves public content, without the database."""

from functools import cache
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from broadsheet.domain.errors import PageNotFound
from broadsheet.storage import images
from broadsheet.web import caching
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router


def show_image(request: Request) -> Response:
    """Show an image, whose address is the digest of its bytes."""
    image = images.find(request.path_parameters["file"])
    if image is None:
        raise PageNotFound
    headers = {"ETag": f'"{image.digest}"', "Cache-Control": caching.FOR_EVER}
    response = Response(HTTPStatus.OK, image.content, image.media_type, headers)
    return caching.unless_current(request, response)


def show_description(request: Request) -> Response:
    """Show the description of the API, which ``make openapi`` writes."""
    text, tag = _description()
    headers = {"ETag": tag, "Cache-Control": "public, max-age=300"}
    response = Response(HTTPStatus.OK, text, "application/json", headers)
    return caching.unless_current(request, response)


@cache
def _description() -> tuple[str, str]:
    text = Path(__file__).with_name("openapi.json").read_text(encoding="utf-8")
    return text, f'"{sha256(text.encode()).hexdigest()}"'


handler = router({"GET /images/{file}": show_image, "GET /openapi.json": show_description})
