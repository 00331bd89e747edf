"""Brings the posts of a newsletter's past into the archive, and takes them out again.

It may end at any point, and is then done again with the same result: a post is known by what the
peer calls it. Its page is stored before the index names it, as an issue's is.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, UUID, uuid5

from broadsheet import images, outbound_calls, settings
from broadsheet.database import archive_table, imported_posts_table, issues_table
from broadsheet.domain.archive import ArchivedIssue, ArchivePage
from broadsheet.domain.errors import InvalidRequest, UnsupportedContentType
from broadsheet.domain.issues import IssueId, Slug
from broadsheet.domain.people import Unusable
from broadsheet.outbound_calls import NotFetchedError
from broadsheet.services.issues import archive_pages
from broadsheet.storage import archive
from broadsheet.storage import images as stored_images
from broadsheet.telemetry import logger
from broadsheet.transfer import posts
from broadsheet.transfer.cells import MAX_DETAIL
from broadsheet.transfer.parts import UnreadableFileError
from broadsheet.transfer.posts import GHOST_SITE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.posts import Post, PostsFormat
    from broadsheet.transfer.posts import Files

MAX_IMAGE = outbound_calls.MOST_BYTES  # as of an author's upload
MAX_IMAGES = 200  # of a post
MAX_TITLE = 300  # characters


class Report(NamedTuple):
    """What became of a file of posts; ``lines``: what is not in the archive, and why."""

    posts: int
    images: int
    lines: Sequence[Unusable]


def bring_in(
    connection: Connection,
    import_id: UUID,
    file_format: PostsFormat,
    *,
    file: BinaryIO,
    file_name: str,
) -> Report:
    """Archive a file's posts under their old dates, and redirect from their old paths.

    What this import has archived before is not archived again. ``connection``: outside of a
    transaction. Raises ``DependencyUnavailable``.
    """
    work = _Work(connection, import_id, file_format)
    try:
        with posts.opened(file, file_name) as files:
            for line, what in posts.read(file_format, files):
                if isinstance(what, Unusable):
                    work.lines.append(what)
                else:
                    work.archive(line, what, files)
    except UnreadableFileError as error:
        work.lines.append(Unusable(1, error.code))
    _relink(connection, import_id)
    with connection.transaction():
        archive_table.lock(connection)
        archive_pages.store_index(connection)
    logger.info("posts archived", import_id=str(import_id), posts=work.posts, images=work.images)
    return Report(work.posts, work.images, work.lines)


def take_out(connection: Connection, import_id: UUID) -> int:
    """Remove the posts of an import from the archive, and return how many they were.

    Raises ``DependencyUnavailable``; then they are still there, and it can be done again.
    """
    with connection.transaction():
        archive_table.lock(connection)
        removed = imported_posts_table.delete(connection, import_id)
        archive_pages.store_index(connection)
        for post in removed:
            archive.remove_page(post.id)
            redirect = archive.find_redirect(post.path) if post.path else None
            if redirect is not None and redirect.slug == post.slug:  # else it is another's by now
                archive.remove_redirect(redirect.path)
    return len(removed)


def _relink(connection: Connection, import_id: UUID) -> None:
    """Have links between the posts lead to the archive, once all are in it.

    On the old site are links that name no host, that of this stack, or the one that posts name more
    often than all others, and more than once: an export doesn't say where it comes from.
    """
    from broadsheet.mail import imported_post  # noqa: PLC0415 - as below

    slugs = imported_posts_table.slugs_by_path(connection)
    post_ids = imported_posts_table.stored_ids(connection, import_id)
    hosts = Counter[str]()
    for post_id in post_ids:
        links = imported_post.links_in(_html(connection, import_id, post_id))
        hosts.update(each.host for link in links if (each := _old(link)).path in slugs)
    own = {"", _old(settings.public_url()).host, *_most_named(hosts)}

    def lead(address: str) -> str | None:
        old = _old(address)
        slug = slugs.get(old.path) if old.host in own else None
        return None if slug is None else f"{settings.public_url()}/archive/{slug}{old.fragment}"

    for post_id in post_ids:
        with connection.transaction():
            archive_table.lock(connection)
            found = imported_posts_table.find_stored(connection, import_id, post_id)
            page = found[0] if found else None
            html = imported_post.relinked(page.html, lead) if page else ""
            if page is not None and html != page.html:
                imported_posts_table.replace_html(connection, post_id, html)
                archive.store_page(page.model_copy(update={"html": html}))


def _html(connection: Connection, import_id: UUID, post_id: IssueId) -> str:
    found = imported_posts_table.find_stored(connection, import_id, post_id)
    return found[0].html if found else ""


def _most_named(hosts: Counter[str]) -> list[str]:
    """Return the host that is named more often than each other, and more than once."""
    named = Counter({host: number for host, number in hosts.items() if host})
    (first, most), (_, second) = [*named.most_common(2), ("", 0), ("", 0)][:2]
    return [first] if most > max(second, 1) else []


class _OldAddress(NamedTuple):
    """Where a link led: the host, the path as redirects compare it, and the fragment with its #."""

    host: str
    path: str
    fragment: str


def _old(address: str) -> _OldAddress:
    try:
        parts = urlsplit(address.replace(GHOST_SITE, ""))
    except ValueError:
        return _OldAddress("", "", "")
    if parts.scheme not in {"", "http", "https"} or not (parts.netloc or parts.path[:1] == "/"):
        return _OldAddress("", "", "")
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return _OldAddress(parts.netloc.lower(), archive.plain_path(parts.path), fragment)


class _Outcome(NamedTuple):
    """A post's page, unless it has none, and what is left out."""

    page: ArchivePage | None
    faults: Sequence[Unusable]


class _Work:
    """One import, as far as it is done."""

    def __init__(self, connection: Connection, import_id: UUID, file_format: PostsFormat) -> None:
        self._connection = connection
        self._import_id = import_id
        self._format = file_format
        self._copies: dict[str, str] = {}  # the new addresses of pictures, by their old ones
        self._failures: dict[str, str] = {}  # why a picture can't be copied
        self.posts = 0
        self.images = 0
        self.lines: list[Unusable] = []

    def archive(self, line: int, post: Post, files: Files) -> None:
        """Archive one post, or report why it can't be."""
        post_id = IssueId(uuid5(NAMESPACE_URL, f"{self._format}:{post.id}"))
        done = imported_posts_table.find_stored(self._connection, self._import_id, post_id)
        page, faults = done or self._archive(post_id, line, post, files)
        self.lines.extend(faults)
        if page is not None:
            self.posts += 1
            self.images += page.html.count("<img ")

    def _archive(self, post_id: IssueId, line: int, post: Post, files: Files) -> _Outcome:
        # Rendering takes a third of a second to import, which only this needs.
        from broadsheet.mail import imported_post  # noqa: PLC0415 - see above
        from broadsheet.mail.limits import TooComplex  # noqa: PLC0415 - the same

        html = imported_post.html_of(post.text) if post.is_markdown else post.text
        try:
            wanted = imported_post.images_in(html)
        except TooComplex:
            return _Outcome(None, (Unusable(line, "too-complex", post.title[:MAX_DETAIL]),))
        pictures = [*wanted[:MAX_IMAGES], *([post.image] if post.image else [])]
        faults = [fault for each in pictures if (fault := self._copy(line, each, files))]
        clean = imported_post.cleaned(html, post.title, self._copies)
        shown = (self._copies.get(address) for address in (post.image, *wanted))
        entry = ArchivedIssue(
            id=post_id,
            version=1,
            slug=str(Slug.of_text(post.slug or post.title)),
            title=post.title[:MAX_TITLE],
            description=post.subtitle[:MAX_TITLE] or clean.first,
            published_at=post.published_at,
            updated_at=post.published_at,
            image=next((each for each in shown if each), None),
        )
        headline = "" if clean.has_headline else entry.title
        page = ArchivePage(issue=entry, headline=headline, html=clean.html, is_authors_html=False)
        return self._store(page, post.path, faults)

    def _store(self, page: ArchivePage, path: str, faults: Sequence[Unusable]) -> _Outcome:
        entry = page.issue
        with self._connection.transaction():
            archive_table.lock(self._connection)
            before = imported_posts_table.find_slug(self._connection, entry.id)
            slug = before or str(issues_table.free_slug(self._connection, Slug(entry.slug)))
            page = page.model_copy(update={"issue": entry.model_copy(update={"slug": slug})})
            imported_posts_table.save(
                self._connection, self._import_id, page, archive.plain_path(path), faults
            )
            archive.store_page(page)
            if path.strip("/") and path != f"/archive/{slug}":
                archive.store_redirect(path, slug)
            imported_posts_table.record_stored(self._connection, entry.id)
        return _Outcome(page, faults)

    def _copy(self, line: int, address: str, files: Files) -> Unusable | None:
        """Copy a picture, unless it is; return why it is left out."""
        if address not in self._copies and address not in self._failures:
            try:
                image = images.read(files.image(address, MAX_IMAGE) or _downloaded(address))
            except (InvalidRequest, UnsupportedContentType) as error:
                self._failures[address] = error.code
            except NotFetchedError as error:
                self._failures[address] = str(error)
            else:
                stored_images.store(image)
                self._copies[address] = f"{settings.public_url()}/images/{image.file_name}"
        if address in self._copies:
            return None
        return Unusable(line, "image-left-out", f"{self._failures[address]}: {address}"[:300])


def _downloaded(address: str) -> bytes:
    """Return what is at an address. Raises ``NotFetchedError`` and ``DependencyUnavailable``.

    Old newsletters have pictures under http, which their hosts serve by TLS, too.
    """
    if not settings.may_call_anywhere():
        address = re.sub("^http://", "https://", address)
    return outbound_calls.fetch(address, MAX_IMAGE)
