"""All that a newsletter has stored, as lines of JSON: a part for each table that moves.

A line's fields have the names of the columns. What tables and columns are left out is listed, with
its reasons, in tests/functions/test_everything.py, which compares; docs/moving.md describes each.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, LiteralString, NamedTuple

from psycopg.rows import args_row, scalar_row

from broadsheet.database import personal_data, subscribers_table
from broadsheet.domain.subscribers import SubscriberId

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection

# What SES has to say of these mails, it says where they were sent from.
PERHAPS_MAILED = "exported, perhaps mailed"


class Part(NamedTuple):
    """A table's lines.

    ``fields``: columns, by names. ``source``: its rows, as they are after the move. ``order``: in
    which they are written. ``only_shown``: expressions of fields that an import leaves, by names.
    ``added``: values that an import adds, by columns. ``only_if``: when it takes a ``line``.
    ``on_conflict``: what it does with a row that is there already.
    """

    table: LiteralString
    fields: tuple[LiteralString, ...]
    source: LiteralString
    order: LiteralString
    only_shown: dict[LiteralString, LiteralString]
    added: dict[LiteralString, LiteralString]
    only_if: LiteralString
    on_conflict: LiteralString

    @property
    def file_name(self) -> str:
        """Return the name of its file."""
        return f"{self.table}.jsonl"

    @property
    def line_fields(self) -> tuple[str, ...]:
        """Return the names of a line's fields, in their order."""
        return (*self.fields, *self.only_shown)


def _part(  # noqa: PLR0913 - what differs between tables
    table: LiteralString,
    fields: LiteralString,
    order: LiteralString,
    *,
    source: LiteralString = "",
    only_shown: dict[LiteralString, LiteralString] | None = None,
    added: dict[LiteralString, LiteralString] | None = None,
    only_if: LiteralString = "true",
    on_conflict: LiteralString = "",
) -> Part:
    names = tuple(fields.split())
    return Part(
        table, names, source or table, order, only_shown or {}, added or {}, only_if, on_conflict
    )


def _replacing(key: LiteralString, fields: LiteralString) -> LiteralString:
    values: LiteralString = ", ".join(f"{name} = excluded.{name}" for name in fields.split())
    return f"ON CONFLICT ({key}) DO UPDATE SET {values}"


# Somebody may be erased while an import is under way.
_IS_THERE: LiteralString = (
    "EXISTS (SELECT FROM subscribers AS known WHERE known.id = line.subscriber_id)"
)
_VERSION_TEXT: LiteralString = "title preheader content subject html text author created_at"
_WELCOME: LiteralString = (
    "title preheader content subject html text with_newest_issue author edited_at"
)
_THEME: LiteralString = "theme edited_by edited_at"
_VOICE: LiteralString = "description author_name frequency edited_by edited_at"
_SEGMENT: LiteralString = "filter author edited_at"
# A mail whose outcome SES has not told yet is one that may or may not have left.
_LEDGER: LiteralString = f"""
    (
        SELECT issue_id, subscriber_id, round, version,
               CASE outcome WHEN 'unresolved' THEN 'failed' ELSE outcome END AS outcome,
               CASE outcome WHEN 'unresolved' THEN '{PERHAPS_MAILED}' ELSE reason END AS reason,
               message_id, recorded_at, delivered_at, bounced_at, complained_at, suppressed_as
        FROM deliveries
        UNION ALL
        SELECT batch.issue_id, member.id, batch.round, batch.version, 'failed',
               '{PERHAPS_MAILED}', NULL, now(), NULL, NULL, NULL, NULL
        FROM delivery_batches AS batch, unnest(batch.recipients) AS member (id)
        WHERE batch.state = 'claimed' AND NOT EXISTS (
            SELECT FROM deliveries AS ledger
            WHERE ledger.issue_id = batch.issue_id AND ledger.subscriber_id = member.id
              AND (ledger.round = batch.round OR ledger.outcome = 'accepted')
        )
    ) AS ledger
"""  # noqa: S608 - made of the constant above
_ISSUES: LiteralString = """
    (
        SELECT id, author, idempotency_key, request_digest, version, edited_by, title, preheader,
               slug, content, subject, html, text, archive, publish_at, created_at, frozen_at,
               frozen_under, audience, finished_at, canceled_at, publish_key, publish_digest,
               segment, segment_filter, careful, sample_size, held_after, held_until,
               breaker_since, breaker_accepted, corrects, corrects_version, forgotten_at,
               undone_keys,
               CASE WHEN status IN ('scheduled', 'sending') THEN 'paused' ELSE status END AS status,
               CASE status
                   WHEN 'scheduled' THEN 'it was scheduled when it was exported'
                   WHEN 'sending' THEN 'it was being sent when it was exported'
                   ELSE paused_because
               END AS paused_because
        FROM issues
    ) AS issues
"""
_BATCHES: LiteralString = """
    (
        SELECT issue_id, number, round, recipients, not_before, tries, version, is_forgotten,
               CASE state WHEN 'claimed' THEN 'closed' ELSE state END AS state
        FROM delivery_batches
    ) AS batches
"""
# Those that wait for an answer of their author's wait for a file, which doesn't move.
_IMPORTS: LiteralString = """
    (
        SELECT * FROM imports
        WHERE status IN ('applied', 'undone') AND format <> 'everything'
    ) AS imports
"""
_IMPORT_ROWS: LiteralString = f"""
    (
        SELECT * FROM import_rows WHERE import_id IN (SELECT id FROM {_IMPORTS})
    ) AS chosen
"""  # noqa: S608 - made of the constant above

# In the order of an import: what others refer to goes before them.
PARTS: tuple[Part, ...] = (
    _part(
        "subscribers",
        """
        id email name language tags signed_up_at confirmation_issued_at confirmed_at
        unsubscribed_at bounced_at complained_at forgiven_at address_issued_at moved_at
        name_changed_at language_changed_at tags_changed_at welcomes
        """,
        "id",
        only_shown={"status": "status"},
    ),
    _part("merged_subscribers", "id subscriber_id merged_at", "id", only_if=_IS_THERE),
    _part(
        "sign_ups",
        "request_id subscriber_id kind received_at source_network mail_granted mail_at is_proven",
        "request_id",
        only_if=_IS_THERE,
    ),
    _part(
        "suspicious_sign_ups",
        "request_id subscriber_id reason received_at release_id",
        "request_id",
        only_if=_IS_THERE,
    ),
    _part("wrong_codes", "request_id sign_up_id received_at", "request_id"),
    _part(
        "new_address_mails",
        "request_id subscriber_id address_digest received_at",
        "request_id",
        only_if=_IS_THERE,
    ),
    _part(
        "consents",
        """
        request_id subscriber_id change at way issue_id source_address user_agent recorded_by
        recorded_at evidence import_id
        """,
        "id",
        only_if=_IS_THERE,
    ),
    _part(
        "tombstones",
        "address_digest departed_at because recorded_by",
        "address_digest",
        on_conflict="ON CONFLICT DO NOTHING",
    ),
    _part("segments", f"name {_SEGMENT}", "name", on_conflict=_replacing("name", _SEGMENT)),
    _part("welcome_mail", _WELCOME, "title", on_conflict=_replacing("is_the_row", _WELCOME)),
    _part("authors_voice", _VOICE, "edited_at", on_conflict=_replacing("is_the_row", _VOICE)),
    _part("chosen_theme", _THEME, "edited_at", on_conflict=_replacing("is_the_row", _THEME)),
    _part(
        "issues",
        """
        id author idempotency_key request_digest status paused_because version edited_by title
        preheader slug content subject html text archive publish_at created_at frozen_at
        frozen_under audience finished_at canceled_at publish_key publish_digest segment
        segment_filter careful sample_size held_after held_until breaker_since breaker_accepted
        corrects corrects_version forgotten_at undone_keys
        """,
        "created_at, id",
        source=_ISSUES,
    ),
    _part(
        "issue_versions",
        f"issue_id version {_VERSION_TEXT}",
        "issue_id, version",
        on_conflict=_replacing("issue_id, version", _VERSION_TEXT),  # a trigger has written it
    ),
    _part("earlier_slugs", "slug issue_id", "slug"),
    _part(
        "issue_links",
        "issue_id number written target clicks corrected_at corrected_by",
        "issue_id, number",
        added={"is_stored": "false"},
    ),
    _part("approval_requests", "issue_id version author asked requested_at", "1, 2, 3"),
    _part(
        "delivery_batches",
        "issue_id number round recipients state not_before tries version is_forgotten",
        "issue_id, number",
        source=_BATCHES,
    ),
    _part(
        "deliveries",
        """
        issue_id subscriber_id round version outcome reason message_id recorded_at delivered_at
        bounced_at complained_at suppressed_as
        """,
        "issue_id, subscriber_id, round",
        source=_LEDGER,
    ),
    _part(
        "duplicate_mails",
        "issue_id subscriber_id round version message_id seen_at",
        "issue_id, subscriber_id, round, message_id",
    ),
    _part("resends", "issue_id subscriber_id round claim_id at", "1, 2, 3, 4"),
    _part(
        "statements",
        "issue_id as_of is_final is_public key_id statement signature",
        "issue_id",
    ),
    _part(
        "statement_keys",
        "id key added_at retired_at",
        "id",
        on_conflict="ON CONFLICT DO NOTHING",
    ),
    _part(
        "imports",
        """
        id author file_name format status rows_read done_to counts created_at applied_at found
        touched_at first_lines file_standing
        """,
        "id",
        source=_IMPORTS,
    ),
    _part(
        "import_rows",
        """
        import_id number line email name standing consented_at signed_up_at left_at tags language
        source verdict reason subscriber_id before after is_asked
        """,
        "import_id, number",
        source=_IMPORT_ROWS,
        only_if=f"line.subscriber_id IS NULL OR {_IS_THERE}",
    ),
    _part(
        "imported_posts",
        "id import_id slug page faults path",
        "id",
        source="(SELECT * FROM imported_posts WHERE is_stored) AS posts",
    ),
    _part(
        "webhooks",
        "id url events created_at created_by",
        "id",
        added={
            "key_id": "%(key_id)s",
            "disabled_at": "now()",
            "disabled_because": "'it came with an import, and has another secret'",
        },
    ),
)


def prepare(connection: Connection) -> None:
    """Have the lines of this transaction written as the format says, however long it takes."""
    connection.execute("SET LOCAL TIME ZONE 'UTC'")
    connection.execute("SET LOCAL statement_timeout = 0")  # a part is one statement


def lines(connection: Connection, part: Part) -> Generator[bytes | bytearray | memoryview]:
    """Yield a part's lines, each with its line break; in a transaction that is prepared."""
    shown: LiteralString = ", ".join(
        [*part.fields, *(f"{of} AS {name}" for name, of in part.only_shown.items())]
    )
    # JSON has no bare control characters, so that with these signs as CSV's nothing is quoted.
    query: LiteralString = f"""
        COPY (
            SELECT row_to_json(entry)
            FROM (SELECT {shown} FROM {part.source} ORDER BY {part.order}) AS entry
        )
        TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02', ENCODING 'UTF8')
    """  # noqa: S608 - made of the parts above
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        yield from copy


def count_under_way(connection: Connection) -> int:
    """Return how many issues are scheduled or being sent."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                "SELECT count(*) FROM issues WHERE status IN ('scheduled', 'sending')"
            ).fetchone()
            or 0
        )


def find_present(connection: Connection) -> list[str]:
    """Return which tables hold something that an import of everything would be mixed with."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(
            """
            SELECT name
            FROM (
                VALUES ('subscribers', EXISTS (SELECT FROM subscribers)),
                       ('issues', EXISTS (SELECT FROM issues)),
                       ('imported_posts', EXISTS (SELECT FROM imported_posts))
            ) AS present (name, is_there)
            WHERE is_there
            """
        ).fetchall()


def insert(connection: Connection, part: Part, chunk: Sequence[bytes], key_id: str) -> None:
    """Insert some lines of a part. ``key_id``: of the signing key that makes webhooks' secrets.

    Whoever has signed up with the address of one of them meanwhile is merged with them.
    """
    parameters = {"lines": b"[" + b",".join(chunk) + b"]", "key_id": key_id}
    newcomers = list[_Newcomer]()
    if part.table == "subscribers":
        with connection.cursor(row_factory=args_row(_Newcomer)) as cursor:
            newcomers = cursor.execute(_SET_SUBSCRIBERS_ASIDE, parameters).fetchall()
    elif part.table == "issues":
        connection.execute(_SET_ISSUES_ASIDE, parameters)
    fields: LiteralString = ", ".join(part.fields)
    columns: LiteralString = ", ".join((*part.fields, *part.added))
    added: LiteralString = "".join(f", {value}" for value in part.added.values())
    connection.execute(
        f"""
        INSERT INTO {part.table} ({columns})
        SELECT {fields}{added}
        FROM {_LINES.replace("{table}", part.table)}
        WHERE {part.only_if}
        ORDER BY line.ordinality
        {part.on_conflict}
        """,  # noqa: S608 - made of the parts above
        parameters,
    )
    for each in newcomers:
        for statement in _ADOPT:
            connection.execute(statement, each._asdict())
        subscribers_table.merge(
            connection, SubscriberId(each.id), SubscriberId(each.into), datetime.now(UTC)
        )
        personal_data.delete(connection, SubscriberId(each.id))


class _Newcomer(NamedTuple):
    """Somebody who has signed up while the import was under way, and who they are in its file."""

    id: UUID
    into: UUID


_LINES: LiteralString = (
    "json_populate_recordset(NULL::{table}, convert_from(%(lines)s, 'UTF8')::json)"
    " WITH ORDINALITY AS line"
)
_SET_SUBSCRIBERS_ASIDE: LiteralString = f"""
    UPDATE subscribers AS newcomer SET email = newcomer.id::text
    FROM {_LINES.format(table="subscribers")}
    WHERE newcomer.email = line.email
    RETURNING newcomer.id, line.id AS into
"""  # noqa: S608 - made of the part above
# An author's draft of these minutes keeps its text, under a name of its own.
_SET_ISSUES_ASIDE: LiteralString = f"""
    UPDATE issues AS newcomer SET slug = newcomer.id::text, idempotency_key = newcomer.id::text
    FROM {_LINES.format(table="issues")}
    WHERE newcomer.slug = line.slug
       OR (newcomer.author = line.author AND newcomer.idempotency_key = line.idempotency_key)
"""  # noqa: S608 - made of the part above
_ADOPT: tuple[LiteralString, ...] = (
    "UPDATE sign_ups SET subscriber_id = %(into)s WHERE subscriber_id = %(id)s",
    "UPDATE suspicious_sign_ups SET subscriber_id = %(into)s WHERE subscriber_id = %(id)s",
    "UPDATE consents SET subscriber_id = %(into)s WHERE subscriber_id = %(id)s",
    """
    UPDATE subscribers AS known
    SET confirmation_issued_at = greatest(
            known.confirmation_issued_at, newcomer.confirmation_issued_at
        ),
        confirmed_at = greatest(known.confirmed_at, newcomer.confirmed_at),
        unsubscribed_at = greatest(known.unsubscribed_at, newcomer.unsubscribed_at),
        bounced_at = greatest(known.bounced_at, newcomer.bounced_at),
        complained_at = greatest(known.complained_at, newcomer.complained_at)
    FROM subscribers AS newcomer
    WHERE known.id = %(into)s AND newcomer.id = %(id)s
    """,
)
