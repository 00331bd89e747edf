"""The examples of the server's README do what it shows."""

import os
import re
import subprocess
from pathlib import Path

import ses_server
from ses_server import Account

README = Path(ses_server.__file__).with_name("README.md")
END = "--- end of an answer ---"


def examples() -> list[tuple[str, str]]:
    """Return the commands in their order, each with the answer below it."""
    blocks = re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
    found = []
    for block in blocks:
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            first, *lines = command.splitlines()
            more = [line[2:] for line in lines if line.startswith("> ")]
            answer = [line for line in lines if not line.startswith("> ")]
            found.append(("\n".join([first, *more]), "\n".join(answer)))
    return found


def answers(commands: list[str], url: str) -> list[str]:
    """Run the commands in one shell, and return what each prints."""
    script = "".join(f"{command}\necho; echo '{END}'\n" for command in commands)
    for written in ("http://127.0.0.1:8005", "http://127.0.0.1:4566"):  # no port is ours for sure
        script = script.replace(written, url)
    ran = subprocess.run(
        ["/usr/bin/env", "bash", "-c", script],
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stderr == ""
    return [answer.strip() for answer in ran.stdout.split(END)[:-1]]


def masked(answer: str) -> str:
    """Replace what differs from run to run: ids, times, and the words of curl's versions."""
    for pattern in (
        r"0100[0-9a-f]{12}-[0-9a-f-]{36}-\d{6}",
        r"0100[0-9a-f]{12}-[0-9a-f]{8}",
        r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)",
        r"\w{3}, \d\d \w{3} \d{4} [\d:]+ \+0000",
        r"\d{4}\.\d\d\.\d\d",
        r'"LastUpdateTime": [\d.]+',
        r"after \d+ milliseconds",
        r'(?<="due_again": )\d+',
    ):
        answer = re.sub(pattern, "…", answer)
    return answer


def test_every_command_answers_as_shown(tmp_path: Path) -> None:
    shown = examples()

    with ses_server.running(tmp_path, account=Account(), verified=["example.com"]) as server:
        answered = answers([command for command, _ in shown], server.url)

    assert len(shown) >= 40
    for (command, answer), actual in zip(shown, answered, strict=True):
        assert masked(actual) == masked(answer), command
