"""Imports people: reads a file into rows, judges them, and applies or undoes what they say.

Each step goes on where it was, in transactions of some thousand rows: a worker or a database that
is killed loses the transaction that was under way, and the next call repeats that. Two workers that
do the same do each range once, since each locks the import first.
"""

from __future__ import annotations

import re
import time
from contextlib import closing
from datetime import UTC, datetime
from functools import lru_cache, partial
from itertools import batched, islice
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID, uuid4

from pydantic import ValidationError

from broadsheet import settings, transfer
from broadsheet.database import imports_table
from broadsheet.database.imports_table import Outcomes, Range
from broadsheet.domain.errors import ImportNotFound, ImportNotReady
from broadsheet.domain.imports import Import, ImportStatus, StagedRow, Verdict
from broadsheet.domain.people import PeopleFormat, Person
from broadsheet.domain.subscribers import MAX_EMAIL_CHARACTERS, EmailAddress
from broadsheet.domain.tags import MAX_TAGS, Tag
from broadsheet.services.subscribers import departing
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.imports import FileFormat, FileStanding
    from broadsheet.domain.people import Unusable

ROWS_AT_ONCE = 2_000  # at most in a transaction
# Others wait for its locks: a slow database gets fewer rows at once, as the last transaction took.
TRANSACTION_SECONDS = 0.1
# Addresses that nearly all are: parsing each in full would take as long as all the rest.
_PLAIN = re.compile(r"([a-z0-9_+'-]+(?:\.[a-z0-9_+'-]+)*)@([a-z0-9.-]+)")
_LONGEST_LOCAL_PART = 64  # RFC 5321 §4.5.3.1.1
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_LONGEST_LANGUAGE = 35  # RFC 5646 §4.4.1


class _Overtaken(Exception):
    """Another worker has done this range, or the import is at another step."""


class _LeftMeanwhile(Exception):
    """Somebody was erased, or moved away, while their row was applied."""


def create(
    connection: Connection,
    author: AuthorName,
    file_name: str,
    file_format: FileFormat | None,
    standing: FileStanding | None = None,
) -> Import:
    """Return a new import, which waits for its file."""
    import_id = uuid4()
    imports_table.insert(connection, import_id, author, file_name, file_format, standing)
    return find(connection, import_id)


def find(connection: Connection, import_id: UUID) -> Import:
    """Return an import. Raises ``ImportNotFound``."""
    found = imports_table.find(connection, import_id)
    if found is None:
        raise ImportNotFound
    return found


def newest(
    connection: Connection, most: int, before: tuple[datetime, UUID] | None = None
) -> list[Import]:
    """Return imports, the newest first; ``before``: when another was made, and its id."""
    return imports_table.newest(connection, most, before)


def begin_reading(connection: Connection, import_id: UUID, file_format: FileFormat) -> None:
    """Begin to read the file, once it is there; nothing happens when it has begun."""
    _begin(connection, import_id, ImportStatus.WAITING, ImportStatus.READING, file_format)


def begin_applying(connection: Connection, import_id: UUID) -> None:
    """Begin to apply a judged import; repeated, it changes nothing. Raises ``ImportNotReady``."""
    _begin(connection, import_id, ImportStatus.READY, ImportStatus.APPLYING)


def begin_undoing(connection: Connection, import_id: UUID) -> None:
    """Begin to undo an applied import, or what one that failed has applied.

    Repeated, it changes nothing. Raises ``ImportNotReady``.
    """
    _begin(connection, import_id, ImportStatus.APPLIED, ImportStatus.UNDOING)


_ORDER = list(ImportStatus)


def _begin(
    connection: Connection,
    import_id: UUID,
    after: ImportStatus,
    step: ImportStatus,
    file_format: FileFormat | None = None,
) -> None:
    with connection.transaction():
        locked = imports_table.lock(connection, import_id)
        if locked is None:
            raise ImportNotFound
        has_failed = locked.failure is not None
        is_half_applied = has_failed and locked.step is ImportStatus.APPLYING
        if locked.step is step and has_failed:
            imports_table.forget_failure(connection, import_id)
        elif locked.step is after or (step is ImportStatus.UNDOING and is_half_applied):
            imports_table.begin(connection, import_id, step, file_format)
        elif _ORDER.index(locked.step) < _ORDER.index(after):
            raise ImportNotReady(locked.status)


def advance(
    connection: Connection,
    import_id: UUID,
    open_file: Callable[[], BinaryIO],
    deadline: datetime,
) -> Import:
    """Go on with the step that an import is at, until the deadline; return how far it is."""
    steps: dict[ImportStatus, Callable[..., None]] = {
        ImportStatus.READING: partial(_read, open_file=open_file),
        ImportStatus.JUDGING: _judge,
        ImportStatus.APPLYING: _apply,
        ImportStatus.UNDOING: _undo,
    }
    known = find(connection, import_id)
    while known.status in steps and datetime.now(UTC) < deadline:
        try:
            steps[known.status](connection, known, deadline=deadline)
        except _Overtaken:
            logger.info("import goes on elsewhere", import_id=str(import_id))
            return find(connection, import_id)
        known = find(connection, import_id)
    logger.info("import", import_id=str(import_id), status=known.status, done_to=known.done_to)
    return known


def _read(
    connection: Connection,
    known: Import,
    *,
    open_file: Callable[[], BinaryIO],
    deadline: datetime,
) -> None:
    """Stage the rows of the file that are not there yet."""
    if not isinstance(known.format, PeopleFormat):
        raise LookupError("no format of people is known for this import")  # noqa: TRY004
    read = known.rows_read
    with (
        open_file() as file,
        closing(
            transfer.read(known.format, file, known.file_name, known.departure)
        ) as people,  # before the file, also when it is left in the middle
    ):
        found = islice(people, read, None)
        for chunk in batched(found, ROWS_AT_ONCE, strict=False):
            rows = [
                _staged(number, line, what) for number, (line, what) in enumerate(chunk, read + 1)
            ]
            with connection.transaction():
                imports_table.commit_later(connection)
                if _locked(connection, known).rows_read != read:
                    raise _Overtaken
                read += len(rows)
                imports_table.stage(connection, known.id, rows, read)
            if datetime.now(UTC) >= deadline:
                return
    with connection.transaction():
        if _locked(connection, known).rows_read != read:
            raise _Overtaken
        imports_table.begin(connection, known.id, ImportStatus.JUDGING)


def _locked(connection: Connection, known: Import) -> Import:
    """Return the import, locked. Raises ``_Overtaken`` when it is at another step by now."""
    locked = imports_table.lock(connection, known.id)
    if locked is None or locked.status is not known.status:
        raise _Overtaken
    return locked


def _staged(number: int, line: int, what: Person | Unusable) -> StagedRow:
    if not isinstance(what, Person):
        return _unusable(number, line, what.code)
    email = _address(what.email)
    if email is None:
        return _unusable(number, line, "address-invalid")
    language = what.language if what.language and _is_language(what.language) else None
    return StagedRow(
        number, line, email, what.name, what.status, what.consented_at, what.signed_up_at,
        what.left_at, _tags(what.tags), language, what.source.replace("\0", ""), None, None,
    )  # fmt: skip


def _unusable(number: int, line: int, code: str) -> StagedRow:
    return StagedRow(
        number, line, None, None, None, None, None, None, [], None, "", Verdict.UNUSABLE, code
    )


def _address(text: str) -> str | None:
    """Return an address in the one form we store, None for what is none."""
    text = text.strip().lower()
    plain = _PLAIN.fullmatch(text)
    if plain and len(text) <= MAX_EMAIL_CHARACTERS and len(plain[1]) <= _LONGEST_LOCAL_PART:
        domain = _domain(plain[2])
        return f"{plain[1]}@{domain}" if domain else None
    return _parsed(text)


@lru_cache(maxsize=20_000)
def _domain(text: str) -> str | None:
    parsed = _parsed(f"a@{text}")
    return parsed.rpartition("@")[2] if parsed else None


def _parsed(text: str) -> str | None:
    try:
        return str(EmailAddress(text))
    except ValidationError:
        return None


@lru_cache(maxsize=1_000)
def _is_language(text: str) -> bool:
    return len(text) <= _LONGEST_LANGUAGE and _LANGUAGE.fullmatch(text) is not None


@lru_cache(maxsize=10_000)
def _tags(texts: tuple[str, ...]) -> list[str]:
    return sorted({tag for text in texts if (tag := _tag(text))})[:MAX_TAGS]


def _tag(text: str) -> str | None:
    try:
        return Tag.normalized(text)
    except ValueError:
        return None


def _judge(connection: Connection, known: Import, *, deadline: datetime) -> None:
    """Store what would become of each row."""

    def judge(rows: Range, _: int) -> None:
        digests = departing.digests(imports_table.addresses(connection, rows))
        departed = departing.departed(connection, digests)
        imports_table.judge(connection, rows, departed)
        imports_table.forget_erased(connection, rows)

    _in_ranges(connection, known, judge, ImportStatus.READY, deadline)


def _apply(connection: Connection, known: Import, *, deadline: datetime) -> None:
    """Apply first what the file says of those who left, and then of all others."""
    language = settings.newsletter_language()

    def apply(rows: Range, turn: int) -> None:
        of_left = turn == 0
        digests = departing.digests(imports_table.addresses(connection, rows, of_left=of_left))
        if not digests:
            return
        departed = departing.departed(connection, digests)
        imports_table.apply(connection, rows, departed, language, of_left=of_left)
        # Again under their locks, since somebody may have been erased until just now.
        if departing.departed(connection, digests) != departed:
            raise _LeftMeanwhile
        imports_table.forget_erased(connection, rows)

    _in_ranges(connection, known, apply, ImportStatus.APPLIED, deadline, turns=2)


def _undo(connection: Connection, known: Import, *, deadline: datetime) -> None:
    def undo(rows: Range, _: int) -> None:
        imports_table.undo(connection, rows)

    _in_ranges(connection, known, undo, ImportStatus.UNDONE, deadline)


def _in_ranges(  # noqa: PLR0913, PLR0917 - a step: what it does, and until when
    connection: Connection,
    known: Import,
    work: Callable[[Range, int], None],
    then: ImportStatus,
    deadline: datetime,
    turns: int = 1,
) -> None:
    """Work through all rows, ``turns`` times, each range in a transaction; then begin the next."""
    done, size = known.done_to, ROWS_AT_ONCE // 8
    while done < known.rows_read * turns:
        turn, after = divmod(done, known.rows_read)
        rows = Range(known.id, after, min(after + size, known.rows_read))
        began = time.monotonic()
        try:
            _work_through(connection, known, work, turn, rows, is_last=turn == turns - 1)
        except _LeftMeanwhile:
            _work_through(connection, known, work, turn, rows, is_last=turn == turns - 1)
        size = _next_size(size, time.monotonic() - began)
        done = turn * known.rows_read + rows.upto
        if datetime.now(UTC) >= deadline:
            return
    with connection.transaction():
        if _locked(connection, known).done_to != known.rows_read * turns:
            raise _Overtaken
        imports_table.begin(connection, known.id, then)


def _next_size(size: int, seconds: float) -> int:
    """Return how many rows the next transaction has; what takes no time makes it grow slowly."""
    wanted = int(size * min(TRANSACTION_SECONDS / max(seconds, 1e-3), 1.25))
    return min(max(wanted, 1), ROWS_AT_ONCE)


def _work_through(  # noqa: PLR0913 - as above
    connection: Connection,
    known: Import,
    work: Callable[[Range, int], None],
    turn: int,
    rows: Range,
    *,
    is_last: bool,
) -> None:
    with connection.transaction():
        imports_table.commit_later(connection)
        locked = _locked(connection, known)
        if locked.done_to != turn * known.rows_read + rows.after:
            raise _Overtaken
        work(rows, turn)
        outcomes = Outcomes(locked.counts, locked.first_lines)
        if is_last:
            outcomes = outcomes.plus(imports_table.outcomes(connection, rows))
        done = turn * known.rows_read + rows.upto
        imports_table.store_progress(connection, known.id, done, outcomes)


def lines(
    connection: Connection, import_id: UUID, after: int, most: int, verdicts: Iterable[Verdict] = ()
) -> list[StagedRow]:
    """Return rows of an import after one, with what becomes of them."""
    return imports_table.lines(connection, import_id, after, most, list(verdicts))
