import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import stack
from local.processes import ChildError
from local.stack import Stack
from local.state import REPOSITORY, STATE_VARIABLE, AlreadyRunningError, Deployment, State


@pytest.fixture
def held(tmp_path: Path) -> Iterator[State]:
    """A state folder whose stack another process runs."""
    state = State.at(tmp_path)
    hold = "import pathlib, sys, signal; from local.state import State\n"
    hold += "with State(pathlib.Path(sys.argv[1])).lock(): print(flush=True); signal.pause()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, tmp_path], stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline()
        yield state
        holder.kill()


def run(state: State, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {STATE_VARIABLE: str(state.folder)},
        cwd=REPOSITORY,
    )


@pytest.fixture
def up(held: State) -> State:
    """A state folder whose stack is up."""
    deployed = Deployment(api_id="a", stage="prod", database_url="postgresql:///", outputs={})
    held.publish_deployment(deployed)
    held.keep_author_token("bs_token")
    return held


@pytest.mark.parametrize("command", [["up"], ["up", "--detach"], ["status"]])
def test_a_second_up_and_status_show_where_everything_is(up: State, command: list[str]):
    second = run(up, *command)

    assert second.returncode == 0
    for shown in (up.public_url, up.inbox_url, "bs_token", "Try next:"):
        assert shown in second.stdout
    assert second.stderr == ""
    assert up.holder() is not None


def test_status_shows_where_commands_of_aws_reach_the_emulator(up: State):
    assert f"AWS_ENDPOINT_URL={up.emulator_url}\n" in run(up, "status").stdout


def test_a_second_up_says_how_to_deploy_a_change(up: State):
    assert "`make reload`" in run(up, "up").stdout


@pytest.mark.parametrize("flags", [[], ["--detach"]])
def test_a_second_up_during_the_start_is_refused(held: State, flags: list[str]):
    second = run(held, "up", *flags)

    assert second.returncode == 1
    assert "`make status` shows when it is up" in second.stderr
    assert held.holder() is not None


def test_status_says_that_a_stack_is_starting(held: State):
    asked = run(held, "status")

    assert (asked.returncode, asked.stdout) == (1, "The stack is starting.\n")


def test_status_says_that_no_stack_is_up(tmp_path: Path):
    asked = run(State.at(tmp_path), "status")

    assert (asked.returncode, asked.stdout) == (1, "The stack is down: `make up` starts it.\n")


def test_a_stack_is_not_started_twice_from_code(held: State):
    with pytest.raises(AlreadyRunningError):
        stack.start(held)


def test_down_ends_the_process_that_runs_the_stack(held: State):
    assert stack.down(held)

    assert held.holder() is None
    assert not stack.down(held)


@pytest.mark.parametrize(
    "arguments", [["logs"], ["inbox"], ["author", "add", "jo"], ["database", "stop"], ["reload"]]
)
def test_a_command_that_needs_a_stack_says_that_none_is_up(tmp_path: Path, arguments: list[str]):
    answer = run(State.at(tmp_path), *arguments)

    assert answer.returncode == 1
    assert answer.stderr.startswith("The stack")
    assert "Traceback" not in answer.stderr


def test_a_kept_port_in_use_ends_the_start_before_anything_runs(tmp_path: Path):
    state = State.at(tmp_path)
    port = state.ports().ses
    listen = f"import socket, signal; held = socket.create_server(('127.0.0.1', {port}))\n"
    other = subprocess.Popen(
        [sys.executable, "-c", f"{listen}print(flush=True); signal.pause()"],
        stdout=subprocess.PIPE,
    )
    with other:
        assert other.stdout
        assert other.stdout.readline()

        answer = run(state, "up")

        other.kill()
    assert answer.returncode == 1
    assert f"Port {port}" in answer.stderr
    assert not (tmp_path / "postgres").exists()


def test_a_stack_that_never_ran_has_no_database(tmp_path: Path):
    never = Stack(State.at(tmp_path))

    with pytest.raises(ChildError):
        _ = never.database_url
    with pytest.raises(ChildError):
        never.stop_database()
