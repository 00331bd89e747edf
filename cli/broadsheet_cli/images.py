"""Images beside an issue's file: sized for mail, uploaded once, and set into the text."""

from __future__ import annotations

import re
import warnings
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import unquote

import PIL
from markdown_it import MarkdownIt
from PIL import Image as Pillow
from PIL import ImageOps
from pydantic import TypeAdapter, ValidationError

from broadsheet_cli.answers import Image
from broadsheet_cli.errors import CommandFailed
from broadsheet_cli.files import replace
from broadsheet_cli.records import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from broadsheet_cli.api import Newsletter
    from broadsheet_cli.issue_file import IssueFile

WIDEST = 1200  # px; twice the text's width, for dense screens
WIDTH_OF_TEXT = 600  # px; Outlook shows an image as wide as it is, unless its tag says otherwise
MOST_BYTES = 5 * 1024 * 1024  # the newsletter's limit
QUALITY = 88  # of JPEG
# What all mail programs show, and what each is sent as.
SENT_AS = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif"}

_CACHE = TypeAdapter(dict[str, dict[str, Image]])
_IN_MARKDOWN = re.compile(
    r"(?P<before>!\[(?:[^\]\\]|\\.)*\]\(\s*|^ {0,3}\[[^\]\n]+\]:[ \t]*)"
    r"(?P<address><[^>\n]*>|[^\s()<>]+)",
    re.MULTILINE,
)
_TAG = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_SRC = re.compile(r"""\bsrc\s*=\s*(?P<quote>["'])(?P<address>[^"']*)(?P=quote)""", re.IGNORECASE)


class Uploads:
    """Uploads images, each once: what was uploaded is remembered by its digest."""

    def __init__(self, newsletter: Newsletter, say: Callable[[str], None]) -> None:
        self._newsletter = newsletter
        self._say = say

    def upload(self, path: Path) -> Image:
        """Return where an image is, after uploading it if it is new. Raises ``CommandFailed``."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CommandFailed(f"The image {path} can't be read: {error.strerror}.") from error
        digest = sha256(content).hexdigest()
        cache = _read(path.parent)
        known = cache.setdefault(self._newsletter.address.url, {})
        if digest not in known:
            sized, content_type = size_for_mail(path, content)
            known[digest] = self._newsletter.upload_image(sized, content_type)
            _write(path.parent, cache)
            self._say(f"Uploaded {path} ({len(sized) / 1000:.0f} kB).")
        return known[digest]

    def body_of(self, issue: IssueFile) -> str:
        """Return an issue's text with the public addresses of the images beside it."""
        if issue.is_html:
            return _TAG.sub(lambda tag: self._with_size(issue, tag[0]), issue.body)
        return self._in_markdown(issue)

    def _in_markdown(self, issue: IssueFile) -> str:
        shown = set(_images_in(issue.body))

        def set_in(found: re.Match[str]) -> str:
            address = unquote(found["address"].strip("<>"))
            if address not in shown:
                return found[0]
            return found["before"] + self.upload(issue.path.parent / address).url

        return _IN_MARKDOWN.sub(set_in, issue.body) if shown else issue.body

    def _with_size(self, issue: IssueFile, tag: str) -> str:
        src = _SRC.search(tag)
        if not src or not _is_beside(src["address"]):
            return tag
        image = self.upload(issue.path.parent / unquote(src["address"]))
        width, height = shown_size(image)
        size = "" if re.search(r"\bwidth\s*=", tag) else f' width="{width}" height="{height}"'
        return tag[: src.start()] + f'src="{image.url}"{size}' + tag[src.end() :]


def shown_size(image: Image) -> tuple[int, int]:
    """Return the width and height in CSS pixels at which a mail shows an image."""
    width = min(image.width, WIDTH_OF_TEXT)
    return width, max(1, round(image.height * width / image.width))


def size_for_mail(path: Path, content: bytes) -> tuple[bytes, str]:
    """Return an image as it is sent, and its media type.

    It is at most ``WIDEST`` wide, upright, without the camera's notes (which may say where it was
    taken), and of a format that all mail programs show. Raises ``CommandFailed``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            sized, kind = _sized(content)
    except (PIL.UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise CommandFailed(
            f"{path} is no image that can be read: use JPEG, PNG or GIF."
        ) from error
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise CommandFailed(f"The image {path} has too many pixels.") from error
    if len(sized) > MOST_BYTES:
        raise CommandFailed(f"The image {path} has more than 5 MB, even {WIDEST} px wide.")
    return sized, SENT_AS[kind]


def _sized(content: bytes) -> tuple[bytes, str]:
    with Pillow.open(BytesIO(content)) as image:
        kind = image.format or ""
        is_fit = image.width <= WIDEST and kind in SENT_AS and not image.getexif()
        if is_fit or getattr(image, "is_animated", False):
            image.load()  # so that one that is cut off is found here
            if kind in SENT_AS:
                return content, kind
        upright = ImageOps.exif_transpose(image)
        has_alpha = "A" in upright.getbands() or "transparency" in upright.info
        kind = "PNG" if has_alpha or kind in {"PNG", "GIF"} else "JPEG"
        upright = upright.convert("RGBA" if has_alpha else "RGB")
        if upright.width > WIDEST:
            height = max(1, round(upright.height * WIDEST / upright.width))
            upright = upright.resize((WIDEST, height), Pillow.Resampling.LANCZOS)
        written = BytesIO()
        upright.save(written, kind, optimize=True, quality=QUALITY)
        return written.getvalue(), kind


def _images_in(markdown: str) -> Iterable[str]:
    """Yield the addresses of images beside the file, as Markdown understands the text."""
    for block in MarkdownIt("commonmark").enable("table").parse(markdown):
        for token in block.children or []:
            address = unquote(str(token.attrs.get("src", "")))
            if token.type == "image" and _is_beside(address):
                yield address


def _is_beside(address: str) -> bool:
    return bool(address) and not re.match(r"[a-z][a-z0-9+.-]*:|[/#]|\[\[", address, re.IGNORECASE)


def _read(folder: Path) -> dict[str, dict[str, Image]]:
    try:
        return _CACHE.validate_json((folder / FOLDER / "images.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return {}  # they are uploaded again, to the same addresses


def _write(folder: Path, cache: dict[str, dict[str, Image]]) -> None:
    (folder / FOLDER).mkdir(exist_ok=True)
    replace(folder / FOLDER / "images.json", _CACHE.dump_json(cache, indent=2).decode() + "\n")
