"""Takes images that authors put into their issues."""

from http import HTTPStatus

from broadsheet.services.issues import illustrating
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router


def upload(request: Request) -> Response:
    """Store the image that the body is; the same image has the same address."""
    image, url = illustrating.store(request.body, request.site)
    return Response.json(
        HTTPStatus.CREATED,
        {"url": url, "width": image.width, "height": image.height},
        {"Location": url},
    )


handler = router({"POST /images": upload})
