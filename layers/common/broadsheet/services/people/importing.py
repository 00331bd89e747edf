"""Takes an import from its upload to its end: what an author asks for, and what a worker does.

An author's call stores what is wanted and kicks the worker. A worker that dies is followed by the
next one: see ``stalled_imports``.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from typing import TYPE_CHECKING, BinaryIO
from uuid import uuid5

from broadsheet import transfer, transfer_kick
from broadsheet.database import imports_table
from broadsheet.domain.errors import ImportFileMissing, ImportFileTooLarge, ImportNotReady
from broadsheet.domain.imports import UNDER_WAY, ImportStatus, StagedRow, Verdict
from broadsheet.domain.posts import PostsFormat
from broadsheet.domain.requests import SubscribeRequest
from broadsheet.domain.subscribers import EmailAddress, SubscriberName
from broadsheet.queues import requests_queue
from broadsheet.services.people import imports
from broadsheet.services.webhooks import outbox
from broadsheet.storage import uploads
from broadsheet.telemetry import logger
from broadsheet.transfer import posts as posts_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.imports import FileFormat, Import
    from broadsheet.domain.people import Unusable
    from broadsheet.domain.requests import Origin

MOST_BYTES = 1024**3  # the worker's disk has room for it
ASKED_AT_ONCE = 500  # mails; some seconds of sending messages


def read(connection: Connection, import_id: UUID, file_format: FileFormat | None) -> Import:
    """Have an uploaded file read; once it has been, nothing happens.

    Raises ``ImportNotFound``, ``ImportFileMissing``, ``ImportFileTooLarge`` and
    ``DependencyUnavailable``.
    """
    known = imports.find(connection, import_id)
    if known.status is not ImportStatus.WAITING:
        return known
    size = uploads.size(import_id)
    if size is None:
        raise ImportFileMissing
    if size > MOST_BYTES:
        raise ImportFileTooLarge(MOST_BYTES)
    imports_table.store_found(connection, import_id, {"is_looked_at": False}, file_format)
    transfer_kick.kick(import_id)
    return imports.find(connection, import_id)


def apply(connection: Connection, import_id: UUID) -> Import:
    """Have a judged import applied.

    Raises ``ImportNotFound``, ``ImportNotReady``, ``ImportFileMissing`` and
    ``DependencyUnavailable``.
    """
    known = imports.find(connection, import_id)
    is_of_posts = isinstance(known.format, PostsFormat)
    if known.status is ImportStatus.READY and is_of_posts and uploads.size(import_id) is None:
        raise ImportFileMissing  # its posts were not stored as rows; the worker would never end
    imports.begin_applying(connection, import_id)
    transfer_kick.kick(import_id)
    return imports.find(connection, import_id)


def undo(connection: Connection, import_id: UUID) -> Import:
    """Have an applied import undone. Raises ``ImportNotFound`` and ``ImportNotReady``."""
    imports.begin_undoing(connection, import_id)
    transfer_kick.kick(import_id)
    return imports.find(connection, import_id)


def ask_to_confirm(
    connection: Connection, import_id: UUID, origin: Origin, correlation_id: str
) -> tuple[int, int]:
    """Have those mailed whom an import added to confirm, some at a time.

    Return how many are mailed, and how many are left. They get their mails in the line of all
    confirmation mails, and within the budget of their address. Raises ``ImportNotFound``,
    ``ImportNotReady`` and ``DependencyUnavailable``.
    """
    known = imports.find(connection, import_id)
    if known.status is not ImportStatus.APPLIED:
        raise ImportNotReady(known.status)
    with connection.transaction():
        some = imports_table.lock_to_confirm(connection, import_id, ASKED_AT_ONCE)
        # In the transaction: if it breaks off, they are queued again, and known by the same ids.
        requests_queue.send_all(
            [
                SubscribeRequest(
                    id=uuid5(import_id, str(each.number)),
                    origin=origin,
                    email=EmailAddress(each.email),
                    name=SubscriberName(each.name) if each.name else None,
                    language=each.language,
                    proof="author",
                    import_id=import_id,
                )
                for each in some
            ],
            correlation_id,
        )
        imports_table.note_asked(connection, import_id, [each.number for each in some])
    return len(some), imports_table.count_to_confirm(connection, import_id)


def work(connection: Connection, import_id: UUID, deadline: datetime) -> None:
    """Go on with an import until the deadline; what is left then, another worker does.

    Raises ``ImportNotFound`` and ``DependencyUnavailable``.
    """
    known = imports.find(connection, import_id)
    needs_file = known.status in {ImportStatus.WAITING, ImportStatus.READING} or (
        isinstance(known.format, PostsFormat) and known.status is ImportStatus.APPLYING
    )
    with tempfile.TemporaryFile() as file:
        if needs_file:
            uploads.copy_to(import_id, file)
            file.seek(0)
        if known.status is ImportStatus.WAITING:
            known = _begin(connection, known, file)
        if isinstance(known.format, PostsFormat):
            known = _move_posts(connection, known, file)
        else:
            known = imports.advance(connection, import_id, lambda: _again(file), deadline)
    outbox.kick(connection)
    if known.status is ImportStatus.APPLIED:
        uploads.remove(import_id)
    if known.status in UNDER_WAY:
        transfer_kick.kick(import_id)


def _again(file: BinaryIO) -> BinaryIO:
    """Return another handle of a file, at its beginning, which the caller closes."""
    again = open(file.fileno(), "rb", closefd=False)  # noqa: SIM115 - as described
    again.seek(0)
    return again


def _begin(connection: Connection, known: Import, file: BinaryIO) -> Import:
    """Look what a file is, and begin to read it when that is sure."""
    posts_format = known.format or posts_files.detect(known.file_name, file)
    if isinstance(posts_format, PostsFormat):
        found = {"is_looked_at": True, "format": posts_format}
        imports_table.store_found(connection, known.id, found, posts_format)
        with connection.transaction():
            if imports.find(connection, known.id).status is ImportStatus.WAITING:
                imports_table.begin(connection, known.id, ImportStatus.READY)
        return imports.find(connection, known.id)
    detected = transfer.detect(known.file_name, file)
    file_format = known.format or detected.format
    imports_table.store_found(
        connection, known.id, {"is_looked_at": True} | detected._asdict(), file_format
    )
    if file_format is not None:
        imports.begin_reading(connection, known.id, file_format)
    return imports.find(connection, known.id)


def _move_posts(connection: Connection, known: Import, file: BinaryIO) -> Import:
    """Bring posts into the archive, or take them out."""
    # Cleaning HTML takes long to import, which only this needs.
    from broadsheet.services.people import posts  # noqa: PLC0415 - see above

    if known.status is ImportStatus.APPLYING and isinstance(known.format, PostsFormat):
        report = posts.bring_in(
            connection, known.id, known.format, file=file, file_name=known.file_name
        )
        counts = {"posts": report.posts, "images": report.images}
        _store_report(connection, known, counts, report.lines)
    elif known.status is ImportStatus.UNDOING:
        with connection.transaction():
            # In one transaction: whoever does it again finds no posts, and would count none.
            locked = imports_table.lock(connection, known.id)
            if locked is not None and locked.status is ImportStatus.UNDOING:
                removed = posts.take_out(connection, known.id)
                imports_table.store_progress(connection, known.id, 0, {"undone": removed})
                imports_table.begin(connection, known.id, ImportStatus.UNDONE)
    return imports.find(connection, known.id)


def _store_report(
    connection: Connection, known: Import, counts: dict[str, int], lines: Iterable[Unusable]
) -> None:
    rows = [
        StagedRow(
            number, each.line, None, None, None, None, None, None, [], None, "",
            Verdict.LEFT_OUT, each.code,
        )
        for number, each in enumerate(lines, 1)
    ]  # fmt: skip
    reasons = Counter(f"{Verdict.LEFT_OUT}:{row.reason}" for row in rows)
    with connection.transaction():
        locked = imports_table.lock(connection, known.id)
        if locked is None or locked.status is not ImportStatus.APPLYING:
            return  # another worker has done the same
        imports_table.stage(connection, known.id, rows, len(rows))
        imports_table.store_progress(connection, known.id, 0, counts | reasons)
        imports_table.begin(connection, known.id, ImportStatus.APPLIED)
    logger.info("posts imported", import_id=str(known.id), left_out=len(rows))
