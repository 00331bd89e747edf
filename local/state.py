"""The state folder: what the local stack keeps between runs, and its lock.

It survives a ``kill -9`` of the whole stack. Links in received mails have the front's port and
tokens signed with the stack's keys, so both are kept.
"""

import fcntl
import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

REPOSITORY = Path(__file__).resolve().parents[1]
STATE_VARIABLE = "BROADSHEET_STATE"

# Below the ports that Linux (32768) and macOS (49152) use for outgoing connections, so that no
# other program gets a kept port while the stack is down.
PORTS = range(20_000, 32_768)


class AlreadyRunningError(Exception):
    """Another process runs the stack of the state folder."""


class PortTakenError(Exception):
    """A kept port is used by another program."""


class Ports(BaseModel):
    """The TCP ports of a stack, chosen once."""

    model_config = ConfigDict(frozen=True)

    front: int
    ses: int
    emulator: int


class KeptSecrets(BaseModel):
    """The last known values of the stack's two secrets."""

    model_config = ConfigDict(frozen=True)

    signing_keys: str
    authors: str


class Deployment(BaseModel):
    """Where the deployed API is. Present only while the stack is up."""

    model_config = ConfigDict(frozen=True)

    api_id: str
    stage: str
    database_url: str
    outputs: dict[str, str]


@dataclass(frozen=True)
class State:
    """A state folder and the files in it."""

    folder: Path

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Open a state folder; create it if it doesn't exist."""
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("logs", "mailbox"):
            (folder / name).mkdir(exist_ok=True)
        return cls(folder)

    @classmethod
    def from_environment(cls) -> Self:
        """Open the folder that ``BROADSHEET_STATE`` names, else ``.local/`` in the repository."""
        return cls.at(Path(os.environ.get(STATE_VARIABLE) or REPOSITORY / ".local"))

    @property
    def logs(self) -> Path:
        """The output of each process of the stack, in a file each."""
        return self.folder / "logs"

    @property
    def function_log(self) -> Path:
        """The functions' logs."""
        return self.logs / "functions.log"

    @property
    def mailbox(self) -> Path:
        """Every mail that the SES server accepted."""
        return self.folder / "mailbox"

    @property
    def build(self) -> Path:
        """The output of ``sam build``, with the layer adapted to this machine."""
        return self.folder / "build"

    @property
    def roles(self) -> Path:
        """What each deployed function may do; absent while the stack is being deployed."""
        return self.folder / "roles.json"

    @property
    def calls(self) -> Path:
        """Each kind of call of a function to AWS, and whether its role allows it."""
        return self.logs / "calls.jsonl"

    @property
    def public_url(self) -> str:
        """Where readers and authors reach the stack."""
        return f"http://localhost:{self.ports().front}"

    @property
    def inbox_url(self) -> str:
        """The page that shows the received mails."""
        return f"http://localhost:{self.ports().ses}/"

    @property
    def ses_url(self) -> str:
        """The SES server's endpoint."""
        return f"http://127.0.0.1:{self.ports().ses}"

    @property
    def emulator_url(self) -> str:
        """The address that stands for every other AWS endpoint."""
        return f"http://127.0.0.1:{self.ports().emulator}"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder for this process; the system unlocks it when the process ends.

        Raises ``AlreadyRunningError`` if another process has locked it.
        """
        with (self.folder / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRunningError from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def holder(self) -> int | None:
        """Return the id of the process that has locked the folder, or None."""
        try:
            with self.lock():
                return None
        except AlreadyRunningError:
            text = (self.folder / "lock").read_text()
            return int(text) if text else None  # empty between lock and write

    def ports(self) -> Ports:
        """Return the stack's ports, chosen at the first call and then kept."""
        if kept := _read(self.folder / "ports.json"):
            return Ports.model_validate_json(kept)
        front, ses, emulator = _free_ports(len(Ports.model_fields))
        ports = Ports(front=front, ses=ses, emulator=emulator)
        write_private(self.folder / "ports.json", ports.model_dump_json())
        return ports

    def require_free_ports(self) -> None:
        """Raise ``PortTakenError`` if another program uses a kept port."""
        for name, port in self.ports():
            if not _is_free(port):
                raise PortTakenError(
                    f"Port {port}, kept for the {name}, is used by another program.\n"
                    "Stop that program; or delete ports.json in "
                    f"{self.folder} for new ports: links in mails received before then break."
                )

    @property
    def is_ending(self) -> bool:
        """Whether the process that has locked the folder is ending the stack."""
        return (self.folder / "ending").exists()

    def announce_end(self) -> None:
        """Say that the stack is ending, until the folder is locked again."""
        (self.folder / "ending").touch()

    def withdraw_end(self) -> None:
        """Say that the stack is no longer ending."""
        (self.folder / "ending").unlink(missing_ok=True)

    @property
    def has_lost_queues(self) -> bool:
        """Whether queues were lost, and what they held was not sent again yet."""
        return (self.folder / "lost-queues").exists()

    def note_lost_queues(self) -> None:
        """Remember that queues are lost, until what they held has been sent again."""
        (self.folder / "lost-queues").touch()

    def forget_lost_queues(self) -> None:
        """Remember that what lost queues held has been sent again."""
        (self.folder / "lost-queues").unlink(missing_ok=True)

    @property
    def secrets(self) -> KeptSecrets | None:
        """The kept values of the stack's secrets, or None."""
        kept = _read(self.folder / "secrets.json")
        return KeptSecrets.model_validate_json(kept) if kept else None

    def keep_secrets(self, secrets: KeptSecrets) -> None:
        """Store these values, because a killed emulator loses them."""
        write_private(self.folder / "secrets.json", secrets.model_dump_json())

    @property
    def author_token(self) -> str | None:
        """The first author's token, or None."""
        return _read(self.folder / "author-token")

    def keep_author_token(self, token: str) -> None:
        """Store the first author's token, to show it at every start."""
        write_private(self.folder / "author-token", token)

    @property
    def deployment(self) -> Deployment | None:
        """The deployment, ready to be called; None while the stack is not up."""
        kept = _read(self.folder / "deployment.json")
        return Deployment.model_validate_json(kept) if kept else None

    def publish_deployment(self, deployment: Deployment) -> None:
        """Declare the stack up; the front then forwards to this deployment."""
        write_private(self.folder / "deployment.json", deployment.model_dump_json())

    def withdraw_deployment(self) -> None:
        """Declare the stack down."""
        (self.folder / "deployment.json").unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, atomically."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:  # noqa: PTH123 - pathlib can't set the mode at creation
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _read(path: Path) -> str | None:
    with suppress(FileNotFoundError):
        return path.read_text()
    return None


def _free_ports(count: int) -> list[int]:
    free = (port for port in random.sample(PORTS, len(PORTS)) if _is_free(port))
    return [next(free) for _ in range(count)]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a connection of the last run that is still closing doesn't matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
