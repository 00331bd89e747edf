"""Images, each under the digest of its bytes: what has a name never changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from broadsheet.images import ImageFormat
from broadsheet.storage import bucket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broadsheet.images import Image

_FOLDER = "images/"
_MEDIA_TYPES = {known.extension: known.media_type for known in ImageFormat}
_NAME = re.compile(rf"(?P<digest>[0-9a-f]{{64}})\.(?P<extension>{'|'.join(_MEDIA_TYPES)})")


class StoredImage(NamedTuple):
    """An image as readers get it. ``digest``: of its bytes, in hexadecimals."""

    digest: str
    media_type: str
    content: bytes


def store(image: Image) -> None:
    """Store an image under its name. Raises ``DependencyUnavailable``."""
    bucket.put_once(_key(image.file_name), image.content, image.format.media_type)


def find(file_name: str) -> StoredImage | None:
    """Return the image of this name. Raises ``DependencyUnavailable``."""
    name = _NAME.fullmatch(file_name)
    content = bucket.get(_key(file_name)) if name else None
    if name is None or content is None:
        return None
    return StoredImage(name["digest"], _MEDIA_TYPES[name["extension"]], content)


def names() -> Iterator[str]:
    """Yield the names of all images, in their order. Raises ``DependencyUnavailable``."""
    found = (key.removeprefix(_FOLDER) for key in bucket.keys(_FOLDER))
    return (name for name in found if _NAME.fullmatch(name))


def _key(file_name: str) -> str:
    return f"{_FOLDER}{file_name}"
