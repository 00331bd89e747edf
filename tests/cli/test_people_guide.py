"""What docs/people.md shows of a terminal is played, command by command.

``PEOPLE_GUIDE=write`` writes what the commands print into the document.
"""

import os
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.state import REPOSITORY
from tests.cli.commands import ran
from tests.cli.test_importing import file as _file
from tests.cloud import Cloud
from tests.functions.issues import publish_issue, send, ses_event, tell, tick
from tests.functions.test_enroll import confirmation, leaving, sign_up
from tests.functions.test_fates import ago, enroll

GUIDE = REPOSITORY / "docs" / "people.md"
WRITES = "PEOPLE_GUIDE"
OF_FILES = ("segments", "import", "export")
OF_ONE_READER = ("subscribers", "trace", "statistics")
_FILE = re.compile(r"`(people\.csv)`:\n\n```csv\n(.*?)```", re.DOTALL)
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MINUTE = re.compile(r"\d\d:\d\d")
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
    """Return a text without what differs each time: ids, days and minutes."""
    return _MINUTE.sub("HH:MM", _DAY.sub("a day", _ID.sub("ID", text)))


def check(guide: str, commands: tuple[str, ...]) -> None:
    """Compare the blocks of these commands with what they print now, or write them."""
    pattern = re.compile(
        rf"(?<=^```console\n)\$ broadsheet (?:{'|'.join(commands)})\b.*?(?=^```$)",
        re.MULTILINE | re.DOTALL,
    )
    blocks = pattern.findall(guide)
    assert {block.split()[2] for block in blocks} >= set(commands)

    now = {block: played(block) for block in blocks}

    if os.environ.get(WRITES) == "write":
        GUIDE.write_text(pattern.sub(lambda block: now[block[0]], guide), encoding="utf-8")
    else:
        assert list(map(without_chance, blocks)) == list(map(without_chance, now.values()))


@pytest.mark.usefixtures("newsletter")
def test_the_guide_shows_what_the_commands_print(cloud: Cloud) -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    cloud.add_confirmed("ursula@example.com", "genly@example.com", "ged@example.com")
    cloud.rows(OF_SEGMENTS)
    (name, content), *others = _FILE.findall(guide)
    assert not others
    Path(name).write_text(content)

    check(guide, OF_FILES)


@pytest.mark.usefixtures("newsletter")
def test_the_guide_shows_what_is_known_of_a_reader(cloud: Cloud) -> None:
    enroll(sign_up(ago(25)))
    enroll(confirmation(ago(24.9), ago(24.8)))
    november = publish_issue(title="November", slug="november")
    send(cloud, november)
    (sent,) = cloud.rows("SELECT subscriber_id AS subscriber, message_id FROM deliveries")
    tell(ses_event("Delivery", issue=november, **sent))
    enroll(leaving(cloud, datetime.now(UTC)).model_copy(update={"way": "one-click"}))
    cloud.add_confirmed("ged@example.com", name="Ged")
    december = publish_issue(title="December", slug="december")
    tick(december)

    check(GUIDE.read_text(encoding="utf-8"), OF_ONE_READER)
