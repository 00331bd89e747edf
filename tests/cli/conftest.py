"""A newsletter, and an author who is logged in to it, in a folder of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broadsheet_cli.commands import sending
from local.http_api import serving
from tests.cli.press import TOKEN, Press

ISSUE = """\
---
title: November
slug: november
preheader: Tea, and more of it
---

Dear [[name]],

it is November.
"""


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody in an empty folder who never logged in anywhere, on a machine without a keyring."""
    folder = tmp_path / "issues"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("BROADSHEET_URL", "BROADSHEET_TOKEN", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BROADSHEET_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setenv("TZ", "UTC")
    return folder


@pytest.fixture
def press() -> Iterator[Press]:
    """A newsletter whose clock can be put forward."""
    press = Press()
    with serving(press.handle) as port:
        press.url = f"http://localhost:{port}"
        yield press


@pytest.fixture
def author(nobody: Path, press: Press, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an author who is logged in."""
    monkeypatch.setenv("BROADSHEET_URL", press.url)
    monkeypatch.setenv("BROADSHEET_TOKEN", TOKEN)
    return nobody


@pytest.fixture
def november(author: Path) -> Path:
    """An issue's file."""
    (author / "november.md").write_text(ISSUE)
    return Path("november.md")


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each wait would have been."""
    taken: list[float] = []
    monkeypatch.setattr("broadsheet_cli.api.time.sleep", taken.append)
    return taken


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let commands believe that somebody is there to be asked."""
    return lambda: monkeypatch.setattr(sending, "is_interactive", lambda: True)
