"""A mail's templates: one folder holds all of its words."""

import re
from pathlib import Path

import pytest

from broadsheet.mail import frame, theme
from broadsheet.mail.confirmation_mail import render_already_subscribed, render_confirmation
from broadsheet.mail.content import MailContent
from tests.broadsheet.mail import looks
from tests.broadsheet.mail.mails import NEWSLETTER, Read, html_issue, markdown_issue, send

FOLDERS = sorted(path for path in (theme.THEMES / theme.DEFAULT).iterdir() if path.is_dir())
MAILS = [folder for folder in FOLDERS if folder.name != "frame"]


@pytest.mark.parametrize("mail", MAILS, ids=lambda folder: folder.name)
def test_each_mail_has_its_subject_text_and_html_in_a_folder(mail: Path) -> None:
    assert {"subject.txt", "text.txt", "html.html"} <= {file.name for file in mail.iterdir()}


def test_a_subject_is_one_line_without_the_end_of_its_file() -> None:
    assert frame.subject("issue", NEWSLETTER, title="Number one") == "Number one"


ARABIC = NEWSLETTER.model_copy(update={"language": "ar"})
SIDES = "> quoted\n\n- a\n\n| A | B |\n|---|---|\n| 1 | 2 |\n"


def test_in_a_language_that_is_read_from_right_to_left_the_sides_are_exchanged() -> None:
    arabic = markdown_issue(SIDES, newsletter=ARABIC).html
    usual = markdown_issue(SIDES).html
    for ours, theirs in (("left", "right"), ("right", "left")):
        assert f"border-{ours}: 3px" in (usual if ours == "left" else arabic)
        assert f"padding-{ours}: 1.5em" in (usual if ours == "left" else arabic)
        assert f"border-{theirs}: 3px" not in (usual if ours == "left" else arabic)
    assert "padding: 0 0 0 16px" in usual
    assert "padding: 0 16px 0 0" in arabic
    assert "text-align: right" in arabic
    assert "text-align: right" not in usual


def test_outlooks_apps_get_the_dark_scheme_where_they_changed_a_colour() -> None:
    head = markdown_issue("Text").html.partition("</style>")[0]
    assert "[data-ogsb] body, [data-ogsb] .outer { background-color: #171614 !important }" in head
    assert "[data-ogsc] .sheet { color: #edeae3 !important }" in head
    assert "[data-ogs" not in html_issue("<p>x</p>").html  # made for a light background


STYLESHEETS = ("frame/frame.css", "frame/head.css", "frame/dark.css", "issue/content.css")


@pytest.mark.parametrize("name", theme.names())
def test_no_theme_uses_the_shorthand_that_outlook_on_windows_skips(name: str) -> None:
    folder = theme.THEMES / name
    templates = {str(path): path.read_text() for path in folder.rglob("*.html")}
    stylesheets = {path: theme.stylesheet(name, path) for path in STYLESHEETS}
    mails = looks.mails(name)

    for where, written in (templates | stylesheets | mails).items():
        assert not re.search(r"\bbackground\s*:", written), where
    assert all(" style=" in mail and "background-color:" in mail for mail in mails.values())


class TestAPostalAddress:
    PIER = NEWSLETTER.model_copy(update={"postal_address": "Pier 3 & 4, 20457 Hamburg"})

    def test_is_at_the_foot_of_every_mail(self) -> None:
        issue = markdown_issue("x", newsletter=self.PIER)
        mails = [
            MailContent(subject=issue.subject, html=send(issue.html), text=send(issue.text)),
            render_confirmation(self.PIER, "https://example.com/", "12345678"),
            render_already_subscribed(self.PIER),
        ]
        for mail in mails:
            assert "Sent by Mara Lindqvist, Pier 3 &amp; 4, 20457 Hamburg</p>" in mail.html
            assert "\n\nSent by Mara Lindqvist\nPier 3 & 4, 20457 Hamburg\n" in mail.text

    def test_is_left_out_when_there_is_none(self) -> None:
        mail = render_confirmation(NEWSLETTER, "https://example.com/", "12345678")
        assert "Sent by Mara Lindqvist</p>" in mail.html
        assert "\n\nSent by Mara Lindqvist\n\n@example.com #12345678\n" in mail.text


class TestTheSizeOfAnImage:
    def attributes(self, markdown: str) -> dict[str, str | None]:
        return next(
            each for each in Read(markdown_issue(markdown).html).attributes if "src" in each
        )

    def test_is_what_its_address_ends_with_and_no_wider_than_the_column(self) -> None:
        large = self.attributes("![A boat](https://x.test/b.png#1200x800)")
        assert (large["src"], large["width"], large["height"]) == (
            "https://x.test/b.png", "600", "400"
        )  # fmt: skip
        small = self.attributes("See ![A boat](https://x.test/b.png?v=1#40x30) here")
        assert (small["src"], small["width"], small["height"]) == (
            "https://x.test/b.png?v=1", "40", "30"
        )  # fmt: skip

    def test_is_the_columns_for_one_that_stands_alone(self) -> None:
        for markdown in (
            "![x](https://x.test/b.png)",
            "[![x](https://x.test/b.png)](https://y.test)",
        ):
            alone = self.attributes(markdown)
            assert alone["width"] == "600"
            assert "width: auto" in str(alone["style"])  # where CSS is understood, as it is
            assert "height" not in alone

    def test_is_unknown_within_a_text(self) -> None:
        within = self.attributes("See ![x](https://x.test/b.png#top) here")
        assert within["src"] == "https://x.test/b.png#top"
        assert "width" not in within

    @pytest.mark.parametrize("size", ["0x10", "10x0", "x10", "100000x1", "10x10x10"])
    def test_is_no_other_ending(self, size: str) -> None:
        assert self.attributes(f"a ![x](https://x.test/b.png#{size})")["src"] == (
            f"https://x.test/b.png#{size}"
        )
