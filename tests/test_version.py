"""One version, wherever it is shown."""

import re
import tomllib
from pathlib import Path

from broadsheet import __version__
from tests.template.test_template import TEMPLATE

ROOT = Path(__file__).parent.parent


def test_the_project_the_stack_and_the_changelog_name_the_same_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)

    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert project["version"] == __version__
    assert TEMPLATE["Outputs"]["Version"]["Value"] == __version__
    assert released[:1] in ([], [__version__])  # the newest; none before the first
