"""A theme of an operator's own beside the default one, for as long as a test needs it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from broadsheet.mail import frame, theme


@contextmanager
def theme_beside_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have the themes ``default`` and ``mine`` only; yield the empty folder of ``mine``."""
    caches = (theme.load, theme.stylesheet, frame._templates)
    shutil.copytree(theme.THEMES / theme.DEFAULT, folder / theme.DEFAULT)
    (folder / "mine" / "frame").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(theme, "THEMES", folder)
        for cached in caches:
            cached.cache_clear()
        yield folder / "mine"
    for cached in caches:
        cached.cache_clear()
