"""Starts what the benchmarks need: PostgreSQL, the sink, the stand-ins and the workers.

PostgreSQL is real, and the sink stands in for SES; each worker is a process. The queues, secrets,
clocks and asynchronous calls live in this process.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg
import urllib3
from psycopg.rows import dict_row

from bench import aws, usage
from bench.aws import Aws, Queue
from bench.lambdas import Worker
from bench.sink import Conditions, Record
from broadsheet.database import application_role
from broadsheet.database.migrations import migrate
from local import clocks, isolation
from local.clocks import Clocks
from local.postgres import Postgres
from local.processes import Child
from local.state import REPOSITORY

MIGRATIONS = REPOSITORY / "functions" / "migrate" / "migrations"
QUEUES = ("REQUESTS", "DELIVERY", "FEEDBACK")
DATABASE = "newsletter"
START_SECONDS = 30.0
CALLERS = 2  # threads that call the sink at once
# The queues' visibility timeouts in template.yaml, in seconds.
VISIBILITY = {"REQUESTS": 540, "DELIVERY": 360, "FEEDBACK": 360}

# What template.yaml and its parameters give the functions.
TEMPLATE_VARIABLES = {
    "NEWSLETTER_NAME": "The Daily Page",
    "STACK_NAME": "news",
    "ISSUE_CLOCK_DEAD_LETTER_QUEUE_ARN": "arn:aws:sqs:us-east-1:000000000000:dead",
    "SENDER_ADDRESS": "news@page.example",
    "SENDER_NAME": "Ada at The Daily Page",
    "REPLY_TO": "editors@page.example",
    "PUBLIC_URL": "https://news.page.example",
    "CONFIRMATION_CONFIGURATION_SET": "confirmations",
    "ISSUE_CONFIGURATION_SET": "issues",
    "ISSUE_CLOCK_GROUP": "clocks",
    "ISSUE_CLOCK_ROLE_ARN": "arn:aws:iam::123456789012:role/clock",
    "CONTENT_BUCKET": "content",
    "DISPATCH_FUNCTION_NAME": "dispatch",
    "TRANSFER_FUNCTION_NAME": "transfer",
    "NOTIFY_FUNCTION_NAME": "notify",
    "DISPATCH_FUNCTION_ARN": "arn:aws:lambda:us-east-1:123456789012:function:dispatch",
    "CONFIRMATIONS_PER_ADDRESS_PER_DAY": "3",
    "CONFIRMATIONS_PER_SOURCE_PER_HOUR": "30",
    "CONFIRMATIONS_PER_DOMAIN_PER_HOUR": "1000000",  # and at one domain
    "CONFIRMATIONS_PER_HOUR": "0",
    "KEEP_UNCONFIRMED_DAYS": "30",
    "KEEP_REQUESTS_DAYS": "30",
    "KEEP_UNSUBSCRIBED_DAYS": "0",
    "KEEP_LEDGER_DAYS": "0",
    "SEND_RATE_SHARE": "1",
}

TOKEN = "bench"  # noqa: S105 - of the only author, who is nobody
_AUTHOR = {
    "name": "ada",
    "token_sha256": sha256(TOKEN.encode()).hexdigest(),
    "created_at": "2026-11-22T12:00:00Z",
    "role": "manage",
}
# As many as the secret holds.
_AUTHORS = [_AUTHOR] + [
    _AUTHOR | {"name": f"author {number}", "token_sha256": f"{number:064x}"}
    for number in range(300)
]


class Sink:
    """A client of the sink's process."""

    def __init__(self, child: Child) -> None:
        self.child = child
        found: list[str] = []

        def is_ready() -> bool:
            found[:] = re.findall(r"listening on (\S+)", self.child.log.read_text())
            return bool(found)

        self.child.wait_until(is_ready, seconds=START_SECONDS)
        self.url = found[0]
        self._http = urllib3.PoolManager(maxsize=CALLERS)

    def set(self, conditions: Conditions) -> None:
        """Make the sink forget all calls, and answer under these conditions."""
        self._call("PUT", "/bench/conditions", conditions.model_dump_json().encode())

    def record(self) -> Record:
        """Return the calls since the conditions were set."""
        return Record.model_validate_json(self._call("GET", "/bench/record"))

    def received(self) -> dict[str, int]:
        """Return how many mails each address got."""
        received: dict[str, int] = json.loads(self._call("GET", "/bench/received"))
        return received

    def last_call(self) -> bytes:
        """Return the body of the last SendBulkEmail."""
        return self._call("GET", "/bench/last-call")

    def send(self, call: bytes) -> None:
        """Repeat a SendBulkEmail with this body."""
        self._call("POST", "/v2/email/outbound-bulk-emails", call)

    @property
    def cpu(self) -> float:
        """Processor seconds that the sink has used so far."""
        return usage.of_process(self.child.process.pid)

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        answer = self._http.request(method, f"{self.url}{path}", body=body)
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(f"the sink answered {answer.status}: see {self.child.log}")
        return answer.data


@dataclass
class Stage:
    """Everything, running. ``environment``: the functions' environment variables."""

    folder: Path
    postgres: Postgres
    sink: Sink
    aws: Aws
    clocks: Clocks
    environment: dict[str, str] = field(repr=False)
    workers: list[Worker] = field(default_factory=list)

    @property
    def traces(self) -> Path:
        """The folder of libpq's traces."""
        return self.folder / "traces"

    def traces_of(self, workers: Sequence[Worker]) -> list[Path]:
        """Return the traces of the workers that have connected."""
        files = [self.traces / f"{worker.pid}.trace" for worker in workers]
        return [file for file in files if file.exists()]

    @property
    def postgres_cpu(self) -> float:
        """Processor seconds that all processes of PostgreSQL have used so far."""
        child = self.postgres.child
        return usage.of_tree(child.process.pid) if child else 0.0

    def start_workers(
        self, function: str, number: int, *, traced: bool = False, counts_links: bool = False
    ) -> list[Worker]:
        """Start Lambda environments of a function."""
        tracing = {"BENCH_TRACES": str(self.traces)} if traced else {}
        environment = self.environment | tracing | {"POWERTOOLS_SERVICE_NAME": function}
        environment["COUNT_LINKS"] = "true" if counts_links else "false"
        log = self.folder / "logs" / f"{function}.log"
        started = [Worker(function, environment, log) for _ in range(number)]
        self.workers += started
        return started

    def kill_workers(self) -> None:
        """Kill all workers that still run."""
        for worker in self.workers:
            worker.kill()

    def rows(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        """Run a query in the newsletter's database."""
        url = in_database(self.postgres, DATABASE)
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def seed(self, subscribers: int) -> None:
        """Make a fresh database of confirmed subscribers, plus 1 % who unsubscribed."""
        template = f"seeded_{subscribers}"
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            found = connection.execute(
                "SELECT FROM pg_database WHERE datname = %(name)s", {"name": template}
            ).fetchone()
            if found is None:
                connection.execute(f'CREATE DATABASE "{template}" TEMPLATE migrated'.encode())
                with psycopg.connect(in_database(self.postgres, template), autocommit=True) as new:
                    add_subscribers(new, subscribers)
            connection.execute(f'DROP DATABASE IF EXISTS "{DATABASE}" WITH (FORCE)'.encode())
            connection.execute(f'CREATE DATABASE "{DATABASE}" TEMPLATE "{template}"'.encode())
            with psycopg.connect(in_database(self.postgres, DATABASE), autocommit=True) as new:
                application_role.set_timeouts(new, "postgres")
            connection.execute("CHECKPOINT")  # so that the run doesn't pay for these writes

    def forget_traces(self) -> None:
        """Empty the traces; open connections go on writing to them."""
        for trace in self.traces.iterdir():
            os.truncate(trace, 0)


def add_subscribers(connection: psycopg.Connection[Any], number: int) -> None:
    """Add confirmed subscribers, plus 1 % who unsubscribed."""
    connection.execute(
        """
        INSERT INTO subscribers
            (id, email, name, language, signed_up_at, confirmation_issued_at, confirmed_at,
             unsubscribed_at)
        SELECT gen_random_uuid(), 'reader-' || number || '@page.example',
               'Reader Number ' || number, 'en', at, at, at,
               CASE WHEN number > %(number)s THEN now() END
        FROM generate_series(1, %(number)s + %(number)s / 100) AS number,
             (SELECT now() - interval '1 day' AS at)
        """,
        {"number": number},
    )
    connection.execute("VACUUM (ANALYZE) subscribers")


@contextmanager
def running(folder: Path) -> Iterator[Stage]:
    """Start everything in a folder, and end it afterwards."""
    for name in ("logs", "traces"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with ExitStack() as ended:
        postgres = Postgres(folder)
        ended.callback(postgres.close)
        postgres.start()
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE migrated")
        with psycopg.connect(in_database(postgres, "migrated"), autocommit=True) as connection:
            migrate(connection, MIGRATIONS)
        child = Child.start(
            "sink",
            [sys.executable, "-m", "bench.sink"],
            environment=_environment(),
            state_folder=folder,
            cwd=REPOSITORY,
        )
        ended.callback(child.stop)
        sink = Sink(child)
        running_clocks = ended.enter_context(clocks.serving())
        cloud = ended.enter_context(aws.serving(_cloud(postgres)))
        environment = _environment_of_functions(cloud, sink, running_clocks)
        stage = Stage(folder, postgres, sink, cloud, running_clocks, environment)
        ended.callback(stage.kill_workers)
        yield stage


def _cloud(postgres: Postgres) -> Aws:
    return Aws(
        queues={
            name: Queue(VISIBILITY[queue])
            for queue in QUEUES
            for name in (queue, f"{queue}_DEAD_LETTER")
        },
        secrets={
            "SIGNING_KEYS_SECRET_ARN": json.dumps({"signing_key_id": "1", "1": "k" * 64}),
            "DATABASE_URL_SECRET_ARN": in_database(postgres, DATABASE),
            "AUTHORS_SECRET_ARN": json.dumps({"authors": _AUTHORS}),
        },
    )


def _environment_of_functions(cloud: Aws, sink: Sink, running_clocks: Clocks) -> dict[str, str]:
    return (
        _environment()
        | {
            "AWS_ENDPOINT_URL": cloud.url,
            "AWS_ENDPOINT_URL_SESV2": sink.url,
            "AWS_ENDPOINT_URL_SCHEDULER": running_clocks.url,
            "AWS_ENDPOINT_URL_LAMBDA": running_clocks.url,
        }
        | {f"{name}_QUEUE_URL": cloud.queue_url(name) for name in cloud.queues}
        | {arn: arn for arn in cloud.secrets}
        | TEMPLATE_VARIABLES
    )


def _environment() -> dict[str, str]:
    paths = os.pathsep.join([str(REPOSITORY / "layers" / "common"), str(REPOSITORY)])
    return isolation.bare(dict(os.environ)) | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}


def in_database(postgres: Postgres, name: str) -> str:
    """Return the connection URL of one of the server's databases."""
    return postgres.url.replace("/postgres?", f"/{name}?")
