"""Publish events to the destination of their configuration set, in a thread.

boto3 blocks, and a topic or queue that is down is retried until it is back; neither delays the
answers to calls. An event is marked published after its destination accepted it, so that a killed
server publishes it twice rather than never.
"""

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, TypeAdapter

from ses_server import database, events
from ses_server.events import Event, EventState
from ses_server.fates import EventType

# What SES publishes when an event destination is created; it is no event, and no JSON.
VALIDATED = "Successfully validated SNS topic for Amazon SES event publishing."
ANY = "*"  # stands for all other configuration sets, and for mail without one

NO_CREDENTIAL = "local"  # to sign calls of an emulator with, which checks no signature
THREADS = 2  # concurrent calls
AT_ONCE = 400  # events read at a time
# Those that are published again, so that a new one waits in its queue behind a second's worth.
AGAIN_AT_ONCE, AGAIN_PAUSE_SECONDS = 25, 0.25
BATCH = 10  # of PublishBatch and of SendMessageBatch
BATCH_BYTES = 240_000  # below the 256 KiB that a batch may have in SNS
GATHERING_SECONDS = 0.02  # to collect events into batches
FIRST_PAUSE_SECONDS = 0.2  # after a failure; doubled with each, up to the longest
LONGEST_PAUSE_SECONDS = 5.0

_CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"total_max_attempts": 1},
    max_pool_connections=THREADS,
    parameter_validation=False,
    proxies={},
)

_log = logging.getLogger(__name__)


class _Destination(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint_url: str | None = None
    region: str = "us-east-1"
    types: frozenset[EventType] = frozenset(EventType)


class Topic(_Destination):
    """An SNS topic; its subscriptions decide about raw delivery."""

    kind: Literal["sns"] = "sns"
    topic_arn: str


class Queue(_Destination):
    """An SQS queue, which gets what a topic with raw delivery would send it."""

    kind: Literal["sqs"] = "sqs"
    queue_url: str


type AnyDestination = Topic | Queue
DESTINATION: TypeAdapter[AnyDestination] = TypeAdapter(Topic | Queue)


class NotTaken(Exception):
    """A destination refused part of a batch."""


def set_destination(
    connection: sqlite3.Connection, configuration_set: str, destination: AnyDestination
) -> None:
    """Publish a configuration set's events there, also after a restart.

    As with SES, a new destination first gets ``VALIDATED``.
    """
    with database.transaction(connection):
        if destinations(connection).get(configuration_set) != destination:
            connection.execute(
                "INSERT OR REPLACE INTO validations_due VALUES (?)", (configuration_set,)
            )
        connection.execute(
            "INSERT OR REPLACE INTO event_destinations (configuration_set, destination)"
            " VALUES (?, ?)",
            (configuration_set, destination.model_dump_json()),
        )


def delete_destinations(connection: sqlite3.Connection) -> None:
    with database.transaction(connection):
        connection.execute("DELETE FROM event_destinations")
        connection.execute("DELETE FROM validations_due")


def _unvalidated(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT configuration_set FROM validations_due").fetchall()
    return [row["configuration_set"] for row in rows]


def destinations(connection: sqlite3.Connection) -> dict[str, AnyDestination]:
    rows = connection.execute("SELECT configuration_set, destination FROM event_destinations")
    return {row["configuration_set"]: DESTINATION.validate_json(row["destination"]) for row in rows}


class Publisher:
    """The publishing thread, with its own connection to the mailbox in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._has_news = threading.Event()
        self._ends = threading.Event()
        self._is_held = False
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._clients: dict[AnyDestination, Any] = {}

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look for due events, because there are new ones or another destination."""
        self._has_news.set()

    @property
    def is_held(self) -> bool:
        """Whether events wait here although they are due."""
        return self._is_held

    def hold(self, *, is_held: bool) -> None:
        """Let due events wait here, or no longer."""
        self._is_held = is_held
        self.wake()

    def stop(self) -> None:
        self._ends.set()
        self._has_news.set()
        if self._thread.ident is not None:  # it has started
            self._thread.join()

    def _run(self) -> None:
        with (
            closing(database.connect(self._directory)) as connection,
            ThreadPoolExecutor(THREADS, thread_name_prefix="publisher") as pool,
        ):
            pause = FIRST_PAUSE_SECONDS
            while not self._ends.is_set():
                self._has_news.clear()
                where = {} if self._is_held else destinations(connection)
                due = self._due(connection) if where else []
                is_validated = self._validate(connection, where)
                if not due and is_validated:
                    self._has_news.wait(_seconds_to_next(connection) if where else None)
                    self._ends.wait(GATHERING_SECONDS)
                elif self._publish(connection, pool, due, where) and is_validated:
                    pause = FIRST_PAUSE_SECONDS
                    if due and due[0].published_at is not None:
                        self._ends.wait(AGAIN_PAUSE_SECONDS)
                else:
                    self._ends.wait(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _due(self, connection: sqlite3.Connection) -> list[Event]:
        """Return the new events that are due; without any, some of the older ones."""
        now = datetime.now(UTC)
        return events.due(connection, now, AT_ONCE) or events.due(
            connection, now, AGAIN_AT_ONCE, again=True
        )

    def _validate(self, connection: sqlite3.Connection, where: dict[str, AnyDestination]) -> bool:
        """Send ``VALIDATED`` to new destinations; return False if one refused it."""
        is_validated = True
        for configuration_set in _unvalidated(connection) if where else ():
            destination = where[configuration_set]
            client = self._client(destination)
            try:
                if isinstance(destination, Topic):
                    client.publish(TopicArn=destination.topic_arn, Message=VALIDATED)
                else:
                    client.send_message(QueueUrl=destination.queue_url, MessageBody=VALIDATED)
            except (BotoCoreError, ClientError) as error:
                _log.warning("could not validate a destination, will retry: %s", error)
                is_validated = False
                continue
            connection.execute(
                "DELETE FROM validations_due WHERE configuration_set = ?", (configuration_set,)
            )
        return is_validated

    def _publish(
        self,
        connection: sqlite3.Connection,
        pool: ThreadPoolExecutor,
        due: Sequence[Event],
        where: dict[str, AnyDestination],
    ) -> bool:
        """Publish the due events and mark those accepted; return False if any was refused."""
        unwanted: list[int] = []
        routed: dict[AnyDestination, list[Event]] = {}
        for event in due:
            destination = where.get(event.configuration_set or ANY, where.get(ANY))
            if destination is None or event.type not in destination.types:
                unwanted.append(event.id)
            else:
                routed.setdefault(destination, []).append(event)
        calls = [
            (batch, pool.submit(_put, self._client(destination), destination, batch))
            for destination, to_publish in routed.items()
            for batch in _batches(to_publish)
        ]
        failures = [error for _, call in calls if (error := call.exception())]
        published = [
            event.id for batch, call in calls if call.exception() is None for event, _ in batch
        ]
        now = datetime.now(UTC)
        events.mark(connection, unwanted, EventState.UNWANTED, now)
        events.mark(connection, published, EventState.PUBLISHED, now)
        for error in failures:
            if not isinstance(error, BotoCoreError | ClientError | NotTaken):
                raise error
        if failures:
            _log.warning("could not publish events, will retry: %s", failures[0])
        return not failures

    def _client(self, destination: AnyDestination) -> Any:  # noqa: ANN401 — one of two services
        if destination not in self._clients:
            session = boto3.Session(
                aws_access_key_id=NO_CREDENTIAL,
                aws_secret_access_key=NO_CREDENTIAL,
                region_name=destination.region,
            )
            self._clients[destination] = session.client(
                destination.kind, endpoint_url=destination.endpoint_url, config=_CONFIG
            )
        return self._clients[destination]


def _put(
    client: Any,  # noqa: ANN401 — of one of two services
    destination: AnyDestination,
    batch: Sequence[tuple[Event, str]],
) -> None:
    if isinstance(destination, Topic):
        entries = [{"Id": str(event.id), "Message": text} for event, text in batch]
        answer = client.publish_batch(
            TopicArn=destination.topic_arn, PublishBatchRequestEntries=entries
        )
    else:
        entries = [{"Id": str(event.id), "MessageBody": text} for event, text in batch]
        answer = client.send_message_batch(QueueUrl=destination.queue_url, Entries=entries)
    if answer.get("Failed"):
        raise NotTaken(answer["Failed"][0].get("Code", "unknown"))


def _batches(to_publish: Sequence[Event]) -> Iterator[list[tuple[Event, str]]]:
    batch: list[tuple[Event, str]] = []
    size = 0
    for event in to_publish:
        text = json.dumps(event.record)
        if batch and (len(batch) == BATCH or size + len(text) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((event, text))
        size += len(text)
    if batch:
        yield batch


def _seconds_to_next(connection: sqlite3.Connection) -> float | None:
    due_at = events.next_due_at(connection)
    return None if due_at is None else max(0.0, due_at - time.time())
