"""Images as mail programs show them: not too wide, upright, of a format that all of them know."""

import warnings
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import PIL
from PIL import Image, ImageCms, ImageOps

from broadsheet_cli.errors import CommandFailed

WIDEST = 1200  # px; twice the text's width, for dense screens
MOST_BYTES = 4_500_000  # the newsletter's limit
QUALITY = 88  # of JPEG
# What all mail programs show, and what each is sent as.
SENT_AS = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif"}


def size_for_mail(path: Path, content: bytes) -> tuple[bytes, str]:
    """Return an image as it is sent, and its media type.

    It is at most ``WIDEST`` wide, upright, without the camera's notes (which may say where it was
    taken), and of a format that all mail programs show. Raises ``CommandFailed``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            sized, kind = _sized(content)
    except (PIL.UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise CommandFailed(
            f"{path} is no image that can be read: use JPEG, PNG or GIF."
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise CommandFailed(f"The image {path} has too many pixels.") from error
    if len(sized) > MOST_BYTES:
        raise CommandFailed(f"The image {path} has more than 4.5 MB, even {WIDEST} px wide.")
    return sized, SENT_AS[kind]


def _sized(content: bytes) -> tuple[bytes, str]:
    with Image.open(BytesIO(content)) as image:
        kind = image.format or ""
        is_fit = image.width <= WIDEST and kind in SENT_AS and not image.getexif()
        if is_fit or getattr(image, "is_animated", False):
            image.load()  # so that one that is cut off is found here
            if kind in SENT_AS:
                return content, kind
        upright = ImageOps.exif_transpose(image)
        has_alpha = "A" in upright.getbands() or "transparency" in upright.info
        kind = "PNG" if has_alpha or kind in {"PNG", "GIF"} else "JPEG"
        upright = _in_srgb(upright, "RGBA" if has_alpha else "RGB")
        if upright.width > WIDEST:
            height = max(1, round(upright.height * WIDEST / upright.width))
            upright = upright.resize((WIDEST, height), Image.Resampling.LANCZOS)
        written = BytesIO()
        upright.save(written, kind, optimize=True, quality=QUALITY, icc_profile=None)
        return written.getvalue(), kind


def _in_srgb(image: Image.Image, mode: str) -> Image.Image:
    """Return an image in sRGB, which every mail program takes colours for without a profile."""
    profile = image.info.get("icc_profile")
    # A profile is of the image's own colours: those of a palette are RGB.
    if image.mode not in {"CMYK", "L"}:
        image = image.convert(mode)
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):  # it is damaged, or of other colours
            converted = ImageCms.profileToProfile(
                image, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode=mode
            )
            if converted is not None:
                return converted
    return image.convert(mode)
