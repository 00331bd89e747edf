"""Has imports go on whose worker died.

Whoever looks at an import kicks it when nobody has worked on it for minutes, and so does the daily
look.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from broadsheet import transfer_kick
from broadsheet.database import imports_table
from broadsheet.domain.imports import UNDER_WAY

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.imports import Import

_STALLED = timedelta(minutes=5)  # no step is silent for as long


def kick(known: Import) -> None:
    """Have the work on an import go on if it has stalled."""
    is_under_way = known.status in UNDER_WAY or known.waits_for_worker
    if is_under_way and known.touched_at < datetime.now(UTC) - _STALLED:
        transfer_kick.kick(known.id)


def look_at_all(connection: Connection) -> None:
    """Have the work on stalled imports go on."""
    for import_id in imports_table.find_stalled(connection, datetime.now(UTC) - _STALLED):
        transfer_kick.kick(import_id)
