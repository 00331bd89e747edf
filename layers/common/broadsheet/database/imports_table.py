"""Imports and their rows: staged, judged, applied and undone in ranges of their numbers.

Each step of a range is a few statements, in a transaction of the caller's that first locks the
import, so that a range is done once, however many do it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple

from psycopg import sql
from psycopg.rows import args_row, scalar_row, tuple_row
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from broadsheet.domain.imports import (
    UNDER_WAY,
    FileFormat,
    FileStanding,
    Import,
    ImportFailure,
    ImportStatus,
    StagedRow,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName


MOST_LINES = 5  # that an answer names of each outcome


class Range(NamedTuple):
    """Rows of an import: those after one number, up to another."""

    import_id: UUID
    after: int
    upto: int


class Outcomes(NamedTuple):
    """How many rows have which outcome, and the first lines of each."""

    counts: dict[str, int]
    first_lines: dict[str, list[int]]

    def plus(self, more: Outcomes) -> Outcomes:
        """Return these with those of later rows."""
        outcomes = [*dict.fromkeys([*self.counts, *more.counts])]
        return Outcomes(
            {each: self.counts.get(each, 0) + more.counts.get(each, 0) for each in outcomes},
            {
                each: [*self.first_lines.get(each, []), *more.first_lines.get(each, [])][
                    :MOST_LINES
                ]
                for each in outcomes
            },
        )


def insert(  # noqa: PLR0913, PLR0917 - a row's columns
    connection: Connection,
    import_id: UUID,
    author: AuthorName,
    file_name: str,
    file_format: FileFormat | None,
    standing: FileStanding | None,
) -> None:
    """Insert an import that waits for its file."""
    connection.execute(
        """
        INSERT INTO imports (id, author, file_name, format, file_standing)
        VALUES (%(id)s, %(author)s, %(file_name)s, %(format)s, %(standing)s)
        """,
        {
            "id": import_id,
            "author": str(author),
            "file_name": file_name,
            "format": file_format,
            "standing": standing,
        },
    )


_SELECT = sql.SQL(
    """
    SELECT id, author, file_name, format, status, rows_read, done_to, counts, created_at,
           applied_at, found, touched_at, first_lines, attempts, failed_because, file_standing
    FROM imports
    """
)
_FIND = _SELECT + sql.SQL("WHERE id = %(id)s ")
_LOCK = _FIND + sql.SQL("FOR UPDATE")
_NEWEST = _SELECT + sql.SQL(
    """
    WHERE (created_at, id) < (%(created_at)s, %(id)s) OR %(id)s::uuid IS NULL
    ORDER BY created_at DESC, id DESC
    LIMIT %(most)s
    """
)


def find(connection: Connection, import_id: UUID) -> Import | None:
    """Return an import, if there is one."""
    return _read(connection, _FIND, import_id)


def lock(connection: Connection, import_id: UUID) -> Import | None:
    """Return an import, locked until the transaction ends."""
    return _read(connection, _LOCK, import_id)


def newest(connection: Connection, most: int, before: tuple[datetime, UUID] | None) -> list[Import]:
    """Return imports, the newest first; ``before``: when another was made, and its id."""
    created_at, import_id = before or (None, None)
    with connection.cursor(row_factory=args_row(_import)) as cursor:
        return cursor.execute(
            _NEWEST, {"created_at": created_at, "id": import_id, "most": most}
        ).fetchall()


def _read(connection: Connection, query: sql.SQL | sql.Composed, import_id: UUID) -> Import | None:
    with connection.cursor(row_factory=args_row(_import)) as cursor:
        return cursor.execute(query, {"id": import_id}).fetchone()


def _import(  # noqa: PLR0913, PLR0917 - a row's columns
    import_id: UUID,
    author: str,
    file_name: str,
    file_format: str | None,
    status: str,
    rows_read: int,
    done_to: int,
    counts: dict[str, int],
    created_at: datetime,
    applied_at: datetime | None,
    found: dict[str, Any],
    touched_at: datetime,
    first_lines: dict[str, list[int]],
    attempts: int,
    failed_because: str | None,
    standing: str | None,
) -> Import:
    known = _FORMAT.validate_python(file_format)
    step = ImportStatus(status)
    failure = None if failed_because is None else ImportFailure(failed_because)
    return Import(
        import_id, author, file_name, known, step, rows_read, done_to, counts, created_at,
        applied_at, found, touched_at, first_lines, attempts, failure,
        None if standing is None else FileStanding(standing),
    )  # fmt: skip


_FORMAT: TypeAdapter[FileFormat | None] = TypeAdapter(FileFormat | None)


def store_found(
    connection: Connection,
    import_id: UUID,
    found: Mapping[str, Any],
    file_format: FileFormat | None,
    standing: FileStanding | None = None,
) -> None:
    """Store what a file seems to be, and what is known of it: its format, who is in it."""
    connection.execute(
        """
        UPDATE imports
        SET found = found || %(found)s, format = coalesce(%(format)s, format),
            file_standing = coalesce(%(standing)s, file_standing), touched_at = now()
        WHERE id = %(id)s
        """,
        {
            "id": import_id,
            "found": Jsonb(dict(found)),
            "format": file_format,
            "standing": standing,
        },
    )


def find_stalled(connection: Connection, before: datetime) -> list[UUID]:
    """Return the imports that are under way, and on which nobody has worked since a time."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(
            """
            SELECT id FROM imports
            WHERE (
                    status = ANY (%(under_way)s)
                    OR (status = 'waiting' AND found ->> 'is_looked_at' = 'false')
                )
              AND touched_at < %(before)s
              AND failed_because IS NULL
            """,
            {"under_way": list(UNDER_WAY), "before": before},
        ).fetchall()


class ToConfirm(NamedTuple):
    """Somebody whom an import added to confirm."""

    number: int
    email: str
    name: str | None
    language: str


def lock_to_confirm(connection: Connection, import_id: UUID, most: int) -> list[ToConfirm]:
    """Return some who have not been asked to confirm, locked until the transaction ends."""
    with connection.cursor(row_factory=args_row(ToConfirm)) as cursor:
        return cursor.execute(
            """
            SELECT number, subscribers.email, subscribers.name, subscribers.language
            FROM import_rows JOIN subscribers ON subscribers.id = import_rows.subscriber_id
            WHERE import_id = %(id)s AND verdict = 'added_to_confirm' AND NOT is_asked
              AND subscribers.status = 'pending'
            ORDER BY number
            LIMIT %(most)s
            FOR UPDATE OF import_rows
            """,
            {"id": import_id, "most": most},
        ).fetchall()


def note_asked(connection: Connection, import_id: UUID, numbers: Sequence[int]) -> None:
    """Store who has been asked to confirm."""
    connection.execute(
        "UPDATE import_rows SET is_asked = true WHERE import_id = %(id)s AND number = ANY (%(of)s)",
        {"id": import_id, "of": list(numbers)},
    )


def count_to_confirm(connection: Connection, import_id: UUID) -> int:
    """Count those who have not been asked to confirm."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                """
                SELECT count(*)
                FROM import_rows JOIN subscribers ON subscribers.id = import_rows.subscriber_id
                WHERE import_id = %(id)s AND verdict = 'added_to_confirm' AND NOT is_asked
                  AND subscribers.status = 'pending'
                """,
                {"id": import_id},
            ).fetchone()
            or 0
        )


def begin(
    connection: Connection,
    import_id: UUID,
    status: ImportStatus,
    file_format: FileFormat | None = None,
) -> None:
    """Begin a step of a locked import, or store that the last one is over."""
    connection.execute(
        """
        UPDATE imports
        SET status = %(status)s,
            format = coalesce(%(format)s, format),
            done_to = 0,
            counts = CASE
                WHEN %(status)s IN ('judging', 'applying', 'undoing') THEN '{}'::jsonb ELSE counts
            END,
            first_lines = CASE
                WHEN %(status)s IN ('judging', 'applying', 'undoing') THEN '{}'::jsonb
                ELSE first_lines
            END,
            applied_at = CASE WHEN %(status)s = 'applying' THEN now() ELSE applied_at END,
            touched_at = now(),
            attempts = 0,
            failed_because = NULL
        WHERE id = %(id)s
        """,
        {"id": import_id, "status": status, "format": file_format},
    )


def count_attempt(connection: Connection, import_id: UUID) -> None:
    """Count that a worker begins."""
    connection.execute(
        "UPDATE imports SET attempts = attempts + 1 WHERE id = %(id)s", {"id": import_id}
    )


def forget_attempts(connection: Connection, import_id: UUID) -> None:
    """Forget attempts that ended for a reason that passes."""
    connection.execute("UPDATE imports SET attempts = 0 WHERE id = %(id)s", {"id": import_id})


def fail(connection: Connection, known: Import, failure: ImportFailure) -> None:
    """Store why nobody works on an import any more, unless it has got further."""
    connection.execute(
        """
        UPDATE imports SET failed_because = %(failure)s
        WHERE id = %(id)s AND status = %(step)s AND done_to = %(done_to)s
          AND rows_read = %(rows_read)s
        """,
        {
            "id": known.id,
            "failure": failure,
            "step": known.step,
            "done_to": known.done_to,
            "rows_read": known.rows_read,
        },
    )


def forget_failure(connection: Connection, import_id: UUID) -> None:
    """Have an import go on with the step at which it failed."""
    connection.execute(
        """
        UPDATE imports SET failed_because = NULL, attempts = 0, touched_at = now()
        WHERE id = %(id)s
        """,
        {"id": import_id},
    )


def store_progress(
    connection: Connection, import_id: UUID, done_to: int, outcomes: Outcomes
) -> None:
    """Store how far a step of a locked import is."""
    connection.execute(
        """
        UPDATE imports
        SET done_to = %(done_to)s, counts = %(counts)s, first_lines = %(first_lines)s,
            touched_at = now(), attempts = 0
        WHERE id = %(id)s
        """,
        {
            "id": import_id,
            "done_to": done_to,
            "counts": Jsonb(outcomes.counts),
            "first_lines": Jsonb(outcomes.first_lines),
        },
    )


def commit_later(connection: Connection) -> None:
    """Let this transaction commit without waiting for the disk.

    A crash may lose the last of such commits, and the import's progress with them: they are done
    again. Whatever commits after them and waits, such as the end of a step, keeps them.
    """
    connection.execute("SET LOCAL synchronous_commit = off")


def stage(connection: Connection, import_id: UUID, rows: Iterable[StagedRow], read: int) -> None:
    """Store rows of a locked import, whose file has been read up to the row with this number."""
    with (
        connection.cursor() as cursor,
        cursor.copy(
            """
            COPY import_rows
                (import_id, number, line, email, name, standing, consented_at, signed_up_at,
                 left_at, tags, language, source, verdict, reason)
            FROM STDIN
            """
        ) as copy,
    ):
        for row in rows:
            copy.write_row((import_id, *row))
    connection.execute(
        """
        UPDATE imports SET rows_read = %(read)s, touched_at = now(), attempts = 0
        WHERE id = %(id)s
        """,
        {"id": import_id, "read": read},
    )


def addresses(connection: Connection, rows: Range, *, of_left: bool | None = None) -> list[str]:
    """Return the addresses in some rows, or in those that say that somebody left, or in others."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(
            """
            SELECT email FROM import_rows
            WHERE import_id = %(import_id)s AND number > %(after)s AND number <= %(upto)s
              AND email IS NOT NULL
              AND (standing NOT IN ('subscribed', 'to_confirm')) IS DISTINCT FROM NOT %(of_left)s
            """,
            {**rows._asdict(), "of_left": of_left},
        ).fetchall()


def outcomes(connection: Connection, rows: Range) -> Outcomes:
    """Count rows by their verdict, and the reason after a colon."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute(
            """
            SELECT verdict || coalesce(':' || reason, ''), count(*),
                   (array_agg(line ORDER BY number))[:%(most)s]
            FROM import_rows
            WHERE import_id = %(import_id)s AND number > %(after)s AND number <= %(upto)s
            GROUP BY 1
            """,
            {**rows._asdict(), "most": MOST_LINES},
        ).fetchall()
    return Outcomes(
        {outcome: count for outcome, count, _ in found},
        {outcome: lines for outcome, _, lines in found},
    )


# A file may say of the future what would defeat whatever a reader asks for until then.
_CONSENTED: LiteralString = "least(item.consented_at, imports.created_at)"
_LEFT: LiteralString = "least(coalesce(item.left_at, imports.created_at), imports.created_at)"
_ROWS: LiteralString = """
    imports.id = item.import_id AND item.import_id = %(import_id)s
    AND item.number > %(after)s AND item.number <= %(upto)s AND item.email IS NOT NULL
"""
# Whom a row is about, for ranges of rows: coalesce hides the column from import_rows_of_subscriber,
# an index which PostgreSQL takes for empty until it has looked at the table again: after a crash or
# a failover not for a while, and each range would read all rows that were applied.
_WHO: LiteralString = "coalesce(item.subscriber_id, item.subscriber_id)"
_OF_PASS: LiteralString = f"""
    {_ROWS}
    AND (item.standing NOT IN ('subscribed', 'to_confirm')) = %(of_left)s
"""
# What becomes of each row, as the subscribers are now. Of several rows with one address, the first
# counts, and one that says that they have left before all others. It looks up one subscriber a
# row: of a table that fills in minutes PostgreSQL knows too little to plan a join well.
_JUDGE: LiteralString = f"""
    UPDATE import_rows AS item
    SET verdict = (
        SELECT CASE
            -- Whoever came back by themselves may leave by a file, and is not confirmed by it.
            WHEN item.email = ANY (%(departed)s) AND (
                person.id IS NULL
                OR (person.status = 'pending' AND item.standing IN ('subscribed', 'to_confirm'))
            ) THEN 'erased'
            WHEN EXISTS (
                SELECT FROM import_rows AS other
                WHERE other.email = item.email AND other.import_id = item.import_id
                  AND (other.standing IN ('subscribed', 'to_confirm'), other.number)
                      < (item.standing IN ('subscribed', 'to_confirm'), item.number)
            ) THEN 'duplicate'
            WHEN person.id IS NULL THEN CASE item.standing
                WHEN 'subscribed' THEN 'added'
                WHEN 'to_confirm' THEN 'added_to_confirm'
                ELSE 'added_as_left'
            END
            WHEN item.standing = 'unsubscribed' THEN CASE
                WHEN person.unsubscribed_at >= {_LEFT} OR person.status = 'unsubscribed'
                    THEN 'unchanged'
                WHEN person.confirmation_issued_at > {_LEFT} THEN 'newer_here'
                ELSE 'left'
            END
            WHEN item.standing = 'bounced' THEN CASE
                WHEN person.bounced_at >= {_LEFT} OR person.status = 'bounced' THEN 'unchanged'
                WHEN person.confirmed_at > {_LEFT} OR person.forgiven_at >= {_LEFT}
                    THEN 'newer_here'
                ELSE 'left'
            END
            WHEN item.standing = 'complained' THEN CASE
                WHEN person.complained_at IS NOT NULL THEN 'unchanged'
                WHEN person.forgiven_at >= {_LEFT} THEN 'newer_here'
                ELSE 'left'
            END
            WHEN person.status IN ('unsubscribed', 'bounced', 'complained') THEN 'kept_as_left'
            WHEN item.standing = 'subscribed' AND person.status = 'pending' THEN 'confirmed'
            WHEN NOT item.tags <@ person.tags OR (person.name IS NULL AND item.name IS NOT NULL)
                THEN 'completed'
            ELSE 'unchanged'
        END
        FROM (SELECT) AS once
        LEFT JOIN subscribers AS person ON person.email = item.email
    )
    FROM imports
    WHERE {_ROWS}
"""  # noqa: S608 - made of the parts above


def judge(connection: Connection, rows: Range, departed: Collection[str]) -> None:
    """Store what would become of rows. ``departed``: addresses of theirs that were left."""
    connection.execute(_JUDGE, {**rows._asdict(), "departed": list(departed)})


def forget_erased(connection: Connection, rows: Range) -> None:
    """Delete what rows say of those who were erased; their lines stay."""
    connection.execute(
        """
        UPDATE import_rows
        SET email = NULL, standing = NULL, name = NULL, consented_at = NULL, signed_up_at = NULL,
            left_at = NULL, tags = '{}', language = NULL, source = ''
        WHERE import_id = %(import_id)s AND number > %(after)s AND number <= %(upto)s
          AND verdict = 'erased'
        """,
        rows._asdict(),
    )


# All that an import may set: somebody in whom none of it has changed can be put back.
_STATE: LiteralString = """jsonb_build_object(
    'email', person.email, 'name', person.name, 'language', person.language,
    'tags', person.tags, 'confirmation_issued_at', person.confirmation_issued_at,
    'confirmed_at', person.confirmed_at, 'unsubscribed_at', person.unsubscribed_at,
    'bounced_at', person.bounced_at, 'complained_at', person.complained_at,
    'due_mail_since', person.due_mail_since
)"""
# What a row has changed, for an undo.
_BEFORE: LiteralString = f"({_STATE} || jsonb_build_object('due_mail', person.due_mail))"
# It follows from the row, so that whom a row has added is found by the primary key; and rows that
# follow each other have ids that do, so that they are neighbours in each index.
_NEW_ID: LiteralString = (
    "(left(item.import_id::text, 24) || lpad(to_hex(item.number), 12, '0'))::uuid"
)
_IS_NEW: LiteralString = "item.verdict IN ('added', 'added_to_confirm', 'added_as_left')"
_IS_CHANGED: LiteralString = "item.verdict IN ('confirmed', 'left', 'completed')"
# In the order of their addresses, as sign-ups are inserted.
_ADD: LiteralString = f"""
    INSERT INTO subscribers
        (id, email, name, language, signed_up_at, confirmation_issued_at, confirmed_at,
         unsubscribed_at, bounced_at, complained_at, tags)
    SELECT {_NEW_ID}, item.email, item.name, coalesce(item.language, %(language)s),
           least(coalesce(item.signed_up_at, {_CONSENTED}, {_LEFT}), {_LEFT}),
           CASE WHEN item.standing = 'subscribed' THEN {_CONSENTED} END,
           CASE WHEN item.standing = 'subscribed' THEN {_CONSENTED} END,
           CASE WHEN item.standing = 'unsubscribed' THEN {_LEFT} END,
           CASE WHEN item.standing = 'bounced' THEN {_LEFT} END,
           CASE WHEN item.standing = 'complained' THEN {_LEFT} END,
           item.tags
    FROM import_rows AS item, imports
    WHERE {_OF_PASS} AND {_IS_NEW} AND item.email <> ALL (%(departed)s)
    ORDER BY item.email COLLATE "C"  -- as sign-ups, so that they wait for each other in one order
    ON CONFLICT (email) DO NOTHING
"""  # noqa: S608 - made of the parts above
_NOTE_ADDED: LiteralString = f"""
    UPDATE import_rows AS item SET subscriber_id = person.id, after = md5({_STATE}::text)
    FROM imports, subscribers AS person
    WHERE {_OF_PASS} AND {_IS_NEW} AND person.id = {_NEW_ID}
"""  # noqa: S608 - made of the parts above
_LOCK_KNOWN: LiteralString = f"""
    SELECT FROM subscribers
    WHERE email IN (
        SELECT item.email FROM import_rows AS item, imports
        WHERE {_OF_PASS} AND item.subscriber_id IS NULL
    )
    ORDER BY id
    FOR UPDATE
"""  # noqa: S608 - made of the parts above
_NOTE_KNOWN: LiteralString = f"""
    UPDATE import_rows AS item SET subscriber_id = person.id, before = {_BEFORE}
    FROM imports, subscribers AS person
    WHERE {_OF_PASS} AND {_IS_CHANGED} AND person.email = item.email
"""  # noqa: S608 - made of the parts above
_CHANGE: LiteralString = f"""
    UPDATE subscribers
    SET confirmation_issued_at = CASE
            WHEN verdict = 'confirmed' THEN {_CONSENTED} ELSE confirmation_issued_at
        END,
        confirmed_at = CASE WHEN verdict = 'confirmed' THEN {_CONSENTED} ELSE confirmed_at END,
        unsubscribed_at = CASE
            WHEN verdict = 'left' AND standing = 'unsubscribed' THEN {_LEFT} ELSE unsubscribed_at
        END,
        bounced_at = CASE
            WHEN verdict = 'left' AND standing = 'bounced' THEN {_LEFT} ELSE bounced_at
        END,
        complained_at = CASE
            WHEN verdict = 'left' AND standing = 'complained' THEN {_LEFT} ELSE complained_at
        END,
        due_mail = CASE WHEN verdict = 'completed' THEN due_mail END,
        due_mail_since = CASE WHEN verdict = 'completed' THEN due_mail_since END,
        name = CASE
            WHEN verdict = 'left' THEN subscribers.name ELSE coalesce(subscribers.name, item.name)
        END,
        tags = CASE
            WHEN verdict = 'left' OR item.tags <@ subscribers.tags THEN subscribers.tags
            ELSE ARRAY(
                SELECT DISTINCT tag FROM unnest(subscribers.tags || item.tags) AS tag ORDER BY tag
            )
        END
    FROM import_rows AS item, imports
    WHERE {_OF_PASS} AND {_IS_CHANGED} AND {_WHO} = subscribers.id
"""  # noqa: S608 - made of the parts above
_NOTE_STATE: LiteralString = f"""
    UPDATE import_rows AS item SET after = md5({_STATE}::text)
    FROM imports, subscribers AS person
    WHERE {_OF_PASS} AND {_IS_CHANGED} AND {_WHO} = person.id
"""  # noqa: S608 - made of the parts above


def _written(column: LiteralString) -> LiteralString:
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""


# What the row says: since when, as what; ``services/people/fates.py`` reads it.
_LOG: LiteralString = f"""
    INSERT INTO consents
        (request_id, subscriber_id, change, at, recorded_by, recorded_at, evidence, import_id)
    SELECT {_NEW_ID}, item.subscriber_id, 'imported', now(), imports.author, now(),
           left(
               concat_ws(
                   ', ',
                   CASE
                       WHEN item.standing IN ('subscribed', 'to_confirm')
                           THEN {_written("item.consented_at")}
                       ELSE {_written("item.left_at")}
                   END,
                   item.standing,
                   nullif(item.source, ''),
                   CASE
                       WHEN item.standing NOT IN ('subscribed', 'to_confirm')
                           THEN 'consent of ' || {_written("item.consented_at")}
                   END
               ),
               1000
           ),
           item.import_id
    FROM import_rows AS item, imports
    WHERE {_OF_PASS} AND {_WHO} IS NOT NULL
"""  # noqa: S608 - made of the parts above


def apply(
    connection: Connection, rows: Range, departed: Collection[str], language: str, *, of_left: bool
) -> None:
    """Apply those of some rows that say somebody left, or all others.

    Those who are new are inserted; then all others are locked, their rows are judged again, and
    they are changed. ``departed``: addresses that were left. ``language``: of who has none.
    """
    parameters = {
        **rows._asdict(),
        "departed": list(departed),
        "language": language,
        "of_left": of_left,
    }
    connection.execute(_ADD, parameters)
    connection.execute(_NOTE_ADDED, parameters)
    connection.execute(_LOCK_KNOWN, parameters)
    connection.execute(f"{_JUDGE} AND {_OF_PASS} AND item.subscriber_id IS NULL", parameters)
    connection.execute(_NOTE_KNOWN, parameters)
    connection.execute(_CHANGE, parameters)
    connection.execute(_NOTE_STATE, parameters)
    connection.execute(_LOG, parameters)


# Whoever a row has added is deleted, unless there is more of them than the import's own. Others are
# put back as they were, unless something came later that says the same as the row, or less, and so
# has changed nothing: a request that the log has after the import's own, or a bounce.
_UNDO: LiteralString = f"""
    WITH chosen AS (
        SELECT item.number, item.before, item.verdict LIKE 'added%%' AS is_added, person.id,
               CASE
                   WHEN person.id IS NULL THEN 'gone'
                   WHEN md5({_STATE}::text) <> item.after THEN 'changed_since'
                   WHEN item.verdict LIKE 'added%%' AND (
                       EXISTS (
                           SELECT FROM consents
                           WHERE subscriber_id = person.id
                             AND import_id IS DISTINCT FROM item.import_id
                       )
                       OR EXISTS (SELECT FROM sign_ups WHERE subscriber_id = person.id)
                       OR EXISTS (SELECT FROM new_address_mails WHERE subscriber_id = person.id)
                   ) THEN 'changed_since'
                   WHEN item.verdict NOT LIKE 'added%%' AND EXISTS (
                       SELECT FROM consents AS own
                       JOIN consents AS later ON later.subscriber_id = own.subscriber_id
                       WHERE own.subscriber_id = person.id AND own.import_id = item.import_id
                         AND later.id > own.id AND later.import_id IS DISTINCT FROM own.import_id
                   ) THEN 'changed_since'
                   WHEN item.verdict = 'left' AND item.standing <> 'unsubscribed' AND EXISTS (
                       SELECT FROM issues
                       JOIN deliveries ON deliveries.issue_id = issues.id
                       WHERE issues.frozen_at >= imports.applied_at - interval '14 days'
                         AND deliveries.subscriber_id = person.id
                         AND (
                             deliveries.bounced_at > coalesce(person.forgiven_at, '-infinity')
                             OR deliveries.complained_at > coalesce(person.forgiven_at, '-infinity')
                         )
                   ) THEN 'changed_since'
                   WHEN item.verdict LIKE 'added%%' AND EXISTS (
                       SELECT FROM issues
                       JOIN deliveries ON deliveries.issue_id = issues.id
                       WHERE issues.frozen_at >= imports.applied_at
                         AND deliveries.subscriber_id = person.id
                   ) THEN 'mailed_since'
               END AS reason
        FROM import_rows AS item
        JOIN imports ON imports.id = item.import_id
        LEFT JOIN subscribers AS person ON person.id = item.subscriber_id
        WHERE item.import_id = %(import_id)s
          AND item.number > %(after)s AND item.number <= %(upto)s
          AND {_WHO} IS NOT NULL
    ), unlogged AS (
        DELETE FROM consents
        USING chosen
        WHERE consents.subscriber_id = chosen.id AND consents.import_id = %(import_id)s
          AND chosen.reason IS NULL
    ), deleted AS (
        DELETE FROM subscribers
        USING chosen
        WHERE subscribers.id = chosen.id AND chosen.reason IS NULL AND chosen.is_added
    ), restored AS (
        UPDATE subscribers
        SET name = before ->> 'name',
            tags = ARRAY(SELECT jsonb_array_elements_text(before -> 'tags')),
            confirmation_issued_at = (before ->> 'confirmation_issued_at')::timestamptz,
            confirmed_at = (before ->> 'confirmed_at')::timestamptz,
            unsubscribed_at = (before ->> 'unsubscribed_at')::timestamptz,
            bounced_at = (before ->> 'bounced_at')::timestamptz,
            complained_at = (before ->> 'complained_at')::timestamptz,
            due_mail = CASE
                WHEN before ? 'due_mail' THEN (before ->> 'due_mail')::due_mail
                ELSE subscribers.due_mail
            END,
            due_mail_since = CASE
                WHEN before ? 'due_mail' THEN (before ->> 'due_mail_since')::timestamptz
                ELSE subscribers.due_mail_since
            END
        FROM chosen
        WHERE subscribers.id = chosen.id AND chosen.reason IS NULL AND NOT chosen.is_added
    )
    UPDATE import_rows
    SET verdict = CASE WHEN chosen.reason IS NULL THEN 'undone' ELSE 'not_undone' END,
        reason = chosen.reason,
        subscriber_id = NULL,
        before = NULL,
        after = NULL
    FROM chosen
    WHERE import_rows.import_id = %(import_id)s AND import_rows.number = chosen.number
"""  # noqa: S608 - made of the parts above


# Rows that were not applied, of an import that failed half-way.
_FORGET: LiteralString = f"""
    UPDATE import_rows AS item SET verdict = 'undone'
    WHERE item.import_id = %(import_id)s
      AND item.number > %(after)s AND item.number <= %(upto)s
      AND ({_IS_NEW} OR {_IS_CHANGED})
"""  # noqa: S608 - made of the parts above


def undo(connection: Connection, rows: Range) -> None:
    """Undo what rows have changed, where nothing newer depends on it."""
    connection.execute(
        f"""
        SELECT FROM subscribers
        WHERE id IN (
            SELECT {_WHO} FROM import_rows AS item
            WHERE import_id = %(import_id)s AND number > %(after)s AND number <= %(upto)s
        )
        ORDER BY id
        FOR UPDATE
        """,  # noqa: S608 - made of the part above
        rows._asdict(),
    )
    connection.execute(_UNDO, rows._asdict())
    connection.execute(_FORGET, rows._asdict())


def lines(
    connection: Connection, import_id: UUID, after: int, most: int, verdicts: Sequence[str]
) -> list[StagedRow]:
    """Return rows, in the order of the file; with verdicts, only those that have one of them."""
    with connection.cursor(row_factory=args_row(StagedRow)) as cursor:
        return cursor.execute(
            """
            SELECT number, line, email, name, standing, consented_at, signed_up_at, left_at, tags,
                   language, source, verdict, reason
            FROM import_rows
            WHERE import_id = %(import_id)s AND number > %(after)s
              AND (verdict = ANY (%(verdicts)s) OR cardinality(%(verdicts)s::text[]) = 0)
            ORDER BY number
            LIMIT %(most)s
            """,
            {"import_id": import_id, "after": after, "most": most, "verdicts": list(verdicts)},
        ).fetchall()
