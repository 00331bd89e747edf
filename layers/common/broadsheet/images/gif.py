"""GIF (CompuServe's GIF89a), animated or not: its frames, their times and its loop are kept."""

from __future__ import annotations

from broadsheet.domain.errors import DamagedImage
from broadsheet.images.parts import Picture, Pieces, check_size

_VERSIONS = {b"GIF87a", b"GIF89a"}
_TRAILER, _EXTENSION, _FRAME = b"\x3b", b"\x21", b"\x2c"
_CONTROL, _APPLICATION = b"\xf9", b"\xff"  # a frame's time and transparency; a program's own
# The two that say how often an animation is played; others hold XMP and the like.
_LOOPS = {b"NETSCAPE2.0", b"ANIMEXTS1.0"}
_HAS_COLOURS = 0x80
_SMALLEST_CODES, _LARGEST_CODES = 1, 11  # bits of the first LZW code, less one


def read(data: bytes, max_pixels: int) -> Picture:
    """Return a GIF's picture. Raises ``DamagedImage`` and ``ImageTooManyPixels``."""
    pieces, frames = Pieces(data, 0), 0
    if pieces.take(6) not in _VERSIONS:
        raise DamagedImage
    width, height = pieces.number("<H"), pieces.number("<H")
    check_size(width, height, max_pixels)
    _skip_colours(pieces, pieces.take(3)[0])
    kept = [data[: pieces.position]]
    while (start := pieces.take(1)) != _TRAILER:
        begin, is_kept = pieces.position - 1, True
        if start == _FRAME:
            frames += 1
            _skip_frame(pieces, max_pixels)
        elif start == _EXTENSION:
            is_kept = _skip_extension(pieces)
        else:
            raise DamagedImage
        if is_kept:
            kept.append(data[begin : pieces.position])
    if not frames:
        raise DamagedImage
    return Picture(width, height, b"".join([*kept, _TRAILER]))


def _skip_colours(pieces: Pieces, flags: int) -> None:
    if flags & _HAS_COLOURS:
        pieces.take(3 << (1 + (flags & 7)))


def _skip_frame(pieces: Pieces, max_pixels: int) -> None:
    pieces.take(4)  # where it begins
    check_size(pieces.number("<H"), pieces.number("<H"), max_pixels)
    _skip_colours(pieces, pieces.take(1)[0])
    if not _SMALLEST_CODES <= pieces.take(1)[0] <= _LARGEST_CODES or not _skip_blocks(pieces):
        raise DamagedImage


def _skip_extension(pieces: Pieces) -> bool:
    """Return whether the extension makes part of the picture."""
    label = pieces.take(1)
    first = pieces.take(pieces.take(1)[0])
    if first:
        _skip_blocks(pieces)
    return label == _CONTROL or (label == _APPLICATION and first in _LOOPS)


def _skip_blocks(pieces: Pieces) -> int:
    """Skip the blocks up to an empty one, and return how many bytes they hold."""
    total = 0
    while length := pieces.take(1)[0]:
        pieces.take(length)
        total += length
    return total
