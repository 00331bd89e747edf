"""A file with everything is applied whole and once, whatever is killed (-9) on the way."""

from __future__ import annotations

import os
import pickle
import signal
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import pytest

from broadsheet import dispatch_kick
from broadsheet.database import everything as tables
from broadsheet.database import imports_table
from broadsheet.services.issues import archive_pages
from broadsheet.services.people import moving_in
from broadsheet.services.webhooks import outbox
from broadsheet.storage import archive, bucket, images, uploads
from functions.transfer.app import handler as transfer
from tests.cloud import Cloud, context
from tests.functions import test_everything
from tests.functions.issues import tick
from tests.functions.test_everything import members
from tests.functions.test_exports import exported
from tests.functions.test_importing import kill_server, start_again
from tests.functions.test_imports_api import Importing, call
from tests.functions.test_moving_in import empty, file_of, published, without_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from local.postgres import Postgres
    from tests.functions.webhooks import Functions

functions = test_everything.functions
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


class Point(NamedTuple):
    """A call in which something is killed: the first, or a later one; before or after its work."""

    module: ModuleType
    name: str
    call: int = 1
    after: bool = True


@pytest.fixture(autouse=True)
def small_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work a line at a time, so that a few dozen are as many transactions."""
    monkeypatch.setattr(moving_in, "LINES_AT_ONCE", 1)


class Worker:
    """A worker in a process of its own. What it does to the bucket is done to the test's, too."""

    def __init__(self, importing: Importing, journal: Path) -> None:
        self._event = {"import_id": importing.path[1:]}
        self._journal = journal
        self.has_kicked_dispatch = False

    def meets(self, point: Point, fault: Callable[[], None]) -> int:
        """Work until the fault at a point, which must come; return how the process ended."""
        self._journal.write_bytes(b"")
        pid = os.fork()
        if pid == 0:
            with suppress(BaseException):
                self._work(point, fault)
            os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        noted = list(self._noted())
        assert ("fault", ()) in noted, point
        for name, arguments in noted:
            self.has_kicked_dispatch |= name == "kick_all"
            if hasattr(bucket, name):
                getattr(bucket, name)(*arguments)
        return ended

    def _noted(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        with self._journal.open("rb") as journal, suppress(EOFError):
            while True:
                yield pickle.load(journal)  # noqa: S301 - our own

    def goes_on(self) -> None:
        """Work in this process, as Lambda's next try does."""
        transfer(self._event, context())

    def _work(self, point: Point, fault: Callable[[], None]) -> None:
        journal = self._journal.open("ab", buffering=0)

        def noted(name: str, do: Callable[..., object]) -> Callable[..., object]:
            def noting(*arguments: object) -> object:
                journal.write(pickle.dumps((name, arguments)))
                return do(*arguments)

            return noting

        for name in ("put", "put_once", "delete"):
            setattr(bucket, name, noted(name, getattr(bucket, name)))
        dispatch_kick.kick_all = noted("kick_all", dispatch_kick.kick_all)  # type: ignore[assignment]
        meet = noted("fault", fault)
        do, left = getattr(point.module, point.name), [point.call]

        def faulty(*given: Any, **more: Any) -> object:  # noqa: ANN401
            left[0] -= 1
            if not left[0] and not point.after:
                meet()
            answer = do(*given, **more)
            if not left[0] and point.after:
                meet()
            return answer

        setattr(point.module, point.name, faulty)
        transfer(self._event, context())


def kill_self() -> None:
    """End the worker as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def moved_out(functions: Functions, cloud: Cloud) -> tuple[dict[str, object], bytes, set[str]]:
    """Export all of a newsletter, and leave it as a new stack is."""
    export = exported(functions, "everything")
    before, content = without_time(members(export)), file_of(export)
    public = set(published())
    empty(cloud)
    return before, content, public


def sent_in(functions: Functions, content: bytes) -> Importing:
    importing = Importing(functions, "newsletter.zip")
    importing.upload(content)
    call("POST", f"{importing.path}/read")
    functions.transfers.clear()
    return importing


def has_moved(
    functions: Functions, importing: Importing, before: dict[str, object], public: set[str]
) -> None:
    """Assert that all of it is there, once."""
    assert importing.shown()["status"] == "applied"
    assert without_time(members(exported(functions, "everything"))) == before
    tick(None)  # the kicked dispatch
    assert public <= set(published())


def test_a_worker_that_is_killed_at_any_point_loses_and_doubles_nothing(
    functions: Functions, cloud: Cloud, tmp_path: Path
) -> None:
    before, content, public = moved_out(functions, cloud)
    importing = sent_in(functions, content)
    worker = Worker(importing, tmp_path / "journal")

    def killed_at(module: ModuleType, name: str, call: int = 1, *, after: bool = True) -> None:
        point = Point(module, name, call, after)
        assert worker.meets(point, kill_self) == -signal.SIGKILL, name

    killed_at(moving_in, "_notes")  # while it looks
    killed_at(imports_table, "begin")
    worker.goes_on()
    assert importing.shown()["status"] == "ready"
    call("POST", f"{importing.path}/apply")
    functions.transfers.clear()
    killed_at(tables, "insert")
    killed_at(tables, "insert", 3, after=False)
    killed_at(imports_table, "store_progress", 4)
    killed_at(imports_table, "lock", 5, after=False)  # between two transactions
    killed_at(archive, "store_redirect")
    killed_at(images, "store")
    killed_at(archive, "store_page")
    killed_at(archive_pages, "store_index")
    killed_at(imports_table, "begin")
    killed_at(dispatch_kick, "kick_all", after=False)
    worker.has_kicked_dispatch = False
    killed_at(outbox, "kick", after=False)  # once all of it is committed
    assert importing.shown()["status"] == "applied"
    assert worker.has_kicked_dispatch, "else the archive waits for the daily look"
    worker.goes_on()

    has_moved(functions, importing, before, public)
    assert uploads.size(UUID(importing.path[1:])) is None, "the file is removed"


def test_a_database_that_is_killed_at_any_point_loses_and_doubles_nothing(
    functions: Functions, cloud: Cloud, tmp_path: Path, postgres: Postgres
) -> None:
    before, content, public = moved_out(functions, cloud)
    importing = sent_in(functions, content)
    worker = Worker(importing, tmp_path / "journal")
    worker.goes_on()
    call("POST", f"{importing.path}/apply")
    functions.transfers.clear()

    for point in (
        Point(tables, "insert", 12),
        Point(imports_table, "store_progress", 9),
        Point(archive_pages, "store_index"),
    ):
        assert worker.meets(point, partial(kill_server, postgres)) == 0
        start_again(postgres)
    worker.goes_on()

    has_moved(functions, importing, before, public)
