"""Starts what rounds need: PostgreSQL, the emulator's queues, the SES server and the clocks.

They start once for all rounds of a lane; each round has a fresh database and fresh queues.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
from psycopg.rows import dict_row

from broadsheet.database import application_role
from broadsheet.database.migrations import migrate
from broadsheet.telemetry import logger
from local import clocks, isolation, processes
from local.clocks import Clocks
from local.emulator import PROGRAM as EMULATOR
from local.postgres import Postgres
from local.processes import Child
from local.state import REPOSITORY
from ses_server import Server, Topic
from tests.faults import timing
from tests.faults.timing import Pace
from tests.faults.worker import Order, ProcessStatus

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MIGRATIONS = REPOSITORY / "functions" / "migrate" / "migrations"
SENDER = "news@page.example"
QUEUE_NAMES = ("REQUESTS", "DELIVERY", "FEEDBACK")
START_SECONDS = 60.0


class Zygote:
    """The process that forks the Lambda environments."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                cwd=REPOSITORY,
            )
        self.running: dict[int, int] = {}  # process ids by order number
        self._ended: set[int] = set()
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(self, order: Order) -> None:
        stdin = self._process.stdin
        assert stdin
        stdin.write(order.model_dump_json().encode() + b"\n")
        stdin.flush()

    def has_ended(self, number: int) -> bool:
        with self._lock:
            return number in self._ended

    def kill_all(self, seconds: float = 5.0) -> None:
        """Kill all environments, and wait until they are gone."""
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            for pid in list(self.running.values()):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.03)

    def close(self) -> None:
        if self._process.stdin:
            with suppress(BrokenPipeError):  # it has ended already
                self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            status = ProcessStatus.model_validate_json(line)
            with self._lock:
                if status.has_ended:
                    self.running.pop(status.number, None)
                    self._ended.add(status.number)
                else:
                    self.running[status.number] = status.pid


@dataclass
class Stage:
    """Everything, running. ``environment``: the functions' environment variables."""

    folder: Path
    postgres: Postgres
    ses: Server
    clocks: Clocks
    zygote: Zygote
    environment: dict[str, str]
    pace: Pace = timing.PACES[0]
    topic: str = ""

    def set_pace(self, pace: Pace) -> None:
        """Change the pace: new environments get other timings from now on."""
        if pace != self.pace:
            self.pace = pace
            self.zygote.close()
            self.environment |= pace.environment()
            self.zygote = _make_zygote(self.folder, self.environment)

    @cached_property
    def sqs(self) -> "SQSClient":
        return boto3.client("sqs")

    @cached_property
    def sns(self) -> Any:  # noqa: ANN401 - boto3's
        return boto3.client("sns")

    def make_database(self) -> None:
        """Make a fresh database for the next round."""
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS newsletter WITH (FORCE)")
            connection.execute("CREATE DATABASE newsletter TEMPLATE migrated")
        with psycopg.connect(_in_database(self.postgres, "newsletter"), autocommit=True) as fresh:
            application_role.set_timeouts(fresh, "postgres")

    def rows(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        with psycopg.connect(
            _in_database(self.postgres, "newsletter"),
            autocommit=True,
            row_factory=dict_row,
            connect_timeout=2,
        ) as connection:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def queues(self, name: str) -> Iterator[dict[str, str]]:
        """Make a round's queues and its bucket; yield the environment variables that name them."""
        urls: dict[str, str] = {}
        for queue in QUEUE_NAMES:
            dead = self._make_queue(f"{name}-{queue}-dead".lower())
            urls[f"{queue}_DEAD_LETTER_QUEUE_URL"] = dead
            urls[f"{queue}_QUEUE_URL"] = self._make_queue(f"{name}-{queue}".lower())
        self.topic = self._make_topic(name, urls["FEEDBACK_QUEUE_URL"])
        self.publish_events()
        bucket = f"content-of-{name}".lower()
        boto3.client("s3").create_bucket(Bucket=bucket)
        try:
            yield urls | {"CONTENT_BUCKET": bucket}
        finally:
            self.hold_events()
            self.sns.delete_topic(TopicArn=self.topic)
            for url in urls.values():
                self.sqs.delete_queue(QueueUrl=url)

    def publish_events(self) -> None:
        self.ses.control.publish_to(
            Topic(
                topic_arn=self.topic,
                endpoint_url=self.environment["AWS_ENDPOINT_URL"],
                region=isolation.REGION,
            )
        )

    def hold_events(self) -> None:
        """Make SES keep its events, in order, until ``publish_events``."""
        self.ses.control.publish_nowhere()

    def _make_queue(self, name: str) -> str:
        seconds = str(self.pace.whole(timing.VISIBILITY))
        return self.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": seconds})[
            "QueueUrl"
        ]

    def _make_topic(self, name: str, queue_url: str) -> str:
        """Make a topic that passes its messages to a queue unchanged."""
        topic: str = self.sns.create_topic(Name=name)["TopicArn"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        self.sns.subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=attributes["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
        return topic

    def kill_postgres(self) -> None:
        """Kill the server and all its processes at once, as a loss of power would."""
        child = self.postgres.child
        assert child
        with suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()

    def start_postgres(self) -> None:
        self.postgres.start()


@contextmanager
def running(folder: Path) -> Iterator[Stage]:
    """Start everything in a folder, and end it afterwards."""
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    logger.setLevel("CRITICAL")  # of this process only; the environments log to a file
    postgres = Postgres(folder)
    children: list[Child] = []
    try:
        postgres.start()
        _make_template(postgres)
        ses_child, ses = _start_ses(folder)
        children.append(ses_child)
        emulator, emulator_url = _start_emulator(folder)
        children.append(emulator)
        with clocks.serving() as clocks_running:
            own = isolation.bare(dict(os.environ)) | {
                "AWS_ENDPOINT_URL": emulator_url,
                "AWS_ENDPOINT_URL_SESV2": ses.url,
                "AWS_ENDPOINT_URL_SCHEDULER": clocks_running.url,
                "AWS_ENDPOINT_URL_LAMBDA": clocks_running.url,
            }
            os.environ.update(own)
            database = _in_database(postgres, "newsletter")
            environment = own | _application_environment(database) | timing.PACES[0].environment()
            os.environ.update(environment)
            zygote = _make_zygote(folder, environment)
            here = Stage(folder, postgres, ses, clocks_running, zygote, environment)
            try:
                yield here
            finally:
                here.zygote.close()
    finally:
        for child in reversed(children):
            child.stop()
        postgres.close()
        processes.end_leftovers(folder)  # of an interrupted start


def _make_zygote(folder: Path, environment: dict[str, str]) -> Zygote:
    paths = f"{REPOSITORY / 'layers' / 'common'}:{REPOSITORY}"
    return Zygote(environment | {"PYTHONPATH": paths}, folder / "logs" / "zygote.log")


def _make_template(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        # Only processes are killed, not the machine: the system loses no written data.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET checkpoint_timeout = '1h'")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE DATABASE migrated")
    with psycopg.connect(_in_database(postgres, "migrated"), autocommit=True) as connection:
        migrate(connection, MIGRATIONS)


def _in_database(postgres: Postgres, name: str) -> str:
    return postgres.url.replace("/postgres?", f"/{name}?")


def _start_ses(folder: Path) -> tuple[Child, Server]:
    child = Child.start(
        "ses",
        [
            *(sys.executable, "-m", "ses_server"),
            *("--mailbox", folder / "mails", "--verified", SENDER, "--republished-hours", "0"),
        ],
        environment=isolation.bare(dict(os.environ)) | {"PYTHONUNBUFFERED": "1"},
        state_folder=folder,
        cwd=REPOSITORY,
    )
    found: list[str] = []

    def is_ready() -> bool:
        found[:] = re.findall(r"listening on (\S+)", child.log.read_text())
        return bool(found)

    child.wait_until(is_ready, seconds=START_SECONDS)
    return child, Server(url=found[-1], directory=folder / "mails")


def _start_emulator(folder: Path) -> tuple[Child, str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    temporary = folder / "emulator"
    temporary.mkdir(exist_ok=True)
    child = Child.start(
        "emulator",
        [EMULATOR, "-m", "ministack"],
        environment=isolation.bare(dict(os.environ))
        | {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(temporary),
            "DOCKER_HOST": "unix:///nonexistent",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "PYTHONUNBUFFERED": "1",
        },
        state_folder=folder,
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def is_ready() -> bool:
        try:
            with opener.open(f"{url}/_ministack/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    child.wait_until(is_ready, seconds=START_SECONDS)
    return child, url


def _application_environment(database_url: str) -> dict[str, str]:
    secrets = boto3.client("secretsmanager")
    values: Mapping[str, str] = {
        "SIGNING_KEYS_SECRET_ARN": json.dumps({"signing_key_id": "1", "1": "a key"}),
        "AUTHORS_SECRET_ARN": json.dumps({"authors": []}),
        "DATABASE_URL_SECRET_ARN": database_url,
    }
    return {
        **{
            name: secrets.create_secret(Name=name, SecretString=value)["ARN"]
            for name, value in values.items()
        },
        "NEWSLETTER_NAME": "The Daily Page",
        "STACK_NAME": "news",
        "SENDER_ADDRESS": SENDER,
        "SENDER_NAME": "Ada at The Daily Page",
        "PUBLIC_URL": "https://news.page.example",
        "CONFIRMATION_CONFIGURATION_SET": "confirmations",
        "ISSUE_CONFIGURATION_SET": "issues",
        "ISSUE_CLOCK_GROUP": "clocks",
        "ISSUE_CLOCK_ROLE_ARN": "arn:aws:iam::123456789012:role/clock",
        "ISSUE_CLOCK_DEAD_LETTER_QUEUE_ARN": "arn:aws:sqs:eu-central-1:123456789012:dead",
        "DISPATCH_FUNCTION_NAME": "dispatch",
        "DISPATCH_FUNCTION_ARN": "arn:aws:lambda:us-east-1:123456789012:function:dispatch",
        "CONFIRMATIONS_PER_ADDRESS_PER_DAY": "3",
        "CONFIRMATIONS_PER_SOURCE_PER_HOUR": "30",
        "CONFIRMATIONS_PER_DOMAIN_PER_HOUR": "500",
        "CONFIRMATIONS_PER_HOUR": "0",
        "KEEP_UNCONFIRMED_DAYS": "30",
        "KEEP_REQUESTS_DAYS": "30",
        "KEEP_UNSUBSCRIBED_DAYS": "0",
        "KEEP_LEDGER_DAYS": "0",
        "SEND_RATE_SHARE": "1",
    }
