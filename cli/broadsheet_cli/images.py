"""Images beside an issue's file: sized for mail, uploaded once, and set into the text."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError

from broadsheet_cli.answers import Image
from broadsheet_cli.errors import CommandFailed, NoAccess, NotReached
from broadsheet_cli.files import replace
from broadsheet_cli.records import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from broadsheet_cli.api import Newsletter
    from broadsheet_cli.issue_file import IssueFile

WIDTH_OF_TEXT = 600  # px; Outlook shows an image as wide as it is, unless its tag says otherwise

_CACHE = TypeAdapter(dict[str, dict[str, Image]])
_IN_MARKDOWN = re.compile(
    r"(?P<before>!\[(?:[^\]\\]|\\.)*\]\(\s*|^ {0,3}\[[^\]\n]+\]:[ \t]*)"
    r"(?P<address><[^>\n]*>|[^\s()<>]+)",
    re.MULTILINE,
)
_TAG = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_SRC = re.compile(
    r"""(?<![\w-])src\s*=\s*(?P<quote>["'])(?P<address>[^"']*)(?P=quote)""", re.IGNORECASE
)


class Uploads:
    """Uploads images, each once: what was uploaded is remembered by its digest."""

    def __init__(
        self, newsletter: Newsletter, say: Callable[[str], None], *, needs_all: bool = True
    ) -> None:
        self._newsletter = newsletter
        self._say = say
        self._needs_all = needs_all
        self.names: dict[str, str] = {}  # of the issue's images in its file, by their addresses
        self.lacking: list[str] = []  # those that can't be used, unless all are needed

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
            from broadsheet_cli.sizing import size_for_mail  # noqa: PLC0415 - Pillow takes its time

            sized, content_type = size_for_mail(path, content)
            known[digest] = self._newsletter.upload_image(sized, content_type)
            _write(path.parent, cache)
            self._say(f"Uploaded {path} ({-(-len(sized) // 1000)} kB).")
        return known[digest]

    def body_of(self, issue: IssueFile) -> str:
        """Return an issue's text with the public addresses of the images beside it."""
        if issue.is_html:
            return _TAG.sub(lambda tag: self._with_size(issue, tag[0]), issue.body)
        return self._in_markdown(issue)

    def _in_markdown(self, issue: IssueFile) -> str:
        shown = set(_images_in(issue.body)) if _IN_MARKDOWN.search(issue.body) else set()

        def set_in(found: re.Match[str]) -> str:
            address = unquote(found["address"].strip("<>"))
            image = self._named(issue, address) if address in shown else None
            return found["before"] + address_with_size(image) if image else found[0]

        return _IN_MARKDOWN.sub(set_in, issue.body) if shown else issue.body

    def _with_size(self, issue: IssueFile, tag: str) -> str:
        src = _SRC.search(tag)
        if not src or not _is_beside(src["address"]):
            return tag
        image = self._named(issue, unquote(src["address"]))
        if not image:
            return tag
        width, height = shown_size(image)
        size = "" if re.search(r"\bwidth\s*=", tag) else f' width="{width}" height="{height}"'
        return tag[: src.start()] + f'src="{image.url}"{size}' + tag[src.end() :]

    def _named(self, issue: IssueFile, address: str) -> Image | None:
        try:
            return self._beside(issue, address)
        except CommandFailed as error:
            if self._needs_all or isinstance(error, (NotReached, NoAccess)):
                raise
            self._say(str(error))
            self.lacking.append(address)
            return None

    def _beside(self, issue: IssueFile, address: str) -> Image:
        path = issue.path.parent / address
        if not path.resolve().is_relative_to(issue.path.parent.resolve()):
            raise CommandFailed(
                f"The image {path} is outside the folder of {issue.path}: copy it beside the file, "
                "so that no text from elsewhere publishes other files of yours."
            )
        image = self.upload(path)
        self.names[image.url] = address
        return image


def address_with_size(image: Image) -> str:
    """Return an address for Markdown, from which the newsletter takes the size for Outlook."""
    return f"{image.url}#{image.width}x{image.height}"


def shown_size(image: Image) -> tuple[int, int]:
    """Return the width and height in CSS pixels at which a mail shows an image."""
    width = min(image.width, WIDTH_OF_TEXT)
    return width, max(1, round(image.height * width / image.width))


def _images_in(markdown: str) -> Iterable[str]:
    """Yield the addresses of images beside the file, as Markdown understands the text."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - a quarter of a command without images

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
