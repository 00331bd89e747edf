"""Posts as peers export them: what everybody could read, and why the rest is left out."""

import csv
import io
from datetime import UTC, datetime

import pytest

from broadsheet.domain.people import Unusable
from broadsheet.domain.posts import Post, PostsFormat
from broadsheet.transfer import posts
from tests.broadsheet.transfer import exports


def read(file_format: PostsFormat, content: bytes) -> list[Post | Unusable]:
    with posts.opened(io.BytesIO(content), "export") as files:
        return [each for _, each in posts.read(file_format, files)]


def one(file_format: PostsFormat, content: bytes) -> Post:
    (post,) = read(file_format, content)
    assert isinstance(post, Post)
    return post


def code(file_format: PostsFormat, content: bytes) -> str:
    (unusable,) = read(file_format, content)
    assert isinstance(unusable, Unusable)
    return unusable.code


EXPORTS = {
    PostsFormat.SUBSTACK: exports.substack(exports.substack_row(), hello="<p>Text</p>"),
    PostsFormat.GHOST: exports.ghost({}),
    PostsFormat.BUTTONDOWN: exports.buttondown(
        "a1,1,Hello,2023-01-02 16:55:00+00:00,app,public,hello", hello="Text"
    ),
    PostsFormat.BEEHIIV: exports.beehiiv("<p>Text</p>"),
}


@pytest.mark.parametrize("file_format", EXPORTS, ids=str)
def test_each_peers_posts_are_known_by_their_file(file_format: PostsFormat) -> None:
    file = io.BytesIO(EXPORTS[file_format])

    assert posts.detect("export", file) is file_format
    with posts.opened(file, "export") as files:
        assert len(list(posts.read(file_format, files))) == 1


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"email\nzoe@example.com\n", id="people"),
        pytest.param(b"", id="empty"),
        pytest.param(b"PK\x03\x04", id="damaged"),
        pytest.param(b'{"data": {"results": []}}', id="other-json"),
        pytest.param(exports.archive_of({"a.png": b"x"}), id="pictures"),
    ],
)
def test_a_file_without_posts_is_none_of_theirs(content: bytes) -> None:
    assert posts.detect("export", io.BytesIO(content)) is None
    assert all(
        isinstance(each, Unusable)
        for file_format in PostsFormat
        if not (content[:2] == b"PK" and len(content) < 10)
        for each in read(file_format, content)
    )


def test_a_post_of_substack_has_its_path_and_its_date() -> None:
    assert one(PostsFormat.SUBSTACK, EXPORTS[PostsFormat.SUBSTACK]) == Post(
        "1.hello",
        "Hello",
        "A beginning.",
        "hello",
        datetime(2019, 7, 26, 20, 48, 19, 814_000, tzinfo=UTC),
        "<p>Text</p>",
        "/p/hello",
    )


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        pytest.param(exports.substack_row(published="false"), "not-published", id="draft"),
        pytest.param(exports.substack_row(audience="only_paid"), "for-payers-only", id="paid"),
        pytest.param(exports.substack_row(audience="founding"), "for-payers-only", id="founding"),
        pytest.param(exports.substack_row(kind="thread"), "not-a-post", id="thread"),
        pytest.param(exports.substack_row(kind="page"), "not-a-post", id="page"),
        pytest.param(exports.substack_row(title=" "), "no-title", id="untitled"),
        pytest.param(exports.substack_row("gone"), "no-text", id="without-its-file"),
        pytest.param(exports.substack_row("../../etc/passwd"), "no-text", id="a-path"),
    ],
)
def test_what_not_everybody_could_read_at_substack_stays_out(row: str, fault: str) -> None:
    assert code(PostsFormat.SUBSTACK, exports.substack(row, hello="<p>Text</p>")) == fault


def test_substacks_buttons_do_not_come_along() -> None:
    html = (
        '<p>Text</p><p class="button-wrapper" data-attrs="{&quot;url&quot;:&quot;x&quot;}" '
        'data-component-name="ButtonCreateButton"><a class="button primary" '
        'href="https://tea.substack.com/subscribe?"><span>Subscribe now</span></a></p>'
        '<div class="preamble"><p class="cta-caption">Subscribe for free.</p></div><p>End</p>'
    )

    post = one(PostsFormat.SUBSTACK, exports.substack(exports.substack_row(), hello=html))

    assert post.text == '<p>Text</p><div class="preamble"></div><p>End</p>'


def test_ghosts_posts_are_found_in_its_long_export() -> None:
    others = '"posts": [1] ' * 200_000
    content = exports.ghost({"feature_image": "__GHOST_URL__/content/images/a.png"}, others=others)

    post = one(PostsFormat.GHOST, content)

    assert (post.slug, post.path, post.text) == ("hello", "/hello", "<p>Text</p>")
    assert post.published_at == datetime(2023, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        pytest.param({"status": "draft"}, "not-published", id="draft"),
        pytest.param({"status": "scheduled"}, "not-published", id="scheduled"),
        pytest.param({"type": "page"}, "not-a-post", id="page"),
        pytest.param({"visibility": "paid"}, "for-payers-only", id="paid"),
        pytest.param({"visibility": "members"}, "for-payers-only", id="members"),
        pytest.param({"html": None}, "no-text", id="without-text"),
        pytest.param({"published_at": None}, "unreadable-time", id="undated"),
        pytest.param({"published_at": "soon"}, "unreadable-time", id="no-date"),
    ],
)
def test_what_not_everybody_could_read_at_ghost_stays_out(
    field: dict[str, object], fault: str
) -> None:
    assert code(PostsFormat.GHOST, exports.ghost(field)) == fault


def test_ghosts_pictures_come_from_its_archive() -> None:
    content = exports.archive_of(
        {"tea.ghost.2023.json": exports.ghost({}), "content/images/2023/01/a.png": b"picture"}
    )

    with posts.opened(io.BytesIO(content), "export.zip") as files:
        assert files.image("__GHOST_URL__/content/images/2023/01/a.png", 100) == b"picture"
        assert files.image("__GHOST_URL__/content/images/2023/01/a.png", 3) is None
        assert files.image("https://example.com/b.png", 100) is None


@pytest.mark.parametrize(
    ("text", "is_markdown"),
    [
        pytest.param("# Hello\n\nText", True, id="markdown"),
        pytest.param("<!-- buttondown-editor-mode: plaintext -->\nText", True, id="plain"),
        pytest.param("<!-- buttondown-editor-mode: fancy --><p>Text</p>", False, id="fancy"),
    ],
)
def test_buttondowns_texts_are_markdown_or_html(text: str, *, is_markdown: bool) -> None:
    row = "a1,1,Hello,2023-01-02 16:55:00+00:00,app,public,hello"
    post = one(PostsFormat.BUTTONDOWN, exports.buttondown(row, hello=text))

    assert post.is_markdown is is_markdown
    assert "editor-mode" not in post.text
    assert post.path == "/archive/hello"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("a1,1,Hello,,app,public,hello", "not-published"),
        ("a1,1,Hello,2023-01-02,app,private,hello", "for-payers-only"),
        ("a1,1,Hello,2023-01-02,app,premium,hello", "for-payers-only"),
    ],
)
def test_what_not_everybody_could_read_at_buttondown_stays_out(row: str, fault: str) -> None:
    assert code(PostsFormat.BUTTONDOWN, exports.buttondown(row, hello="Text")) == fault


def test_a_post_of_beehiiv_may_be_longer_than_a_usual_cell() -> None:
    usual = csv.field_size_limit()
    html = f'<p class="x">{"long " * 100_000}</p>'

    post = one(PostsFormat.BEEHIIV, exports.beehiiv(html))

    assert post.text == html
    assert (post.path, post.slug) == ("/p/hello", "hello")
    assert csv.field_size_limit() == usual


def test_what_only_payers_could_read_at_beehiiv_stays_out() -> None:
    assert code(PostsFormat.BEEHIIV, exports.beehiiv("x", audience="premium")) == "for-payers-only"
    assert code(PostsFormat.BEEHIIV, exports.beehiiv("x", status="draft")) == "not-published"
