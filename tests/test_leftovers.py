"""What a killed test run left is removed by the next one, and nothing else is."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import PREFIX, remove_leftovers


def test_only_the_folders_of_runs_that_ended_are_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    dead = tmp_path / f"{PREFIX}{ended.pid}-abc"
    others = [
        tmp_path / f"{PREFIX}{os.getpid()}-abc",
        tmp_path / f"{PREFIX}main-abc",
        tmp_path / f"broadsheet-{ended.pid}-abc",
    ]
    for folder in (dead, *others):
        folder.mkdir()

    remove_leftovers(tmp_path)

    assert sorted(tmp_path.iterdir()) == sorted(others)
