"""Measures how fast feedback records SES's events: a Send and a Delivery for each mail."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ConfigDict

from bench import draining, wire
from bench.tables import table as table_of
from ses_server import event_records

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from bench.stage import Stage

BATCH_SIZE = 1000  # FeedbackQueue's event source in template.yaml
WORKERS = 2  # its MaximumConcurrency
WARM_UP = 100  # mails whose events warm the workers up
COUNTED = 5_000  # mails in the part that counts statements
MOST = 100_000  # mails; more would only fill memory with waiting events
TRANSIT = 1_000  # mails sent before the first one's Delivery event


class WrongFeedback(Exception):
    """Not every event reached the ledger."""


class FeedbackResult(BaseModel):
    """One run's results. ``cpu_…``: processor seconds per 100,000 events; times in seconds."""

    model_config = ConfigDict(frozen=True)

    ledger: int
    events: int
    events_per_second: float
    cpu_workers: float
    cpu_database: float
    invocation_p50: float
    invocation_p99: float
    statements_per_event: float


def run(stage: Stage) -> FeedbackResult:
    """Record the events of the issue just delivered, and check that the ledger has all of them."""
    mails = stage.rows(
        """
        SELECT issue_id::text AS issue, subscriber_id::text AS subscriber, message_id, email
        FROM deliveries JOIN subscribers ON subscribers.id = subscriber_id
        ORDER BY recorded_at
        LIMIT %(most)s
        """,
        most=MOST,
    )
    (ledger,) = stage.rows("SELECT count(*) AS number FROM deliveries")
    split = min(COUNTED, len(mails) // 2)
    counted, timed = mails[:split], mails[split:]
    traced = stage.start_workers("feedback", WORKERS, traced=True)
    stage.forget_traces()
    draining.drain(stage, "FEEDBACK", traced, _events(counted), BATCH_SIZE)
    for worker in traced:
        worker.close()
    traffic = wire.read(stage.traces.iterdir())
    workers = stage.start_workers("feedback", WORKERS)
    for worker in workers:
        draining.warm(worker, _events(timed[:WARM_UP]))
    events = list(_events(timed))
    drained = draining.drain(stage, "FEEDBACK", workers, events, BATCH_SIZE)
    for worker in workers:
        worker.close()
    _check(stage, len(mails))
    return FeedbackResult(
        ledger=ledger["number"],
        events=len(events),
        events_per_second=len(events) / drained.seconds,
        cpu_workers=drained.cpu_workers / len(events) * 100_000,
        cpu_database=drained.cpu_database / len(events) * 100_000,
        invocation_p50=drained.invocation_p50,
        invocation_p99=drained.invocation_p99,
        statements_per_event=traffic.statements / (2 * len(counted)),
    )


def _check(stage: Stage, mails: int) -> None:
    (row,) = stage.rows(
        "SELECT count(*) AS recorded FROM deliveries WHERE delivered_at IS NOT NULL"
    )
    if row["recorded"] != mails:
        raise WrongFeedback(f"of {mails} deliveries, {row['recorded']} are in the ledger")


def _events(mails: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield each mail's two events, in about the order in which SES sends them."""
    now = int(time.time() * 1000)
    for place in range(len(mails) + TRANSIT):
        if place < len(mails):
            yield _event("Send", mails[place], now)
        if place >= TRANSIT:
            yield _event("Delivery", mails[place - TRANSIT], now)


def _event(kind: str, mail: dict[str, Any], now: int) -> str:
    row = {
        "type": kind,
        "detail": "{}",
        "happened_at": now,
        "received_at": now,
        "mail_id": 0,
        "message_id": mail["message_id"],
        "recipient": mail["email"],
        "sender": "Ada at The Daily Page <news@page.example>",
        "reply_to": '["editors@page.example"]',
        "subject": "Number one",
        "default_data": None,
        "operation": "SendBulkEmail",
        "configuration_set": "issues",
    }
    entry = {
        "to": [mail["email"]],
        "cc": [],
        "headers": [],
        "tags": {
            "issue": mail["issue"],
            "subscriber": mail["subscriber"],
            "round": "1",
            "version": "1",
        },
    }
    return json.dumps(event_records.record(cast("sqlite3.Row", row), entry))


def table(results: Sequence[FeedbackResult]) -> str:
    """Return a table, one run a line."""
    headings = (
        *("rows in the ledger", "events", "events/s", "CPU s / 100,000: feedback", "database"),
        *("statements/event", "p50 ms", "p99 ms"),
    )
    return table_of(
        headings,
        [
            (
                one.ledger,
                one.events,
                one.events_per_second,
                one.cpu_workers,
                one.cpu_database,
                one.statements_per_event,
                one.invocation_p50 * 1000,
                one.invocation_p99 * 1000,
            )
            for one in results
        ],
    )
