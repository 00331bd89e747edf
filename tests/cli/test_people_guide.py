"""What docs/people.md shows of segments, imports and exports is played, command by command.

``PEOPLE_GUIDE=write`` writes what the commands print into the document.
"""

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from local.state import REPOSITORY
from tests.cli.commands import ran
from tests.cli.test_importing import file as _file
from tests.cloud import Cloud

GUIDE = REPOSITORY / "docs" / "people.md"
WRITES = "PEOPLE_GUIDE"
_BLOCK = re.compile(
    r"(?<=^```console\n)\$ broadsheet (?:segments|import|export)\b.*?(?=^```$)",
    re.MULTILINE | re.DOTALL,
)
_FILE = re.compile(r"`(people\.csv)`:\n\n```csv\n(.*?)```", re.DOTALL)
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
OF_SEGMENTS = """
    UPDATE subscribers SET language = 'de', tags = '{jobs}' WHERE email NOT LIKE 'ged@%%'
"""

newsletter = _file  # the fixture: a bucket that takes files, and a worker


def played(block: str) -> str:
    """Run a block's commands, and return it as it is now. ``ID`` is the import's."""
    shown, import_id = [], ""
    for command in re.findall(r"^\$ (broadsheet .+)$", block, re.MULTILINE):
        arguments = [import_id if word == "ID" else word for word in shlex.split(command)[1:]]
        output = ran(*arguments)
        import_id = (_ID.findall(output) or [import_id])[0]
        lines = "\n".join(line.rstrip() for line in output.splitlines())
        shown.append(f"$ {command}\n{lines}\n")
    return "".join(shown)


def without_chance(text: str) -> str:
    """Return a text without what differs each time: ids and days."""
    return _DAY.sub("a day", _ID.sub("ID", text))


@pytest.mark.usefixtures("newsletter")
def test_the_guide_shows_what_the_commands_print(cloud: Cloud) -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    cloud.add_confirmed("ursula@example.com", "genly@example.com", "ged@example.com")
    cloud.rows(OF_SEGMENTS)
    (name, content), *others = _FILE.findall(guide)
    assert not others
    Path(name).write_text(content)
    blocks = _BLOCK.findall(guide)
    assert {block.split()[2] for block in blocks} >= {"segments", "import", "export"}

    now = {block: played(block) for block in blocks}

    if os.environ.get(WRITES) == "write":
        GUIDE.write_text(_BLOCK.sub(_of(now), guide), encoding="utf-8")
    else:
        assert list(map(without_chance, blocks)) == list(map(without_chance, now.values()))


def _of(now: dict[str, str]) -> Callable[[re.Match[str]], str]:
    return lambda block: now[block[0]]
