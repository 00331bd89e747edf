"""Writes files that authors download: everybody, in a peer's format, or everything."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING
from uuid import uuid4

from broadsheet import transfer, transfer_kick
from broadsheet.database import exports_table
from broadsheet.database.connection import snapshot
from broadsheet.domain.errors import ExportNotFound
from broadsheet.domain.everything import EverythingFormat
from broadsheet.services.people import moving_out
from broadsheet.storage import downloads
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.exports import Export, ExportFormat
    from broadsheet.domain.people import PeopleFormat, Person


def begin(connection: Connection, author: AuthorName, file_format: ExportFormat) -> Export:
    """Have a file written, and return its export."""
    export_id = uuid4()
    exports_table.insert(connection, export_id, author, file_format)
    transfer_kick.kick_export(export_id)
    return find(connection, export_id)


def find(connection: Connection, export_id: UUID) -> Export:
    """Return an export. Raises ``ExportNotFound``."""
    found = exports_table.find(connection, export_id)
    if found is None:
        raise ExportNotFound
    return found


def file_name(known: Export) -> str:
    """Return what a browser calls an export's file."""
    if known.format is EverythingFormat.EVERYTHING:
        return f"newsletter-{known.created_at:%Y-%m-%d}.zip"
    ending = transfer.ending_of(known.format)
    return f"people-{known.created_at:%Y-%m-%d}-{known.format}{ending}"


def write(connection: Connection, export_id: UUID) -> None:
    """Write an export's file, as all is at one moment; once it is there, nothing.

    A worker that dies is followed by another, which begins again. Raises ``ExportNotFound`` and
    ``DependencyUnavailable``.
    """
    known = find(connection, export_id)
    if known.ready_at is not None:
        return
    if known.format is EverythingFormat.EVERYTHING:
        people = moving_out.write(connection, export_id)
    else:
        people = _write_people(connection, export_id, known.format)
    exports_table.store_ready(connection, export_id, people)
    logger.info("exported", export_id=str(export_id), format=known.format, people=people)


def _write_people(connection: Connection, export_id: UUID, file_format: PeopleFormat) -> int:
    counted = _Counted()
    with tempfile.TemporaryFile() as file:
        with snapshot(connection):
            file.writelines(
                transfer.write(file_format, counted.of(exports_table.people(connection)))
            )
        file.seek(0)
        downloads.store(export_id, file)
    return counted.number


class _Counted:
    """How many people have passed."""

    def __init__(self) -> None:
        self.number = 0

    def of(self, people: Iterable[Person]) -> Iterator[Person]:
        for each in people:
            self.number += 1
            yield each
