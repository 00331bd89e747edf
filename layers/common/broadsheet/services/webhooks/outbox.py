"""The outbox: messages to webhooks that are stored, and not yet on their way.

A message commits with the change that it is about (``notify_webhooks`` in ``0007_people.sql``).
Whoever has made changes kicks notify afterwards. What a lost kick leaves is found by the next one,
by the clock of an issue, and by the daily look.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from broadsheet import notify_kick
from broadsheet.database import outbox_table

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection

_KEPT = timedelta(days=30)  # for a replay


def kick(connection: Connection) -> None:
    """Have notify send what is due; without a webhook, this is one query of an empty table."""
    if outbox_table.find_due(connection):
        notify_kick.kick()


def look(connection: Connection) -> None:
    """Delete old messages, and kick."""
    outbox_table.delete_older(connection, _KEPT)
    kick(connection)
