"""Pictures as authors have them: made by Pillow, which also shows what became of them."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import ExifTags, Image, ImageCms, PngImagePlugin

CANARY = "canary 52.5163 N"
LANDSCAPE = (24, 16)


def picture(mode: str = "RGB", size: tuple[int, int] = LANDSCAPE) -> Image.Image:
    """A picture of which no two corners are alike."""
    gradient = Image.linear_gradient("L").resize(size)
    turned = Image.linear_gradient("L").rotate(90).resize(size)
    return Image.merge("RGB", (gradient, turned, Image.new("L", size, 90))).convert(mode)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:  # noqa: ANN401 - Pillow's
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    """What a phone writes: where, when, by which camera, and how it was held."""
    written = Image.Exif()
    written[ExifTags.Base.Orientation] = orientation
    written[ExifTags.Base.Model] = CANARY
    position = written.get_ifd(ExifTags.IFD.GPSInfo)
    position[ExifTags.GPS.GPSLatitudeRef] = "N"
    position[ExifTags.GPS.GPSLatitude] = (52.0, 30.0, 58.68)
    return written


def profile() -> bytes:
    """A colour profile that is not the usual one."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def jpeg(orientation: int = 1, **options: object) -> bytes:
    """A photograph of a phone: with a position, a comment, a profile and a thumbnail."""
    return saved(
        picture(),
        "JPEG",
        exif=exif(orientation),
        icc_profile=profile(),
        comment=CANARY,
        xmp=f"<x:xmpmeta>{CANARY}</x:xmpmeta>".encode(),
        **options,
    )


def png(mode: str = "RGB", orientation: int = 1, **options: object) -> bytes:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", CANARY)
    texts.add_itxt("XML:com.adobe.xmp", CANARY, zip=True)
    return saved(
        picture(mode),
        "PNG",
        exif=exif(orientation),
        icc_profile=profile(),
        pnginfo=texts,
        **options,
    )


def gif(frames: int = 3) -> bytes:
    """An animation that plays twice, a tenth of a second a frame."""
    pictures = [picture().rotate(90 * turn).convert("P") for turn in range(frames)]
    return saved(
        pictures[0],
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=100,
        loop=2,
        comment=CANARY,
    )


def interlaced_png(width: int = 9, height: int = 7) -> bytes:
    """A PNG in seven passes, which Pillow reads and doesn't write: 8-bit grey, all of 77."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
    lines = b""
    for left, top, across, down in (*passes, (0, 1, 1, 2)):
        columns = len(range(left, width, across))
        if columns:
            lines += (b"\0" + b"\x4d" * columns) * len(range(top, height, down))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    return png_of((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))


def png_of(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks, each with its checksum."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def png_bomb(side: int = 100_000) -> bytes:
    """A PNG of a few hundred bytes that claims to have ten billion pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return png_of((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 4096)), (b"IEND", b""))


def opened(content: bytes) -> Image.Image:
    """Decode an image completely; fail as a viewer does."""
    image = Image.open(BytesIO(content))
    image.load()
    return image
