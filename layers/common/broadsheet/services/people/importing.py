"""Takes an import from its upload to its end: what an author asks for, and what a worker does.

An author's call stores what is wanted and kicks the worker. A worker that dies is followed by the
next one: see ``stalled_imports``.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, BinaryIO
from uuid import uuid5

from broadsheet import transfer, transfer_kick
from broadsheet.database import imports_table
from broadsheet.database.imports_table import Outcomes
from broadsheet.domain.errors import (
    DependencyUnavailable,
    ImportFileMissing,
    ImportFileTooLarge,
    ImportNotReady,
    ImportStays,
)
from broadsheet.domain.everything import EverythingFormat
from broadsheet.domain.imports import (
    UNDER_WAY,
    ImportFailure,
    ImportStatus,
    StagedRow,
    Verdict,
)
from broadsheet.domain.people import PeopleFormat
from broadsheet.domain.posts import PostsFormat
from broadsheet.domain.requests import SubscribeRequest
from broadsheet.domain.subscribers import EmailAddress, SubscriberName
from broadsheet.queues import requests_queue
from broadsheet.services.people import imports, moving_in
from broadsheet.services.webhooks import outbox
from broadsheet.storage import uploads
from broadsheet.telemetry import logger
from broadsheet.transfer import posts as posts_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.imports import FileFormat, FileStanding, Import
    from broadsheet.domain.people import Unusable
    from broadsheet.domain.requests import Origin

_BEFORE_READY = {ImportStatus.WAITING, ImportStatus.READING, ImportStatus.JUDGING}
MOST_ATTEMPTS = 5  # of workers, that get no further: Lambda calls each kick's three times
MOST_BYTES = 1024**3  # the worker's disk has room for it
ASKED_AT_ONCE = 500  # mails; some seconds of sending messages


def read(
    connection: Connection,
    import_id: UUID,
    file_format: FileFormat | None,
    standing: FileStanding | None = None,
) -> Import:
    """Have an uploaded file read; once it has been, nothing happens.

    ``standing``: what everybody in it is, if its author says so. Raises ``ImportNotFound``,
    ``ImportFileMissing``, ``ImportFileTooLarge`` and ``DependencyUnavailable``.
    """
    known = imports.find(connection, import_id)
    has_failed = known.failure is not None and known.step in _BEFORE_READY
    if known.status is not ImportStatus.WAITING and not has_failed:
        return known
    if known.step is not ImportStatus.JUDGING:
        size = uploads.size(import_id)
        if size is None:
            raise ImportFileMissing
        # Of a file with everything, the worker reads what it needs: it takes any that was uploaded.
        if size > MOST_BYTES and file_format is not EverythingFormat.EVERYTHING:
            raise ImportFileTooLarge(MOST_BYTES)
    if has_failed:
        imports_table.forget_failure(connection, import_id)
    if known.step is ImportStatus.WAITING:
        found = {"is_looked_at": False}
        imports_table.store_found(connection, import_id, found, file_format, standing)
    transfer_kick.kick(import_id)
    return imports.find(connection, import_id)


def apply(connection: Connection, import_id: UUID) -> Import:
    """Have a judged import applied.

    Raises ``ImportNotFound``, ``ImportNotReady``, ``ImportFileMissing``, ``NewsletterNotEmpty`` and
    ``DependencyUnavailable``.
    """
    known = imports.find(connection, import_id)
    is_of_posts = isinstance(known.format, PostsFormat)
    is_begun = known.status is ImportStatus.READY or (
        known.failure is not None and known.step is ImportStatus.APPLYING
    )
    is_of_everything = known.format is EverythingFormat.EVERYTHING
    if is_of_everything and known.status is ImportStatus.READY:
        moving_in.check_is_empty(connection)
    if is_begun and (is_of_posts or is_of_everything) and uploads.size(import_id) is None:
        raise ImportFileMissing  # what is in it was not stored as rows
    imports.begin_applying(connection, import_id)
    transfer_kick.kick(import_id)
    return imports.find(connection, import_id)


def undo(connection: Connection, import_id: UUID) -> Import:
    """Have an applied import undone.

    Raises ``ImportNotFound``, ``ImportNotReady`` and ``ImportStays``.
    """
    if imports.find(connection, import_id).format is EverythingFormat.EVERYTHING:
        raise ImportStays
    imports.begin_undoing(connection, import_id)
    transfer_kick.kick(import_id)
    return imports.find(connection, import_id)


def ask_to_confirm(
    connection: Connection,
    import_id: UUID,
    author: AuthorName,
    origin: Origin,
    correlation_id: str,
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
                    author=author,
                )
                for each in some
            ],
            correlation_id,
        )
        imports_table.note_asked(connection, import_id, [each.number for each in some])
    return len(some), imports_table.count_to_confirm(connection, import_id)


def work(connection: Connection, import_id: UUID, deadline: datetime) -> None:
    """Go on with an import until the deadline; what is left then, another worker does.

    An import whose file is gone, or whose workers end again and again without progress, fails.
    Raises ``ImportNotFound`` and ``DependencyUnavailable``.
    """
    known = imports.find(connection, import_id)
    if known.status not in {ImportStatus.WAITING, *UNDER_WAY}:
        _clear_up(connection, known)  # the worker that came to its end may have died there
        return
    if known.attempts >= MOST_ATTEMPTS:
        _fail(connection, known, ImportFailure.NO_PROGRESS)
        return
    imports_table.count_attempt(connection, import_id)
    try:
        if _work(connection, known, deadline) is ImportStatus.WAITING:  # nobody knows its format
            imports_table.forget_attempts(connection, import_id)
    except FileNotFoundError:
        _fail(connection, known, ImportFailure.FILE_DELETED)
    except DependencyUnavailable:  # which passes
        if not connection.closed:
            imports_table.forget_attempts(connection, import_id)
        raise


def _fail(connection: Connection, known: Import, failure: ImportFailure) -> None:
    imports_table.fail(connection, known, failure)
    logger.warning("import failed", import_id=str(known.id), step=known.step, because=failure)


def _work(connection: Connection, known: Import, deadline: datetime) -> ImportStatus:
    """Go on with an import, and return how far it is."""
    if _is_of_everything(known):
        known = moving_in.advance(connection, known, deadline)
    else:
        known = _advance(connection, known, deadline)
    _clear_up(connection, known)
    if known.status in UNDER_WAY:
        transfer_kick.kick(known.id)
    return known.status


def _clear_up(connection: Connection, known: Import) -> None:
    outbox.kick(connection)
    if known.status is ImportStatus.APPLIED:
        uploads.remove(known.id)


def _is_of_everything(known: Import) -> bool:
    if known.departure is not None:
        return False
    if known.status is ImportStatus.WAITING and known.format is None:
        return moving_in.recognises(known.id)
    return known.format is EverythingFormat.EVERYTHING


def _advance(connection: Connection, known: Import, deadline: datetime) -> Import:
    needs_file = known.status in {ImportStatus.WAITING, ImportStatus.READING} or (
        isinstance(known.format, PostsFormat) and known.status is ImportStatus.APPLYING
    )
    with tempfile.TemporaryFile() as file:
        if needs_file:
            uploads.copy_to(known.id, file)
            file.seek(0)
        if known.status is ImportStatus.WAITING:
            known = _begin(connection, known, file)
        if isinstance(known.format, PostsFormat):
            return _move_posts(connection, known, file)
        return imports.advance(connection, known.id, lambda: _again(file), deadline)


def _again(file: BinaryIO) -> BinaryIO:
    """Return another handle of a file, at its beginning, which the caller closes."""
    again = open(file.fileno(), "rb", closefd=False)  # noqa: SIM115 - as described
    again.seek(0)
    return again


def _begin(connection: Connection, known: Import, file: BinaryIO) -> Import:
    """Look what a file is, and begin to read it when that is sure."""
    posts_format = known.format or posts_files.detect(known.file_name, file)
    if isinstance(posts_format, PostsFormat) and known.departure is None:
        found = {"is_looked_at": True, "format": posts_format}
        imports_table.store_found(connection, known.id, found, posts_format)
        with connection.transaction():
            if imports.find(connection, known.id).status is ImportStatus.WAITING:
                imports_table.begin(connection, known.id, ImportStatus.READY)
        return imports.find(connection, known.id)
    detected = transfer.detect(known.file_name, file, known.departure)
    file_format = detected.format if known.departure else known.format or detected.format
    imports_table.store_found(
        connection, known.id, {"is_looked_at": True} | detected._asdict(), file_format
    )
    is_asked = bool(detected.standings) and known.standing is None
    if file_format is not None and not (
        is_asked and file_format in {PeopleFormat.CSV, detected.format}
    ):
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
        _store_report(connection, known, Outcomes(counts, {}), report.lines)
    elif known.status is ImportStatus.UNDOING:
        with connection.transaction():
            # In one transaction: whoever does it again finds no posts, and would count none.
            locked = imports_table.lock(connection, known.id)
            if locked is not None and locked.status is ImportStatus.UNDOING:
                removed = posts.take_out(connection, known.id)
                undone = Outcomes({"undone": removed}, {})
                imports_table.store_progress(connection, known.id, 0, undone)
                imports_table.begin(connection, known.id, ImportStatus.UNDONE)
    return imports.find(connection, known.id)


def _store_report(
    connection: Connection, known: Import, outcomes: Outcomes, lines: Iterable[Unusable]
) -> None:
    rows = [
        StagedRow(
            number, each.line, None, None, None, None, None, None, [], None, "",
            Verdict.LEFT_OUT, each.code,
        )
        for number, each in enumerate(lines, 1)
    ]  # fmt: skip
    for row in rows:
        outcome = f"{Verdict.LEFT_OUT}:{row.reason}"
        outcomes = outcomes.plus(Outcomes({outcome: 1}, {outcome: [row.line]}))
    with connection.transaction():
        locked = imports_table.lock(connection, known.id)
        if locked is None or locked.status is not ImportStatus.APPLYING:
            return  # another worker has done the same
        imports_table.stage(connection, known.id, rows, len(rows))
        imports_table.store_progress(connection, known.id, 0, outcomes)
        imports_table.begin(connection, known.id, ImportStatus.APPLIED)
    logger.info("posts imported", import_id=str(known.id), left_out=len(rows))
