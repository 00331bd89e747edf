"""What the three formats share: reading piece by piece, and an image's orientation."""

from __future__ import annotations

import struct
from typing import NamedTuple

from broadsheet.domain.errors import DamagedImage, ImageTooManyPixels

_ORIENTATION = 0x0112  # Exif 2.32 §4.6.4, table 4
_SHORT = 3  # the type of two bytes
_TRANSPOSED = 5  # from this orientation on, width and height change places
_LARGEST_ORIENTATION = 8


class Picture(NamedTuple):
    """An image's size as it is shown, and its bytes as they are stored."""

    width: int
    height: int
    content: bytes


class Pieces:
    """Takes pieces off an image from its beginning. Raises ``DamagedImage`` at its end."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self.position = position

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes."""
        piece = self._data[self.position : self.position + count]
        if len(piece) < count:
            raise DamagedImage
        self.position += count
        return piece

    def number(self, form: str) -> int:
        """Return the next number; ``form``: of ``struct``."""
        (number,) = struct.unpack(form, self.take(struct.calcsize(form)))
        return int(number)


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise ``ImageTooManyPixels``, or ``DamagedImage`` for an image without pixels."""
    if not width or not height:
        raise DamagedImage
    if width * height > max_pixels:
        raise ImageTooManyPixels(width, height, max_pixels)


def orientation_of(tiff: bytes) -> int:
    """Return how Exif data say that the image is turned: 1, as it is, to 8.

    Malformed data say nothing, as in browsers.
    """
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    try:
        if order is None:
            return 1
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for entry in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * entry)
            if (tag, kind) == (_ORIENTATION, _SHORT):
                return int(value) if 1 <= value <= _LARGEST_ORIENTATION else 1
    except struct.error:
        return 1
    return 1


def exif_of(orientation: int) -> bytes:
    """Return Exif data that say how the image is turned, and nothing else."""
    return struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, _ORIENTATION, _SHORT, 1, orientation, 0, 0)


def shown(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Return the size as it is shown: turned by a right angle, a portrait is a landscape."""
    return (height, width) if orientation >= _TRANSPOSED else (width, height)
