"""Serves public content, without the database."""

from http import HTTPStatus

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


handler = router({"GET /images/{file}": show_image})
