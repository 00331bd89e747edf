"""Outcomes: deliver's and SES's, merged into the ledger by precedence, whoever writes first.

Rows go in the order of their key, so that two writers can't block each other for good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString, NamedTuple

from psycopg import sql
from psycopg.rows import args_row, scalar_row

from broadsheet.domain.ledger import LedgerKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.deliveries import Claim, Delivery
    from broadsheet.domain.ledger import LedgerUpdate


def _given(types: Mapping[LiteralString, LiteralString]) -> sql.Composed:
    """Return a table of the parameters that are named like its columns, one array each.

    Arrays are sent in binary (b): as text, psycopg looks into each element for what to quote.
    """
    return sql.SQL("unnest({arrays}) AS given ({names})").format(
        arrays=sql.SQL(", ").join(sql.SQL(f"%({name})b::{of}[]") for name, of in types.items()),
        names=sql.SQL(", ").join(map(sql.SQL, types)),
    )


_DELIVERY: Mapping[LiteralString, LiteralString] = {
    "subscriber_id": "uuid",
    "round": "integer",
    "outcome": "delivery_outcome",
    "reason": "text",
    "message_id": "text",
}
# The row is about the first mail that is known; its version is that mail's.
_KEEP_THE_MAIL = sql.SQL(
    """
        message_id = coalesce(ledger.message_id, excluded.message_id),
        version = CASE WHEN ledger.message_id IS NULL THEN excluded.version ELSE ledger.version END
    """
)
_RECORD = sql.SQL(
    """
    INSERT INTO deliveries AS ledger (issue_id, claim_id, claim_deadline, version, {columns})
    SELECT %(issue_id)s, %(claim_id)s, %(claim_deadline)s, %(version)s, given.*
    FROM {rows}
    ON CONFLICT (issue_id, subscriber_id, round) DO UPDATE
    SET outcome = excluded.outcome,
        reason = excluded.reason,
        {keep_the_mail},
        claim_id = excluded.claim_id,
        claim_deadline = excluded.claim_deadline,
        recorded_at = now()
    WHERE excluded.outcome > ledger.outcome
       OR (excluded.outcome = 'unresolved' AND ledger.outcome = 'unresolved'
           AND excluded.claim_deadline > ledger.claim_deadline)
    """
).format(
    columns=sql.SQL(", ").join(map(sql.SQL, _DELIVERY)),
    rows=_given(_DELIVERY),
    keep_the_mail=_KEEP_THE_MAIL,
)


def record(connection: Connection, claim: Claim, deliveries: Iterable[Delivery]) -> int:
    """Write a claim's outcomes, and return how many duplicates they show.

    A duplicate is a second mail that SES accepted for one recipient in one round.
    An acceptance may be written whoever holds the batch now. Any other outcome may be written only
    by the claim that still holds it: the caller has released the batch in the same transaction.
    """
    ordered = sorted(deliveries, key=lambda delivery: delivery.subscriber_id.int)
    if not ordered:
        return 0
    written = connection.execute(
        _RECORD,
        {
            "issue_id": claim.issue_id.root,
            "claim_id": claim.id,
            "claim_deadline": claim.deadline,
            "version": claim.version,
            "subscriber_id": [delivery.subscriber_id for delivery in ordered],
            "round": [delivery.round for delivery in ordered],
            "outcome": [delivery.outcome.value for delivery in ordered],
            "reason": [delivery.reason for delivery in ordered],
            "message_id": [delivery.message_id for delivery in ordered],
        },
    ).rowcount
    if written == len(ordered):
        return 0
    return _note_duplicates(
        connection,
        [
            _Mail(
                claim.issue_id.root,
                delivery.subscriber_id,
                delivery.round,
                delivery.message_id,
                claim.version,
            )
            for delivery in ordered
            if delivery.message_id is not None
        ],
    )


class _Mail(NamedTuple):
    """A mail that SES accepted, and the issue's version in it."""

    issue_id: UUID
    subscriber_id: UUID
    round: int
    message_id: str
    version: int


def _note_duplicates(connection: Connection, mails: Sequence[_Mail]) -> int:
    """Note each mail whose message id is not the one in the ledger; return how many are new."""
    if not mails:
        return 0
    return connection.execute(
        """
        INSERT INTO duplicate_mails (issue_id, subscriber_id, round, message_id, version)
        SELECT issue_id, subscriber_id, round, mail.message_id, mail.version
        FROM unnest(
            %(issue_id)s::uuid[], %(subscriber_id)s::uuid[], %(round)s::integer[],
            %(message_id)s::text[], %(version)s::integer[]
        ) AS mail (issue_id, subscriber_id, round, message_id, version)
        JOIN deliveries AS ledger USING (issue_id, subscriber_id, round)
        WHERE ledger.message_id <> mail.message_id
        ON CONFLICT DO NOTHING
        """,
        {name: [getattr(mail, name) for mail in mails] for name in _Mail._fields},
    ).rowcount


def count_duplicates_since(connection: Connection, seen_at: datetime) -> int:
    """Count the duplicates of all issues that were noted since a time."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                "SELECT count(*) FROM duplicate_mails WHERE seen_at >= %(seen_at)s",
                {"seen_at": seen_at},
            ).fetchone()
            or 0
        )


# Of these, the first value that an event brings stays.
_FIRST_STAYS: Mapping[LiteralString, LiteralString] = {
    "delivered_at": "timestamptz",
    "bounced_at": "timestamptz",
    "complained_at": "timestamptz",
    "suppressed_as": "text",
}
_UPDATE: Mapping[LiteralString, LiteralString] = {
    "issue_id": "uuid",
    **_DELIVERY,
    "version": "integer",
    **_FIRST_STAYS,
}
_MERGE = sql.SQL(
    """
    INSERT INTO deliveries AS ledger ({columns})
    SELECT given.*
    FROM {rows}
    LEFT JOIN LATERAL (
        SELECT * FROM deliveries AS ledger
        WHERE ledger.issue_id = given.issue_id
          AND ledger.subscriber_id = given.subscriber_id
          AND ledger.round = given.round
        LIMIT 1  -- row by row, by the index: there may be no statistics of a fast issue yet
    ) AS known ON true
    WHERE EXISTS (SELECT FROM issues WHERE issues.id = given.issue_id)
      AND (
          -- Half of all events say what is known. A row is written only for something new.
          known.outcome IS NULL
          OR given.outcome > known.outcome
          OR given.message_id IS DISTINCT FROM known.message_id
          OR {brings_a_first}
      )
    ON CONFLICT (issue_id, subscriber_id, round) DO UPDATE
    SET outcome = greatest(ledger.outcome, excluded.outcome),
        reason = CASE
            WHEN excluded.outcome > ledger.outcome THEN excluded.reason ELSE ledger.reason
        END,
        recorded_at = CASE
            WHEN excluded.outcome > ledger.outcome THEN now() ELSE ledger.recorded_at
        END,
        {keep_the_mail},
        {keep_the_first}
    RETURNING issue_id, subscriber_id, round, message_id
    """
).format(
    columns=sql.SQL(", ").join(map(sql.SQL, _UPDATE)),
    rows=_given(_UPDATE),
    brings_a_first=sql.SQL(" OR ").join(
        sql.SQL(f"(given.{name} IS NOT NULL AND known.{name} IS NULL)") for name in _FIRST_STAYS
    ),
    keep_the_mail=_KEEP_THE_MAIL,
    keep_the_first=sql.SQL(", ").join(
        sql.SQL(f"{name} = coalesce(ledger.{name}, excluded.{name})") for name in _FIRST_STAYS
    ),
)


def merge_updates(connection: Connection, updates: Iterable[LedgerUpdate]) -> int:
    """Merge what SES reports into the ledger, and return how many duplicates it shows.

    An event may come before deliver has written the row; it then writes the row itself.
    """
    ordered = sorted(updates, key=lambda update: _order(update.key))
    if not ordered:
        return 0
    with connection.cursor(row_factory=args_row(_ledger_mail), binary=True) as cursor:
        rows = cursor.execute(
            _MERGE,
            {
                "issue_id": [update.key.issue_id for update in ordered],
                "subscriber_id": [update.key.subscriber_id for update in ordered],
                "round": [update.key.round for update in ordered],
                "outcome": [update.outcome.value for update in ordered],
                "reason": [update.reason for update in ordered],
                "message_id": [next(iter(update.mails)) for update in ordered],
                "version": [next(iter(update.mails.values())) for update in ordered],
                **{name: [getattr(update, name) for update in ordered] for name in _FIRST_STAYS},
            },
        ).fetchall()
    in_ledger = dict(rows)
    others = [
        _Mail(*update.key, message_id, version)
        for update in ordered
        for message_id, version in update.mails.items()
        if message_id != in_ledger.get(update.key, next(iter(update.mails)))
    ]
    return _note_duplicates(connection, others)


def _ledger_mail(
    issue_id: UUID, subscriber_id: UUID, round_number: int, message_id: str
) -> tuple[LedgerKey, str]:
    return LedgerKey(issue_id, subscriber_id, round_number), message_id


def _order(key: LedgerKey) -> tuple[int, int, int]:
    return key.issue_id.int, key.subscriber_id.int, key.round  # as PostgreSQL sorts them
