"""Measures an import of many people, what others wait for meanwhile, and what a kill costs.

The file is Mailchimp's. A sign-up, a change and a look at a reader come ten times a second, each of
somebody in the rows that are applied next. Another import runs beside an issue; and one in which
the worker and PostgreSQL are killed (-9) must end as if they had not been.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from statistics import quantiles
from typing import TYPE_CHECKING, Any, override

import psutil
import psycopg
from psycopg.rows import dict_row
from pydantic import BaseModel, ConfigDict

from bench import mailchimp_file
from bench.delivery import Fleet
from bench.events import call
from bench.lambdas import InvocationError
from bench.sink import Conditions
from bench.stage import DATABASE, in_database
from bench.tables import table as table_of
from broadsheet.database import subscribers_table
from broadsheet.domain.requests import SignUp, now
from broadsheet.domain.subscribers import EmailAddress
from broadsheet.services.people.imports import ROWS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from bench.lambdas import Worker
    from bench.mailchimp_file import Written
    from bench.stage import Stage
    from broadsheet.database.connection import Connection

WORKERS = 2  # deliver's
RATE = 500.0  # mails a second that SES takes from the issue
KNOWN = 10  # of so many rows, one is of a reader whom we have
KILLS = 16  # of the worker; of each four, one is of PostgreSQL as well
PROBE_SECONDS = 0.1
SAMPLE_SECONDS = 0.02
LONGEST = 3600.0  # seconds before a run counts as stuck

# The targets, of a million rows and of any.
APPLIED_WITHIN = 300.0
MOST_MEMORY = 256_000_000
LONGEST_WAIT = 1.0
MOST_SLOWED = 0.1
LEAST_SHARED = 0.5  # of an issue's time: less says nothing of how an import slows it
MILLION = 1_000_000


class WrongImport(Exception):
    """Something was lost or doubled."""


class ImportResult(BaseModel):
    """What imports took; times in seconds, memory in bytes.

    ``sign_up``, ``change``, ``look``: the longest that somebody else waited; ``transaction``: the
    longest of the import. ``rate``: mails a second of an issue alone, and ``rate_beside`` of one
    while an import is applied, which it was for a ``shared`` part of the issue's time.
    ``killed_…``: how often, and how long the whole took then.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    bytes: int
    read: float
    judge: float
    apply: float
    cpu_worker: float
    cpu_database: float
    peak_memory: int
    sign_up: float
    change: float
    look: float
    transaction: float
    wait_p99: float
    transaction_p99: float
    probes: int
    rate: float
    rate_beside: float
    shared: float
    killed_worker: int
    killed_postgres: int
    killed_seconds: float

    @property
    def slowed(self) -> float:
        """The part by which an issue is slower beside an import."""
        return 1 - self.rate_beside / self.rate

    @property
    def is_good(self) -> bool:
        """Whether it meets the targets; how fast it is counts for a million rows."""
        is_flat = self.peak_memory < MOST_MEMORY
        is_beside = self.shared >= LEAST_SHARED
        waits = max(self.sign_up, self.change, self.look, self.transaction)
        is_fast = self.apply <= APPLIED_WITHIN and self.slowed <= MOST_SLOWED
        return is_flat and is_beside and waits < LONGEST_WAIT and (self.rows < MILLION or is_fast)


def run(stage: Stage, rows: int) -> ImportResult:
    """Import many rows: watched, beside an issue, and with kills."""
    known = rows // KNOWN
    path = stage.folder / "people.zip"
    written = mailchimp_file.write(path, rows, known)
    watched = _watched(stage, path, written, known)
    sys.stderr.write(f"watched: {watched}\n")  # it is half an hour until the table
    rates = _beside_issue(stage, path, known)
    sys.stderr.write(f"beside an issue: {rates}\n")
    seconds = watched["read"] + watched["judge"] + watched["apply"]
    killed = _killed(stage, path, written, known, seconds / (KILLS + 1))
    return ImportResult(rows=rows, bytes=written.size, **watched, **rates, **killed)


class _Importer:
    """An author with a file, and the worker that imports it."""

    def __init__(self, stage: Stage, path: Path) -> None:
        self.stage = stage
        (self._people,) = stage.start_workers("people", 1)
        self.transfer = self._start()
        body = {"file_name": "audience_export.zip", "format": "mailchimp"}
        self.id: str = self._ask("POST", "/imports", body)["id"]
        stage.aws.uploads[f"imports/{self.id}"] = path
        self._ends = False
        self.failed = 0

    def _start(self) -> Worker:
        return self.stage.start_workers("transfer", 1)[0]

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        event = call(
            method,
            path,
            body=body,
            path_parameters=None if path == "/imports" else {"id": self.id},
        )
        answer = self._people.invoke(event).answer
        if answer["statusCode"] >= 300:  # noqa: PLR2004 - HTTP's own
            raise WrongImport(f"{method} {path} answered {answer['body']}")
        document: dict[str, Any] = json.loads(answer["body"])
        return document

    @property
    def known(self) -> dict[str, Any]:
        """The import, as its author sees it."""
        return self._ask("GET", "/imports/{id}")

    def step(self, name: str) -> None:
        """Have the next step done, until its end, by as many invocations as it takes."""
        if self._ends:
            return
        end = {"read": "ready", "apply": "applied", "undo": "undone"}[name]
        status = self._ask("POST", f"/imports/{{id}}/{name}")["status"]
        give_up_at = time.monotonic() + LONGEST
        while status != end and not self._ends:
            try:
                self.transfer.invoke({"import_id": self.id})
            except InvocationError:  # killed, or without a database: Lambda calls again
                self.failed += 1
                self.transfer = self._start()
                time.sleep(0.5)
                continue
            status = self.known["status"]
            if time.monotonic() > give_up_at:
                raise WrongImport(f"it is still {status} after {LONGEST} s")

    def end(self) -> None:
        """Begin no other invocation, and kill the one that runs."""
        self._ends = True
        self.transfer.kill()

    def close(self) -> None:
        """End the workers, and forget the kicks, which nobody takes."""
        self.transfer.close()
        self._people.close()
        list(self.stage.clocks.taken_kicks())

    def check(self, written: Written, *, exactly: bool) -> None:
        """Check that each row was applied once. Raises ``WrongImport``.

        ``exactly``: whether nobody else wrote meanwhile, so that all outcomes are known.
        """
        outcomes = self.known["outcomes"]
        if exactly and outcomes != written.outcomes:
            raise WrongImport(f"the outcomes are {outcomes}, and not {written.outcomes}")
        (found,) = self.stage.rows(_CHECK, id=self.id)
        if found["rows"] != written.rows or sum(outcomes.values()) != written.rows:
            raise WrongImport(f"{written.rows} rows became {found}, and {outcomes}")
        if found["missing"] or found["done"] != found["logged"] or found["twice"]:
            raise WrongImport(f"something is lost or doubled: {found}")


# ``missing``: rows whose people are not there. A row that changed somebody is logged once.
_CHECK = """
    SELECT count(*) AS rows,
           count(*) FILTER (WHERE item.email IS NOT NULL AND person.id IS NULL) AS missing,
           count(*) FILTER (WHERE item.subscriber_id = person.id) AS done,
           (SELECT count(*) FROM consents WHERE import_id = %(id)s) AS logged,
           (SELECT count(*) - count(DISTINCT subscriber_id) FROM consents WHERE import_id = %(id)s)
               AS twice
    FROM import_rows AS item LEFT JOIN subscribers AS person ON person.email = item.email
    WHERE item.import_id = %(id)s
"""


def _watched(stage: Stage, path: Path, written: Written, known: int) -> dict[str, Any]:
    stage.seed(known)
    importer = _Importer(stage, path)
    database = stage.postgres_cpu
    with _probing(stage, importer.id) as probes:
        importer.step("read")
        importer.step("apply")
    database = stage.postgres_cpu - database
    last = importer.transfer.invocations[-1]
    importer.check(written, exactly=False)
    importer.close()
    began = probes.began
    return {
        "read": began["judging"] - began["reading"],
        "judge": began["ready"] - began["judging"],
        "apply": began["applied"] - began["applying"],
        "cpu_worker": last.cpu,
        "cpu_database": database,
        "peak_memory": last.peak_memory,
        "sign_up": max(probes.seconds["sign_up"]),
        "change": max(probes.seconds["change"]),
        "look": max(probes.seconds["look"]),
        "transaction": max(probes.seconds["transaction"]),
        "wait_p99": _p99([each for name in _OTHERS for each in probes.seconds[name]]),
        "transaction_p99": _p99(probes.seconds["transaction"]),
        "probes": sum(len(probes.seconds[name]) for name in _OTHERS),
    }


_OTHERS = ("sign_up", "change", "look")


def _p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100, method="inclusive")[98]


class _Probes:
    """Others who use the database meanwhile. ``began``: when each step of the import did."""

    def __init__(self, stage: Stage, import_id: str) -> None:
        self._url = in_database(stage.postgres, DATABASE)
        self._import_id = import_id
        self._ends = threading.Event()
        self._random = random.Random(1)  # noqa: S311 - guards nothing
        self.began: dict[str, float] = {}
        probes: dict[str, Callable[[Connection], None]] = {
            "sign_up": self._sign_up,
            "change": self._change,
            "look": self._look,
        }
        self.seconds: dict[str, list[float]] = {name: [0.0] for name in (*probes, "transaction")}
        self._threads = [
            *(threading.Thread(target=self._work, args=each) for each in probes.items()),
            threading.Thread(target=self._sample),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop, after a last look."""
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._url, autocommit=True, application_name="probe")

    def _work(self, name: str, probe: Callable[[Connection], None]) -> None:
        with self._connect() as connection:
            while not self._ends.wait(PROBE_SECONDS):
                began = time.perf_counter()
                probe(connection)
                self.seconds[name].append(time.perf_counter() - began)

    def _next_address(self, connection: Connection) -> EmailAddress | None:
        """Return somebody of the rows that are worked on now, or next."""
        found = connection.execute(
            """
            SELECT email FROM import_rows, imports
            WHERE import_rows.import_id = imports.id AND imports.id = %(id)s
              AND number = done_to %% greatest(rows_read, 1) + %(ahead)s
            """,
            {"id": self._import_id, "ahead": self._random.randint(1, ROWS_AT_ONCE)},
        ).fetchone()
        return EmailAddress(str(found[0])) if found and found[0] else None

    def _sign_up(self, connection: Connection) -> None:
        email = self._next_address(connection)
        if email is not None:
            wanted = SignUp(email=email, name=None, language="en")
            subscribers_table.insert_pending(connection, wanted, now())

    def _change(self, connection: Connection) -> None:
        """Change somebody's tags, as readers do."""
        email = self._next_address(connection)
        if email is None:
            return
        with connection.transaction():
            found = subscribers_table.find_by_email(connection, email)
            if found is not None:
                tags = subscribers_table.tags_of(connection, found.id)
                subscribers_table.set_tags(connection, found.id, tags, now())

    def _look(self, connection: Connection) -> None:
        email = self._next_address(connection)
        if email is not None:
            subscribers_table.id_of(connection, email)

    def _sample(self) -> None:
        """Note how long a transaction has been open, and when a step began."""
        with self._connect() as connection:
            connection.row_factory = dict_row
            is_last = False
            while not is_last:
                is_last = self._ends.wait(SAMPLE_SECONDS)
                for found in connection.execute(_SAMPLE, {"id": self._import_id}).fetchall():
                    self.began.setdefault(found["status"], found["at"])
                    self.seconds["transaction"].append(found["seconds"])


_SAMPLE = """
    SELECT status, extract(epoch FROM clock_timestamp())::float AS at,
           coalesce(
               (
                   SELECT extract(epoch FROM max(clock_timestamp() - xact_start))
                   FROM pg_stat_activity
                   WHERE datname = current_database() AND backend_type = 'client backend'
                     AND application_name <> 'probe'
               ),
               0
           )::float AS seconds
    FROM imports WHERE id = %(id)s
"""


@contextmanager
def _probing(stage: Stage, import_id: str) -> Iterator[_Probes]:
    probes = _Probes(stage, import_id)
    try:
        yield probes
    finally:
        probes.close()


def _beside_issue(stage: Stage, path: Path, known: int) -> dict[str, float]:
    """Return how fast an issue is sent alone, and while an import is applied.

    The import begins once the issue's audience is chosen, which it would enlarge.
    """
    with Fleet(stage, WORKERS) as fleet:
        stage.seed(known)
        stage.sink.set(Conditions(max_send_rate=RATE))
        alone = fleet.send(known)
        stage.seed(known)
        stage.sink.set(Conditions(max_send_rate=RATE))
        importer = _Importer(stage, path)
        importer.step("read")
        applying = _Applying(stage, importer)
        applying.start()
        beside = fleet.send(known)
        importer.end()
        applying.join()
        importer.close()
    rates = [
        (known - one.record.calls[-1].accepted) / one.record.seconds for one in (alone, beside)
    ]
    shared = min(applying.ended_at, beside.finished_at) - applying.began_at
    return {
        "rate": rates[0],
        "rate_beside": rates[1],
        "shared": shared / (beside.finished_at - beside.published_at),
    }


class _Applying(threading.Thread):
    """Applies an import as soon as an issue is sent. ``…_at``: when, by the wall clock."""

    def __init__(self, stage: Stage, importer: _Importer) -> None:
        super().__init__()
        self._stage, self._importer = stage, importer
        self.began_at = self.ended_at = 0.0

    @override
    def run(self) -> None:
        while not self._stage.rows("SELECT 1 AS is_frozen FROM issues WHERE frozen_at IS NOT NULL"):
            time.sleep(SAMPLE_SECONDS)
        self.began_at = time.time()
        self._importer.step("apply")
        self.ended_at = time.time()


def _read_and_apply(importer: _Importer) -> None:
    importer.step("read")
    importer.step("apply")


def _killed(
    stage: Stage, path: Path, written: Written, known: int, pause: float
) -> dict[str, float]:
    """Import while the worker and PostgreSQL are killed again and again."""
    stage.seed(known)
    importer = _Importer(stage, path)
    chance = random.Random(1)  # noqa: S311 - guards nothing
    began = time.monotonic()
    thread = threading.Thread(target=partial(_read_and_apply, importer))
    thread.start()
    killed = {"worker": 0, "postgres": 0}
    while thread.is_alive() and killed["worker"] < KILLS:
        thread.join(chance.uniform(0.5, 1.5) * pause)
        if killed["worker"] % 4 == 1:
            _kill_postgres(stage)
            killed["postgres"] += 1
        importer.transfer.kill()
        killed["worker"] += 1
    thread.join()
    seconds = time.monotonic() - began
    importer.check(written, exactly=True)
    importer.close()
    return {
        "killed_worker": killed["worker"],
        "killed_postgres": killed["postgres"],
        "killed_seconds": seconds,
    }


def _kill_postgres(stage: Stage) -> None:
    """End all of PostgreSQL's processes as a power cut would, and start it again."""
    child = stage.postgres.child
    if child is None:
        raise WrongImport("PostgreSQL does not run")
    server = psutil.Process(child.process.pid)
    server.suspend()  # it starts no other process now
    processes = [server, *server.children()]
    for process in processes:
        process.kill()
    psutil.wait_procs(processes)
    child.process.wait()
    stage.postgres.start()


def table(result: ImportResult) -> str:
    """Return a table of what was measured, and what it is to be."""
    one = result
    waits = max(one.sign_up, one.change, one.look)
    return table_of(
        (f"an import of {one.rows:,} rows, {one.bytes / 1e6:.0f} MB", "measured", "target"),
        [
            ("read s", one.read, ""),
            ("judge s", one.judge, ""),
            ("apply s", one.apply, f"{APPLIED_WITHIN:.0f}, of a million"),
            ("processor s of the worker", one.cpu_worker, ""),
            ("processor s of PostgreSQL", one.cpu_database, ""),
            ("most memory of the worker MB", one.peak_memory / 1e6, f"{MOST_MEMORY / 1e6:.0f}"),
            ("longest sign-up of the same people ms", one.sign_up * 1000, LONGEST_WAIT * 1000),
            ("longest change of theirs ms", one.change * 1000, LONGEST_WAIT * 1000),
            ("longest look at one of them ms", one.look * 1000, LONGEST_WAIT * 1000),
            (f"longest wait of {one.probes:,} ms", waits * 1000, LONGEST_WAIT * 1000),
            ("of 100 of these, the second longest ms", one.wait_p99 * 1000, ""),
            ("of 100 looks at its transactions ms", one.transaction_p99 * 1000, ""),
            ("longest transaction ms", one.transaction * 1000, LONGEST_WAIT * 1000),
            ("mails/s of an issue alone", one.rate, ""),
            ("mails/s of an issue meanwhile", one.rate_beside, ""),
            ("of its time, the import was applied %", one.shared * 100, LEAST_SHARED * 100),
            ("slowed %", one.slowed * 100, MOST_SLOWED * 100),
            ("kill -9 of the worker", one.killed_worker, ""),
            ("kill -9 of PostgreSQL", one.killed_postgres, ""),
            ("all of it with these s", one.killed_seconds, ""),
        ],
    )
