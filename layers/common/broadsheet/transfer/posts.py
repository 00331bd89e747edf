"""Reads the posts of Substack, Ghost, Buttondown and beehiiv from the files that they export.

Drafts, pages and what only payers could read are left out, each with its reason.
"""

from __future__ import annotations

import csv
import re
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from broadsheet.domain.people import Unusable
from broadsheet.domain.posts import Post, PostsFormat
from broadsheet.transfer import cells, documents, parts, table
from broadsheet.transfer.cells import MAX_DETAIL, Fault
from broadsheet.transfer.parts import UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from broadsheet.transfer.parts import Part

MAX_TEXT = 2 << 20  # bytes of a post: twenty times what Gmail shows of a mail
GHOST_SITE = "__GHOST_URL__"  # stands for the site's address in Ghost's exports
# Substack's buttons to subscribe and to share, which lead there, and what it says before a form.
_WIDGET = re.compile(
    r"""<p\ class="(?:button-wrapper|cta-caption)"(?:\ [\w-]+="[^"]*")*> .{0,2000}? </p>""",
    re.VERBOSE | re.DOTALL,
)
_EDITOR = re.compile(r"\s*<!--\s*buttondown-editor-mode:\s*\w+\s*-->\s*")


class Files:
    """An upload's files by their names."""

    def __init__(self, found: list[Part]) -> None:
        """Take the members of an archive, or the one file."""
        self._found = {part.member: part for part in found}
        self.is_archive = bool(found) and found[0].member != ""

    def one(self, *endings: str) -> Part | None:
        """Return the shortest name with one of these endings; the only file whatever its name."""
        if not self.is_archive:
            return next(iter(self._found.values()), None)
        names = sorted(self._found, key=len)
        return next((self._found[name] for name in names if name.endswith(endings)), None)

    def content(self, name: str, most: int) -> bytes | None:
        """Return what a member holds; None if there is none, or it has more bytes than ``most``.

        Raises ``UnreadableFileError``.
        """
        part = self._found.get(name) if self.is_archive else None
        if part is None:
            return None
        content = part.open().read(most + 1)
        return content if len(content) <= most else None

    def image(self, address: str, most: int) -> bytes | None:
        """Return the picture of this address, if the archive has it. Raises as ``content``."""
        path = urlsplit(address.replace(GHOST_SITE, "")).path.lstrip("/")
        name = next((each for each in self._found if path and each.endswith(path)), None)
        return self.content(name, most) if name else None


@contextmanager
def opened(file: BinaryIO, file_name: str) -> Iterator[Files]:
    """Open an upload. Raises ``UnreadableFileError``."""
    with parts.of(file_name, file, "") as found:
        yield Files(found)


def read(file_format: PostsFormat, files: Files) -> Iterator[tuple[int, Post | Unusable]]:
    """Yield the posts, and what is left out of the archive, each with its line or number.

    A fault that ends the reading is the last ``Unusable``.
    """
    line = 0
    try:
        for line, what in _READERS[file_format](files):
            yield line, Unusable(line, *what) if isinstance(what, Fault) else what
    except UnreadableFileError as error:
        yield line + 1, Unusable(line + 1, error.code)


type _Found = Iterator[tuple[int, Post | Unusable | Fault]]


type _ReadRow = Callable[[Mapping[str, str], Files], Post | Fault]


def _of_table(name: str, post: _ReadRow) -> Callable[[Files], _Found]:
    def posts(files: Files) -> _Found:
        part = files.one(name)
        if part is None:
            raise UnreadableFileError("no-posts")
        for line, row in _records(part):
            yield line, row if isinstance(row, Unusable) else post(row, files)

    return posts


def _records(part: Part) -> Iterator[tuple[int, dict[str, str] | Unusable]]:
    """Yield a table's rows by their columns' names; a cell may be a whole post."""
    usual = csv.field_size_limit(MAX_TEXT)
    text = table.as_text(part.open())
    try:
        rows = table.rows(text)
        header = next(rows, None)
        if header is None or isinstance(header[1], Unusable):
            raise UnreadableFileError("no-posts")
        names = [table.plain(name) for name in header[1]]
        for line, row in rows:
            if isinstance(row, Unusable):
                yield line, row
            else:
                yield line, dict(zip(names, chain(row, [""] * len(names)), strict=False))
    finally:
        csv.field_size_limit(usual)
        text.detach()


def _made(  # noqa: PLR0913 - a post's parts
    post_id: str,
    title: str,
    slug: str,
    published: str,
    text: str | None,
    *,
    path: str,
    subtitle: str = "",
    image: str = "",
    is_markdown: bool = False,
) -> Post | Fault:
    title = " ".join(title.split())
    if not title:
        return Fault("no-title")
    if not text or not text.strip():
        return Fault("no-text", title[:MAX_DETAIL])
    if cells.is_undecoded(text) or cells.is_undecoded(title):
        return Fault("bad-encoding")
    try:
        published_at = cells.time(published)
    except cells.UnreadableTimeError:
        published_at = None
    if published_at is None:
        return Fault("unreadable-time", published[:MAX_DETAIL])
    subtitle = " ".join(subtitle.split())
    return Post(post_id, title, subtitle, slug, published_at, text, path, image, is_markdown)


def _of_substack(row: Mapping[str, str], files: Files) -> Post | Fault:
    post_id, title = row.get("post id", ""), row.get("title", "")
    if row.get("is published", "").lower() not in cells.TRUE:
        return Fault("not-published", title[:MAX_DETAIL])
    if row.get("audience") != "everyone":
        return Fault("for-payers-only", title[:MAX_DETAIL])
    if row.get("type") not in {"newsletter", "podcast"}:
        return Fault("not-a-post", title[:MAX_DETAIL])
    slug = post_id.partition(".")[2] or post_id
    part = files.one("posts.csv")
    folder = part.member.removesuffix("posts.csv") if part else ""
    html = _decoded(files.content(f"{folder}posts/{post_id}.html", MAX_TEXT))
    return _made(
        post_id,
        title,
        slug,
        row.get("post date", ""),
        _WIDGET.sub("", html) if html else None,
        path=f"/p/{slug}",
        subtitle=row.get("subtitle", ""),
    )


def _of_buttondown(row: Mapping[str, str], files: Files) -> Post | Fault:
    slug, title = row.get("slug", ""), row.get("subject", "")
    if row.get("email type", "") not in {"", "public", "archival"}:
        return Fault("for-payers-only", title[:MAX_DETAIL])
    if not row.get("publish date"):
        return Fault("not-published", title[:MAX_DETAIL])
    part = files.one("emails.csv")
    folder = part.member.removesuffix("emails.csv") if part else ""
    written = _decoded(files.content(f"{folder}emails/{slug}.md", MAX_TEXT))
    text = _EDITOR.sub("", written, count=1) if written else None
    return _made(
        row.get("id", ""),
        title,
        slug,
        row["publish date"],
        text,
        path=f"/archive/{slug}",
        is_markdown=text is not None and not text.startswith("<"),
    )


def _of_beehiiv(row: Mapping[str, str], _files: Files) -> Post | Fault:
    title = row.get("web title", "")
    if row.get("status") not in {"confirmed", "published"}:
        return Fault("not-published", title[:MAX_DETAIL])
    if row.get("audience") == "premium":
        return Fault("for-payers-only", title[:MAX_DETAIL])
    path = _path(row.get("url", ""))
    return _made(
        row.get("id", ""),
        title,
        path.rpartition("/")[2],
        row.get("created at", ""),
        row.get("content html", ""),
        path=path,
        subtitle=row.get("web subtitle", ""),
        image=row.get("thumbnail url", ""),
    )


def _path(address: str) -> str:
    try:
        return urlsplit(address).path.rstrip("/")
    except ValueError:
        return ""


def _decoded(content: bytes | None) -> str | None:
    return content.decode("utf-8-sig", "surrogateescape") if content is not None else None


def _of_ghost(files: Files) -> _Found:
    part = files.one(".json")
    if part is None:
        raise UnreadableFileError("no-posts")
    text = table.as_text(part.open())
    try:
        for number, found in documents.read(text, "posts", MAX_TEXT):
            yield number, found if isinstance(found, Unusable) else _ghost_post(found)
    finally:
        text.detach()


def _ghost_post(found: Mapping[str, Any]) -> Post | Fault:
    title, slug = cells.text_in(found, "title"), cells.text_in(found, "slug")
    if cells.text_in(found, "status") not in {"published", "sent"}:
        return Fault("not-published", title[:MAX_DETAIL])
    if cells.text_in(found, "type") not in {"", "post"}:
        return Fault("not-a-post", title[:MAX_DETAIL])
    if cells.text_in(found, "visibility") not in {"", "public"}:
        return Fault("for-payers-only", title[:MAX_DETAIL])
    return _made(
        cells.text_in(found, "uuid", "id"),
        title,
        slug,
        cells.text_in(found, "published_at"),
        cells.text_in(found, "html"),
        path=f"/{slug}",
        subtitle=cells.text_in(found, "custom_excerpt"),
        image=cells.text_in(found, "feature_image"),
    )


_READERS: dict[PostsFormat, Callable[[Files], _Found]] = {
    PostsFormat.SUBSTACK: _of_table("posts.csv", _of_substack),
    PostsFormat.GHOST: _of_ghost,
    PostsFormat.BUTTONDOWN: _of_table("emails.csv", _of_buttondown),
    PostsFormat.BEEHIIV: _of_table(".csv", _of_beehiiv),
}


def detect(file_name: str, file: BinaryIO) -> PostsFormat | None:
    """Return which peer's posts a file has, and put it back to its beginning; None for none.

    ``file``: one that can be sought in.
    """
    try:
        with opened(file, file_name) as files:
            return _detected(files)
    except UnreadableFileError:
        return None
    finally:
        file.seek(0)


def _detected(files: Files) -> PostsFormat | None:
    part = files.one(".json")
    head = part.open().peek(1 << 16) if part else b""
    if documents.is_json(head[:64].decode("utf-8-sig", "replace")):
        is_ghost = b'"db"' in head and (b'"posts"' in head or b'"exported_on"' in head)
        return PostsFormat.GHOST if is_ghost else None
    for ending, file_format, columns in _TABLES if files.is_archive else _TABLES[-1:]:
        part = files.one(ending)
        if part is None:
            continue
        if columns <= _header(part):
            return file_format
    return None


# beehiiv's last: the only one that may come without an archive.
_TABLES = (
    ("posts.csv", PostsFormat.SUBSTACK, {"post id", "is published", "audience"}),
    ("emails.csv", PostsFormat.BUTTONDOWN, {"subject", "publish date", "slug"}),
    (".csv", PostsFormat.BEEHIIV, {"web title", "content html", "status"}),
)


def _header(part: Part) -> set[str]:
    text = table.as_text(part.open())
    try:
        first = next(table.rows(text), None)
    finally:
        text.detach()
    names = first[1] if first else []
    return {table.plain(name) for name in names} if isinstance(names, list) else set()
