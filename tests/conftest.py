"""A whole small cloud in one process: real PostgreSQL, our SES server, moto for the rest of AWS."""

import functools
import gc
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from types import ModuleType

import boto3
import botocore.session
import hypothesis
import psutil
import psycopg
import pytest
from moto import mock_aws
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

import ses_server
from broadsheet import i18n, secrets, settings
from broadsheet.database import application_role
from broadsheet.database.migrations import migrate
from broadsheet.storage import archive, links
from broadsheet.telemetry import logger
from compile_catalogues import compile_all
from local import processes
from local.postgres import Postgres
from tests.browser import browser
from tests.cloud import SENDER, Cloud, Edge
from translations import pseudo

__all__ = ["browser"]  # a fixture

JOURNEYS = "tests/journey/"
# The journeys that deploy a second stack, or end theirs, have one of their own beside the others'.
DEPLOYING = {
    f"{JOURNEYS}test_{name}.py" for name in ("first_deployment", "second_stack", "stack_restarts")
}
# The journeys take longest and begin. The fault suite mostly waits, so it runs beside the later
# journeys; the smallest files come last, so that the processes end at the same time.
ORDER = (JOURNEYS, "tests/functions/", "tests/faults/", "tests/bench/", "tests/local/test_")
# What takes minutes and changes seldom: `make test-long` runs it, and CI does both.
LONG = (
    *(f"{JOURNEYS}test_{name}.py" for name in ("api_description", "first_deployment")),
    f"{JOURNEYS}test_second_stack.py",
    *(f"tests/faults/test_faults.py::test_{name}" for name in ("the_suite_notices", "after_the")),
    "tests/broadsheet/mail/test_bounded_work.py",
    "tests/broadsheet/web/test_axe_everywhere.py",
    "tests/bench/test_delivery.py",
)
MIGRATIONS = Path(__file__).parent.parent / "functions" / "migrate" / "migrations"
LOCALES = Path(i18n.__file__).parent / "locales"
MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
ROOM = 500_000_000  # bytes for a server: it takes up to 200 MB, and others need some, too
PREFIX = "broadsheet-tests-of-"  # and the process, and what tempfile adds


class ByFile(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Gives each file to one process, and the journeys to the two that have a stack.

    (``--dist loadgroup`` groups nothing with pytest 9.2: xdist 3.8 marks the groups in a field
    that pytest reads no more.)
    """

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by their number; ORDER says better what takes long

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file in DEPLOYING:
            return "journeys that deploy"
        return JOURNEYS if file.startswith(JOURNEYS) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Say which process runs which tests."""
    return ByFile(config, log)


def pytest_configure() -> None:
    """Compile the catalogues, as the layer's build does, and the pseudo-language for tests."""
    # A shell's background job ignores Ctrl-C, and so would the commands that the tests start.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # A machine that is busy with others is no fault.
    slow = [hypothesis.HealthCheck.too_slow]
    hypothesis.settings.register_profile("ours", deadline=None, suppress_health_check=slow)
    hypothesis.settings.load_profile("ours")
    made, source = (
        LOCALES / language / "LC_MESSAGES" / "broadsheet.po" for language in ("ar-XB", "de")
    )
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        pseudo.write()
    compile_all(LOCALES)


@pytest.hookimpl(tryfirst=True)  # before what `-m` leaves out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files in their order, and mark what takes long."""
    for item in items:
        if item.nodeid.startswith(LONG):
            item.add_marker("long")

    def place(item: pytest.Item) -> tuple[int, bool]:
        places = (place for place, start in enumerate(ORDER) if item.nodeid.startswith(start))
        return next(places, len(ORDER)), item.nodeid.partition("::")[0] not in DEPLOYING

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over all that was imported: it stays until the end."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def descriptions_of_aws() -> Iterator[None]:
    """Let botocore read what it knows of AWS once: moto has each test begin with a new session."""
    with pytest.MonkeyPatch.context() as patch:
        shared = functools.cache(botocore.session.create_loader)
        patch.setattr(botocore.session, "create_loader", shared)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this test run's own, with the schema in the database `migrated`."""
    with migrated_server() as server:
        yield server


@contextmanager
def migrated_server() -> Iterator[Postgres]:
    """Start a PostgreSQL server with the schema in the database `migrated`."""
    with in_memory() as folder:
        server = Postgres(folder)
        try:
            server.start()
            _make_template(server)
            yield server
        finally:
            server.close()


@contextmanager
def in_memory() -> Iterator[Path]:
    """Give a folder for the 300 files of each test's database: in memory, where there is room."""
    for parent in (MEMORY, Path(tempfile.gettempdir())):
        remove_leftovers(parent)
    servers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))  # each looks before any writes
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM * servers
    with tempfile.TemporaryDirectory(
        prefix=f"{PREFIX}{os.getpid()}-", dir=MEMORY if has_room else None
    ) as folder:
        yield Path(folder)


def remove_leftovers(parent: Path) -> None:
    """End the servers of this user's test runs that were killed, and give back their memory."""
    for folder in parent.glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        with suppress(FileNotFoundError):  # another process is at it, too
            is_ours = pid.isdecimal() and folder.stat().st_uid == os.getuid()
            if is_ours and not psutil.pid_exists(int(pid)):
                processes.end_leftovers(folder)
                shutil.rmtree(folder, ignore_errors=True)


def _make_template(server: Postgres) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        # No machine loses its power here.
        connection.execute("ALTER SYSTEM SET fsync = off")
        # The log is in memory, too: by default a gigabyte of it may gather before it is recycled.
        connection.execute("ALTER SYSTEM SET max_wal_size = '64MB'")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE DATABASE migrated")
        connection.execute("CREATE ROLE broadsheet LOGIN")
    with psycopg.connect(in_database(server.url, "migrated"), autocommit=True) as connection:
        migrate(connection, MIGRATIONS)
        application_role.admit(connection, "broadsheet")


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """A fresh database with the newsletter's schema."""
    with fresh_database(postgres) as url:
        yield url


@contextmanager
def fresh_database(postgres: Postgres) -> Iterator[str]:
    """Make a database with the newsletter's schema, one at a time."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE newsletter TEMPLATE migrated")
        with psycopg.connect(in_database(postgres.url, "newsletter"), autocommit=True) as fresh:
            application_role.set_timeouts(fresh, "broadsheet")
    yield in_database(postgres.url, "newsletter")
    with psycopg.connect(postgres.url, autocommit=True) as connection:  # a test may end the server
        connection.execute("DROP DATABASE newsletter WITH (FORCE)")


@pytest.fixture
def cloud(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Everything a function of ours talks to, and the environment the template would give it."""
    with small_cloud(database_url, tmp_path, monkeypatch) as made:
        yield made


@contextmanager
def small_cloud(
    database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cloud]:
    """Make what the fixture `cloud` has, for as long as many tests look at it."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws(), ses_server.running(folder / "mails", verified=[SENDER]) as ses:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", ses.url)
        sqs, secrets = boto3.client("sqs"), boto3.client("secretsmanager")
        queues = {
            name: sqs.create_queue(QueueName=name.lower().replace("_", "-"))["QueueUrl"]
            for source in ("REQUESTS", "DELIVERY", "FEEDBACK")
            for name in (source, f"{source}_DEAD_LETTER")
        }
        queues["CLICKS"] = sqs.create_queue(QueueName="clicks")["QueueUrl"]
        values = {
            "SIGNING_KEYS_SECRET_ARN": json.dumps({"signing_key_id": "1", "1": "a key"}),
            "AUTHORS_SECRET_ARN": json.dumps({"authors": []}),
            "DATABASE_URL_SECRET_ARN": as_application(database_url),
        }
        boto3.client("scheduler").create_schedule_group(Name="clocks")
        boto3.client("s3").create_bucket(
            Bucket="content", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        environment = {
            **{f"{name}_QUEUE_URL": url for name, url in queues.items()},
            **{
                name: secrets.create_secret(Name=name, SecretString=value)["ARN"]
                for name, value in values.items()
            },
            "NEWSLETTER_NAME": "The Daily Page",
            "STACK_NAME": "news",
            "SENDER_ADDRESS": SENDER,
            "SENDER_NAME": "Ada at The Daily Page",
            "REPLY_TO": "editors@page.example",
            "PUBLIC_URL": "https://news.page.example",
            "CONFIRMATION_CONFIGURATION_SET": "confirmations",
            "ISSUE_CONFIGURATION_SET": "issues",
            "ISSUE_CLOCK_GROUP": "clocks",
            "ISSUE_CLOCK_ROLE_ARN": "arn:aws:iam::123456789012:role/clock",
            "ISSUE_CLOCK_DEAD_LETTER_QUEUE_ARN": "arn:aws:sqs:eu-central-1:123456789012:dead",
            "DISPATCH_FUNCTION_NAME": "dispatch",
            "NOTIFY_FUNCTION_NAME": "notify",
            "NOTIFY_FUNCTION_ARN": "arn:aws:lambda:eu-central-1:123456789012:function:notify",
            "OUTBOUND_FUNCTION_NAME": "outbound",
            "TRANSFER_FUNCTION_NAME": "transfer",
            "STUDIO_FUNCTION_NAME": "studio",
            "ALARMS_TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:alarms",
            "DISPATCH_FUNCTION_ARN": "arn:aws:lambda:eu-central-1:123456789012:function:dispatch",
            "CONFIRMATIONS_PER_ADDRESS_PER_DAY": "3",
            "CONFIRMATIONS_PER_SOURCE_PER_HOUR": "30",
            "CONFIRMATIONS_PER_DOMAIN_PER_HOUR": "500",
            "CONFIRMATIONS_PER_HOUR": "0",
            "SEND_RATE_SHARE": "1",
            "KEEP_SOURCES": "true",
            "KEEP_UNCONFIRMED_DAYS": "30",
            "KEEP_REQUESTS_DAYS": "30",
            "KEEP_UNSUBSCRIBED_DAYS": "0",
            "KEEP_LEDGER_DAYS": "0",
            "CONTENT_BUCKET": "content",
            "WORKFLOW_ISSUER": "https://token.actions.githubusercontent.com",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        forget_everything()
        yield Cloud(database_url=database_url, ses=ses, queues=queues, environment=environment)
        forget_everything()


@pytest.fixture
def edge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    """A cloud without database and mail, and the environment the template gives at the edge."""
    monkeypatch.delenv("PUBLIC_URL", raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "NEWSLETTER_NAME": "The Daily Page",
        "SENDER_ADDRESS": SENDER,
        "STACK_NAME": "news",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        edge = Edge.create()
        monkeypatch.setenv("REQUESTS_QUEUE_URL", edge.requests_queue_url)
        monkeypatch.setenv("SIGNING_KEYS_SECRET_ARN", edge.signing_keys_arn)
        monkeypatch.setenv("AUTHORS_SECRET_ARN", edge.authors_arn)
        monkeypatch.setenv("CONTENT_BUCKET", edge.bucket)
        monkeypatch.setenv("CLICKS_QUEUE_URL", edge.clicks_queue_url)
        forget_what_was_read()
        yield edge
        forget_what_was_read()


@pytest.fixture
def output(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], str]:
    """All that the code under test has written: log lines first, then what else was printed."""
    log = StringIO()
    for handler in logger.handlers:
        monkeypatch.setattr(handler, "stream", log)
    return lambda: log.getvalue() + "".join(capsys.readouterr())


def forget_everything() -> None:
    """Clear what the application keeps between invocations: settings, clients, secrets."""
    for module in [m for name, m in sys.modules.items() if name.startswith("broadsheet")]:
        for cached in _cached_functions(module):
            cached.cache_clear()
    forget_what_was_read()


def forget_what_was_read() -> None:
    """Clear settings, secrets and the archive's index; keep what takes time to make: clients."""
    for cached in (
        *_cached_functions(settings),
        *_cached_functions(archive),
        *_cached_functions(links),
    ):
        cached.cache_clear()
    secrets._cache.clear()


def _cached_functions(module: ModuleType) -> list["functools._lru_cache_wrapper[object]"]:
    return [
        value for value in vars(module).values() if isinstance(value, functools._lru_cache_wrapper)
    ]


def in_database(url: str, name: str) -> str:
    return url.replace("/postgres?", f"/{name}?")


def as_application(url: str) -> str:
    """Enter the database as the functions do: by a role that owns nothing."""
    return url.replace("//postgres@", "//broadsheet@")
