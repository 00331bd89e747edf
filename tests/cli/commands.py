"""Runs an author's commands: in this process, or in one that can be killed."""

import json
import multiprocessing
import os
import re
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NamedTuple

from typer.testing import CliRunner

from broadsheet_cli.app import app

SECONDS = 120  # for a command, on a busy machine


class Ended(NamedTuple):
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str


def run(*arguments: str, given: str = "") -> Ended:
    """Run ``broadsheet`` with these arguments; ``given`` is its standard input."""
    result = CliRunner().invoke(app, arguments, input=given, prog_name="broadsheet")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    # Where GITHUB_ACTIONS is set, typer colours its help whatever it is written to.
    plain = [re.sub(r"\x1b\[[\d;]*m", "", text) for text in (result.stdout, result.stderr)]
    return Ended(result.exit_code, *plain)


def ran(*arguments: str, given: str = "") -> str:
    """Run it, and return what it printed; it must succeed."""
    result = run(*arguments, given=given)
    assert result.exit_code == 0, result.stdout + result.stderr
    return result.stdout


def failed(*arguments: str, given: str = "") -> tuple[int, str]:
    """Run it, and return its status and what it complained of; it must fail."""
    result = run(*arguments, given=given)
    assert result.exit_code != 0, result.stdout
    return result.exit_code, result.stderr


def documented(*arguments: str) -> Any:  # noqa: ANN401 - whatever it printed
    """Run it with --json, and return the document."""
    return json.loads(ran(*arguments, "--json"))


# A process that has imported everything, of which each command is a copy: an interpreter's start
# takes longer than a command.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["broadsheet_cli.app", "keyring"])


def start(*arguments: str) -> ForkServerProcess:
    """Start ``broadsheet`` as a process of its own, in the present folder."""
    process = _FORKS.Process(target=_main, args=(arguments, Path.cwd(), dict(os.environ)))
    process.start()
    return process


def _main(arguments: tuple[str, ...], folder: Path, environment: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ |= environment
    app(arguments, prog_name="broadsheet")
