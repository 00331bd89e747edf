"""Feeds, the sitemap and what else programs read of the newsletter.

Atom is RFC 4287, the other feed JSON Feed 1.1, the sitemap sitemaps.org's 0.9.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from broadsheet.web import pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from broadsheet.domain.archive import ArchivedIssue, ArchivePage
    from broadsheet.domain.voice import Voice
    from broadsheet.web.pages import Frame

ATOM = "application/atom+xml; charset=utf-8"
JSON_FEED = "application/feed+json; charset=utf-8"
XML = "application/xml; charset=utf-8"
SVG = "image/svg+xml"
NEWEST = 20  # issues in a feed
# Lambda's response has at most 6 MB; escaping and UTF-8 take their part.
MAX_CONTENT_CHARACTERS = 1_000_000
_NEVER = "2000-01-01T00:00:00+00:00"  # W3C's validator warns of 1970 as implausible
# XML 1.0 §2.2 has no form for any other character.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def atom(frame: Frame, site: str, voice: Voice, newest: Sequence[ArchivePage]) -> str:
    """Return the newest issues as an Atom feed. ``site``: the newsletter's whole address."""
    issues = [
        (page.issue.model_copy(update=_writable(page.issue)), html)
        for page, html in _with_contents(newest)
    ]
    updated = max((issue.updated_at.isoformat() for issue, _ in issues), default=_NEVER)
    return pages.filled("feed.xml", frame, site=site, voice=voice, issues=issues, updated=updated)


def json_feed(frame: Frame, site: str, voice: Voice, newest: Sequence[ArchivePage]) -> str:
    """Return the newest issues as a JSON Feed. ``site``: the newsletter's whole address."""
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": frame.newsletter_name,
        "home_page_url": f"{site}/archive",
        "feed_url": f"{site}/feed.json",
        **({"description": voice.description} if voice.description else {}),
        "language": frame.newsletter_language,
        "authors": [{"name": voice.author or frame.newsletter_name}],
        "items": [_item(site, page, html) for page, html in _with_contents(newest)],
    }
    return json.dumps(feed, ensure_ascii=False)


def _item(site: str, page: ArchivePage, html: str | None) -> dict[str, Any]:
    issue = page.issue
    return {
        "id": f"urn:uuid:{issue.id}",
        "url": f"{site}/archive/{issue.slug}",
        "title": issue.title,
        **({"summary": issue.description} if issue.description else {}),
        # An item has one of them.
        **({"content_html": html} if html is not None else {"content_text": issue.description}),
        **({"image": issue.image} if issue.image else {}),
        "date_published": issue.published_at.isoformat(),
        "date_modified": issue.updated_at.isoformat(),
    }


def _with_contents(newest: Iterable[ArchivePage]) -> Iterator[tuple[ArchivePage, str | None]]:
    """Yield pages with their contents, as long as these fit into a response."""
    room = MAX_CONTENT_CHARACTERS
    for page in newest:
        room -= len(page.html)
        yield page, _UNWRITABLE.sub("\ufffd", page.html) if room >= 0 else None


def _writable(issue: ArchivedIssue) -> dict[str, str]:
    return {
        "title": _UNWRITABLE.sub("\ufffd", issue.title),
        "description": _UNWRITABLE.sub("\ufffd", issue.description),
    }


def sitemap(frame: Frame, site: str, issues: Sequence[ArchivedIssue]) -> str:
    """Return the addresses of all public pages."""
    return pages.filled("sitemap.xml", frame, site=site, issues=issues)


def robots(site: str) -> str:
    """Return what robots may read (RFC 9309): everything, and where the sitemap is."""
    return f"User-agent: *\nAllow: /\n\nSitemap: {site}/sitemap.xml\n"


def icon(frame: Frame) -> str:
    """Return the newsletter's icon, its initial."""
    initial = next((each for each in frame.newsletter_name if each.isalnum()), "")
    return pages.filled("favicon.svg", frame, initial=initial.upper())
