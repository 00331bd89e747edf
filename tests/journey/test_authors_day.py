"""The day that docs/authors.md tells is played, command by command, and prints what it shows.

``AUTHORS_DAY=write`` writes what the commands print into the document.
"""

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from local.state import REPOSITORY
from tests.journey import readme
from tests.journey.people import Town, until
from tests.journey.sending import clock_of, disperse, gather, taken, tick
from tests.journey.terminal import converse

GUIDE = REPOSITORY / "docs" / "authors.md"
CROWD = 300
SENT_A_SECOND = 5  # so that there is time to pause in the middle
SENT_BEFORE = 20
WRITES = "AUTHORS_DAY"

_BLOCK = re.compile(r"^```(?P<kind>console|markdown)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`(?P<name>[\w-]+\.md)`:\n\n\Z")


@dataclass(frozen=True)
class Step:
    """What the author does: ``command`` with what is shown of it, or writing a file."""

    command: str = ""
    shown: str = ""
    file: str = ""
    text: str = ""


def steps(guide: str) -> list[Step]:
    found = []
    for block in _BLOCK.finditer(guide):
        if block["kind"] == "console":
            command, _, shown = block["text"].removeprefix("$ ").partition("\n")
            found.append(Step(command=command, shown=shown))
        else:
            named = _FILE.search(guide[: block.start()])
            assert named, block["text"]
            found.append(Step(file=named["name"], text=block["text"]))
    return found


@dataclass
class Day:
    """Ada's day: her folder, and how far it is."""

    town: Town
    folder: Path
    environment: dict[str, str]
    checked: bool = False
    played: int = 0

    def run(self, command: str) -> str:
        """Do what is written there, at a terminal, and return what stands on it in the end."""
        answers: list[tuple[str, str | signal.Signals]] = []
        status = 0
        if "login" in command:
            answers = [("Your token: ", self.town.stack.author_token)]
        elif "countdown" in command:
            answers = [("[y/N]: ", "y")]
        elif "publish" in command and not self.played:
            answers = [("[y/N]: ", "y"), ("Ctrl-C cancels it.", signal.SIGINT)]
            status = 130
        elif "check" in command and not self.checked:
            status, self.checked = 1, True
        self.played += "publish" in command
        address = self.town.stack.public_url
        return converse(
            ["/bin/bash", "-c", f"exec {command.replace('http://localhost:26679', address)}"],
            answers,
            cwd=self.folder,
            environment=self.environment,
            status=status,
        )

    def issue_id(self, name: str) -> str:
        """The id of a file's issue, as the command line remembers it."""
        record = (self.folder / ".broadsheet" / f"{name}.json").read_text()
        (found,) = re.findall(r'"issue_id": "([^"]+)"', record)
        return str(found)

    @contextmanager
    def ticking(self, name: str) -> Iterator[None]:
        """Let an issue's clock tick once a second, as the emulator's doesn't, until it ends."""
        issue_id = self.issue_id(name)
        ended = threading.Event()

        def tick_away() -> None:
            if clock := clock_of(self.town, issue_id):  # it may have ended already
                tick(self.town, clock, ended.is_set)

        thread = threading.Thread(target=tick_away)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@pytest.fixture
def day(town: Town, tmp_path: Path) -> Iterator[Day]:
    """A morning: a crowd of readers, a slow SES, a photo of a pot."""
    gather(town, CROWD)
    town.ses.change_account(max_send_rate=SENT_A_SECOND)
    folder = tmp_path / "newsletter"
    folder.mkdir()
    Image.new("RGB", (1600, 900), "sienna").save(folder / "pot.png")
    yield Day(
        town,
        folder,
        {
            "HOME": str(tmp_path),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "BROADSHEET_CONFIG": str(tmp_path / "config"),
            "COLUMNS": "100",
            "TERM": "xterm",
            "TZ": "UTC",
        },
    )
    town.get_ready()
    disperse(town)


def test_an_authors_day_is_as_the_guide_tells_it(day: Day) -> None:
    guide = GUIDE.read_text()
    printed = dict(enumerate(play(day, steps(guide))))

    if os.environ.get(WRITES) == "write":
        GUIDE.write_text(with_output(guide, printed))
        pytest.skip(f"{GUIDE.name} is written")
    for number, step in enumerate(steps(guide)):
        if step.command:
            assert of_any_run(printed[number]) == of_any_run(step.shown), step.command
    mails = day.town.mails("ada@example.com")
    assert [mail.subject for mail in mails] == ["[Test] Tea in November"]
    sent = taken(day.town, day.issue_id("tea-in-november.md"))
    assert set(sent.values()) == {1}
    assert 0 < taken(day.town, day.issue_id("sorry.md")).total() < sent.total()


def play(day: Day, steps: list[Step]) -> Iterator[str]:
    """Take each step, and yield what it prints."""
    original = "tea-in-november.md"
    for step in steps:
        if step.file:
            (day.folder / step.file).write_text(step.text)
            yield ""
        elif "--watch" in step.command:
            with day.ticking("sorry.md" if "sorry" in step.command else original):
                yield day.run(step.command)
        else:
            if "resume" in step.command:
                day.town.ses.change_account(max_send_rate=1000)
            yield day.run(step.command)
        if step.command.startswith("broadsheet publish") and day.played == 2:
            with day.ticking(original):
                issue_id = day.issue_id(original)
                until(
                    lambda: taken(day.town, issue_id).total() >= SENT_BEFORE,  # noqa: B023
                    what="the first mails",
                )


def of_any_run(output: str) -> list[str]:
    """Return the lines that say something, without numbers, ids and bars."""
    output = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", output)
    output = re.sub(r"https?://[\w.-]+:\d+", "ADDRESS", output)
    output = re.sub(r"[━╸╺]+", "BAR", output)
    # What is known of the rate at which mails leave depends on what left before.
    output = re.sub(r"^Takes .*\n|, \S+ a second, .* to go", "", output, flags=re.MULTILINE)
    output = re.sub(r"\d[\d.,:-]*", "N", output)
    output = re.sub(r"\bN (min N s|min|s)\b", "TIME", output)
    return readme.unvarying(output)


def with_output(guide: str, printed: dict[int, str]) -> str:
    """Return the guide with what its commands printed."""
    numbers = iter(printed)

    def fill(block: re.Match[str]) -> str:
        output = printed[next(numbers)]
        if block["kind"] == "markdown":
            return block[0]
        command = block["text"].partition("\n")[0]
        output = re.sub(r"http://localhost:\d+", "http://localhost:26679", output.strip())
        lines = "\n".join(line.rstrip() for line in output.splitlines())
        return f"```console\n{command}\n{lines}\n```"

    return _BLOCK.sub(fill, guide)
