"""A release has one number, wherever it is named."""

import re
import tomllib
from pathlib import Path

from broadsheet import __version__
from tests.template.test_template import TEMPLATE

ROOT = Path(__file__).parents[1]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
HEADINGS = re.findall(r"^## \[(.+?)\](?: - (\S+))?$", CHANGELOG, re.MULTILINE)


def test_the_changelog_begins_with_what_is_unreleased_and_then_the_newest_version() -> None:
    unreleased, newest, *_ = HEADINGS

    assert unreleased == ("Unreleased", "")
    assert re.fullmatch(r"\d+\.\d+\.\d+", newest[0])
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", newest[1])


def test_the_project_the_code_the_stack_and_the_changelog_name_the_same_version() -> None:
    projects = [
        tomllib.loads((ROOT / name).read_text())["project"]
        for name in ("pyproject.toml", "cli/pyproject.toml")
    ]

    assert (
        projects[0]["version"]
        == projects[1]["version"]
        == __version__
        == TEMPLATE["Outputs"]["Version"]["Value"]
        == HEADINGS[1][0]
    )


def test_versions_and_their_days_only_grow_up_the_page() -> None:
    numbers = [[int(part) for part in version.split(".")] for version, _ in HEADINGS[1:]]
    days = [day for _, day in HEADINGS[1:]]

    assert numbers == sorted(numbers, reverse=True)
    assert days == sorted(days, reverse=True)
