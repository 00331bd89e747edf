"""The ledger: what became of each recipient of an issue in each round."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from psycopg.rows import args_row, class_row, scalar_row
from pydantic import BaseModel, ConfigDict

from broadsheet.domain.deliveries import Claim, Delivery, Outcome, Recipient
from broadsheet.domain.ses_events import LedgerKey
from broadsheet.domain.subscribers import (
    EmailAddress,
    SubscriberId,
    SubscriberName,
    SubscriberStatus,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId


class Books(BaseModel):
    """Where an issue's audience is; the first five always add up to it.

    ``duplicates``: mails beyond one to a recipient in a round. ``possibly_twice``: unresolved
    sends that were let go again. ``rate``: mails accepted in the last minute, a second.
    """

    model_config = ConfigDict(frozen=True)

    waiting: int
    accepted: int
    failed: dict[str, int]
    skipped: dict[str, int]
    unresolved: int
    delivered: int
    bounced: int
    complained: int
    duplicates: int
    possibly_twice: int
    rate: float


def record(connection: Connection, claim: Claim, deliveries: Iterable[Delivery]) -> int:
    """Write a claim's outcomes, by precedence, whoever else writes the same recipients.

    Return how many duplicates they show: mails that SES took beside another that it took.

    An acceptance is written whoever holds the batch now; anything else only for the claim that
    still holds it, which the caller makes sure of by having let go of the batch in the same
    transaction. Rows go in one order, so that two writers can't lock each other out.
    """
    ordered = sorted(deliveries, key=lambda delivery: delivery.subscriber_id.root.int)
    if not ordered:
        return 0
    # Arrays are sent in binary (b): as text, psycopg looks into each element for what to quote.
    written = connection.execute(
        """
        INSERT INTO deliveries AS ledger
            (issue_id, subscriber_id, round, outcome, reason, message_id, claim_id,
             claim_deadline)
        SELECT %(issue_id)s, subscriber_id, round, outcome, reason, message_id, %(claim_id)s,
               %(claim_deadline)s
        FROM unnest(
            %(subscriber_ids)b::uuid[],
            %(rounds)b::integer[],
            %(outcomes)b::delivery_outcome[],
            %(reasons)b::text[],
            %(message_ids)b::text[]
        ) AS row (subscriber_id, round, outcome, reason, message_id)
        ON CONFLICT (issue_id, subscriber_id, round) DO UPDATE
        SET outcome = excluded.outcome,
            reason = excluded.reason,
            message_id = coalesce(ledger.message_id, excluded.message_id),
            claim_id = excluded.claim_id,
            claim_deadline = excluded.claim_deadline,
            recorded_at = now()
        WHERE excluded.outcome > ledger.outcome
           OR (excluded.outcome = 'unresolved' AND ledger.outcome = 'unresolved'
               AND excluded.claim_deadline > ledger.claim_deadline)
        """,
        {
            "issue_id": claim.issue_id.root,
            "claim_id": claim.id,
            "claim_deadline": claim.deadline,
            "subscriber_ids": [delivery.subscriber_id.root for delivery in ordered],
            "rounds": [delivery.round for delivery in ordered],
            "outcomes": [delivery.outcome.value for delivery in ordered],
            "reasons": [delivery.reason for delivery in ordered],
            "message_ids": [delivery.message_id for delivery in ordered],
        },
    ).rowcount
    if written == len(ordered):
        return 0
    return _note_duplicates(
        connection,
        [
            (claim.issue_id.root, delivery.subscriber_id.root, delivery.round, delivery.message_id)
            for delivery in ordered
            if delivery.message_id is not None
        ],
    )


def _note_duplicates(connection: Connection, mails: Sequence[tuple[UUID, UUID, int, str]]) -> int:
    """Note those mails of a recipient and round that are not the ledger's; return how many."""
    if not mails:
        return 0
    issue_ids, subscriber_ids, rounds, message_ids = zip(*mails, strict=True)
    return connection.execute(
        """
        INSERT INTO duplicate_mails (issue_id, subscriber_id, round, message_id)
        SELECT issue_id, subscriber_id, round, mail.message_id
        FROM unnest(
            %(issue_ids)s::uuid[], %(subscriber_ids)s::uuid[], %(rounds)s::integer[],
            %(message_ids)s::text[]
        ) AS mail (issue_id, subscriber_id, round, message_id)
        JOIN deliveries AS ledger USING (issue_id, subscriber_id, round)
        WHERE ledger.message_id <> mail.message_id
        ON CONFLICT DO NOTHING
        """,
        {
            "issue_ids": list(issue_ids),
            "subscriber_ids": list(subscriber_ids),
            "rounds": list(rounds),
            "message_ids": list(message_ids),
        },
    ).rowcount


class _Member(NamedTuple):
    """A member of a batch as the subscribers' table has it; maybe no more there."""

    subscriber_id: UUID
    batch_number: int
    round: int
    email: str
    name: str
    status: str | None


def read_recipients(connection: Connection, claim: Claim) -> tuple[list[Recipient], list[Delivery]]:
    """Return whom of the claimed batches to mail, and the outcome of those who are not to be.

    To mail are those still confirmed. Nobody appears who has a row for this round, or was
    accepted in any.
    """
    with connection.cursor(row_factory=args_row(_Member)) as cursor:
        members = cursor.execute(
            """
            SELECT member.id, batch.number, batch.round,
                   coalesce(subscriber.email, ''), coalesce(subscriber.name, ''),
                   subscriber.status::text
            FROM delivery_batches AS batch
            CROSS JOIN LATERAL unnest(batch.recipients) AS member (id)
            LEFT JOIN subscribers AS subscriber ON subscriber.id = member.id
            WHERE batch.issue_id = %(issue_id)s
              AND batch.number = ANY(%(numbers)s)
              AND batch.claim_id = %(claim_id)s
              AND NOT EXISTS (
                  SELECT FROM deliveries AS ledger
                  WHERE ledger.issue_id = %(issue_id)s
                    AND ledger.subscriber_id = member.id
                    AND (ledger.round = batch.round OR ledger.outcome = 'accepted')
              )
            """,
            {
                "issue_id": claim.issue_id.root,
                "claim_id": claim.id,
                "numbers": [batch.number for batch in claim.batches],
            },
        ).fetchall()
    parsed = [_parse(member) for member in members]
    return (
        [member for member in parsed if isinstance(member, Recipient)],
        [member for member in parsed if isinstance(member, Delivery)],
    )


def _parse(member: _Member) -> Recipient | Delivery:
    place = SubscriberId(member.subscriber_id), member.batch_number, member.round
    if member.status != SubscriberStatus.CONFIRMED:
        return Delivery(*place, Outcome.SKIPPED, reason=member.status or "deleted")
    try:
        email = EmailAddress.stored(member.email)
    except ValueError:  # stored by older rules, or by hand: it fails alone
        return Delivery(*place, Outcome.FAILED, reason="INVALID_SUBSCRIBER")
    return Recipient(*place, email, SubscriberName.stored(member.name))


def books(connection: Connection, issue_id: IssueId, audience: int, *, canceled: bool) -> Books:
    """Return where the audience is, as one moment sees it.

    A recipient counts as accepted if any round says so, else as unresolved if any does, else as
    the last round says. Without a row of that, they are waiting; in a canceled issue only if
    somebody still holds their batch, and else skipped.
    """
    # A million rows in the order of their index take seconds; in the order of the table, half a
    # one. The planner can't know before the first ANALYZE of a fast issue.
    connection.execute("SET LOCAL enable_indexscan = off")
    with connection.cursor(row_factory=class_row(_Standing)) as cursor:
        standings = cursor.execute(
            """
            WITH later AS MATERIALIZED (
                SELECT id AS subscriber_id, max(round) AS round
                FROM delivery_batches, unnest(recipients) AS id
                WHERE issue_id = %(issue_id)s AND round > 1
                GROUP BY id
            ), best AS (
                SELECT later.round AS last_round, ledger.*
                FROM later
                CROSS JOIN LATERAL (
                    SELECT *
                    FROM deliveries AS ledger
                    WHERE ledger.issue_id = %(issue_id)s
                      AND ledger.subscriber_id = later.subscriber_id
                    ORDER BY outcome = 'accepted' DESC, outcome = 'unresolved' DESC, round DESC
                    LIMIT 1
                ) AS ledger
            ), counted AS (
                -- A plain scan counts everybody by the first round; the few with a later one
                -- are taken out again, and counted by what became of them at last.
                SELECT outcome, reason, 1 AS sign, delivered_at, bounced_at, complained_at,
                       recorded_at
                FROM deliveries
                WHERE issue_id = %(issue_id)s AND round = 1
                UNION ALL
                SELECT outcome, reason, -1, delivered_at, bounced_at, complained_at, recorded_at
                FROM deliveries JOIN later USING (subscriber_id)
                WHERE deliveries.issue_id = %(issue_id)s AND deliveries.round = 1
                UNION ALL
                SELECT outcome, reason, 1, delivered_at, bounced_at, complained_at, recorded_at
                FROM best
                WHERE outcome IN ('accepted', 'unresolved') OR round = last_round
            )
            SELECT outcome,
                   CASE
                       WHEN outcome <> 'accepted' THEN coalesce(reason, outcome::text)
                   END AS reason,
                   sum(sign) AS number,
                   coalesce(sum(sign) FILTER (WHERE delivered_at IS NOT NULL), 0) AS delivered,
                   coalesce(sum(sign) FILTER (WHERE bounced_at IS NOT NULL), 0) AS bounced,
                   coalesce(sum(sign) FILTER (WHERE complained_at IS NOT NULL), 0) AS complained,
                   coalesce(
                       sum(sign) FILTER (
                           WHERE outcome = 'accepted' AND recorded_at > now() - interval '1 minute'
                       ), 0
                   ) AS lately
            FROM counted
            GROUP BY outcome, counted.reason
            HAVING sum(sign) > 0
            """,
            {"issue_id": issue_id.root},
        ).fetchall()
    with connection.cursor(row_factory=class_row(_Rarities)) as cursor:
        rarities = cursor.execute(
            """
            SELECT (SELECT count(*) FROM duplicate_mails WHERE issue_id = %(issue_id)s)
                       AS duplicates,
                   (SELECT count(*) FROM resends WHERE issue_id = %(issue_id)s) AS possibly_twice,
                   (
                       SELECT count(*)
                       FROM delivery_batches AS batch, unnest(batch.recipients) AS id
                       WHERE batch.issue_id = %(issue_id)s
                         AND batch.state <> 'closed'
                         AND NOT EXISTS (
                             SELECT FROM deliveries AS ledger
                             WHERE ledger.issue_id = %(issue_id)s
                               AND ledger.subscriber_id = id
                               AND (ledger.round = batch.round OR ledger.outcome = 'accepted')
                         )
                         AND %(canceled)s
                   ) AS held
            """,
            {"issue_id": issue_id.root, "canceled": canceled},
        ).fetchone()
    return _add_up(audience, standings, rarities or _Rarities(), canceled=canceled)


class _Standing(BaseModel):
    outcome: Outcome
    reason: str | None
    number: int
    delivered: int
    bounced: int
    complained: int
    lately: int


class _Rarities(BaseModel):
    duplicates: int = 0
    possibly_twice: int = 0
    held: int = 0


def _add_up(
    audience: int, standings: Sequence[_Standing], rarities: _Rarities, *, canceled: bool
) -> Books:
    without_row = audience - sum(standing.number for standing in standings)
    waiting = min(without_row, rarities.held) if canceled else without_row
    skipped = _by_reason(standings, Outcome.SKIPPED)
    if without_row > waiting:
        skipped = {**skipped, "canceled": without_row - waiting}
    return Books(
        waiting=waiting,
        accepted=_number(standings, Outcome.ACCEPTED),
        failed=_by_reason(standings, Outcome.FAILED, Outcome.RENDERING_FAILED, Outcome.REJECTED),
        skipped=skipped,
        unresolved=_number(standings, Outcome.UNRESOLVED),
        delivered=sum(standing.delivered for standing in standings),
        bounced=sum(standing.bounced for standing in standings),
        complained=sum(standing.complained for standing in standings),
        duplicates=rarities.duplicates,
        possibly_twice=rarities.possibly_twice,
        rate=round(sum(standing.lately for standing in standings) / 60, 1),
    )


def _number(standings: Sequence[_Standing], outcome: Outcome) -> int:
    return sum(standing.number for standing in standings if standing.outcome is outcome)


def _by_reason(standings: Sequence[_Standing], *outcomes: Outcome) -> dict[str, int]:
    return {
        str(standing.reason): standing.number
        for standing in standings
        if standing.outcome in outcomes
    }


class Failed(NamedTuple):
    """A recipient who may be sent to again in a new round; ``round`` is the one that failed."""

    subscriber_id: UUID
    round: int


def find_failed(connection: Connection, issue_id: IssueId) -> Sequence[Failed]:
    """Return who failed for good so far, and is in no later round."""
    with connection.cursor(row_factory=class_row(Failed)) as cursor:
        return cursor.execute(
            """
            WITH later AS MATERIALIZED (
                SELECT id AS subscriber_id, max(round) AS round
                FROM delivery_batches, unnest(recipients) AS id
                WHERE issue_id = %(issue_id)s AND round > 1
                GROUP BY id
            ), failed AS (
                SELECT subscriber_id, max(round) AS round
                FROM deliveries
                WHERE issue_id = %(issue_id)s
                  AND outcome IN ('failed', 'rendering_failed', 'rejected')
                GROUP BY subscriber_id
            )
            SELECT subscriber_id, failed.round
            FROM failed LEFT JOIN later USING (subscriber_id)
            WHERE failed.round = coalesce(later.round, 1)
              AND NOT EXISTS (
                  SELECT FROM deliveries AS ledger
                  WHERE ledger.issue_id = %(issue_id)s
                    AND ledger.subscriber_id = failed.subscriber_id
                    AND ledger.outcome IN ('accepted', 'unresolved')
              )
            ORDER BY round, subscriber_id
            """,
            {"issue_id": issue_id.root},
        ).fetchall()


def oldest_unresolved(connection: Connection, issue_id: IssueId) -> datetime | None:
    """Return the oldest deadline of the issue's unresolved sends."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(
            """
            SELECT min(claim_deadline) FROM deliveries
            WHERE issue_id = %(issue_id)s AND outcome = 'unresolved'
            """,
            {"issue_id": issue_id.root},
        ).fetchone()


def count_unresolved_until(connection: Connection, deadline: datetime) -> int:
    """Count the unresolved sends of all issues whose claim had its deadline by then."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                """
                SELECT count(*) FROM deliveries
                WHERE outcome = 'unresolved' AND claim_deadline <= %(deadline)s
                """,
                {"deadline": deadline},
            ).fetchone()
            or 0
        )


def count_duplicates_since(connection: Connection, seen_at: datetime) -> int:
    """Count the mails of all issues that were seen since then to be a reader's second one."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                "SELECT count(*) FROM duplicate_mails WHERE seen_at >= %(seen_at)s",
                {"seen_at": seen_at},
            ).fetchone()
            or 0
        )


class Unresolved(NamedTuple):
    """A send that nobody knows the end of."""

    subscriber_id: UUID
    round: int


def lock_unresolved_until(
    connection: Connection, issue_id: IssueId, deadline: datetime
) -> Sequence[Unresolved]:
    """Return and lock the unresolved sends whose claims ended by then."""
    with connection.cursor(row_factory=class_row(Unresolved)) as cursor:
        return cursor.execute(
            """
            SELECT subscriber_id, round FROM deliveries
            WHERE issue_id = %(issue_id)s
              AND outcome = 'unresolved'
              AND claim_deadline <= %(deadline)s
            ORDER BY subscriber_id, round
            FOR UPDATE
            """,
            {"issue_id": issue_id.root, "deadline": deadline},
        ).fetchall()


def delete_for_resend(
    connection: Connection, issue_id: IssueId, round_number: int, subscriber_ids: Sequence[UUID]
) -> None:
    """Remove locked unresolved rows, whose recipients wait again, and list them as resends."""
    connection.execute(
        """
        WITH removed AS (
            DELETE FROM deliveries
            WHERE issue_id = %(issue_id)s
              AND round = %(round)s
              AND subscriber_id = ANY(%(ids)s)
              AND outcome = 'unresolved'
            RETURNING issue_id, subscriber_id, round, claim_id
        )
        INSERT INTO resends (issue_id, subscriber_id, round, claim_id)
        SELECT issue_id, subscriber_id, round, claim_id FROM removed
        ON CONFLICT DO NOTHING
        """,
        {"issue_id": issue_id.root, "round": round_number, "ids": list(subscriber_ids)},
    )


def give_up(connection: Connection, issue_id: IssueId, unresolved: Sequence[Unresolved]) -> None:
    """Count locked unresolved recipients of a canceled issue as skipped, unless an event tells."""
    connection.execute(
        """
        UPDATE deliveries AS ledger
        SET outcome = 'skipped', reason = 'canceled, perhaps mailed', recorded_at = now()
        FROM unnest(%(ids)s::uuid[], %(rounds)s::integer[]) AS given_up (subscriber_id, round)
        WHERE ledger.issue_id = %(issue_id)s
          AND ledger.subscriber_id = given_up.subscriber_id
          AND ledger.round = given_up.round
          AND ledger.outcome = 'unresolved'
        """,
        {
            "issue_id": issue_id.root,
            "ids": [row.subscriber_id for row in unresolved],
            "rounds": [row.round for row in unresolved],
        },
    )


_PRECEDENCE = list(Outcome)


class LedgerUpdate(NamedTuple):
    """What SES's events say of one recipient in one round, taken together.

    ``message_ids``: in the order of their mails; more than one is a duplicate.
    """

    key: LedgerKey
    outcome: Outcome
    message_ids: list[str]
    reason: str | None = None
    delivered_at: datetime | None = None
    bounced_at: datetime | None = None
    complained_at: datetime | None = None
    suppressed_as: str | None = None

    def merged_with(self, later: LedgerUpdate) -> LedgerUpdate:
        """Merge what is updates of this row's later mail, or later of the same one.

        What was updates first stays, as in the ledger, but the graver outcome wins.
        """
        graver = max(self, later, key=lambda updates: _PRECEDENCE.index(updates.outcome))
        return LedgerUpdate(
            self.key,
            graver.outcome,
            list(dict.fromkeys([*self.message_ids, *later.message_ids])),
            graver.reason,
            self.delivered_at or later.delivered_at,
            self.bounced_at or later.bounced_at,
            self.complained_at or later.complained_at,
            self.suppressed_as or later.suppressed_as,
        )


def merge_updates(connection: Connection, updates: Iterable[LedgerUpdate]) -> int:
    """Merge what SES tells into the ledger, by precedence; return how many duplicates it shows.

    An event may come before deliver has written the row, and settles it for good. Rows go in the
    order of their key, so that two writers can't lock each other out, whatever issues they tell of.
    """
    ordered = sorted(updates, key=lambda each: _order(each.key))
    if not ordered:
        return 0
    with connection.cursor(row_factory=args_row(_first_mail), binary=True) as cursor:
        rows = cursor.execute(
            """
            INSERT INTO deliveries AS ledger
                (issue_id, subscriber_id, round, outcome, reason, message_id, delivered_at,
                 bounced_at, complained_at, suppressed_as)
            SELECT updates.*
            FROM unnest(
                %(issue_ids)b::uuid[],
                %(subscriber_ids)b::uuid[],
                %(rounds)b::integer[],
                %(outcomes)b::delivery_outcome[],
                %(reasons)b::text[],
                %(message_ids)b::text[],
                %(delivered)b::timestamptz[],
                %(bounced)b::timestamptz[],
                %(complained)b::timestamptz[],
                %(suppressed)b::text[]
            ) AS updates (issue_id, subscriber_id, round, outcome, reason, message_id, delivered_at,
                       bounced_at, complained_at, suppressed_as)
            LEFT JOIN LATERAL (
                SELECT * FROM deliveries AS ledger
                WHERE ledger.issue_id = updates.issue_id
                  AND ledger.subscriber_id = updates.subscriber_id
                  AND ledger.round = updates.round
                LIMIT 1  -- row by row, by the index: there may be no statistics of a fast issue yet
            ) AS known ON true
            WHERE EXISTS (SELECT FROM issues WHERE issues.id = updates.issue_id)
              AND (
                  -- Half of all events say what is known. A row is written only for something new.
                  known.outcome IS NULL
                  OR updates.outcome > known.outcome
                  OR updates.message_id IS DISTINCT FROM known.message_id
                  OR (updates.delivered_at IS NOT NULL AND known.delivered_at IS NULL)
                  OR (updates.bounced_at IS NOT NULL AND known.bounced_at IS NULL)
                  OR (updates.complained_at IS NOT NULL AND known.complained_at IS NULL)
                  OR (updates.suppressed_as IS NOT NULL AND known.suppressed_as IS NULL)
              )
            ON CONFLICT (issue_id, subscriber_id, round) DO UPDATE
            SET outcome = greatest(ledger.outcome, excluded.outcome),
                reason = CASE
                    WHEN excluded.outcome > ledger.outcome THEN excluded.reason ELSE ledger.reason
                END,
                recorded_at = CASE
                    WHEN excluded.outcome > ledger.outcome THEN now() ELSE ledger.recorded_at
                END,
                message_id = coalesce(ledger.message_id, excluded.message_id),
                delivered_at = coalesce(ledger.delivered_at, excluded.delivered_at),
                bounced_at = coalesce(ledger.bounced_at, excluded.bounced_at),
                complained_at = coalesce(ledger.complained_at, excluded.complained_at),
                suppressed_as = coalesce(ledger.suppressed_as, excluded.suppressed_as)
            RETURNING issue_id, subscriber_id, round, message_id
            """,
            {
                "issue_ids": [each.key.issue_id for each in ordered],
                "subscriber_ids": [each.key.subscriber_id for each in ordered],
                "rounds": [each.key.round for each in ordered],
                "outcomes": [each.outcome.value for each in ordered],
                "reasons": [each.reason for each in ordered],
                "message_ids": [each.message_ids[0] for each in ordered],
                "delivered": [each.delivered_at for each in ordered],
                "bounced": [each.bounced_at for each in ordered],
                "complained": [each.complained_at for each in ordered],
                "suppressed": [each.suppressed_as for each in ordered],
            },
        ).fetchall()
    first = dict(rows)
    second = [
        (*each.key, message_id)
        for each in ordered
        for message_id in each.message_ids
        if message_id != first.get(each.key, each.message_ids[0])
    ]
    return _note_duplicates(connection, second)


def _first_mail(
    issue_id: UUID, subscriber_id: UUID, round_number: int, message_id: str
) -> tuple[LedgerKey, str]:
    return LedgerKey(issue_id, subscriber_id, round_number), message_id


def _order(key: LedgerKey) -> tuple[int, int, int]:
    return key.issue_id.int, key.subscriber_id.int, key.round  # as PostgreSQL sorts them


class BreakerCounts(BaseModel):
    """Of the mails accepted since a moment: how many bounced for good, and were complained of.

    What SES did not send, since the address was on its suppression list, is left out.
    """

    bounced: int
    complained: int


def count_for_breaker(connection: Connection, issue_id: IssueId) -> BreakerCounts:
    """Count what harms the sender's name, since the issue's breaker was last reset."""
    with connection.cursor(row_factory=class_row(BreakerCounts)) as cursor:
        row = cursor.execute(
            """
            SELECT count(*) FILTER (
                       WHERE bounced_at IS NOT NULL AND suppressed_as IS NULL
                   ) AS bounced,
                   count(*) FILTER (
                       WHERE complained_at IS NOT NULL AND suppressed_as IS NULL
                   ) AS complained
            FROM deliveries AS ledger
            WHERE issue_id = %(issue_id)s
              AND (bounced_at IS NOT NULL OR complained_at IS NOT NULL)
              AND recorded_at >= (SELECT breaker_since FROM issues WHERE id = %(issue_id)s)
            """,
            {"issue_id": issue_id.root},
        ).fetchone()
    return row or BreakerCounts(bounced=0, complained=0)


def count_accepted_since_reset(connection: Connection, issue_id: IssueId) -> int:
    """Count the mails accepted since the issue's breaker was last reset."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                """
                SELECT count(*) FROM deliveries
                WHERE issue_id = %(issue_id)s
                  AND outcome = 'accepted'
                  AND recorded_at >= (SELECT breaker_since FROM issues WHERE id = %(issue_id)s)
                """,
                {"issue_id": issue_id.root},
            ).fetchone()
            or 0
        )


class LedgerRow(BaseModel):
    """A row of the ledger, as an author sees it."""

    model_config = ConfigDict(frozen=True)

    subscriber_id: UUID
    email: str | None
    round: int
    outcome: Outcome
    reason: str | None
    message_id: str | None
    recorded_at: datetime
    delivered_at: datetime | None
    bounced_at: datetime | None
    complained_at: datetime | None
    suppressed_as: str | None
    duplicates: int
    possibly_twice: bool


def page(
    connection: Connection, issue_id: IssueId, limit: int, after: tuple[UUID, int] | None
) -> Sequence[LedgerRow]:
    """Return rows of an issue's ledger in the order of their key, after where a page ended."""
    with connection.cursor(row_factory=class_row(LedgerRow)) as cursor:
        return cursor.execute(
            """
            SELECT ledger.subscriber_id, subscriber.email, ledger.round, ledger.outcome,
                   ledger.reason, ledger.message_id, ledger.recorded_at, ledger.delivered_at,
                   ledger.bounced_at, ledger.complained_at, ledger.suppressed_as,
                   (
                       SELECT count(*) FROM duplicate_mails AS twice
                       WHERE twice.issue_id = ledger.issue_id
                         AND twice.subscriber_id = ledger.subscriber_id
                         AND twice.round = ledger.round
                   ) AS duplicates,
                   EXISTS (
                       SELECT FROM resends
                       WHERE resends.issue_id = ledger.issue_id
                         AND resends.subscriber_id = ledger.subscriber_id
                         AND resends.round = ledger.round
                   ) AS possibly_twice
            FROM deliveries AS ledger
            LEFT JOIN subscribers AS subscriber ON subscriber.id = ledger.subscriber_id
            WHERE ledger.issue_id = %(issue_id)s
              AND (
                  %(subscriber_id)s::uuid IS NULL
                  OR (ledger.subscriber_id, ledger.round) > (%(subscriber_id)s::uuid, %(round)s)
              )
            ORDER BY ledger.subscriber_id, ledger.round
            LIMIT %(limit)s
            """,
            {
                "issue_id": issue_id.root,
                "subscriber_id": after[0] if after else None,
                "round": after[1] if after else 0,
                "limit": limit,
            },
        ).fetchall()
