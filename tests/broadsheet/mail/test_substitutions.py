"""What is put in for each recipient is known without anything that renders."""

import subprocess
import sys
from pathlib import Path

import broadsheet

LAYER = Path(broadsheet.__file__).parents[1]
RENDERERS = {"css_inline", "jinja2", "markdown_it", "wcwidth"}


def test_a_worker_that_sends_loads_nothing_that_renders() -> None:
    program = (
        "import sys, broadsheet.mail.content, broadsheet.mail.substitutions; print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(LAYER)},
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    assert "broadsheet.mail.substitutions" in loaded
    assert not RENDERERS & set(loaded)
