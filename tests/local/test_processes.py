import os
import sys
from pathlib import Path

import psutil
import pytest

from local import processes
from local.processes import Child, ChildError


def _child(folder: Path, code: str) -> Child:
    return Child.start(
        "worker",
        [sys.executable, "-c", code],
        environment={"PATH": os.environ["PATH"]},
        state_folder=folder,
    )


def test_a_child_that_ends_at_its_start_is_reported_with_the_end_of_its_log(tmp_path: Path):
    child = _child(tmp_path, "print('no such mailbox'); raise SystemExit(3)")

    with pytest.raises(ChildError, match=r"(?s)worker ended as it started.*no such mailbox"):
        child.wait_until(lambda: False, seconds=10)


def test_a_child_that_is_never_ready_is_reported(tmp_path: Path):
    child = _child(tmp_path, "import time; time.sleep(60)")

    with pytest.raises(ChildError, match="not ready after"):
        child.wait_until(lambda: False, seconds=0.1)
    child.stop()

    assert not child.is_running


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path):
    code = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    )
    child = _child(tmp_path, code)
    child.wait_until(lambda: child.log.stat().st_size > 0, seconds=10)

    child.stop(seconds=0.2)

    assert child.process.returncode == -9


def test_leftovers_of_a_killed_stack_are_ended_with_their_own_children(tmp_path: Path):
    spawn = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " start_new_session=True)\n"
        "print(flush=True); time.sleep(60)"
    )
    mine, others = tmp_path / "mine", tmp_path / "others"
    for folder in (mine, others):
        folder.mkdir()
    child, other = _child(mine, spawn), _child(others, "import time; time.sleep(60)")
    child.wait_until(lambda: child.log.stat().st_size > 0, seconds=10)
    left = list(processes.of_stack(mine))
    assert len(left) == 2

    assert processes.end_leftovers(mine) == 2

    child.process.wait()
    assert not [process for process in left if psutil.pid_exists(process.pid)]
    assert processes.end_leftovers(mine) == 0
    assert other.is_running
    other.stop()


def test_what_the_emulator_says_of_every_new_queue_is_not_shown(tmp_path: Path) -> None:
    log = tmp_path / "emulator.log"
    noise = "ERROR ESM SQS poller error: '>=' not supported between instances of 'int' and 'str'\n"
    log.write_text(f"{noise * 30}OSError: no space left on device\n{noise * 30}")

    assert processes.tail(log) == "    OSError: no space left on device"
