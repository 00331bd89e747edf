"""Strict mode: while far fewer confirm than were asked to, sign-ups need proof.

Somebody is then signing up strangers. Whatever has no proof is kept without a mail, and the
operator gets an alarm, once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from broadsheet import settings
from broadsheet.database import strict_mode_table
from broadsheet.domain import strict_mode
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection


def is_on(connection: Connection) -> bool:
    """Return whether the mode is on. Every quarter of a minute, one caller decides it."""
    timings = settings.timings()
    mode = strict_mode_table.read(connection)
    is_strict = mode.since is not None
    every = timedelta(seconds=timings.strict_mode_checked)
    if mode.age > every.total_seconds() and strict_mode_table.claim_check(connection, every):
        completion = strict_mode_table.completion(connection)
        was_strict, is_strict = is_strict, strict_mode.is_strict(completion, was_strict=is_strict)
        if is_strict != was_strict:
            strict_mode_table.switch(connection, is_on=is_strict)
            logger.warning("strict mode", is_on=is_strict, **completion._asdict())
            if was_strict:
                count("StrictMode", 0)
        strict_mode_table.forget(connection, 2 * timedelta(seconds=timings.form_valid))
    if is_strict:
        count("StrictMode")
    return is_strict


def count_confirmations(connection: Connection, *, asked: int = 0, given: int = 0) -> None:
    """Count confirmations that were asked for and given just now."""
    if asked or given:
        strict_mode_table.count(connection, asked, given)
