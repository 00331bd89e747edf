"""What an author uploads is judged by its content, and stored without what it tells."""

import random
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageChops, ImageOps

from broadsheet import images
from broadsheet.domain.errors import (
    BroadsheetError,
    DamagedImage,
    ImageTooManyPixels,
    InvalidRequest,
    NotAnImage,
    UnsupportedContentType,
)
from broadsheet.images import ImageFormat
from tests.images import (
    CANARY,
    LANDSCAPE,
    exif,
    gif,
    interlaced_png,
    jpeg,
    opened,
    picture,
    png,
    png_bomb,
    png_of,
    profile,
    saved,
)

PICTURES: dict[str, Callable[[], bytes]] = {
    "JPEG": jpeg,
    "JPEG, progressive": lambda: jpeg(progressive=True),
    "JPEG, grey": lambda: saved(picture("L"), "JPEG", comment=CANARY),
    "JPEG, CMYK": lambda: saved(picture("CMYK"), "JPEG", comment=CANARY),
    "JPEG with restarts": lambda: saved(picture(), "JPEG", restart_marker_rows=1),
    "PNG": png,
    "PNG with alpha": lambda: png("RGBA"),
    "PNG with a palette": lambda: png("P"),
    "PNG, one bit": lambda: png("1"),
    "PNG, 16 bits": lambda: saved(picture("L").convert("I;16"), "PNG"),
    "PNG, interlaced": interlaced_png,
    "PNG, animated": lambda: saved(
        picture(), "PNG", save_all=True, append_images=[picture().rotate(180)], duration=100
    ),
    "GIF": lambda: gif(1),
    "GIF, animated": gif,
    "GIF, transparent": lambda: saved(picture("P"), "GIF", transparency=3),
}
each_picture = pytest.mark.parametrize("made", PICTURES.values(), ids=PICTURES)


def frames(image: Pillow.Image) -> list[bytes]:
    found = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        found.append(image.convert("RGBA").tobytes())
    return found


@each_picture
def test_a_picture_keeps_every_pixel_of_every_frame(made: Callable[[], bytes]) -> None:
    sent = made()

    stored = images.read(sent)

    before, after = opened(sent), opened(stored.content)
    assert frames(after) == frames(before)
    assert (stored.width, stored.height) == before.size
    for kept in ("duration", "loop", "icc_profile", "transparency", "gamma"):
        assert after.info.get(kept) == before.info.get(kept), kept


@each_picture
def test_nothing_personal_is_stored(made: Callable[[], bytes]) -> None:
    stored = images.read(made() + CANARY.encode())  # and what follows its end

    assert CANARY.encode() not in stored.content
    left = opened(stored.content)
    assert not left.getexif().get_ifd(0x8825)  # the position
    assert not {"comment", "xmp", "XML:com.adobe.xmp", "Comment"} & left.info.keys()


@each_picture
def test_a_picture_that_was_stored_is_stored_as_it_is(made: Callable[[], bytes]) -> None:
    stored = images.read(made())

    assert images.read(stored.content) == stored


@pytest.mark.parametrize("made", [jpeg, lambda turned: png(orientation=turned)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_that_was_held_askew_is_shown_upright(
    made: Callable[[int], bytes], orientation: int
) -> None:
    sent = made(orientation)

    stored = images.read(sent)

    before, after = (ImageOps.exif_transpose(opened(each)) for each in (sent, stored.content))
    assert (stored.width, stored.height) == after.size == before.size
    assert (after.width > after.height) == (orientation < 5)
    assert not ImageChops.difference(before.convert("RGB"), after.convert("RGB")).getbbox()
    written = dict(opened(stored.content).getexif())
    assert written == ({274: orientation} if orientation > 1 else {})


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_orientation_is_read_in_both_orders_of_bytes(order: str) -> None:
    mark = {"<": b"II", ">": b"MM"}[order]
    tiff = mark + struct.pack(f"{order}HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)
    sent = saved(picture(), "JPEG", exif=b"Exif\0\0" + tiff)

    assert (images.read(sent).width, images.read(sent).height) == LANDSCAPE[::-1]


@pytest.mark.parametrize("tiff", [b"", b"II", b"MM\0*\0\0\xff\xff", b"XX\0*\0\0\0\x08\0\x01"])
def test_malformed_exif_says_nothing_and_is_left_out(tiff: bytes) -> None:
    stored = images.read(saved(picture(), "JPEG", exif=b"Exif\0\0" + tiff))

    assert (stored.width, stored.height) == LANDSCAPE
    assert b"Exif" not in stored.content


def test_a_thumbnail_that_shows_what_was_cut_off_is_left_out() -> None:
    sent = saved(picture(), "JPEG")
    thumbnail = b"JFIF\0\x01\x01\0\0\x01\0\x01\x02\x01" + b"canary"
    start = sent.index(b"\xff\xe0")
    length = struct.unpack_from(">H", sent, start + 2)[0]
    segment = struct.pack(">BBH", 0xFF, 0xE0, len(thumbnail) + 2) + thumbnail

    stored = images.read(sent[:start] + segment + sent[start + 2 + length :])

    assert b"canary" not in stored.content
    assert frames(opened(stored.content)) == frames(opened(sent))


@pytest.mark.parametrize(
    ("sent", "form", "extension", "media_type"),
    [
        (jpeg(), ImageFormat.JPEG, "jpg", "image/jpeg"),
        (png(), ImageFormat.PNG, "png", "image/png"),
        (gif(), ImageFormat.GIF, "gif", "image/gif"),
    ],
)
def test_a_name_is_made_of_the_content_and_its_format(
    sent: bytes, form: ImageFormat, extension: str, media_type: str
) -> None:
    stored = images.read(sent)

    assert (stored.format, form.media_type) == (form, media_type)
    digest, _, ending = stored.file_name.partition(".")
    assert (len(digest), ending) == (64, extension)
    assert images.read(sent).file_name == stored.file_name
    assert images.read(saved(picture(), "PNG")).file_name != stored.file_name


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
NO_IMAGES = {
    "nothing": b"",
    "text": b"Hello",
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "SVG": SVG,
    "SVG with a declaration": b'<?xml version="1.0"?>' + SVG,
    "PDF": b"%PDF-1.7",
    "WebP": saved(picture(), "WEBP"),
    "TIFF": saved(picture(), "TIFF"),
    "BMP": saved(picture(), "BMP"),
    "an image after HTML": b"<html>" + png(),
}


@pytest.mark.parametrize("sent", NO_IMAGES.values(), ids=NO_IMAGES)
def test_what_is_no_jpeg_png_or_gif_is_refused(sent: bytes) -> None:
    with pytest.raises(NotAnImage):
        images.read(sent)


def test_html_behind_the_signature_of_an_image_is_refused() -> None:
    html = b"/*<script>alert(1)</script>*/"

    for known in ImageFormat:
        with pytest.raises(DamagedImage):
            images.read(known.signature + html)
    with pytest.raises(InvalidRequest):
        images.read(b"GIF89a" + html)


@pytest.mark.parametrize("made", [jpeg, lambda: jpeg(progressive=True), png, gif, interlaced_png])
def test_an_image_that_is_cut_off_anywhere_is_refused(made: Callable[[], bytes]) -> None:
    sent = images.read(made()).content

    for length in range(8, len(sent)):
        with pytest.raises(DamagedImage):
            images.read(sent[:length])


def test_pixels_that_are_missing_inside_of_a_whole_png_are_noticed() -> None:
    header = struct.pack(">IIBBBBB", 100, 100, 8, 2, 0, 0, 0)
    few = zlib.compress(b"\0" * 30_099)  # a line has 301 bytes

    with pytest.raises(DamagedImage):
        images.read(png_of((b"IHDR", header), (b"IDAT", few), (b"IEND", b"")))


def gif_bomb() -> bytes:
    small = gif(1)
    return small[:6] + struct.pack("<HH", 65_535, 65_535) + small[10:]


def gif_with_a_large_frame() -> bytes:
    small = images.read(gif(1)).content
    place = small.index(b"\x2c\0\0\0\0") + 5
    return small[:place] + struct.pack("<HH", 65_535, 65_535) + small[place + 4 :]


def jpeg_bomb() -> bytes:
    small = saved(picture(), "JPEG")
    place = small.index(b"\xff\xc0") + 5
    return small[:place] + struct.pack(">HH", 65_500, 65_500) + small[place + 4 :]


@pytest.mark.parametrize("made", [png_bomb, gif_bomb, gif_with_a_large_frame, jpeg_bomb])
def test_a_bomb_is_refused_by_what_it_claims(made: Callable[[], bytes]) -> None:
    sent, began = made(), process_time()

    with pytest.raises(ImageTooManyPixels) as refused:
        images.read(sent)

    assert process_time() - began < 0.5
    assert refused.value.width >= 65_500


def test_compressed_data_are_inflated_no_further_than_the_pixels_reach() -> None:
    header = struct.pack(">IIBBBBB", 10, 10, 8, 0, 0, 0, 0)
    endless = zlib.compress(b"\0" * 1_000_000_000, 9)
    began = process_time()

    images.read(png_of((b"IHDR", header), (b"IDAT", endless), (b"IEND", b"")))

    assert process_time() - began < 0.5


MOST_BYTES = 4_000_000


def with_fill_bytes(name: str) -> bytes:
    """A JPEG with as many FF as fit: in its scan, without an end, and before a marker."""
    whole = saved(picture(), "JPEG")
    scan = whole.index(b"\xff\xda")
    fill = b"\xff" * (MOST_BYTES - len(whole))
    return {
        "a scan": whole[:-2] + fill + b"\x00" + whole[-2:],
        "no end": whole[:-2] + fill,
        "halves": whole[:-2] + b"\xff\xff\x00" * (len(fill) // 3),
        "before a marker": whole[:scan] + fill + whole[scan:],
        "before the end": whole[:-2] + fill + whole[-2:],
    }[name]


@pytest.mark.parametrize(
    "name", ["a scan", "no end", "halves", "before a marker", "before the end"]
)
def test_no_number_of_fill_bytes_takes_long(name: str) -> None:
    sent, began = with_fill_bytes(name), process_time()

    with suppress(DamagedImage):
        images.read(sent)

    assert process_time() - began < 2


@pytest.mark.parametrize("place", [b"\xff\xda", b"\xff\xd9"])
def test_fill_bytes_before_a_marker_are_left_out(place: bytes) -> None:
    whole = images.read(saved(picture(), "JPEG")).content
    start = whole.rindex(place)

    assert images.read(whole[:start] + b"\xff" * 9 + whole[start:]).content == whole


def test_a_jpeg_of_endless_passes_is_refused() -> None:
    sent = images.read(jpeg(progressive=True)).content
    start = sent.index(b"\xff\xda")
    end = sent.index(b"\xff\xc4", start) if b"\xff\xc4" in sent[start:] else len(sent) - 2

    with pytest.raises(DamagedImage):
        images.read(sent[:start] + 200 * sent[start:end] + b"\xff\xd9")


@pytest.mark.parametrize(
    "header",
    [
        struct.pack(">IIBBBBB", 0, 1, 8, 2, 0, 0, 0),
        struct.pack(">IIBBBBB", 1, 1, 3, 2, 0, 0, 0),
        struct.pack(">IIBBBBB", 1, 1, 8, 5, 0, 0, 0),
        struct.pack(">IIBBBBB", 1, 1, 8, 2, 1, 0, 0),
        struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 2),
        b"",
    ],
)
def test_a_png_header_that_no_viewer_takes_is_refused(header: bytes) -> None:
    with pytest.raises(DamagedImage):
        images.read(png_of((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 9)), (b"IEND", b"")))


def test_a_chunk_whose_checksum_is_wrong_is_refused() -> None:
    sent = bytearray(png())
    sent[sent.index(b"IDAT") + 8] ^= 1

    with pytest.raises(DamagedImage):
        images.read(bytes(sent))


WHOLE = [jpeg(), jpeg(progressive=True), png(), png("P"), gif(), interlaced_png()]


@given(st.sampled_from(WHOLE), st.randoms(use_true_random=False), st.integers(1, 8))
def test_whatever_is_sent_is_read_or_refused_in_words(
    sent: bytes, chance: random.Random, changes: int
) -> None:
    changed = bytearray(sent)
    for _ in range(changes):
        changed[chance.randrange(len(changed))] = chance.randrange(256)

    try:
        images.read(bytes(changed))
    except BroadsheetError as refused:
        assert isinstance(refused, InvalidRequest | UnsupportedContentType)  # noqa: PT017


def test_the_sample_has_what_is_tested_for() -> None:
    photograph = opened(jpeg(6))

    assert photograph.getexif().get_ifd(0x8825)
    assert photograph.info["icc_profile"] == profile()
    assert CANARY.encode() in jpeg()
    assert CANARY.encode() in gif()
    assert exif(6)[274] == 6
