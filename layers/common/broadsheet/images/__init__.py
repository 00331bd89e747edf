"""Images that an author uploads: judged by what they contain, and stored without what they tell.

An image is never decoded: its parts are checked and copied, or left out. So its pixels, colour
profile and animation stay as they are, a picture of ten billion pixels costs nothing, and no
decoder runs on what a stranger made. What is left out: position, camera, comments, thumbnails, and
whatever follows the image's end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING

from broadsheet.domain.errors import NotAnImage
from broadsheet.images import gif, jpeg, png

if TYPE_CHECKING:
    from collections.abc import Callable

    from broadsheet.images.parts import Picture

# More than any camera whose files fit in an upload; 200 MB in a mail program that decodes it.
MAX_PIXELS = 50_000_000


class ImageFormat(Enum):
    """What mail programs show. Outlook shows no WebP or AVIF, Gmail no SVG (caniemail, June 2026).

    The value: what a file begins with, how it is read, its extension, its media type.
    """

    JPEG = (b"\xff\xd8\xff", jpeg.read, "jpg", "image/jpeg")
    PNG = (b"\x89PNG\r\n\x1a\n", png.read, "png", "image/png")
    GIF = (b"GIF8", gif.read, "gif", "image/gif")

    def __init__(
        self,
        signature: bytes,
        reader: Callable[[bytes, int], Picture],
        extension: str,
        media_type: str,
    ) -> None:
        self.signature = signature
        self.reader = reader
        self.extension = extension
        self.media_type = media_type


@dataclass(frozen=True)
class Image:
    """An image as it is stored. ``width``, ``height``: in pixels, as it is shown."""

    format: ImageFormat
    width: int
    height: int
    content: bytes

    @property
    def file_name(self) -> str:
        """The digest of its bytes, so that the same image has the same name."""
        return f"{sha256(self.content).hexdigest()}.{self.format.extension}"


def read(sent: bytes) -> Image:
    """Return the image that these bytes are.

    Raises ``NotAnImage``, ``DamagedImage`` and ``ImageTooManyPixels``.
    """
    for known in ImageFormat:
        if sent.startswith(known.signature):
            picture = known.reader(sent, MAX_PIXELS)
            return Image(known, picture.width, picture.height, picture.content)
    raise NotAnImage
