"""Deletes what is kept no longer, once a day; docs/privacy.md lists what is kept for how long.

Each step is a transaction that is over within milliseconds. What a day's look doesn't finish is
left to the next.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from broadsheet import settings
from broadsheet.database import exports_table, personal_data, retention, strict_mode_table
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from broadsheet.database.connection import Connection
    from broadsheet.database.retention import Old

ROWS_AT_ONCE = 5000
PEOPLE_AT_ONCE = 200  # each has rows in eight tables
BATCHES_AT_ONCE = 20  # of up to some thousand recipients
_EXPORTED = timedelta(days=1)  # as the bucket keeps their files
_EVENTS_COME = 30  # days after an issue has ended; SES's events find its mails by their ids
_LONGEST = 120.0  # seconds, of the 300 that dispatch has


def look(connection: Connection) -> None:
    """Clear and delete what the parameters keep no longer."""
    kept, timings = settings.retention(), settings.timings()
    at, until = datetime.now(UTC), time.monotonic() + _LONGEST
    strict_mode_table.forget(connection, 2 * timedelta(seconds=timings.form_valid))
    hour = timedelta(seconds=timings.source_budget_window)
    _clear(connection, "networks", at - hour, until)
    if not settings.keeps_sources():
        _clear(connection, "sources", at, until)
    exports_table.delete_older(connection, at - _EXPORTED)
    if kept.requests_days:
        before = at - timedelta(days=kept.requests_days)
        for old in _REQUESTS:
            _clear(connection, old, before, until)
        retention.delete_empty_imports(connection, before)
    if kept.unconfirmed_days:
        _delete(connection, "pending", at - timedelta(days=kept.unconfirmed_days), until)
    if kept.unsubscribed_days:
        _delete(connection, "unsubscribed", at - timedelta(days=kept.unsubscribed_days), until)
    if kept.ledger_days:
        days = max(kept.ledger_days, _EVENTS_COME)
        _forget_recipients(connection, at - timedelta(days=days), until)


def _forget_recipients(connection: Connection, before: datetime, until: float) -> None:
    """Forget to whom old issues went, one after the other."""

    def step() -> int:
        with connection.transaction():
            return retention.forget_recipients(connection, before, BATCHES_AT_ONCE)

    _repeat("recipients", step, 1, until)


_REQUESTS: tuple[Old, ...] = (
    "wrong_codes",
    "new_address_mails",
    "suspicious_sign_ups",
    "import_rows",
)


def _clear(connection: Connection, old: Old, before: datetime, until: float) -> None:
    _repeat(
        old, lambda: retention.clear(connection, old, before, ROWS_AT_ONCE), ROWS_AT_ONCE, until
    )


def _delete(
    connection: Connection,
    status: Literal["pending", "unsubscribed"],
    before: datetime,
    until: float,
) -> None:
    """Delete people; whoever had left is remembered by a digest, so that no import revives them."""
    # A cold start of dispatch needs no tokens.
    from broadsheet.services.subscribers import departing  # noqa: PLC0415 - see above

    # Signatures cost dispatch a tenth of its start, and this alone needs them.

    def step() -> int:
        with connection.transaction():
            silent = retention.lock_silent(connection, status, before, PEOPLE_AT_ONCE)
            for each in silent:
                if each.left_at is not None:
                    departing.depart(connection, each.email, each.left_at, "expired")
            personal_data.delete(connection, *(each.id for each in silent))
        return len(silent)

    _repeat(status, step, PEOPLE_AT_ONCE, until)


def _repeat(what: str, step: Callable[[], int], at_once: int, until: float) -> None:
    """Repeat a step until it finds fewer than it may take, or time is up."""
    total = 0
    while time.monotonic() < until:
        done = step()
        total += done
        if done < at_once:
            break
    if total:
        logger.info("kept no longer", what=what, rows=total)
