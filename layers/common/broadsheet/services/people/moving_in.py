"""Makes this newsletter the one that a file with everything holds; docs/moving.md describes it.

It goes on where it was, as other imports do: each range of lines is a transaction that first locks
the import. What belongs into the bucket is written again if a worker dies, with the same result.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from broadsheet import dispatch_kick, images, settings, signed_tokens
from broadsheet.database import archive_table, imported_posts_table, imports_table
from broadsheet.database import everything as tables
from broadsheet.database.imports_table import Outcomes
from broadsheet.domain.archive import Redirect
from broadsheet.domain.errors import (
    InvalidRequest,
    NewsletterNotEmpty,
    UnsupportedContentType,
)
from broadsheet.domain.everything import EverythingFormat
from broadsheet.domain.imports import ImportStatus
from broadsheet.domain.subscribers import EmailAddress
from broadsheet.services.issues import archive_pages
from broadsheet.services.people import imports
from broadsheet.services.people.moving_out import REDIRECTS
from broadsheet.services.subscribers import departing
from broadsheet.storage import archive, uploads
from broadsheet.storage import images as stored_images
from broadsheet.telemetry import logger
from broadsheet.transfer import everything
from broadsheet.transfer.parts import UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.imports import Import
    from broadsheet.transfer.everything import Reader

LINES_AT_ONCE = 2_000  # of a transaction, as of other imports
BYTES_AT_ONCE = 4 << 20
_OBJECTS_AT_ONCE = 50  # of the bucket: some seconds
_MAX_IMAGE = 20 << 20  # bytes; an upload has less


def recognises(import_id: UUID) -> bool:
    """Return whether an upload is a file with everything.

    Raises ``FileNotFoundError`` when there is none, and ``DependencyUnavailable``.
    """
    with uploads.opened(import_id) as file:
        return everything.recognises(file)


def check_is_empty(connection: Connection) -> None:
    """Raise ``NewsletterNotEmpty`` if something is here that a file would be mixed with."""
    if present := tables.find_present(connection):
        raise NewsletterNotEmpty(" and ".join(present).replace("_", " "))


def advance(connection: Connection, known: Import, deadline: datetime) -> Import:
    """Look at a file that has been uploaded, or go on applying it; return how far it is.

    Raises ``FileNotFoundError`` and ``DependencyUnavailable``.
    """
    if known.status is ImportStatus.WAITING:
        _look(connection, known)
    elif known.status is ImportStatus.APPLYING:
        with uploads.opened(known.id) as file, everything.opened(file) as reader:
            _apply(connection, known, reader, deadline)
    return imports.find(connection, known.id)


def _look(connection: Connection, known: Import) -> None:
    """Read the whole file, and store what is in it, or why it can't be imported."""
    found: dict[str, object] = {"is_looked_at": True, "problem": "", "notes": []}
    counts = dict[str, int]()
    try:
        with uploads.opened(known.id) as file, everything.opened(file) as reader:
            _check(reader)
            found["notes"] = _notes(reader)
            counts = {
                name.removesuffix(".jsonl"): number
                for name, number in reader.manifest.files.items()
                if number
            } | {"images": len(reader.images)}
    except UnreadableFileError as error:
        found["problem"] = error.code
    with connection.transaction():
        locked = imports_table.lock(connection, known.id)
        if locked is None or locked.status is not ImportStatus.WAITING:
            return
        imports_table.store_found(connection, known.id, found, EverythingFormat.EVERYTHING)
        if not found["problem"]:
            imports_table.stage(connection, known.id, (), sum(counts.values()))
            imports_table.store_progress(connection, known.id, 0, Outcomes(counts, {}))
            imports_table.begin(connection, known.id, ImportStatus.READY)


def _notes(reader: Reader) -> list[str]:
    """Return codes of what an author should know before they apply it."""
    manifest = reader.manifest
    notes = {
        "issues-under-way": manifest.under_way > 0,
        "other-signing-keys": not set(manifest.signing_keys) <= set(signed_tokens.key_prints()),
        "other-address": manifest.public_url != settings.public_url(),
    }
    return [note for note, applies in notes.items() if applies]


# An export pauses what was to be sent, or was being sent.
_UNDER_WAY = ("scheduled", "sending")


def _check(reader: Reader) -> None:
    """Raise ``UnreadableFileError`` unless each line and image is as it should be."""
    counted = reader.manifest.files
    if set(counted) != {*(part.file_name for part in tables.PARTS), REDIRECTS}:
        raise UnreadableFileError("newer-format")
    for part in tables.PARTS:
        fields = list(part.line_fields)
        number = 0
        for line in reader.lines(part.file_name):
            _check_line(part, fields, _document(line))
            number += 1
        if number != counted[part.file_name]:
            raise UnreadableFileError("damaged-lines")
    if sum(1 for _ in map(_redirect, reader.lines(REDIRECTS))) != counted[REDIRECTS]:
        raise UnreadableFileError("damaged-lines")
    for name in reader.images:
        _image(reader, name)
    if len(reader.images) != reader.manifest.images:
        raise UnreadableFileError("damaged-archive")


def _check_line(part: tables.Part, fields: list[str], document: dict[str, object]) -> None:
    if list(document) != fields:
        raise UnreadableFileError("newer-format")
    if part.table == "subscribers" and not _is_address(document["email"]):
        raise UnreadableFileError("address-invalid")
    if part.table == "issues" and document["status"] in _UNDER_WAY:
        raise UnreadableFileError("damaged-lines")  # it would be sent here


def _document(line: bytes) -> dict[str, object]:
    try:
        document = json.loads(line)
    except ValueError:
        raise UnreadableFileError("damaged-lines") from None
    if not isinstance(document, dict):
        raise UnreadableFileError("damaged-lines")
    return document


def _is_address(email: object) -> bool:
    return isinstance(email, str) and EmailAddress.is_stored_form(email)


def _redirect(line: bytes) -> Redirect:
    try:
        return Redirect.model_validate_json(line)
    except ValueError:
        raise UnreadableFileError("damaged-lines") from None


def _image(reader: Reader, name: str) -> images.Image:
    content = reader.image(name, _MAX_IMAGE)
    try:
        image = images.read(content)
    except (InvalidRequest, UnsupportedContentType):
        raise UnreadableFileError("damaged-image") from None
    if image.file_name != name or hashlib.sha256(content).hexdigest() not in name:
        raise UnreadableFileError("damaged-image")
    return image


class _Step(NamedTuple):
    """A part of the work: how many items it has, what reads them on, and what a range does."""

    items: int
    read: Callable[[int], Iterator[bytes]]
    work: Callable[[Sequence[bytes]], None]
    at_once: int


def _apply(connection: Connection, known: Import, reader: Reader, deadline: datetime) -> None:
    done, before = known.done_to, 0
    for step in _steps(connection, reader):
        skipped = min(max(done - before, 0), step.items)
        for chunk in _chunks(step.read(skipped), step.at_once):
            with connection.transaction():
                locked = imports_table.lock(connection, known.id)
                if (
                    locked is None
                    or locked.status is not ImportStatus.APPLYING
                    or locked.done_to != done
                ):
                    logger.info("import goes on elsewhere", import_id=str(known.id))
                    return
                step.work(chunk)
                done += len(chunk)
                imports_table.store_progress(connection, known.id, done, Outcomes({}, {}))
            if datetime.now(UTC) >= deadline:
                return
        before += step.items
    _finish(connection, known, reader)


def _steps(connection: Connection, reader: Reader) -> Iterator[_Step]:
    files = reader.manifest.files
    key_id = signed_tokens.signing_key_id()
    for part in tables.PARTS:

        def insert(chunk: Sequence[bytes], part: tables.Part = part) -> None:
            if part.table == "subscribers":
                chunk = _without_departed(connection, chunk)
            tables.insert(connection, part, chunk, key_id)

        read = partial(reader.lines, part.file_name)
        yield _Step(files[part.file_name], read, insert, LINES_AT_ONCE)

    def redirect(chunk: Sequence[bytes]) -> None:
        for each in map(_redirect, chunk):
            archive.store_redirect(each.path, each.slug)

    yield _Step(files[REDIRECTS], partial(reader.lines, REDIRECTS), redirect, _OBJECTS_AT_ONCE)

    def store(chunk: Sequence[bytes]) -> None:
        for name in chunk:
            stored_images.store(_image(reader, name.decode()))

    names = [name.encode() for name in reader.images]
    yield _Step(len(names), lambda skip: iter(names[skip:]), store, _OBJECTS_AT_ONCE)


def _without_departed(connection: Connection, chunk: Sequence[bytes]) -> list[bytes]:
    """Return the lines of those who haven't left this newsletter since: erased, or moved away.

    What the file says of departures is inserted later, so that only this stack's count.
    """
    documents = [_document(line) for line in chunk]
    digests = departing.digests([str(each["email"]) for each in documents])
    left = departing.left_at(connection, digests)
    return [
        line
        for line, each in zip(chunk, documents, strict=True)
        if (at := left.get(str(each["email"]))) is None or _came(each) > at
    ]


def _came(document: dict[str, object]) -> datetime:
    """Return when somebody asked for the newsletter last, as a line says."""
    return datetime.fromisoformat(
        str(document["confirmation_issued_at"] or document["signed_up_at"])
    )


def _chunks(items: Iterator[bytes], at_once: int) -> Iterator[list[bytes]]:
    """Yield some items at a time, bounded by their number and by their bytes."""
    chunk, held = list[bytes](), 0
    for item in items:
        chunk.append(item)
        held += len(item)
        if len(chunk) >= at_once or held >= BYTES_AT_ONCE:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def _finish(connection: Connection, known: Import, reader: Reader) -> None:
    """Store the pages of imported posts, and have dispatch write those of issues."""
    for page in imported_posts_table.find_not_stored(connection):
        with connection.transaction():
            archive_table.lock(connection)
            archive.store_page(page)
            imported_posts_table.record_stored(connection, page.issue.id)
    with connection.transaction():
        archive_table.lock(connection)
        archive_pages.store_index(connection)
    # First: a worker that dies after it has committed has no successor.
    dispatch_kick.kick_all()
    with connection.transaction():
        locked = imports_table.lock(connection, known.id)
        if locked is None or locked.status is not ImportStatus.APPLYING:
            return
        imports_table.begin(connection, known.id, ImportStatus.APPLIED)
    logger.info("newsletter imported", import_id=str(known.id), files=reader.manifest.files)
