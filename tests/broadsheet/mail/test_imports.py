"""What a worker needs of the mail room loads nothing that it doesn't need."""

import subprocess
import sys
from pathlib import Path

import pytest

import broadsheet

LAYER = Path(broadsheet.__file__).parents[1]
MARKDOWN = {"markdown_it", "linkify_it", "mdit_py_plugins", "wcwidth"}
RENDERERS = MARKDOWN | {"css_inline", "jinja2"}


@pytest.mark.parametrize(
    ("module", "needless"),
    [("substitutions", RENDERERS), ("content", RENDERERS), ("confirmation_mail", MARKDOWN)],
)
def test_a_module_loads_no_renderer_that_it_does_not_use(module: str, needless: set[str]) -> None:
    name = f"broadsheet.mail.{module}"
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys, {name}; print(*sys.modules)"],
        env={"PYTHONPATH": str(LAYER)},
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    assert name in loaded
    assert not needless & set(loaded)
