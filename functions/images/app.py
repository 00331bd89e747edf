"""Takes images that authors put into their issues."""

from http import HTTPStatus

from broadsheet import images
from broadsheet.domain.errors import RequestTooLarge
from broadsheet.storage import images as stored_images
from broadsheet.telemetry import logger
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router

# As base64, which is how API Gateway passes bytes on, within the 6 MiB that Lambda takes in a
# call, with room for the headers (docs/decisions/0028-images-are-not-decoded.md).
LARGEST_IMAGE = 4_500_000  # bytes


def upload(request: Request) -> Response:
    """Store the image that the body is; the same image has the same address."""
    if len(request.body) > LARGEST_IMAGE:
        raise RequestTooLarge(max_bytes=LARGEST_IMAGE)
    image = images.read(request.body)
    stored_images.store(image)
    url = f"{request.site}/images/{image.file_name}"
    logger.info("image stored", image=image.file_name, bytes=len(image.content))
    return Response.json(
        HTTPStatus.CREATED,
        {"url": url, "width": image.width, "height": image.height},
        {"Location": url},
    )


handler = router({"POST /images": upload})
