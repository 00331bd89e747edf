"""JPEG (ITU-T T.81): the segments that make its picture are kept."""

from __future__ import annotations

import re
import struct

from broadsheet.domain.errors import DamagedImage
from broadsheet.images.parts import (
    Picture,
    Pieces,
    check_size,
    exif_of,
    orientation_of,
    shown,
)

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive: what browsers show
_TABLES = {0xC4, 0xDB, 0xDD}  # Huffman, quantization, restart interval
_JFIF, _EXIF, _PROFILE, _ADOBE = 0xE0, 0xE1, 0xE2, 0xEE
_LEFT_OUT = {*range(0xE0, 0xF0), 0xFE}  # every other application segment, and comments
_MAX_SCANS = 100  # a progressive one has about ten; each costs a viewer a pass over the picture
_BITS = 8  # of a sample; browsers show no other
# Within a scan's data, FF is followed by 00, or by the number of a restart (§B.1.1.5, §E.1.4).
# Without the fill bytes (FF) before it: a pattern that begins with a repetition is tried at each.
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_FILL = re.compile(rb"\xff*")


def read(data: bytes, max_pixels: int) -> Picture:
    """Return a JPEG's picture. Raises ``DamagedImage`` and ``ImageTooManyPixels``."""
    pieces, kept, scans = Pieces(data, 2), [b"\xff\xd8"], 0
    size: tuple[int, int] | None = None
    orientation = 1
    while (code := _marker(data, pieces)) != _END:
        body = pieces.take(max(pieces.number(">H") - 2, 0))
        if code in _FRAMES and size is None:
            size = _size(body)
            check_size(*size, max_pixels)
        elif code == _SCAN and size is not None and scans < _MAX_SCANS:
            scans += 1
        elif code == _EXIF and body.startswith(b"Exif\x00\x00"):
            orientation = orientation_of(body[6:])
            body = b"Exif\x00\x00" + exif_of(orientation) if orientation > 1 else b""
        elif code in _LEFT_OUT:
            body = _kept_of(code, body)
        elif code not in _TABLES:
            raise DamagedImage
        if body:
            kept.append(_segment(code, body))
        if code == _SCAN:
            kept.append(_scan(data, pieces))
    if size is None or not scans:
        raise DamagedImage
    return Picture(*shown(*size, orientation), b"".join([*kept, b"\xff\xd9"]))


def _marker(data: bytes, pieces: Pieces) -> int:
    """Return the next marker's code; any number of FF may precede it (§B.1.1.2)."""
    if pieces.take(1) != b"\xff":
        raise DamagedImage
    if fill := _FILL.match(data, pieces.position):
        pieces.position = fill.end()
    return pieces.take(1)[0]


def _segment(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def _size(frame: bytes) -> tuple[int, int]:
    try:
        bits, height, width, components = struct.unpack_from(">BHHB", frame)
    except struct.error:
        raise DamagedImage from None
    if bits != _BITS or len(frame) != 6 + 3 * components:
        raise DamagedImage
    return width, height


def _kept_of(code: int, body: bytes) -> bytes:
    """Return what is kept of an application segment: it says how colours are to be read."""
    if code == _JFIF and body.startswith(b"JFIF\x00"):
        return body[:12] + b"\x00\x00"  # without its thumbnail, which may show what was cut off
    if code == _PROFILE and body.startswith(b"ICC_PROFILE\x00"):
        return body
    if code == _ADOBE and body.startswith(b"Adobe"):
        return body
    return b""


def _scan(data: bytes, pieces: Pieces) -> bytes:
    """Return the coded data of a scan, up to the next marker and the fill bytes before it."""
    following = _AFTER_SCAN.search(data, pieces.position)
    if following is None:
        raise DamagedImage
    coded = pieces.take(following.start() - pieces.position)
    return coded.rstrip(b"\xff")
