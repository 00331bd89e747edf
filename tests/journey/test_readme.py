"""What the README shows is what its commands print."""

import json
import re
from pathlib import Path

import pytest

from tests.journey import readme


def test_the_readme_shows_three_commands_with_their_output():
    assert [each.command for each in readme.shown()] == [
        "make up DETACH=1",
        "make demo",
        "make down",
    ]


def test_make_up_prints_what_the_readme_shows(printed_by_up: str):
    up = readme.shown()[0]

    assert readme.unvarying(printed_by_up) == up.lines


def test_the_commands_to_try_next_work_as_printed(printed_by_up: str, state_folder: Path):
    commands = re.findall(r"^ +(curl (?:.*\\\n)*.*)$", printed_by_up, re.MULTILINE)

    signed_up, published = (readme.run(command, state_folder) for command in commands)

    assert json.loads(signed_up) == {"status": "received"}
    assert json.loads(published)["title"] == "Hello"


def test_make_demo_prints_what_the_readme_shows(state_folder: Path):
    demo = readme.shown()[1]

    printed = readme.unvarying(readme.run(demo.command, state_folder))

    told = iter(printed)
    for line in demo.lines:
        if line != "...":
            assert line in told, f"not printed, or not in this place: {line}"


def test_a_command_that_prints_something_else_is_found():
    with pytest.raises(AssertionError):
        readme.run("make no-such-command", Path("/nonexistent"))
