"""A file becomes an issue: front matter, images, findings at their lines."""

import json
import zlib
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from broadsheet_cli import issue_file
from broadsheet_cli.errors import CommandFailed
from broadsheet_cli.images import WIDTH_OF_TEXT
from tests.cli.commands import documented, failed, ran, run
from tests.cli.conftest import ISSUE
from tests.cli.press import Press

TITLE = """Zoë's "2nd" issue: tea"""


def read(text: str, name: str = "november.md") -> issue_file.IssueFile:
    Path(name).write_text(text)
    return issue_file.read(Path(name))


@pytest.mark.usefixtures("nobody")
class TestFrontMatter:
    @pytest.mark.parametrize(
        "front_matter",
        [
            "title: Tea\nslug: tea\ndate: 2099-12-01 08:00:00 +0100\ndescription: Hot",  # Jekyll
            "subject: Tea\nslug: tea\npublish_date: 2099-12-01T07:00:00Z\npreheader: Hot",
            'title: "Tea"\nslug: tea\ndate: 2099-12-01 07:00\nexcerpt: >\n  Hot',
        ],
    )
    def test_several_spellings_mean_the_same(self, front_matter: str) -> None:
        file = read(f"---\n{front_matter}\n---\nText\n")

        assert (file.title, file.slug, file.preheader) == ("Tea", "tea", "Hot")
        assert file.publish_at == datetime(2099, 12, 1, 7, tzinfo=UTC)
        assert file.body == "Text\n"

    def test_a_file_without_front_matter_has_its_headings_title(self) -> None:
        file = read("# Tea time #\n\nText\n", "2026-11-28-tea.md")

        assert (file.title, file.slug, file.body) == ("Tea time", "tea", "# Tea time #\n\nText\n")

    def test_a_rule_in_the_text_is_no_front_matter(self) -> None:
        assert read("# Tea\n\n---\n\nText\n").body == "# Tea\n\n---\n\nText\n"

    def test_windows_line_ends_and_a_byte_order_mark_change_nothing(self) -> None:
        Path("a.md").write_bytes(b"\xef\xbb\xbf---\r\ntitle: Tea\r\n---\r\nOne\r\nTwo\r\n")

        assert issue_file.read(Path("a.md")).body == "One\nTwo\n"

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("---\ntitle: [\n---\n", "november.md:3: the front matter can't be read"),
            ("---\ntitle: Tea\ndate: 2026-02-30\n---\n", "november.md: the front matter can't"),
            ("---\ntitle: Tea\ndate: soon\n---\n", "“soon” is no time"),
            ("---\n- title\n---\n", "has no names"),
            ("Text\n", "november.md has no title"),
            ("---\ntitle:\n---\nText\n", "november.md has no title"),
        ],
    )
    def test_what_can_t_be_understood_is_said(self, text: str, says: str) -> None:
        with pytest.raises(CommandFailed, match=says):
            read(text)

    def test_html_is_sent_as_it_is(self) -> None:
        file = read("---\ntitle: Tea\narchive: false\n---\n<p>Tea</p>\n", "tea.html")

        assert file.request(file.body) == {
            "title": "Tea",
            "content": {"html": "<p>Tea</p>\n"},
            "slug": "tea",
            "archive": False,
        }


def test_unknown_names_are_noted_and_do_no_harm(press: Press, author: Path) -> None:
    Path("tea.md").write_text("---\nlayout: post\ntitle: Tea\ntags: [a, b]\n---\nText\n")

    result = run("check", "tea.md")

    assert result.exit_code == 0
    assert "tea.md: not used: layout, tags." in result.stderr


def test_a_new_issue_can_be_published_as_it_is(press: Press, author: Path) -> None:
    said = ran("new", TITLE)

    assert "zoe-s-2nd-issue-tea.md is begun" in said
    file = issue_file.read(Path("zoe-s-2nd-issue-tea.md"))
    assert (file.title, file.slug) == (TITLE, "zoe-s-2nd-issue-tea")
    ran("check", "zoe-s-2nd-issue-tea.md")


def test_a_new_issue_replaces_no_file(author: Path) -> None:
    Path("tea.md").write_text("mine")

    status, said = failed("new", "Tea")

    assert (status, said) == (1, "tea.md is there already.\n")
    assert Path("tea.md").read_text() == "mine"


def test_findings_are_at_their_lines_the_errors_first(press: Press, november: Path) -> None:
    november.write_text(ISSUE + "TK\nDear [[nome]]\n")

    result = run("check", "november.md")

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "november.md:11: error unknown-placeholder: [[nome]] here",
        "november.md:10: warning todo-left: TK here",
    ]
    assert november.read_text().splitlines()[10] == "Dear [[nome]]"


def test_a_finding_about_an_image_names_its_file(press: Press, november: Path) -> None:
    picture("cup.png")
    november.write_text(ISSUE + "TK![](cup.png)\n")

    assert run("check", "november.md").stdout == (
        "november.md:10: warning todo-left: TK in the line of cup.png\n"
    )


def test_a_missing_image_hides_no_other_finding(press: Press, november: Path) -> None:
    picture("cup.png")
    november.write_text(ISSUE + "![](missing.png)\nDear [[nome]]\n![](cup.png) TK\n")

    result = run("check", "november.md")

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "november.md:10: error relative-image: (missing.png) here",
        "november.md:11: error unknown-placeholder: [[nome]] here",
        "november.md:12: warning todo-left: TK in the line of cup.png",
    ]
    assert "The image missing.png can't be read: No such file or directory." in result.stderr
    assert "missing.png can't be read" in failed("publish", "november.md", "--yes")[1]


def test_a_check_names_the_issue_of_the_file_which_its_text_may_resemble(
    press: Press, november: Path
) -> None:
    ran("check", "november.md")
    assert press.previewed[-1].get("issue") is None
    ran("publish", "november.md", "--yes")

    ran("check", "november.md")

    assert press.previewed[-1]["issue"] == press.only.id


def test_warnings_alone_are_no_failure_unless_asked_for(press: Press, november: Path) -> None:
    november.write_text(ISSUE + "TK\n")

    assert run("check", "november.md").exit_code == 0
    assert run("check", "november.md", "--strict").exit_code == 1
    (finding,) = documented("check", "november.md")
    assert (finding["code"], finding["place"]) == ("todo-left", "november.md:10")


def test_a_test_mail_goes_where_the_last_one_went(press: Press, november: Path) -> None:
    status, said = failed("test", "november.md")
    assert status == 1
    assert "--to you@example.com" in said

    ran("test", "november.md", "--to", "ada@example.com", "--to", "jo@example.com")
    ran("test", "november.md")

    assert [to for to, _ in press.tests] == [("ada@example.com", "jo@example.com")] * 2
    assert press.issues == {}


# --- Images ---------------------------------------------------------------------------------------


def picture(name: str, size: tuple[int, int] = (40, 20), **saved: object) -> Path:
    path = Path(name)
    image = Image.new("RGB", size, "teal")
    image.save(path, **saved)  # type: ignore[arg-type]
    return path


def uploaded(press: Press) -> Image.Image:
    _, content = press.images[-1]
    return Image.open(BytesIO(content))


def test_images_beside_the_file_are_uploaded_and_never_twice(press: Press, november: Path) -> None:
    picture("tea pot.png")
    picture("cup.jpg", (30, 30))
    november.write_text(
        ISSUE
        + "![A pot](<tea pot.png>) ![A cup][cup] ![A pot](tea%20pot.png 'Tea')\n\n"
        + "![Away](https://example.com/a.png) `![code](cup.jpg)`\n\n[cup]: cup.jpg\n\n"
        + "    ![no image](other.png)\n"
    )

    ran("publish", "november.md", "--yes")
    ran("check", "november.md")

    assert [kind for kind, _ in press.images] == ["image/png", "image/jpeg"]
    text = press.only.text
    # The size, from which the mail's own is made, is at the end: in Markdown it has no other place.
    first, second = (f"https://news.example/images/{number}.png#1200x800" for number in (1, 2))
    assert f"![A pot]({first}) ![A cup][cup] ![A pot]({first} 'Tea')" in text
    assert f"[cup]: {second}" in text
    assert "![Away](https://example.com/a.png)" in text
    assert "    ![no image](other.png)" in text


def test_a_copy_under_another_name_is_not_uploaded_again(press: Press, author: Path) -> None:
    picture("a.png")
    picture("b.png")

    ran("images", "a.png", "b.png")

    assert len(press.images) == 1


@pytest.mark.parametrize(
    ("name", "size", "sent"),
    [
        ("a.jpg", (3000, 1500), ("JPEG", (1200, 600))),
        ("a.png", (1300, 13), ("PNG", (1200, 12))),
        ("a.webp", (100, 50), ("JPEG", (100, 50))),
        ("a.bmp", (100, 50), ("JPEG", (100, 50))),
        ("a.gif", (100, 50), ("GIF", (100, 50))),
    ],
)
def test_an_image_is_sent_as_mail_programs_show_it(
    press: Press, author: Path, name: str, size: tuple[int, int], sent: object
) -> None:
    picture(name, size)

    ran("images", name)

    image = uploaded(press)
    assert (image.format, image.size) == sent


def test_a_photo_is_turned_upright_and_loses_the_place_where_it_was_taken(
    press: Press, author: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)  # a latitude
    picture("photo.jpg", (40, 20), exif=exif)

    ran("images", "photo.jpg")

    image = uploaded(press)
    assert image.size == (20, 40)
    assert dict(image.getexif()) == {}


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png"])
def test_the_colours_of_a_photo_stay_when_it_is_sized(
    press: Press, author: Path, name: str
) -> None:
    # In this profile, an image's red and blue have changed places.
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    Image.new("RGB", (1300, 13), (250, 5, 5)).save(name, icc_profile=bytes(profile), quality=95)

    ran("images", name)

    image = uploaded(press)
    assert "icc_profile" not in image.info
    shown = image.convert("RGB").getpixel((9, 9))
    assert isinstance(shown, tuple)
    assert (shown[0] < 60, shown[2] > 200) == (True, True)


def test_a_damaged_profile_of_colours_is_left_out(press: Press, author: Path) -> None:
    Image.new("RGB", (1300, 13), "teal").save("photo.jpg", icc_profile=b"nothing")

    ran("images", "photo.jpg")

    assert uploaded(press).size == (1200, 12)


@pytest.mark.parametrize("address", ["../secret.png", "link.png", "sub/../../secret.png"])
def test_an_image_outside_the_files_folder_is_not_uploaded(
    press: Press, november: Path, address: str
) -> None:
    picture("../secret.png")
    Path("link.png").symlink_to("../secret.png")
    november.write_text(ISSUE + f"![A secret]({address})\n")

    status, said = failed("check", "november.md")

    assert (status, press.images) == (1, [])
    assert "is outside the folder of november.md" in said


def test_an_image_that_is_fit_is_sent_byte_by_byte(press: Press, author: Path) -> None:
    content = picture("photo.jpg").read_bytes()

    ran("images", "photo.jpg")

    assert press.images == [("image/jpeg", content)]


@pytest.mark.parametrize(
    "content",
    [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html></html>", b"\x89PNG\r\n\x1a\n"],
)
def test_what_is_no_image_is_not_uploaded(press: Press, november: Path, content: bytes) -> None:
    Path("cup.png").write_bytes(content)
    november.write_text(ISSUE + "![A cup](cup.png)\n")

    status, said = failed("publish", "november.md", "--yes")

    assert status == 1
    assert "cup.png is no image that can be read: use JPEG, PNG or GIF." in said
    assert (press.images, press.issues) == ([], {})


def test_an_image_with_too_many_pixels_is_not_even_read(press: Press, author: Path) -> None:
    small = BytesIO()
    Image.new("1", (1, 1)).save(small, "PNG")
    width = (100_000).to_bytes(4)
    header = b"IHDR" + width + width + small.getvalue()[24:29]
    bomb = small.getvalue()[:12] + header + zlib.crc32(header).to_bytes(4) + small.getvalue()[33:]
    Path("bomb.png").write_bytes(bomb)

    status, said = failed("images", "bomb.png")

    assert (status, press.images) == (1, [])
    assert "too many pixels" in said


def test_a_missing_image_is_named(press: Press, november: Path) -> None:
    november.write_text(ISSUE + "![A cup](cup.png)\n")

    status, said = failed("check", "november.md")

    assert status == 1
    assert "The image cup.png can't be read: No such file or directory." in said


def test_html_gets_the_sizes_that_outlook_needs(press: Press, author: Path) -> None:
    picture("cup.png")
    html = '<p><img alt="A cup" src="cup.png"><img data-src="a.png" src="cup.png" width="50"></p>'
    Path("tea.html").write_text(f"---\ntitle: Tea\n---\n{html}")

    ran("publish", "tea.html", "--yes")

    url = "https://news.example/images/1.png"
    assert press.only.text == (
        f'<p><img alt="A cup" src="{url}" width="{WIDTH_OF_TEXT}" height="400">'
        f'<img data-src="a.png" src="{url}" width="50"></p>'
    )


def test_what_was_uploaded_is_remembered_by_newsletter(press: Press, author: Path) -> None:
    picture("cup.png")

    ran("images", "cup.png")

    cache = json.loads(Path(".broadsheet/images.json").read_text())
    ((_, image),) = cache[press.url].items()
    assert image["url"] == "https://news.example/images/1.png"
