"""Readers, feed readers and search engines get what is public, from the bucket alone."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any, Never
from uuid import UUID
from xml.etree import ElementTree as ET

import feedparser  # type: ignore[import-untyped]
import jsonschema_rs
import pytest

from broadsheet.domain.archive import ArchivedIssue, ArchiveIndex, ArchivePage
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.issues import IssueId
from broadsheet.storage import archive, bucket
from broadsheet.web import feeds
from functions.archive import app
from functions.archive.app import handler
from local.lambda_events import api_event
from tests.cloud import Edge, context, problem_in
from tests.conftest import forget_what_was_read

SITE = "https://news.page.example"
BROWSER = "text/html,application/xhtml+xml"
START = datetime(2026, 11, 1, 7, 30, tzinfo=UTC)
ATOM = "{http://www.w3.org/2005/Atom}"
PUBLIC = ("/archive", "/feed.xml", "/feed.json", "/sitemap.xml", "/robots.txt", "/favicon.svg")


@pytest.fixture(autouse=True)
def named(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack whose address is known."""
    assert edge
    monkeypatch.setenv("PUBLIC_URL", SITE)
    app._feed_of.cache_clear()


def get(path: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    """Ask for a path as API Gateway passes it on, by the resource that it belongs to."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    resource, parameters = path, None
    if path.startswith("/archive/"):
        resource, parameters = "/archive/{slug}", {"slug": path.removeprefix("/archive/")}
    elif path not in PUBLIC:
        resource, parameters = "/{proxy+}", {"proxy": path.removeprefix("/")}
    return handler(
        api_event(method, resource, path_parameters=parameters, headers=named), context()
    )


def stored(*pages: ArchivePage) -> None:
    """Store pages as dispatch does, the newest first."""
    for page in pages:
        archive.store_page(page)
    archive.store_index(ArchiveIndex(issues=tuple(page.issue for page in pages)))
    archive._index_in.cache_clear()


def page(number: int = 1, html: str = "<p>The leaves are down.</p>", **more: Any) -> ArchivePage:  # noqa: ANN401 - an issue's fields
    at = START + timedelta(days=number)
    own = {
        "id": IssueId(UUID(int=number)),
        "version": 1,
        "slug": f"number-{number}",
        "title": f"Number {number}",
        "description": "What the wind left",
        "published_at": at,
        "updated_at": at,
    }
    outside = {"headline": more.get("title", f"Number {number}"), "is_authors_html": False}
    outside |= {name: more.pop(name) for name in tuple(more) if name in ArchivePage.model_fields}
    return ArchivePage(issue=ArchivedIssue(**own | more), html=html, **outside)


def pages(count: int) -> list[ArchivePage]:
    return [page(number) for number in range(count, 0, -1)]


class Document(HTMLParser):
    """A page's elements with their attributes, and its text."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(answer["body"])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str, **having: str) -> list[dict[str, str | None]]:
        return [
            attributes
            for found, attributes in self.all
            if found == tag and having.items() <= attributes.items()
        ]

    def meta(self, name: str) -> str | None:
        found = [*self.named("meta", property=name), *self.named("meta", name=name)]
        return found[0]["content"] if found else None

    def links(self, rel: str) -> list[str | None]:
        return [each["href"] for tag in ("link", "a") for each in self.named(tag, rel=rel)]


def test_an_archive_without_an_issue_says_so() -> None:
    answer = get("/archive")

    assert answer["statusCode"] == 200
    assert "No issue has been published yet." in answer["body"]


def test_the_archive_lists_every_issue_and_describes_the_newest() -> None:
    stored(*pages(30), page(0, published_at=START - timedelta(days=400)))

    document = Document(get("/archive"))

    listed = [a["href"] for a in document.named("a") if "/archive/" in (a["href"] or "")]
    assert listed == [
        *(f"/archive/number-{number}" for number in range(30, 0, -1)),
        "/archive/number-0",
    ]
    assert document.text.count("What the wind left") == 20
    assert "2025" in document.text
    assert document.named("time")[0]["datetime"] == "2026-12-01"
    assert "December 1, 2026" in document.text


def test_an_issue_is_an_article_with_its_date_headline_and_neighbours() -> None:
    stored(*pages(3))

    answer = get("/archive/number-2", accept=BROWSER)

    assert answer["statusCode"] == 200
    assert answer["headers"]["Content-Type"] == "text/html; charset=utf-8"
    document = Document(answer)
    assert len(document.named("article")) == len(document.named("h1")) == 1
    assert document.named("time") == [{"datetime": "2026-11-03T07:30:00+00:00"}]
    assert "The leaves are down." in document.text
    assert document.links("prev") == ["/archive/number-1"]
    assert document.links("next") == ["/archive/number-3"]
    assert {"/", "/archive", "/feed.xml", "/feed.json"} <= {
        each["href"] for each in document.named("a")
    }
    assert not document.named("meta", name="robots")


def test_a_link_to_an_issue_has_a_preview() -> None:
    stored(page(image="https://example.com/leaf.jpg", title="Leaves & <wind>"))

    document = Document(get("/archive/number-1"))

    address = f"{SITE}/archive/number-1"
    assert document.links("canonical") == [address]
    assert document.meta("og:url") == address
    assert document.meta("og:type") == "article"
    assert document.meta("og:title") == "Leaves & <wind>"
    assert document.meta("og:description") == document.meta("description") == "What the wind left"
    assert document.meta("og:site_name") == "The Daily Page"
    assert document.meta("og:image") == "https://example.com/leaf.jpg"
    assert document.meta("twitter:card") == "summary_large_image"
    assert document.meta("article:published_time") == "2026-11-02T07:30:00+00:00"


@pytest.mark.parametrize("path", ["/archive", "/archive/number-1"])
def test_a_page_without_an_image_of_its_own_has_the_newsletter_s_in_previews(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(page())
    without = Document(get(path))
    assert (without.meta("og:image"), without.meta("twitter:card")) == (None, "summary")

    monkeypatch.setenv("PREVIEW_IMAGE", "https://example.com/harbour.jpg?a=1&b=2")
    forget_what_was_read()

    document = Document(get(path))
    assert document.meta("og:image") == "https://example.com/harbour.jpg?a=1&b=2"
    assert document.meta("twitter:card") == "summary_large_image"


@pytest.mark.parametrize("path", ["/archive", "/archive/number-1"])
def test_a_feed_reader_finds_the_feeds(path: str) -> None:
    stored(page())

    found = Document(get(path)).named("link", rel="alternate")

    assert [(each["type"], each["href"]) for each in found] == [
        ("application/atom+xml", "/feed.xml"),
        ("application/feed+json", "/feed.json"),
    ]


def test_a_page_runs_nothing_and_loads_only_an_issues_images() -> None:
    stored(page(is_authors_html=True, html='<p style="color:red">Red</p>'))

    answer = get("/archive/number-1")

    policy = dict(
        each.partition(" ")[::2]
        for each in answer["headers"]["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert "script-src" not in policy
    assert "unsafe-inline" not in policy["style-src"]
    assert policy["style-src-attr"] == "'unsafe-inline'"
    assert policy["img-src"] == "'self' https: data:"
    assert policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("path", [*PUBLIC, "/archive/number-1"])
def test_what_is_public_may_be_kept_and_is_not_sent_twice(path: str) -> None:
    stored(page())
    first = get(path)

    again = get(path, if_none_match=f'"other", W/{first["headers"]["ETag"]}')

    assert first["statusCode"] == 200
    assert first["headers"]["Cache-Control"] == "public, max-age=300"
    assert "Vary" not in first["headers"]
    assert re.fullmatch('"[0-9a-f]{64}"', first["headers"]["ETag"])
    assert (again["statusCode"], again["body"]) == (304, "")
    assert again["headers"]["ETag"] == first["headers"]["ETag"]


@pytest.mark.parametrize("path", [*PUBLIC, "/archive/number-1"])
def test_head_answers_as_get_without_the_body(path: str) -> None:
    stored(page())
    full = get(path)

    answer = get(path, "HEAD")

    assert (answer["statusCode"], answer["body"]) == (200, "")
    assert answer["headers"]["Content-Length"] == str(len(full["body"].encode()))
    assert full["headers"].items() <= answer["headers"].items()


@pytest.mark.parametrize("path", ["/archive", "/feed.xml", "/feed.json", "/archive/number-1"])
def test_a_changed_issue_has_another_etag(path: str) -> None:
    stored(page())
    before = get(path)["headers"]["ETag"]

    stored(page(title="Number 1, edited", version=2))

    assert get(path)["headers"]["ETag"] != before


ODD_SLUGS = {
    "unknown": "november",
    "traversal": "../index.json",
    "encoded traversal": "..%2f..%2findex.json",
    "encoded slash": "number-1%2Fmore",
    "the store's own name": "index.json",
    "an id": str(UUID(int=1)),
    "10 kB": "a" * 10_000,
    "control characters": "\x00\r\nSet-Cookie: a=b",
    "lone surrogate": "\ud83d",
    "upper case": "NUMBER-1",
    "empty": "",
}


@pytest.mark.parametrize("slug", ODD_SLUGS.values(), ids=ODD_SLUGS.keys())
def test_any_other_slug_is_a_404_with_a_page_that_helps(slug: str) -> None:
    stored(page())

    answer = get(f"/archive/{slug}", accept=BROWSER)

    assert answer["statusCode"] == 404
    assert "there is nothing here".casefold() in answer["body"].casefold()
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert "/" in [each["href"] for each in Document(answer).named("a")]
    assert problem_in(get(f"/archive/{slug}"))["code"] == "page-not-found"


def test_an_issue_that_was_archived_a_moment_ago_is_found() -> None:
    assert get("/archive/number-1")["statusCode"] == 404
    archive.store_page(page())
    archive.store_index(ArchiveIndex(issues=(page().issue,)))

    assert get("/archive/number-1")["statusCode"] == 200


def test_an_issue_that_was_removed_a_moment_ago_is_gone() -> None:
    stored(page())
    assert get("/archive")["statusCode"] == 200  # the index is kept for a while
    archive.remove_page(page().issue.id)

    assert get("/archive/number-1")["statusCode"] == 404
    assert "entry" not in get("/feed.xml")["body"]


@pytest.mark.parametrize(
    "path", ["/p/old-name", "/2024/05/november.html", "/archive/october", "/p/old%2Dname/"]
)
def test_an_old_path_leads_to_the_issues_page(path: str) -> None:
    stored(page())
    for old in ("/p/old-name", "/2024/05/november.html", "/archive/october"):
        archive.store_redirect(old, "number-1")

    answer = get(path)

    assert answer["statusCode"] == 301
    assert answer["headers"]["Location"] == "/archive/number-1"
    assert answer["headers"]["Cache-Control"] == "public, max-age=300"


def test_an_old_path_leads_over_several_moves_and_never_in_a_circle() -> None:
    stored(page())
    for old, new in (("november", "autumn"), ("autumn", "fall"), ("fall", "number-1")):
        archive.store_redirect(f"/archive/{old}", new)
    for old, new in (("here", "there"), ("there", "here"), ("gone", "nowhere")):
        archive.store_redirect(f"/archive/{old}", new)

    assert get("/archive/november")["headers"]["Location"] == "/archive/number-1"
    for path in ("/archive/here", "/archive/there", "/archive/gone"):
        assert get(path)["statusCode"] == 404


def test_a_page_goes_before_a_redirect_from_its_path() -> None:
    stored(page())
    archive.store_redirect("/archive/number-1", "number-2")

    assert get("/archive/number-1")["statusCode"] == 200


def test_a_path_that_nothing_ever_had_is_a_404() -> None:
    answer = get("/wp-login.php", accept=BROWSER)

    assert answer["statusCode"] == 404
    assert "text/html" in answer["headers"]["Content-Type"]


def test_without_s3_readers_are_asked_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> Never:
        raise DependencyUnavailable("S3 is away")

    monkeypatch.setattr(bucket, "get", fail)

    for path in ("/archive", "/archive/number-1", "/feed.xml", "/feed.json", "/sitemap.xml"):
        answer = get(path)
        assert answer["statusCode"] == 503
        assert answer["headers"]["Retry-After"]
        assert answer["headers"]["Cache-Control"] == "no-store"


HOSTILE = "</title><script>alert(1)</script>&amp;]]>\ufffe"


def test_no_title_becomes_markup_anywhere() -> None:
    stored(page(title=HOSTILE, description=HOSTILE, image='https://a.example/"><script>'))

    for path in ("/archive", "/archive/number-1", "/feed.xml", "/sitemap.xml"):
        assert "<script>" not in get(path)["body"]
    assert parsed(get("/feed.xml")["body"]).findtext(f"{ATOM}entry/{ATOM}title") == (
        HOSTILE.replace("\ufffe", "\ufffd")
    )
    assert json.loads(get("/feed.json")["body"])["items"][0]["title"] == HOSTILE


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own


def absolute(address: str | None) -> bool:
    return bool(address and re.fullmatch(r"https?://[^\s<>]+", address))


def rfc_3339(time: str | None) -> datetime:
    assert time
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", time)
    return datetime.fromisoformat(time)


def check_person(person: ET.Element | None) -> None:
    assert person is not None
    assert person.findtext(f"{ATOM}name")


FEED_ELEMENTS = {
    *("author", "entry", "generator", "icon", "id", "link", "subtitle", "title", "updated"),
}
ENTRY_ELEMENTS = {"content", "id", "link", "published", "summary", "title", "updated"}
ONCE = {
    "generator",
    "icon",
    "id",
    "subtitle",
    "title",
    "updated",
    "published",
    "summary",
    "content",
}


def check_elements(parent: ET.Element, allowed: set[str]) -> None:
    names = [child.tag.removeprefix(ATOM) for child in parent]
    assert set(names) <= allowed
    assert not [name for name in ONCE if names.count(name) > 1]
    for link in parent.findall(f"{ATOM}link"):
        assert absolute(link.get("href"))
        assert re.fullmatch(r"[a-z]+/[a-z+]+", link.get("type", ""))


def check_atom(text: str) -> ET.Element:
    """Check a feed by RFC 4287 and the rules of W3C's validator; return it."""
    feed = parsed(text)
    assert feed.tag == f"{ATOM}feed"
    check_elements(feed, FEED_ELEMENTS)
    assert feed.findtext(f"{ATOM}title")
    assert absolute(feed.findtext(f"{ATOM}id"))
    assert absolute(feed.findtext(f"{ATOM}icon"))
    check_person(feed.find(f"{ATOM}author"))  # so that no entry needs one
    (own,) = feed.findall(f"{ATOM}link[@rel='self']")
    assert own.get("href") == feed.findtext(f"{ATOM}id")
    assert len(feed.findall(f"{ATOM}link[@rel='alternate']")) == 1
    updated = rfc_3339(feed.findtext(f"{ATOM}updated"))
    assert updated.year > 1970
    entries = feed.findall(f"{ATOM}entry")
    ids = [entry.findtext(f"{ATOM}id") for entry in entries]
    assert len(set(ids)) == len(ids)
    for entry in entries:
        check_elements(entry, ENTRY_ELEMENTS)
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", entry.findtext(f"{ATOM}id") or "")
        assert entry.find(f"{ATOM}title") is not None
        published = rfc_3339(entry.findtext(f"{ATOM}published"))
        assert published <= rfc_3339(entry.findtext(f"{ATOM}updated")) <= updated
        (alternate,) = entry.findall(f"{ATOM}link[@rel='alternate']")
        content = entry.find(f"{ATOM}content")
        if content is None:
            assert entry.findtext(f"{ATOM}summary")  # §4.1.2
        else:
            assert content.get("type") == "html"
            assert content.find("*") is None
            assert content.get("{http://www.w3.org/XML/1998/namespace}base") == alternate.get(
                "href"
            )
    return feed


URL = {"type": "string", "pattern": "^https?://"}
TIME = {"type": "string", "format": "date-time"}
AUTHORS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "url": URL, "avatar": URL},
        "minProperties": 1,
        "additionalProperties": False,
    },
}
# What JSON Feed 1.1 says of the members that we use, of its item, and of those that it requires.
JSON_FEED_SCHEMA = {
    "type": "object",
    "required": ["version", "title", "items"],
    "properties": {
        "version": {"const": "https://jsonfeed.org/version/1.1"},
        "title": {"type": "string", "minLength": 1},
        "home_page_url": URL,
        "feed_url": URL,
        "description": {"type": "string"},
        "language": {"type": "string", "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]+)*$"},
        "authors": AUTHORS,
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string", "minLength": 1},
                    "url": URL,
                    "title": {"type": "string"},
                    "content_html": {"type": "string"},
                    "content_text": {"type": "string"},
                    "summary": {"type": "string"},
                    "image": URL,
                    "date_published": TIME,
                    "date_modified": TIME,
                },
                "anyOf": [{"required": ["content_html"]}, {"required": ["content_text"]}],
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
valid_json_feed = jsonschema_rs.validator_for(JSON_FEED_SCHEMA, validate_formats=True)
FEEDS: dict[str, Callable[[], list[ArchivePage]]] = {
    "none": list,
    "one": lambda: [page(image="https://example.com/leaf.jpg")],
    "edited": lambda: [page(updated_at=START + timedelta(days=9))],
    "hostile": lambda: [page(title=HOSTILE, description=HOSTILE, html=f"<p>{HOSTILE}\x01</p>")],
    "without description": lambda: [page(description="")],
    "full": lambda: pages(25),
    "too large for one answer": lambda: [
        page(number, html="<p>ü</p>" * 50_000) for number in range(5, 0, -1)
    ],
}
each_feed = pytest.mark.parametrize("kind", FEEDS)


@each_feed
def test_the_atom_feed_is_valid_and_has_the_newest_20(kind: str) -> None:
    shown = FEEDS[kind]()
    stored(*shown)

    answer = get("/feed.xml")

    assert answer["headers"]["Content-Type"] == "application/atom+xml; charset=utf-8"
    assert len(answer["body"].encode()) < 5_000_000
    feed = check_atom(answer["body"])
    ids = [f"urn:uuid:{each.issue.id}" for each in shown[:20]]
    assert [each.text for each in feed.findall(f"{ATOM}entry/{ATOM}id")] == ids


@each_feed
def test_the_json_feed_is_valid_and_has_the_newest_20(kind: str) -> None:
    shown = FEEDS[kind]()
    stored(*shown)

    answer = get("/feed.json")

    assert answer["headers"]["Content-Type"] == "application/feed+json; charset=utf-8"
    assert len(answer["body"].encode()) < 5_000_000
    document = json.loads(answer["body"])
    valid_json_feed.validate(document)
    assert document["feed_url"] == f"{SITE}/feed.json"
    assert [each["url"] for each in document["items"]] == [
        f"{SITE}/archive/{each.issue.slug}" for each in shown[:20]
    ]


def test_the_judge_of_feeds_finds_what_is_wrong() -> None:
    stored(page())
    feed, document = get("/feed.xml")["body"], json.loads(get("/feed.json")["body"])
    wrong = [
        feed.replace(f'href="{SITE}', 'href="'),
        feed.replace("+00:00", ""),
        re.sub("<id>urn.*?</id>", "", feed),
        re.sub("<author>.*?</author>", "", feed),
        re.sub("(<updated>.*?</updated>)", r"\1\1", feed),
    ]

    for each in wrong:
        with pytest.raises(AssertionError):
            check_atom(each)
    for changed in (
        document | {"version": "1"},
        document | {"items": [{"id": "1"}]},
        document | {"items": [{"id": 1, "content_text": ""}]},
    ):
        assert not valid_json_feed.is_valid(changed)


def test_a_feed_reader_reads_whole_issues() -> None:
    stored(page(2, html="<h2>Rain &amp; wind</h2>"), page(1))

    read = feedparser.parse(get("/feed.xml")["body"])

    assert not read.bozo
    assert read.feed.title == "The Daily Page"
    assert read.feed.language == "en"
    assert [entry.title for entry in read.entries] == ["Number 2", "Number 1"]
    assert read.entries[0].content[0].value == "<h2>Rain &amp; wind</h2>"
    assert read.entries[0].link == f"{SITE}/archive/number-2"
    assert read.entries[0].published_parsed[:3] == (2026, 11, 3)


def test_what_is_too_large_for_a_feed_is_only_described() -> None:
    large = "<p>" + "x" * (feeds.MAX_CONTENT_CHARACTERS - 100) + "</p>"
    stored(page(2, html=large), page(1, html="<p>" + "y" * 200 + "</p>"))

    items = json.loads(get("/feed.json")["body"])["items"]

    assert items[0]["content_html"] == large
    assert items[1]["content_text"] == "What the wind left"


def test_an_unchanged_feed_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stored(*pages(3))
    assert get("/feed.xml")["statusCode"] == 200

    monkeypatch.setattr(archive, "find_page", lambda _: pytest.fail("it was read again"))

    assert get("/feed.xml")["statusCode"] == 200


def test_the_sitemap_has_every_page_in_full() -> None:
    stored(*pages(25))

    root = parsed(get("/sitemap.xml")["body"])

    name = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
    addresses = [each.text for each in root.iter(f"{name}loc")]
    assert addresses == [
        f"{SITE}/",
        f"{SITE}/archive",
        *(f"{SITE}/archive/number-{number}" for number in range(25, 0, -1)),
    ]
    assert all(rfc_3339(each.text) for each in root.iter(f"{name}lastmod"))


def test_robots_are_led_to_the_sitemap() -> None:
    body = get("/robots.txt")["body"]

    assert body.splitlines()[0] == "User-agent: *"
    assert f"Sitemap: {SITE}/sitemap.xml" in body.splitlines()


def test_the_icon_is_the_newsletters_initial() -> None:
    answer = get("/favicon.svg")

    assert answer["headers"]["Content-Type"] == "image/svg+xml"
    root = parsed(answer["body"])
    assert root.findtext("{http://www.w3.org/2000/svg}text") == "T"


def test_the_pages_are_in_the_newsletters_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSLETTER_LANGUAGE", "de")
    stored(*pages(2))

    answer = get("/archive/number-1", accept_language="en", cookie="language=en")

    document = Document(answer)
    assert document.named("html") == [{"lang": "de", "dir": "ltr"}]
    assert "2. November 2026" in document.text
    assert "Nächste Ausgabe" in document.text
    assert "lang=" not in str([each["href"] for each in document.named("a")])
    feed = parsed(get("/feed.xml")["body"])
    assert feed.get("{http://www.w3.org/XML/1998/namespace}lang") == "de"


def test_pages_work_below_a_stages_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", f"{SITE}/prod")
    stored(*pages(2))

    document = Document(get("/archive/number-1"))

    assert document.links("next") == ["/prod/archive/number-2"]
    assert document.links("canonical") == [f"{SITE}/prod/archive/number-1"]
    archive.store_redirect("/p/old", "number-1")
    assert get("/p/old")["headers"]["Location"] == "/prod/archive/number-1"
