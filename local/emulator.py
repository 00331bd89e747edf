"""The AWS emulator (MiniStack) as one of the stack's processes."""

import os
import shutil
import tempfile
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

import urllib3

from local import isolation
from local.processes import Child, ChildError
from local.state import REPOSITORY, State

PROGRAM = REPOSITORY / ".venv-emulator" / "bin" / "python"
GUARDED = REPOSITORY / "local" / "iam" / "emulator.py"

# The emulator saves its state only when it ends in order. What it saved before a crash is older
# than the database, so a saved state is used once, and only after an orderly end.
ENDED_IN_ORDER = "ended-in-order"


def has_lost_its_state(state: State) -> bool:
    """Return whether the emulator ran before and was killed."""
    folder = state.folder / "emulator"
    return folder.exists() and not (folder / ENDED_IN_ORDER).exists()


def start(state: State) -> Child:
    """Start the emulator, with the state of its last run when that ended in order."""
    folder = state.folder / "emulator"
    saved = folder / "saved"
    marker = folder / ENDED_IN_ORDER
    if not marker.exists():
        state.note_lost_queues()
        shutil.rmtree(saved, ignore_errors=True)
    marker.unlink(missing_ok=True)
    saved.mkdir(parents=True, exist_ok=True)
    child = Child.start(
        "emulator",
        [PROGRAM, GUARDED, state.roles, state.calls],
        environment=_environment(state, folder, saved),
        state_folder=state.folder,
    )
    try:
        child.wait_until(lambda: _is_ready(state.emulator_url), seconds=60)
    except ChildError:
        child.stop()
        raise
    return child


def _environment(state: State, folder: Path, saved: Path) -> dict[str, str]:
    return (
        isolation.bare(dict(os.environ))
        | {
            "GATEWAY_PORT": str(state.ports().emulator),
            "BIND_HOST": "127.0.0.1",  # by default it listens to the whole network
            "LOG_LEVEL": "WARNING",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(saved),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(folder / "s3"),
            "TMPDIR": tempfile.mkdtemp(prefix="tmp-", dir=folder),
            "LAMBDA_EXECUTOR": "local",
            # Functions inherit this: SES is the one service that is not in the emulator.
            "AWS_ENDPOINT_URL_SESV2": state.ses_url,
            # It removes all containers that carry its label from a Docker engine.
            "DOCKER_HOST": "unix:///nonexistent",
            # Servers on fixed ports that nothing here uses.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "PYTHONUNBUFFERED": "1",
        }
        # Functions inherit this too: shorter timings for a local run, see settings.Timings.
        | {name: value for name, value in os.environ.items() if name == "TIMINGS"}
    )


def stop(child: Child, state: State) -> None:
    """End the emulator, which then saves its state."""
    child.stop(seconds=20)
    if child.process.returncode == 0:
        (state.folder / "emulator" / ENDED_IN_ORDER).touch()
    for temporary in (state.folder / "emulator").glob("tmp-*"):
        shutil.rmtree(temporary, ignore_errors=True)  # functions' code, 100 MB a worker


def _is_ready(url: str) -> bool:
    with suppress(urllib3.exceptions.HTTPError):
        answer = urllib3.request("GET", f"{url}/_ministack/health", timeout=5, retries=False)
        return answer.status == HTTPStatus.OK
    return False
