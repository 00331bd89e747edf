"""PNG (W3C, third edition), animated or not: the chunks that make its picture are kept."""

from __future__ import annotations

import struct
import zlib

from broadsheet.domain.errors import DamagedImage
from broadsheet.images.parts import (
    Picture,
    Pieces,
    check_size,
    exif_of,
    orientation_of,
    shown,
)

_SIGNATURE = 8  # bytes
_PIXELS = {b"PLTE", b"IDAT", b"tRNS", b"acTL", b"fcTL", b"fdAT"}
_COLOURS = {
    *(b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"bKGD", b"pHYs"),
}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type (§11.2.1)
_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
# Adam7 (§8.1): where each pass begins and how far apart its pixels are, across and down.
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
_INFLATED_AT_ONCE = 1 << 20  # bytes
_LONGEST_CHUNK = 2**31 - 1
_SMALL = 0x20  # the bit of a lower-case letter: a chunk that a viewer may ignore (§5.4)


def read(data: bytes, max_pixels: int) -> Picture:
    """Return a PNG's picture. Raises ``DamagedImage`` and ``ImageTooManyPixels``."""
    pieces, kept, compressed = Pieces(data, _SIGNATURE), [data[:_SIGNATURE]], list[bytes]()
    kind, header = _chunk(pieces)
    if kind != b"IHDR" or len(header) != struct.calcsize(">IIBBBBB"):
        raise DamagedImage
    width, height = struct.unpack_from(">II", header)
    check_size(width, height, max_pixels)
    length, orientation = _length(header), 1
    kept.append(_written(kind, header))
    while (kind := (chunk := _chunk(pieces))[0]) != b"IEND":
        body = chunk[1]
        if kind == b"eXIf":
            orientation = orientation_of(body)
            if orientation > 1:
                kept.append(_written(kind, exif_of(orientation)))
        elif kind in _PIXELS or kind in _COLOURS:
            kept.append(_written(kind, body))
        elif not kind[0] & _SMALL:
            raise DamagedImage
        if kind == b"IDAT":
            compressed.append(body)
    _check_pixels(compressed, length)
    kept.append(_written(b"IEND", b""))
    return Picture(*shown(width, height, orientation), b"".join(kept))


def _chunk(pieces: Pieces) -> tuple[bytes, bytes]:
    """Return the next chunk's type and content, whose checksum is right."""
    length = pieces.number(">I")
    if length > _LONGEST_CHUNK:
        raise DamagedImage
    kind, body = pieces.take(4), pieces.take(length)
    if pieces.number(">I") != zlib.crc32(kind + body) or not kind.isalpha():
        raise DamagedImage
    return kind, body


def _written(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _length(header: bytes) -> int:
    """Return how many bytes all lines have, each with the byte of its filter (§9)."""
    width, height, depth, colours, compression, filters, interlaced = struct.unpack(
        ">IIBBBBB", header
    )
    if depth not in _DEPTHS.get(colours, ()) or compression or filters or interlaced > 1:
        raise DamagedImage
    bits = depth * _CHANNELS[colours]
    if not interlaced:
        return int(height * (1 + (width * bits + 7) // 8))
    length = 0
    for left, top, across, down in _PASSES:
        columns, lines = -((left - width) // across), -((top - height) // down)
        if columns > 0 and lines > 0:
            length += lines * (1 + (columns * bits + 7) // 8)
    return length


def _check_pixels(compressed: list[bytes], length: int) -> None:
    """Check that all pixels are there, without keeping them, and inflating no more than them."""
    inflating, found = zlib.decompressobj(), 0
    try:
        for part in compressed:
            rest = part
            while rest and found < length:
                found += len(inflating.decompress(rest, _INFLATED_AT_ONCE))
                rest = inflating.unconsumed_tail
        found += len(inflating.flush()) if found < length else 0
    except zlib.error:
        raise DamagedImage from None
    if found < length:
        raise DamagedImage
