"""A theme is checked before anything is built: on AWS and on this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from broadsheet.mail import frame, theme
from local.state import REPOSITORY, STATE_VARIABLE
from operations import themes
from operations.themes import UnusableTheme
from tests.own_theme import theme_beside_default


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a theme ``mine`` beside the default one."""
    with theme_beside_default(tmp_path, monkeypatch) as folder:
        yield folder


@pytest.mark.parametrize("name", theme.names())
def test_every_theme_of_the_repository_can_be_deployed(name: str) -> None:
    themes.check(name)


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("theme.toml", '[light]\ntext = "#aaaaaa"', "light: text #aaaaaa on background"),
        ("theme.toml", '[light]\ntext = "ink"', "light.text: String should match"),
        ("frame/frame.css", "p { color: var(--ink); }", r"var\(--ink\) is not set"),
        ("frame/masthead.html", "{% if logo %}", "frame/masthead.html, line 1: Unexpected end"),
        ("frame/masthead.html", "{{ strapline }}", "'strapline' is undefined"),
    ],
)
def test_what_is_wrong_with_a_theme_is_named(
    file: str, content: str, sentence: str, mine: Path
) -> None:
    (mine / file).write_text(content)
    with pytest.raises(UnusableTheme, match=sentence) as refused:
        themes.check("mine")
    assert ".." not in str(refused.value)


def test_a_deployment_needs_all_themes_as_authors_may_have_chosen_any(mine: Path) -> None:
    themes.check_all("default")
    (mine / "frame" / "masthead.html").write_text("{% if logo %}")
    frame._templates.cache_clear()

    with pytest.raises(UnusableTheme, match=r"the theme 'mine': frame/masthead.html, line 1"):
        themes.check_all("default")


def test_a_folder_without_files_looks_like_the_default(mine: Path) -> None:
    themes.check(mine.name)


@pytest.mark.parametrize("command", ["up", "reload"])
def test_the_local_stack_refuses_an_unknown_theme_at_once(command: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "local", command],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {STATE_VARIABLE: str(tmp_path), "THEME": "nowhere"},
        cwd=REPOSITORY,
    )
    assert ended.returncode == 1
    assert "there is no theme 'nowhere': the themes are default, tide" in ended.stderr
