import multiprocessing
import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from local.state import (
    AlreadyRunningError,
    Deployment,
    KeptSecrets,
    PortTakenError,
    State,
    write_private,
)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.at(tmp_path / "state")


def test_ports_are_chosen_once(state: State):
    first = state.ports()

    again = State.at(state.folder).ports()

    assert again == first
    assert len({again.front, again.ses, again.emulator}) == 3


def test_two_stacks_have_different_ports(state: State, tmp_path: Path):
    with socket.socket() as running:
        running.bind(("127.0.0.1", state.ports().front))
        running.listen()

        other = State.at(tmp_path / "other").ports()

    assert other.front != state.ports().front


def test_a_kept_port_that_another_program_uses_is_named(state: State):
    port = state.ports().front
    with socket.socket() as another_program:
        another_program.bind(("127.0.0.1", port))
        another_program.listen()

        with pytest.raises(PortTakenError, match=str(port)):
            state.require_free_ports()

    state.require_free_ports()


def test_secrets_and_token_are_kept_for_their_owner_only(state: State):
    secrets = KeptSecrets(signing_keys='{"signing_key_id": "1", "1": "k"}', authors="{}")

    state.keep_secrets(secrets)
    state.keep_author_token("bs_token")

    reopened = State.at(state.folder)
    assert reopened.secrets == secrets
    assert reopened.author_token == "bs_token"
    for name in ("secrets.json", "author-token"):
        assert stat.S_IMODE((state.folder / name).stat().st_mode) == 0o600


def test_a_file_can_be_written_after_a_write_that_was_killed(tmp_path: Path):
    file = tmp_path / "kept"
    (tmp_path / "kept.new").write_text("half of")

    write_private(file, "all of it")

    assert file.read_text() == "all of it"
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_state_is_empty(state: State):
    assert state.secrets is None
    assert state.author_token is None
    assert state.deployment is None
    assert state.holder() is None


def test_a_deployment_is_published_until_withdrawn(state: State):
    deployment = Deployment(api_id="a1", stage="prod", database_url="u", outputs={"ApiId": "a1"})

    state.publish_deployment(deployment)
    assert state.deployment == deployment

    state.withdraw_deployment()
    state.withdraw_deployment()
    assert state.deployment is None


def _hold(folder: Path, held: "multiprocessing.synchronize.Event") -> None:
    with State(folder).lock():
        held.set()
        signal.pause()


def test_one_process_locks_a_state_until_it_is_killed(state: State):
    spawning = multiprocessing.get_context("spawn")
    held = spawning.Event()
    holder = spawning.Process(target=_hold, args=(state.folder, held))
    holder.start()
    assert held.wait(10)

    assert state.holder() == holder.pid
    with pytest.raises(AlreadyRunningError), state.lock():
        pass

    holder.kill()
    holder.join()
    with state.lock():
        assert (state.folder / "lock").read_text() == str(os.getpid())
    assert state.holder() is None
