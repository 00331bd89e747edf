"""Stores the images that authors put into their issues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet import images
from broadsheet.domain.errors import RequestTooLarge
from broadsheet.storage import images as stored_images
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.images import Image

# As base64, which is how API Gateway passes bytes on, within the 6 MiB that Lambda takes in a
# call, with room for the headers (docs/decisions/0028-images-are-not-decoded.md).
LARGEST_IMAGE = 4_500_000  # bytes


def store(sent: bytes, site: str) -> tuple[Image, str]:
    """Store an image, and return it with its address; the same image has the same address.

    Raises ``RequestTooLarge``, ``NotAnImage``, ``DamagedImage``, ``ImageTooManyPixels`` and
    ``DependencyUnavailable``.
    """
    if len(sent) > LARGEST_IMAGE:
        raise RequestTooLarge(max_bytes=LARGEST_IMAGE)
    image = images.read(sent)
    stored_images.store(image)
    logger.info("image stored", image=image.file_name, bytes=len(image.content))
    return image, f"{site}/images/{image.file_name}"
