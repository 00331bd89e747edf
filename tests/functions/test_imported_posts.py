"""Posts of a newsletter's past stand in the archive beside its issues; old links lead there."""

import io
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from uuid import UUID, uuid4

import pytest

from broadsheet import settings
from broadsheet.database.connection import connected
from broadsheet.domain.archive import ArchivePage
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.posts import PostsFormat
from broadsheet.services.people import posts
from broadsheet.services.people.posts import Report
from broadsheet.storage import archive, bucket, images
from functions.publish.app import handler as publish
from local.lambda_events import api_event
from tests.broadsheet.transfer import exports
from tests.cloud import Cloud, context, problem_in
from tests.functions.issues import publish_issue, tick
from tests.functions.webhooks import Functions
from tests.images import png
from tests.receiver import Answer, Receiver, receiving

IMPORT = UUID("0b9e1a5e-0000-4000-8000-000000000015")


def bring_in(
    content: bytes,
    file_format: PostsFormat = PostsFormat.SUBSTACK,
    import_id: UUID = IMPORT,
) -> Report:
    with connected(5) as connection:
        return posts.bring_in(
            connection,
            import_id,
            file_format,
            file=io.BytesIO(content),
            file_name="export.zip",
        )


@pytest.fixture
def functions(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Functions:
    """Lambda, with the real outbound."""
    assert cloud
    return Functions()


@pytest.fixture
def site(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """The old newsletter's site, on this machine, where outbound may call it."""
    assert functions
    monkeypatch.setenv("CALLS_ANYWHERE", "true")
    with receiving() as running:
        yield running


def showing(content: bytes) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def listed() -> list[str]:
    return [each.slug for each in archive.read_index().issues]


def shown(slug: str = "hello") -> ArchivePage:
    entry = next(each for each in archive.read_index().issues if each.slug == slug)
    page = archive.find_page(entry.id)
    assert page is not None
    return page


def hello(text: str = "<p>Text</p>") -> bytes:
    return exports.substack(exports.substack_row(), hello=text)


def test_a_post_is_archived_under_its_old_date_and_found_by_its_old_path(cloud: Cloud) -> None:
    report = bring_in(hello())

    assert report == Report(posts=1, images=0, lines=[])
    page = shown()
    assert (page.headline, page.html) == ("Hello", "<p>Text</p>")
    assert page.issue.published_at.isoformat() == "2019-07-26T20:48:19.814000+00:00"
    assert page.issue.description == "A beginning."
    redirect = archive.find_redirect("/p/hello/")
    assert redirect is not None
    assert redirect.slug == "hello"
    assert cloud.row("SELECT count(*) AS issues FROM issues")["issues"] == 0


def test_issues_and_posts_are_one_archive_whichever_is_written_last(cloud: Cloud) -> None:
    cloud.add_confirmed("ursula@example.com")
    bring_in(hello())
    issue_id = publish_issue(title="November", markdown="Leaves.")
    tick(issue_id)
    assert listed() == ["november", "hello"]

    bring_in(exports.substack(exports.substack_row("later"), later="<p>x</p>"), import_id=uuid4())

    assert listed()[0] == "november"
    assert sorted(listed()[1:]) == ["hello", "later"]


def test_nothing_of_a_strangers_post_runs_or_loads_from_elsewhere(cloud: Cloud) -> None:
    bring_in(
        hello(
            '<p onclick="x()" style="position:fixed" class="y">Hi<script>x()</script></p>'
            '<iframe src="https://evil.example">frame</iframe><a href="javascript:x()">a</a>'
            '<img src="data:image/gif;base64,R0lG" alt="a > b"><form><input value="x"></form>'
            '<svg><image href="https://track.example/2.gif"/></svg>'
        )
    )

    assert shown().html == "<p>Hi</p><a>a</a>"


def test_pictures_are_copied_and_those_that_cannot_be_are_reported(
    cloud: Cloud, site: Receiver
) -> None:
    site.plan = [showing(png()), 404, showing(b"no picture"), 302]
    address = site.url.replace("/hook", "/{}")
    sources = [address.format(name) for name in ("cup", "gone", "text", "moved")]
    text = "".join(f'<img src="{each}" srcset="{each} 2x" alt="A cup">' for each in sources)

    report = bring_in(hello(f"<p>{text}</p>"))

    page = shown()
    assert page.html.count("<img") == report.images == 1
    assert 'alt="A cup"' in page.html
    assert page.issue.image is not None
    assert page.issue.image in page.html
    assert images.find(page.issue.image.rpartition("/")[2]) is not None
    assert [(each.line, each.code, each.detail) for each in report.lines] == [
        (2, "image-left-out", f"status-404: {sources[1]}"),
        (2, "image-left-out", f"not-an-image: {sources[2]}"),
        (2, "image-left-out", f"status-302: {sources[3]}"),
    ]
    assert [each.path for each in site.received] == ["/cup", "/gone", "/text", "/moved"]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        pytest.param("https://127.0.0.1/a.png", "address-not-public", id="this-machine"),
        pytest.param("http://169.254.169.254/a.png", "address-not-public", id="metadata"),
        pytest.param("https://[::ffff:10.0.0.1]/a.png", "address-not-public", id="mapped"),
        pytest.param("https://10.0.0.1:22/a.png", "url-port", id="a-service"),
        pytest.param("file:///etc/passwd", "url-insecure", id="a-file"),
        pytest.param("__GHOST_URL__/content/images/a.png", "url-insecure", id="ghosts-own"),
    ],
)
def test_a_picture_is_sought_on_the_public_internet_only(
    cloud: Cloud, functions: Functions, address: str, reason: str
) -> None:
    report = bring_in(exports.ghost({"feature_image": address}), PostsFormat.GHOST)

    assert [each.detail for each in report.lines] == [f"{reason}: {address}"]


def test_while_nothing_can_be_fetched_nothing_is_archived_without_its_pictures(
    cloud: Cloud, site: Receiver, functions: Functions
) -> None:
    site.plan = [showing(png())]
    content = hello(f'<p>Text<img src="{site.url}"></p>')

    with functions.down(), pytest.raises(DependencyUnavailable):
        bring_in(content)
    assert listed() == []

    assert bring_in(content).images == 1


def test_the_same_import_again_changes_nothing_and_says_the_same(
    cloud: Cloud, functions: Functions
) -> None:
    content = hello('<p>Text<img src="file:///gone.png"></p>')
    first = bring_in(content)
    before = archive.read_index()

    assert bring_in(content) == first
    assert archive.read_index() == before


def test_another_import_of_a_post_replaces_it_in_its_place(cloud: Cloud) -> None:
    bring_in(hello())

    bring_in(hello("<p>Better</p>"), import_id=uuid4())

    assert listed() == ["hello"]
    assert shown().html == "<p>Better</p>"


def test_an_import_can_be_taken_out_again(cloud: Cloud) -> None:
    bring_in(hello())
    kept = exports.substack(exports.substack_row("kept"), kept="<p>x</p>")
    bring_in(kept, import_id=uuid4())
    entry = shown().issue

    with connected(5) as connection:
        assert posts.take_out(connection, IMPORT) == 1
        assert posts.take_out(connection, IMPORT) == 0

    assert listed() == ["kept"]
    assert archive.find_page(entry.id) is None
    assert archive.find_redirect("/p/hello") is None
    assert archive.find_redirect("/p/kept") is not None


def test_links_between_the_posts_lead_to_the_archive(cloud: Cloud) -> None:
    publish_issue(title="Later", markdown="An issue, which has the slug.")
    mine, theirs = "https://tide.substack.com/p", "https://other.substack.com/p"
    text = (
        f'<p><a href="/p/later#end">a</a> <a title="b" href="{mine}/later?r=1&amp;u=2">b</a>'
        f' <a href="{mine}/missing">c</a> <a href="{theirs}/later">d</a></p>'
    )
    rows = exports.substack_row() + "\n" + exports.substack_row("later", title="Later")
    back = f'<a href="{mine}/hello/">e</a><a href="mailto:a@example.com">f</a>'

    bring_in(exports.substack(rows, hello=text, later=back))

    archived = f"{settings.public_url()}/archive"
    assert shown().html == (
        f'<p><a href="{archived}/later-2#end">a</a> <a title="b" href="{archived}/later-2">b</a>'
        f' <a href="{mine}/missing">c</a> <a href="{theirs}/later">d</a></p>'
    )
    again = shown("later-2").html
    assert again == f'<a href="{archived}/hello">e</a><a href="mailto:a@example.com">f</a>'
    assert bring_in(exports.substack(rows, hello=text, later=back)).posts == 2
    assert shown("later-2").html == again
    kept = cloud.rows("SELECT page ->> 'html' AS html FROM imported_posts")  # for a move
    assert {row["html"] for row in kept} == {shown().html, again}


@pytest.mark.parametrize("times", [(1, 0), (2, 2)], ids=["once", "as often as another"])
def test_a_host_that_posts_do_not_name_most_is_another_s(
    cloud: Cloud, times: tuple[int, int]
) -> None:
    link = '<a href="https://{}.example/p/hello">me</a>'
    text = link.format("first") * times[0] + link.format("second") * times[1]

    bring_in(hello(text))

    assert shown().html == text


def test_links_in_ghosts_posts_name_no_host(cloud: Cloud) -> None:
    assert cloud
    text = '<p><a href="__GHOST_URL__/hello/">me</a></p>'

    bring_in(exports.ghost({"html": text}), PostsFormat.GHOST)

    assert shown().html == f'<p><a href="{settings.public_url()}/archive/hello">me</a></p>'


def test_a_post_and_an_issue_never_have_the_same_address(cloud: Cloud) -> None:
    publish_issue(title="Hello", markdown="An issue.")
    bring_in(hello())
    edited = publish_issue(title="Hello 2", markdown="Another issue.")

    body = json.dumps({"title": "Third", "markdown": "x", "slug": "hello-2"})
    headers = {"content-type": "application/json", "idempotency-key": "third", "if-match": '"1"'}
    event = api_event("POST", "/issues", body=body, headers=headers, author="ada")
    assert problem_in(publish(event, context()))["code"] == "slug-taken"
    event = api_event(
        "PUT",
        "/issues/{id}",
        path_parameters={"id": edited},
        body=body,
        headers=headers,
        author="ada",
    )
    assert problem_in(publish(event, context()))["code"] == "slug-taken"

    slugs = cloud.rows("SELECT slug FROM issues UNION ALL SELECT slug FROM imported_posts")
    assert sorted(row["slug"] for row in slugs) == ["hello", "hello-2", "hello-2-2"]


def test_an_import_that_s3_interrupts_goes_on_where_it_was(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (exports.substack_row("one"), exports.substack_row("two"))
    content = exports.substack(*rows, one="<p>1</p>", two="<p>2</p>")
    put = bucket.put
    calls = 0

    def fail_third(key: str, body: bytes, media_type: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise DependencyUnavailable("S3 is away")
        put(key, body, media_type)

    monkeypatch.setattr(bucket, "put", fail_third)
    with pytest.raises(DependencyUnavailable):
        bring_in(content)
    assert listed() == []

    assert bring_in(content).posts == 2
    assert sorted(listed()) == ["one", "two"]


def test_what_is_no_post_is_reported_and_the_others_are_archived(cloud: Cloud) -> None:
    undated = exports.substack_row("other").replace("2019-07-26T20:48:19.814Z", "once")

    report = bring_in(exports.substack(undated, exports.substack_row(), hello="x", other="y"))

    assert (report.posts, [each.line for each in report.lines]) == (1, [2])
    assert listed() == ["hello"]


def test_an_archive_that_is_damaged_is_reported_by_its_first_line(cloud: Cloud) -> None:
    report = bring_in(hello()[:-30])

    assert (report.posts, [(each.line, each.code) for each in report.lines]) == (
        0,
        [(1, "damaged-archive")],
    )
    assert listed() == []


def test_a_post_too_complex_to_clean_is_reported(cloud: Cloud) -> None:
    report = bring_in(hello("<div>" * 600 + "x"))

    assert [each.code for each in report.lines] == ["too-complex"]
    assert listed() == []


@pytest.mark.usefixtures("functions")
@pytest.mark.parametrize(
    ("content", "file_format", "html", "path"),
    [
        pytest.param(exports.ghost({}), PostsFormat.GHOST, "<p>Text</p>", "/hello", id="ghost"),
        pytest.param(
            exports.buttondown(
                "a1,1,Hello,2023-01-02 16:55:00+00:00,app,public,Hello-1",
                Hello_1="Some *text*\n\n<b>bold</b>",
            ),
            PostsFormat.BUTTONDOWN,
            "<p>Some <em>text</em></p>\n<p><b>bold</b></p>\n",
            "/archive/Hello-1",
            id="buttondown",
        ),
        pytest.param(
            exports.beehiiv('<table><tr id="content-blocks"><td>Text</td></tr></table>'),
            PostsFormat.BEEHIIV,
            "<table><tbody><tr><td>Text</td></tr></tbody></table>",
            "/p/hello",
            id="beehiiv",
        ),
    ],
)
def test_each_peers_posts_get_into_the_archive(
    cloud: Cloud,
    content: bytes,
    file_format: PostsFormat,
    html: str,
    path: str,
) -> None:
    assert bring_in(content, file_format).posts == 1

    assert shown(listed()[0]).html == html
    assert archive.find_redirect(path) is not None
