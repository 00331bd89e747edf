"""The server as a process: it prints its address, and what it answered survives it."""

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError

import ses_server
from ses_server import Server
from tests.ses_server.clients import SENDER, client_of, entry, template

WAIT = 10  # seconds


@contextmanager
def process(
    mailbox: Path, *arguments: str, folder: Path | None = None
) -> Iterator[tuple[subprocess.Popen[str], Server]]:
    command = [sys.executable, "-m", "ses_server", "--port", "0", "--verified", SENDER]
    with subprocess.Popen(
        [*command, "--mailbox", str(mailbox), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    ) as started:
        try:
            assert started.stdout is not None
            first = started.stdout.readline()
            assert first.startswith("listening on http://127.0.0.1:")
            yield started, Server(first.removeprefix("listening on ").strip(), mailbox)
        finally:
            started.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    with process(tmp_path) as (started, server):
        client_of(server).get_account()  # leaves a connection open

        started.send_signal(number)

        assert started.wait(WAIT) == 0
        _, errors = started.communicate()
        assert errors == ""


def test_every_answered_mail_survives_kill_9(tmp_path: Path) -> None:
    answered: list[str] = []
    under_way = threading.Event()

    def send(server: Server) -> None:
        client = client_of(server)
        try:
            while True:
                answer = client.send_bulk_email(
                    FromEmailAddress=SENDER,
                    DefaultContent=template(Text="."),
                    BulkEmailEntries=[entry(f"r{number}@example.com") for number in range(10)],
                )
                answered.extend(one["MessageId"] for one in answer["BulkEmailEntryResults"])
                if len(answered) >= 200:
                    under_way.set()
        except BotoCoreError:
            under_way.set()

    with process(tmp_path, "--any-rate") as (started, server):
        sender = threading.Thread(target=send, args=[server])
        sender.start()
        assert under_way.wait(WAIT)
        started.kill()
        sender.join(WAIT)

    kept = [mail.message_id for mail in server.mails()]
    assert len(answered) >= 200
    assert set(answered) <= set(kept)
    assert len(kept) % 10 == 0  # a call is kept whole or not at all
    with process(tmp_path) as (_, again):
        assert [mail.message_id for mail in again.mails()] == kept
        assert client_of(again).get_account()["SendQuota"]["SentLast24Hours"] == len(kept)


def test_its_limits_are_set_on_the_command_line(tmp_path: Path) -> None:
    arguments = ("--max-send-rate", "200", "--max-24-hour-send", "-1", "--sandbox", "--any-rate")
    with process(tmp_path, *arguments) as (_, server):
        account = client_of(server).get_account()
        assert server.control.state()["account"]["enforces_rate"] is False

    assert account["SendQuota"]["MaxSendRate"] == 200
    assert account["SendQuota"]["Max24HourSend"] == -1
    assert account["ProductionAccessEnabled"] is False


def test_a_taken_port_is_an_error(tmp_path: Path) -> None:
    with ses_server.running(tmp_path / "one") as first:
        port = int(first.url.rpartition(":")[2])

        with (
            pytest.raises(OSError, match="in use"),
            ses_server.running(tmp_path / "two", port=port),
        ):
            pass


def test_it_needs_nothing_of_this_repository_but_its_own_folder(tmp_path: Path) -> None:
    code = Path(ses_server.__file__).parent
    shutil.copytree(code, tmp_path / "ses_server", ignore=shutil.ignore_patterns("__pycache__"))

    with process(tmp_path / "mails", folder=tmp_path) as (_, server):
        assert client_of(server).get_account()["SendingEnabled"]
