"""The README's commands, and what it says that they print."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

# The waits for what a power cut left, divided in their order, so that a journey can see them end:
# an SES call < a claim's deadline < taken for dead < grace, and with the queues' pointers lost,
# the release window < released long ago.
TIMINGS = {
    "ses_call_timeout": 5,
    "claim_deadline": 10,
    "slot_horizon": 2,
    "quota_refresh": 1,
    "claim_taken_for_dead": 16,
    "grace": 20,
    "queues_seen_empty_apart": 6,  # longer than the power cut's journey withholds SES's events
    "probe_every": 5,
    "release_window": 5,
    "released_long_ago": 18,
    "secrets_cached": 3,  # a new author's token works soon
    # An author's wait for a database that is away.
    "publish_connect_timeout": 8,
}

# What differs from machine to machine and from run to run.
_VARYING = [
    (re.compile(r"localhost:\d+"), "localhost:PORT"),
    (re.compile(r"bs_[\w-]+"), "TOKEN"),
    (re.compile(r"enter\?token=[\w.-]+"), "enter?token=TOKEN"),
    (re.compile(r"\b\d+\.\d s$"), "SECONDS"),
    (re.compile(r"\.[0-9a-f]{6}@"), ".RUN@"),
    (re.compile(r"\S+/hello\.md"), "hello.md"),
    (re.compile(r"^Installing .*|^A stack is .*"), ""),
]


@dataclass(frozen=True)
class Shown:
    """A command of the README's, and the lines it is shown to print; ``...`` stands for some."""

    command: str
    lines: list[str]


def shown() -> list[Shown]:
    """Return the README's commands with their output, in order."""
    text = (REPOSITORY / "README.md").read_text()
    blocks = re.findall(r"^```console\n\$ (.+?)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Shown(command, unvarying(output)) for command, output in blocks]


def run(command: str, state_folder: Path, **variables: str) -> str:
    """Run a command as the README shows it, on a stack of its own; return what it prints."""
    own = {"BROADSHEET_STATE": str(state_folder), "TIMINGS": json.dumps(TIMINGS)}
    ended = subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=REPOSITORY,
        env=os.environ | own | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def unvarying(output: str) -> list[str]:
    """Return the lines that say something, with what varies taken out."""
    lines = []
    for line in output.splitlines():
        for pattern, name in _VARYING:
            line = pattern.sub(name, line)  # noqa: PLW2901 - step by step
        lines.append(" ".join(line.split()))
    return [line for line in lines if line]
