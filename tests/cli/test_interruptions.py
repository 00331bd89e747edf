"""A terminal that is killed at any request, and a connection that is lost there."""

import itertools
import signal
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tests.cli import commands
from tests.cli.press import Press

NAME = "november"  # of each file, with a number
TEXTS = ("It is November.\n", "It is still November.\n")


class Case(NamedTuple):
    """What is interrupted, what goes before, and what the author does about it afterwards."""

    before: tuple[str, ...]
    interrupted: str
    after: tuple[str, ...]


PUBLISH, EDIT = "publish {file} --yes", "edit {file}"
SCHEDULE = "schedule {file} 2099-12-01T08:00 --yes"
CORRECT = "correct first-{file} {file} --yes"
CASES = [
    Case((), PUBLISH, (PUBLISH, EDIT)),
    Case((), SCHEDULE, (SCHEDULE, EDIT)),
    Case((PUBLISH,), EDIT, (EDIT,)),
    Case((PUBLISH.format(file="first-{file}"),), CORRECT, (CORRECT, EDIT)),
]


def write(slug: str, text: str) -> None:
    Path(f"{slug}.md").write_text(f"---\ntitle: {slug}\nslug: {slug}\n---\n{text}")


def words(command: str, slug: str) -> list[str]:
    return [word.format(file=f"{slug}.md", slug=slug) for word in command.split()]


def killed(press: Press, number: int, moment: str, arguments: list[str]) -> bool:
    """Run a command that is killed at its n-th request; return False if it has fewer."""
    first = len(press.requests)

    def kill(at: int) -> None:
        if at - first == number:
            victim = psutil.Process(process.pid)
            victim.kill()
            victim.wait(commands.SECONDS)
            raise ConnectionError

    setattr(press, moment, kill)
    process = commands.start(*arguments)
    process.join(commands.SECONDS)
    press.before = press.after = lambda _: None
    assert process.exitcode in {-signal.SIGKILL, 0}
    return process.exitcode != 0


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.interrupted.split()[0])
def test_a_terminal_killed_at_any_request_sends_once_and_loses_no_text(
    press: Press, author: Path, case: Case, moment: str
) -> None:
    for number in itertools.count(1):
        slug = f"{NAME}-{number}"
        write(slug, TEXTS[0])
        write(f"first-{slug}", "What will be corrected.\n")
        for command in case.before:
            commands.ran(*words(command, slug))

        was_killed = killed(press, number, moment, words(case.interrupted, slug))

        write(slug, TEXTS[1])  # since then, the author has written on
        for command in case.after:
            commands.ran(*words(command, slug))
        (issue,) = press.of_file(slug)
        assert (issue.status, issue.text) == ("scheduled", TEXTS[1])
        if not was_killed:
            break
    assert number > 2
    press.publish_everything()
    sent = Counter(issue for issue, _ in press.mailed)
    assert sent == dict.fromkeys(press.issues, 1)
