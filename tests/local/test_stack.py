import io
import os
import subprocess
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import timedelta
from pathlib import Path

import pytest
from moto import mock_aws

import ses_server
from local import __main__ as local_command
from local import emulator, stack
from local.aws import Aws
from local.processes import ChildError
from local.stack import Stack
from local.state import REPOSITORY, STATE_VARIABLE, AlreadyRunningError, Deployment, State
from operations import themes
from ses_server import Queue

SENDER = "news@page.example"


@pytest.fixture
def held(tmp_path: Path) -> Iterator[State]:
    """A state folder whose stack another process runs, which closes each connection."""
    state = State.at(tmp_path)
    hold = "import pathlib, select, socket, sys; from local.state import State\n"
    hold += "state = State(pathlib.Path(sys.argv[1]))\n"
    hold += "open = [socket.create_server(('127.0.0.1', port)) for _, port in state.ports()]\n"
    hold += "with state.lock():\n"
    hold += "    print(flush=True)\n"
    hold += "    while True: [each.accept()[0].close() for each in select.select(open, [], [])[0]]"
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


def ending(up: State) -> None:
    """Say that a stack is ending, in the order of its supervisor."""
    up.announce_end()
    up.withdraw_deployment()


@pytest.mark.parametrize("has_noticed", [True, False], ids=["announced", "a moment ago"])
def test_up_says_that_a_stack_is_ending_and_waits_for_it(
    up: State, monkeypatch: pytest.MonkeyPatch, *, has_noticed: bool
) -> None:
    end = threading.Timer(1, stack.down, [up])
    if has_noticed:
        ending(up)
    else:  # a process of it was killed, and its supervisor looks twice a second
        monkeypatch.setattr(stack, "answers", lambda _: False)
        threading.Timer(0.2, ending, [up]).start()
    said = io.StringIO()
    started: list[State] = []
    monkeypatch.setattr(stack, "start", started.append)
    monkeypatch.setattr(themes, "check", lambda _: None)
    monkeypatch.setattr(local_command, "welcome", lambda _: None)
    end.start()

    with redirect_stdout(said):
        local_command.up(up, Namespace(detach=True))

    assert "still ending; waiting" in said.getvalue()
    assert up.public_url not in said.getvalue()
    assert started == [up]
    assert up.holder() is None
    end.join()


def test_status_says_that_a_stack_is_ending(held: State, capsys: pytest.CaptureFixture[str]):
    held.announce_end()

    assert local_command.status(held, Namespace()) == 1

    assert capsys.readouterr().out == "The stack is ending.\n"


def test_a_stack_that_does_not_answer_has_no_addresses(
    up: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "answers", lambda _: False)
    monkeypatch.setattr(stack, "NOTICE_SECONDS", 0.2)

    with pytest.raises(ChildError, match="does not answer"):
        local_command.up(up, Namespace(detach=True))


def test_why_a_stack_ended_is_in_the_logs_after_the_next_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = State.at(tmp_path)
    fail = (
        "import sys; from pathlib import Path; from local import stack; from local.state import *\n"
        "from local.processes import ChildError\n"
        "def start(self, ending): raise ChildError(sys.argv[2])\n"
        "stack.Supervisor._start = start\n"
        "stack.Supervisor(State(Path(sys.argv[1]))).run()"
    )
    for reason in ("emulator ended by itself (-9)", "ses ended by itself (1)"):
        command: list[str | Path] = [sys.executable, "-c", fail, tmp_path, reason]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, cwd=REPOSITORY)
        assert reason in ended.stderr

    local_command.show_logs(state, Namespace(follow=False))

    shown = capsys.readouterr().out
    assert "stack        the stack ends: emulator ended by itself (-9)" in shown
    assert "the stack ends: ses ended by itself (1)" in shown


def test_events_are_taken_in_when_their_queue_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws(), ses_server.running(tmp_path, verified=[SENDER]) as server:
        aws = Aws(emulator_url="https://sqs.us-east-1.amazonaws.com", ses_url=server.url)
        url = aws.sqs.create_queue(QueueName="feedback")["QueueUrl"]
        server.control.publish_to(Queue(queue_url=url))
        aws.ses.send_email(
            FromEmailAddress=SENDER,
            Destination={"ToAddresses": ["ada@page.example"]},
            Content={"Simple": {"Subject": {"Data": "."}, "Body": {"Text": {"Data": "."}}}},
        )
        while server.control.event_counts() != {"published": 2}:
            time.sleep(0.02)

        stack.tend_events(aws, url, server.control, margin=timedelta(0))
        while_they_wait = server.control.republish_events(hours=1)
        while server.control.event_counts() != {"published": 2}:
            time.sleep(0.02)
        aws.sqs.purge_queue(QueueUrl=url)
        stack.tend_events(aws, url, server.control, margin=timedelta(0))

        assert while_they_wait == 2
        assert server.control.republish_events(hours=1) == 0


def test_events_wait_with_ses_while_their_queue_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(stack, "LONGEST_QUEUE", 3)
    monkeypatch.setattr(stack, "SHORT_QUEUE", 2)
    with mock_aws(), ses_server.running(tmp_path, verified=[SENDER]) as server:
        aws = Aws(emulator_url="https://sqs.us-east-1.amazonaws.com", ses_url=server.url)
        url = aws.sqs.create_queue(QueueName="feedback")["QueueUrl"]
        for _ in range(4):
            aws.sqs.send_message(QueueUrl=url, MessageBody=".")
        assert stack.tend_events(aws, url, server.control) == 4
        server.control.publish_to(Queue(queue_url=url))
        aws.ses.send_email(
            FromEmailAddress=SENDER,
            Destination={"ToAddresses": ["ada@page.example"]},
            Content={"Simple": {"Subject": {"Data": "."}, "Body": {"Text": {"Data": "."}}}},
        )
        time.sleep(0.3)
        assert server.control.event_counts() == {"due": 2}

        aws.sqs.purge_queue(QueueUrl=url)
        assert stack.tend_events(aws, url, server.control) == 0
        while server.control.event_counts() != {"published": 2}:
            time.sleep(0.02)


def test_an_emulator_that_was_killed_has_lost_its_state(tmp_path: Path) -> None:
    state = State.at(tmp_path)
    assert not emulator.has_lost_its_state(state)  # it never ran

    (tmp_path / "emulator").mkdir()
    assert emulator.has_lost_its_state(state)

    (tmp_path / "emulator" / emulator.ENDED_IN_ORDER).touch()
    assert not emulator.has_lost_its_state(state)


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
