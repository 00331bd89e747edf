"""What the README shows is what its commands print."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.journey import readme
from tests.journey.terminal import converse


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
    pattern = r"^ +((?:curl|export|\.venv/bin/broadsheet) .*)$"
    sign_up, *others = re.findall(pattern, printed_by_up, re.MULTILINE)
    commands = [command for command in others if " preview " not in command]

    signed_up = readme.run(sign_up, state_folder)
    terminal = converse(
        ["/bin/bash", "-c", " && ".join(commands)],
        [("[y/N]: ", "y")],
        cwd=readme.REPOSITORY,
        environment=dict(os.environ),
    )

    assert json.loads(signed_up) == {"status": "received"}
    assert len(commands) == 3
    assert re.search(r"Send it to \d+ readers? now\? \[y/N\]: y\n", terminal)


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
