"""A theme is a folder: its colours, fonts, logo, templates and stylesheets show in every mail."""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from broadsheet.domain.issue_requests import HtmlContent, IssueContent, MarkdownContent
from broadsheet.mail import contrast, frame, theme
from broadsheet.mail.confirmation_mail import render_already_subscribed, render_confirmation
from broadsheet.mail.issue_mail import render_issue
from tests.broadsheet.mail.mails import NEWSLETTER, TITLE, Read

type WriteTheme = Callable[[Mapping[str, str]], None]
MASTHEAD = "background-color: #fbfaf7;font-size: 20px"  # has a background of its own
MINE = NEWSLETTER.model_copy(update={"theme": "mine"})


def forget() -> None:
    for cached in (theme.load, theme.stylesheet, frame._templates):
        cached.cache_clear()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WriteTheme]:
    """Write the files of a theme ``mine`` beside the default one."""
    shutil.copytree(theme.THEMES / theme.DEFAULT, tmp_path / theme.DEFAULT)
    monkeypatch.setattr(theme, "THEMES", tmp_path)
    forget()

    def write(files: Mapping[str, str]) -> None:
        (tmp_path / "mine").mkdir()
        for path, content in files.items():
            file = tmp_path / "mine" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)

    yield write
    forget()


def mails() -> dict[str, str]:
    """Return the HTML of each kind of mail, in the theme ``mine``."""
    document = "<html><head></head><body><p>x</p></body></html>"
    issues: dict[str, IssueContent] = {
        "Markdown": MarkdownContent(markdown="[a](https://x.example)"),
        "fragment": HtmlContent(html="<p>x</p>", text="x"),
        "document": HtmlContent(html=document, text="x"),
    }
    return {
        **{kind: render_issue(TITLE, each, MINE).issue.html for kind, each in issues.items()},
        "confirmation": render_confirmation(MINE, "https://news.example.com", "12345678").html,
        "already subscribed": render_already_subscribed(MINE).html,
    }


def test_a_theme_of_one_colour_has_it_in_every_mail_and_the_rest_of_the_default(
    write: WriteTheme,
) -> None:
    write({"theme.toml": '[light]\nbackground = "#FFEEDD"\n'})
    for kind, html in mails().items():
        assert "#ffeedd" in html, kind
        assert "background-color: #fbfaf7" not in html.replace(MASTHEAD, ""), kind
        assert "var(--" not in html, kind


def test_the_dark_stylesheet_has_the_dark_colours(write: WriteTheme) -> None:
    write({"theme.toml": '[dark]\nbackground = "#000011"\n'})
    assert "background-color: #000011 !important" in mails()["confirmation"]
    assert (
        "background-color: #000011 !important" not in mails()["fragment"]
    )  # which has no dark form


def test_a_themes_rules_override_the_defaults(write: WriteTheme) -> None:
    write({"issue/content.css": "a { color: var(--muted); }\n"})
    link = re.search(r'<a href="https://x.example" style="([^"]+)"', mails()["Markdown"])
    assert link
    assert sorted(filter(None, link[1].split(";"))) == [
        "color: #5b5852",
        "text-decoration: underline",
    ]


def test_a_themes_template_replaces_the_defaults_or_extends_it(write: WriteTheme) -> None:
    write(
        {
            "frame/masthead.html": "The {{ newsletter.name }} of today",
            "issue/html.html": (
                '{% extends "default/issue/html.html" %}\n'
                "{% block footer %}{{ super() }}<p>Bye.</p>{% endblock %}\n"
            ),
        }
    )
    rendered = mails()
    assert "The The Harbour Letter of today" in rendered["confirmation"]
    assert "Bye." in rendered["Markdown"]
    assert "{{footer_reason_html}}" in rendered["Markdown"]
    assert "Bye." not in rendered["confirmation"]


def test_a_logo_stands_for_the_name_and_says_it(write: WriteTheme) -> None:
    write({"theme.toml": '[logo]\nurl = "https://x.example/l.png"\nwidth = 200\nheight = 50\n'})
    logo = {"src": "https://x.example/l.png", "alt": "The Harbour Letter"}
    logo |= {"width": "200", "height": "50"}
    for kind in ("confirmation", "Markdown"):
        read = Read(mails()[kind])
        image = read.attributes[read.tags.index("img")]
        assert image.items() >= logo.items()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ('[light]\ntext = "black"', "light.text: String should match"),
        ('[light]\ntexts = "#000000"', "light.texts: Extra inputs are not permitted"),
        ('[fonts]\ntext = "x; color: red"', "fonts.text: String should match"),
        ('[logo]\nurl = "logo.png"\nwidth = 1\nheight = 1', "logo.url: String should match"),
        ('[logo]\nurl = "https://x.example/l.png"', "logo.width: Field required"),
        ('light = "#000000"', "light: Input should be"),
        ("[light", "Expected ']'"),
    ],
)
def test_settings_that_cannot_be_understood_are_named(
    settings: str, sentence: str, write: WriteTheme
) -> None:
    write({"theme.toml": settings})
    with pytest.raises(theme.InvalidTheme, match=re.escape(sentence)) as refused:
        theme.load("mine")
    assert str(refused.value).startswith("theme.toml of the theme 'mine': ")


def test_an_unknown_theme_is_refused_with_the_names_of_those_that_are_there(
    write: WriteTheme,
) -> None:
    write({})
    for name in ("morning", "../mine", ""):
        with pytest.raises(theme.InvalidTheme, match=r"the themes are default, mine$"):
            theme.load(name)


def test_a_stylesheet_names_only_what_is_set(write: WriteTheme) -> None:
    write({"frame/frame.css": "p { color: var(--accent); }"})
    with pytest.raises(theme.InvalidTheme, match=r"frame/frame\.css.*var\(--accent\) is not set"):
        theme.stylesheet("mine", "frame/frame.css")


def test_pale_text_is_found_in_both_schemes(write: WriteTheme) -> None:
    write({"theme.toml": '[light]\nmuted = "#999999"\n[dark]\nlink = "#333333"\n'})
    light, dark, dark_in_code = theme.unreadable(theme.load("mine"))
    assert light.startswith("light: muted #999999 on background #fbfaf7 has a contrast of 2.7")
    assert dark.startswith("dark: link #333333 on background")
    assert dark_in_code.startswith("dark: link #333333 on code-background")


@pytest.mark.parametrize("name", theme.names())
def test_every_themes_colours_can_be_read_in_both_schemes(name: str) -> None:
    assert list(theme.unreadable(theme.load(name))) == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("#000000", "#ffffff", 21), ("#ffffff", "#ffffff", 1), ("#777777", "#ffffff", 4.48)],
)
def test_a_contrast_is_that_of_wcag(one: str, other: str, expected: float) -> None:
    assert contrast.ratio(one, other) == pytest.approx(expected, abs=0.005)
    assert contrast.ratio(other, one) == contrast.ratio(one, other)


def test_the_themes_of_the_repository_are_those_of_the_layer() -> None:
    repository = Path(__file__).parents[3]
    assert theme.THEMES.samefile(repository / "themes")
    assert theme.DEFAULT in theme.names()
