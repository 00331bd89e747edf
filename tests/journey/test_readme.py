"""What the README shows is what its commands print."""

from pathlib import Path

import pytest

from tests.journey import readme


def test_the_readme_shows_three_commands_with_their_output():
    assert [each.command for each in readme.shown()] == [
        "make up DETACH=1",
        "make demo",
        "make down",
    ]


def test_make_up_prints_what_the_readme_shows(printed_by_up: list[str]):
    up = readme.shown()[0]

    assert printed_by_up == up.lines


def test_make_demo_prints_what_the_readme_shows(state_folder: Path):
    demo = readme.shown()[1]

    printed = readme.run(demo.command, state_folder)

    told = iter(printed)
    for line in demo.lines:
        if line != "...":
            assert line in told, f"not printed, or not in this place: {line}"


def test_a_command_that_prints_something_else_is_found():
    with pytest.raises(AssertionError):
        readme.run("make no-such-command", Path("/nonexistent"))
