"""Serves public content, without the database: images, the archive and its feeds."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from broadsheet import i18n, settings
from broadsheet.domain.archive import ArchivedIssue, ArchivePage
from broadsheet.domain.circulation import SignedStatement
from broadsheet.domain.errors import DependencyUnavailable, PageNotFound
from broadsheet.domain.issues import IssueId
from broadsheet.domain.links import Click
from broadsheet.domain.voice import Voice
from broadsheet.queues import clicks_queue
from broadsheet.storage import archive, images, links
from broadsheet.telemetry import log_failure
from broadsheet.web import caching, feeds, pages, robots
from broadsheet.web.pages import Frame
from broadsheet.web.request import Request
from broadsheet.web.response import Response
from broadsheet.web.router import router

NUMBER = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
FIVE_MINUTES = "public, max-age=300"
JSON = "application/json"
HTML = "text/html; charset=utf-8"
MOST_MOVES = 5  # redirects that are followed from one path: each is a call of S3
READERS_AT_ONCE = 10  # of the pages that a feed is made of: as many as boto3 has connections


def show_image(request: Request) -> Response:
    """Show an image, whose address is the digest of its bytes."""
    image = images.find(request.path_parameters["file"])
    if image is None:
        raise PageNotFound
    headers = {"ETag": f'"{image.digest}"', "Cache-Control": caching.FOR_EVER}
    response = Response(HTTPStatus.OK, image.content, image.media_type, headers)
    return caching.unless_current(request, response)


def show_archive(request: Request) -> Response:
    """Show the list of all issues."""
    index = archive.recent_index()
    about = settings.voice().replaced_by(index.voice).description
    page = pages.archive(_frame(request), f"{request.site}/archive", index.issues, about)
    return _public(request, page, HTML, policy=pages.policy())


def show_issue(request: Request) -> Response:
    """Show an issue, or lead to where its page has moved."""
    slug = request.path_parameters["slug"]
    place = _place_of(slug)
    page = archive.find_page(place.issue.id) if place else None
    if place is None or page is None:
        return _moved(request, f"/archive/{slug}")
    address = f"{request.site}/archive/{page.issue.slug}"
    # Of the two, only the index knows of a circulation.
    certified = {"has_circulation": place.issue.has_circulation}
    page = page.model_copy(update={"issue": page.issue.model_copy(update=certified)})
    html = pages.issue(_frame(request), address, page, older=place.older, newer=place.newer)
    return _public(request, html, HTML, policy=pages.OF_AN_ISSUE)


def show_circulation(request: Request) -> Response:
    """Show how many readers an issue had, as a page."""
    found = _circulation(request)
    if isinstance(found, Response):
        return found
    issue, signed = found
    page = pages.circulation(_frame(request), issue, signed.statement)
    return _public(request, page, HTML, policy=pages.policy())


def show_statement(request: Request) -> Response:
    """Show what is certified of an issue's circulation, with its signature."""
    found = _circulation(request, ".json")
    if isinstance(found, Response):
        return found
    _, signed = found
    return _public(request, signed.model_dump_json(indent=2) + "\n", JSON)


def show_keys(request: Request) -> Response:
    """Show the keys that verify statements, also those of the past."""
    keys = archive.find_keys().model_dump_json(indent=2, exclude_none=True)
    return _public(request, keys + "\n", JSON)


def _circulation(
    request: Request, ending: str = ""
) -> tuple[ArchivedIssue, SignedStatement] | Response:
    """Return an issue with its statement, or what leads to where they have moved."""
    slug = request.path_parameters["slug"]
    place = _place_of(slug)
    if place is None:
        return _moved(request, f"/archive/{slug}", f"/circulation{ending}")
    statement = archive.find_statement(place.issue.id)
    if statement is None:
        raise PageNotFound
    return place.issue, statement


class _Place(NamedTuple):
    """An issue in the index, between those before and after it."""

    issue: ArchivedIssue
    older: ArchivedIssue | None
    newer: ArchivedIssue | None


def _place_of(slug: str) -> _Place | None:
    """Return an issue's place; one that was archived a moment ago is found, too."""
    if not archive.could_be_slug(slug):
        return None
    for read in (archive.recent_index, archive.read_index):
        issues = read().issues
        at = next((at for at, issue in enumerate(issues) if issue.slug == slug), None)
        if at is not None:
            older = issues[at + 1] if at + 1 < len(issues) else None
            return _Place(issues[at], older, issues[at - 1] if at else None)
    return None


def show_moved(request: Request) -> Response:
    """Lead from the old path of an issue to its page; any other path has nothing."""
    return _moved(request, f"/{request.path_parameters.get('proxy', '')}")


def _moved(request: Request, path: str, below: str = "") -> Response:
    slug = _new_slug(path)
    if slug is None:
        raise PageNotFound
    # An issue may get its old slug again: a browser must not keep the redirect for good.
    headers = {
        "Location": request.link(f"/archive/{slug}{below}"),
        "Cache-Control": FIVE_MINUTES,
    }
    return Response(HTTPStatus.MOVED_PERMANENTLY, headers=headers)


def _new_slug(path: str) -> str | None:
    """Return the slug of the issue to which an old path leads, if the archive has it.

    The issue may have moved on from where a redirect leads, when another had its slug meanwhile; it
    may have left the archive, or have an old slug again, so that redirects lead in a circle.
    """
    for _ in range(MOST_MOVES):
        redirect = archive.find_redirect(path)
        if redirect is None:
            return None
        if _place_of(redirect.slug) is not None:
            return redirect.slug
        path = f"/archive/{redirect.slug}"
    return None


def follow_link(request: Request) -> Response:
    """Lead to where a link of an issue leads now, and count the click of a person."""
    link = _link_of(request)
    target = links.find(*link) if link else None
    if link is None or target is None:
        raise PageNotFound
    if settings.counts_links() and not robots.is_robot(request):
        _count_click(request, *link)
    # Kept by nobody: each click is counted, and the link may be corrected.
    return Response(HTTPStatus.FOUND, headers={"Location": target})


def _link_of(request: Request) -> tuple[IssueId, int] | None:
    number = request.path_parameters["number"]
    try:
        issue_id = IssueId(UUID(request.path_parameters["issue"]))
    except ValueError:
        return None
    return (issue_id, int(number)) if NUMBER.fullmatch(number) else None


def _count_click(request: Request, issue_id: IssueId, number: int) -> None:
    # What a CDN adds to this header stands behind the reader's address. Whoever invents it counts
    # as somebody else, and no more.
    source = request.headers.get("x-forwarded-for", "").partition(",")[0]
    source = source or str(request.origin.source_address)
    together = f"{issue_id} {source} {request.origin.user_agent}"
    group = sha256(together.encode(errors="replace")).hexdigest()[:4]
    try:
        clicks_queue.send(Click(issue_id=issue_id, number=number, group=group))
    except DependencyUnavailable as error:  # the reader gets there all the same
        log_failure("a click could not be counted", error, issue_id=str(issue_id))


def show_atom(request: Request) -> Response:
    """Show the newest issues as an Atom feed."""
    return _public(request, _feed(feeds.atom, request), feeds.ATOM)


def show_json_feed(request: Request) -> Response:
    """Show the newest issues as a JSON Feed."""
    return _public(request, _feed(feeds.json_feed, request), feeds.JSON_FEED)


type FeedFormat = Callable[[Frame, str, Voice, Sequence[ArchivePage]], str]


def _feed(written: FeedFormat, request: Request) -> str:
    index = archive.recent_index()
    newest, voice = index.issues[: feeds.NEWEST], settings.voice().replaced_by(index.voice)
    return _feed_of(written, request.site, _frame(request).base_path, newest, voice)


@lru_cache(maxsize=4)  # both, also while their content changes; each has up to 2 MB
def _feed_of(
    written: FeedFormat,
    site: str,
    base_path: str,
    issues: tuple[ArchivedIssue, ...],
    voice: Voice,
) -> str:
    """Return a feed, which stays the same as long as its issues and what it says of itself do."""
    with ThreadPoolExecutor(READERS_AT_ONCE) as readers:
        found = readers.map(archive.find_page, [issue.id for issue in issues])
        there = [page for page in found if page is not None]
    return written(_public_frame(base_path), site, voice, there)


def show_sitemap(request: Request) -> Response:
    """Show the addresses of all public pages."""
    issues = archive.recent_index().issues
    return _public(request, feeds.sitemap(_frame(request), request.site, issues), feeds.XML)


def show_robots(request: Request) -> Response:
    """Show what robots may read."""
    return _public(request, feeds.robots(request.site), "text/plain; charset=utf-8")


def show_icon(request: Request) -> Response:
    """Show the newsletter's icon."""
    return _public(request, feeds.icon(_frame(request)), feeds.SVG)


def show_description(request: Request) -> Response:
    """Show the description of the API, which ``make openapi`` writes."""
    return _public(request, _description(), JSON)


@cache
def _description() -> str:
    return Path(__file__).with_name("openapi.json").read_text(encoding="utf-8")


def _frame(request: Request) -> Frame:
    return _public_frame(request.base_path)


def _public_frame(base_path: str) -> Frame:
    """Return what stands around a page that is the same for everybody."""
    tag = settings.newsletter_language()
    return Frame(
        settings.newsletter_name(),
        base_path,
        i18n.language(tag),
        tag,
        preview_image=settings.voice().preview_image,
    )


def _public(request: Request, text: str, media_type: str, *, policy: str = "") -> Response:
    """Return what is the same for everybody, and may be kept for five minutes."""
    headers = {
        "ETag": caching.tag(text),
        "Cache-Control": FIVE_MINUTES,
        "Content-Security-Policy": policy or "default-src 'none'",
    }
    response = Response(HTTPStatus.OK, text, media_type, headers)
    return caching.unless_current(request, response)


handler = router(
    {
        "GET /archive": show_archive,
        "GET /archive/{slug}": show_issue,
        "GET /archive/keys.json": show_keys,
        "GET /archive/{slug}/circulation": show_circulation,
        "GET /archive/{slug}/circulation.json": show_statement,
        "GET /feed.xml": show_atom,
        "GET /feed.json": show_json_feed,
        "GET /sitemap.xml": show_sitemap,
        "GET /robots.txt": show_robots,
        "GET /favicon.svg": show_icon,
        "GET /images/{file}": show_image,
        "GET /go/{issue}/{number}": follow_link,
        "GET /openapi.json": show_description,
        "GET /{proxy+}": show_moved,
    }
)
