"""The frozen audience in batches: released, claimed, closed."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID, uuid4

from psycopg import sql
from psycopg.rows import args_row, class_row, scalar_row, tuple_row

from broadsheet.database.ledger import older_versions
from broadsheet.database.segment_condition import audience
from broadsheet.domain.deliveries import Claim, ClaimedBatch, ReleasedBatches

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from broadsheet.database.connection import Connection
    from broadsheet.domain.deliveries import BatchResult
    from broadsheet.domain.issues import CorrectedVersion, IssueId
    from broadsheet.domain.segments import SegmentFilter
    from broadsheet.domain.subscribers import SubscriberId


_INSERT_CORRECTED = sql.SQL(
    """
    WITH audience AS (
        SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(batch_size)s + 1 AS number
        FROM ({audience}) AS older
    ), batches AS (
        INSERT INTO delivery_batches (issue_id, number, recipients)
        SELECT %(issue_id)s, number, array_agg(id)
        FROM audience
        GROUP BY number
        RETURNING cardinality(recipients) AS size
    )
    SELECT coalesce(sum(size), 0) FROM batches
    """
).format(audience=older_versions.AUDIENCE)


_INSERT_SAMPLE = sql.SQL(
    """
    WITH confirmed AS (
        {audience}
    ), drawn AS (
        SELECT id FROM confirmed
        ORDER BY random()
        LIMIT (
            SELECT greatest(%(least)s, ceil(count(*) * %(share)s::float8)) FROM confirmed
        )
    ), sample AS (
        -- Each batch in the order of the ledger's key, as those of the rest.
        SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(batch_size)s + 1 AS number
        FROM drawn
    ), batches AS (
        INSERT INTO delivery_batches (issue_id, number, recipients)
        SELECT %(issue_id)s, number, array_agg(id)
        FROM sample
        GROUP BY number
        RETURNING number, cardinality(recipients) AS size
    )
    SELECT coalesce(sum(size), 0)::integer, coalesce(max(number), 0) FROM batches
    """
)
_INSERT_AUDIENCE = sql.SQL(
    """
    WITH sample AS MATERIALIZED (
        SELECT number, unnest(recipients) AS id
        FROM delivery_batches
        WHERE issue_id = %(issue_id)s
    ), audience AS (
        -- In the order of the ledger's key: the rows of a claim are neighbours there.
        SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(batch_size)s + 1
                   + coalesce((SELECT max(number) FROM sample), 0) AS number
        FROM ({audience}) AS chosen
        WHERE NOT EXISTS (SELECT FROM sample WHERE sample.id = chosen.id)
    ), batches AS (
        INSERT INTO delivery_batches (issue_id, number, recipients, not_before)
        SELECT %(issue_id)s, number, array_agg(id),
               CASE WHEN EXISTS (SELECT FROM sample) THEN 'infinity'::timestamptz END
        FROM audience
        GROUP BY number
        RETURNING cardinality(recipients) AS size
    )
    SELECT coalesce(sum(size), 0) FROM batches
    """
)


class Sample(NamedTuple):
    """The part of an audience that gets an issue first: its recipients, and its last batch."""

    size: int
    last_batch: int


def insert_sample(  # noqa: PLR0913 - what a sample depends on
    connection: Connection,
    issue_id: IssueId,
    batch_size: int,
    segment: SegmentFilter | None,
    *,
    share: float,
    least: int,
) -> Sample:
    """Freeze confirmed subscribers of a segment who are drawn at random into the first batches.

    ``share``: of all of them, but no fewer than ``least``.
    """
    connection.execute("SET LOCAL statement_timeout = '4min'")  # as for the rest of the audience
    chosen = audience(segment)
    with connection.cursor(row_factory=args_row(Sample)) as cursor:
        sample = cursor.execute(
            _INSERT_SAMPLE.format(audience=chosen.sql),
            {
                "issue_id": issue_id.root,
                "batch_size": batch_size,
                "share": share,
                "least": least,
            }
            | chosen.parameters,
        ).fetchone()
    return sample or Sample(0, 0)


def insert_audience(
    connection: Connection, issue_id: IssueId, batch_size: int, segment: SegmentFilter | None
) -> int:
    """Freeze the confirmed subscribers of a segment into batches, but for a sample.

    Return their number. Behind a sample they are held, until ``release_held``.
    """
    chosen = audience(segment)
    # A million took 5 s on two cores; a database that has just woken has fewer.
    connection.execute("SET LOCAL statement_timeout = '4min'")
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                _INSERT_AUDIENCE.format(audience=chosen.sql),
                {"issue_id": issue_id.root, "batch_size": batch_size} | chosen.parameters,
            ).fetchone()
            or 0
        )


class Membership(NamedTuple):
    """Somebody's newest batch of an issue. ``is_resting``: its ``not_before`` has not come."""

    number: int
    round: int
    state: str
    is_resting: bool

    def is_held(self, held_after: int | None) -> bool:
        """Return whether it waits for a careful start's sample."""
        return self.is_resting or (held_after is not None and self.number > held_after)


def find_member(
    connection: Connection, issue_id: IssueId, subscriber_id: SubscriberId
) -> Membership | None:
    """Return the newest batch that a subscriber is in; it reads the issue's batches."""
    with connection.cursor(row_factory=args_row(Membership)) as cursor:
        return cursor.execute(
            """
            SELECT number, round, state::text, coalesce(not_before > now(), false)
            FROM delivery_batches
            WHERE issue_id = %(issue_id)s AND %(id)s = ANY (recipients)
            ORDER BY round DESC
            LIMIT 1
            """,
            {"issue_id": issue_id.root, "id": subscriber_id.root},
        ).fetchone()


def release_held(connection: Connection, issue_id: IssueId) -> None:
    """Hold no batch any longer that was held behind a sample."""
    connection.execute(
        """
        UPDATE delivery_batches SET not_before = NULL
        WHERE issue_id = %(issue_id)s AND state = 'waiting' AND not_before = 'infinity'
        """,
        {"issue_id": issue_id.root},
    )


def insert_corrected(
    connection: Connection, issue_id: IssueId, batch_size: int, corrected: CorrectedVersion
) -> int:
    """Freeze a correction's audience into batches; return its number."""
    connection.execute("SET LOCAL statement_timeout = '4min'")  # as for any other audience
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                _INSERT_CORRECTED,
                {
                    "issue_id": issue_id.root,
                    "batch_size": batch_size,
                    "corrects": corrected.issue_id.root,
                    "version": corrected.version,
                },
            ).fetchone()
            or 0
        )


def count_released(connection: Connection, issue_id: IssueId, released_long_ago: timedelta) -> int:
    """Count the waiting batches whose pointers are on DeliveryQueue."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                """
                SELECT count(*) FROM delivery_batches
                WHERE issue_id = %(issue_id)s
                  AND state = 'waiting'
                  AND released_at >= now() - %(released_long_ago)s
                """,
                {"issue_id": issue_id.root, "released_long_ago": released_long_ago},
            ).fetchone()
            or 0
        )


def mark_released(
    connection: Connection,
    issue_id: IssueId,
    limit: int,
    released_long_ago: timedelta,
    up_to: int | None,
) -> Sequence[int]:
    """Mark up to ``limit`` waiting batches as released, and return their numbers in order.

    A batch that was released long ago and still waits has lost its pointer: it is released again.
    ``up_to``: the last number that may be released, if others are held.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        numbers = cursor.execute(
            """
            WITH next AS (
                SELECT issue_id, number
                FROM delivery_batches
                WHERE issue_id = %(issue_id)s
                  AND state = 'waiting'
                  AND (released_at IS NULL OR released_at < now() - %(released_long_ago)s)
                  AND (not_before IS NULL OR not_before <= now())
                  AND (%(up_to)s::integer IS NULL OR number <= %(up_to)s)
                ORDER BY number
                LIMIT %(limit)s
                FOR UPDATE SKIP LOCKED
            )
            UPDATE delivery_batches AS batch
            SET released_at = now()
            FROM next
            WHERE batch.issue_id = next.issue_id AND batch.number = next.number
            RETURNING batch.number
            """,
            {
                "issue_id": issue_id.root,
                "limit": limit,
                "released_long_ago": released_long_ago,
                "up_to": up_to,
            },
        ).fetchall()
    return sorted(numbers)


def claim(
    connection: Connection, issue_id: IssueId, numbers: Sequence[int], valid_for: timedelta
) -> tuple[Claim, int] | None:
    """Claim those of an issue's batches that are waiting, if the issue is sending.

    Return the claim, and how many recipients of its batches have no outcome yet. None when there
    is no batch to claim. The claim sends the version that is current when it commits: until then,
    its lock makes an edit wait, and nothing else.
    """
    with connection.cursor(row_factory=class_row(_ClaimedRow)) as cursor:
        rows = cursor.execute(
            """
            WITH issue AS (
                SELECT version FROM issues
                WHERE id = %(issue_id)s AND status = 'sending'
                FOR KEY SHARE
            )
            UPDATE delivery_batches AS batch
            SET state = 'claimed',
                claim_id = %(claim_id)s,
                unbegun_claim_id = %(claim_id)s,
                claim_deadline = now() + %(valid_for)s,
                version = issue.version
            FROM issue
            WHERE issue_id = %(issue_id)s
              AND number = ANY(%(numbers)s)
              AND state = 'waiting'
              AND (not_before IS NULL OR not_before <= now())
            RETURNING claim_id, claim_deadline, batch.version, number, round, tries, CASE
                -- A claim that released the batch set a time before which it rests. Without one
                -- nobody has claimed the batch, and the ledger has nothing of it.
                WHEN not_before IS NULL THEN cardinality(recipients)
                ELSE (
                    SELECT count(*)
                    FROM unnest(batch.recipients) AS member (id)
                    WHERE NOT EXISTS (
                        SELECT FROM deliveries AS ledger
                        WHERE ledger.issue_id = batch.issue_id
                          AND ledger.subscriber_id = member.id
                          AND (ledger.round = batch.round OR ledger.outcome = 'accepted')
                    )
                )
            END AS open_members
            """,
            {
                "claim_id": uuid4(),
                "issue_id": issue_id.root,
                "numbers": list(numbers),
                "valid_for": valid_for,
            },
        ).fetchall()
    return (_claim_of(issue_id, rows), sum(row.open_members for row in rows)) if rows else None


def begin(connection: Connection, claim: Claim) -> None:
    """Mark the batches that the claim still holds as those whose mails may be sent from now on.

    Those of a claim that was taken for dead meanwhile stay as they are: they are another's.
    """
    connection.execute(
        """
        UPDATE delivery_batches
        SET unbegun_claim_id = NULL
        WHERE issue_id = %(issue_id)s
          AND number = ANY(%(numbers)s)
          AND claim_id = %(claim_id)s
        """,
        {
            "issue_id": claim.issue_id.root,
            "claim_id": claim.id,
            "numbers": [batch.number for batch in claim.batches],
        },
    )


class _ClaimedRow(NamedTuple):
    claim_id: UUID
    claim_deadline: datetime
    version: int
    number: int
    round: int
    tries: int
    open_members: int = 0
    may_have_sent: bool = False


def _claim_of(issue_id: IssueId, rows: Sequence[_ClaimedRow]) -> Claim:
    return Claim(
        id=rows[0].claim_id,
        issue_id=issue_id,
        deadline=rows[0].claim_deadline,
        version=rows[0].version,
        batches=[ClaimedBatch(row.number, row.round, row.tries) for row in rows],
    )


def clear_release(connection: Connection, issue_id: IssueId, numbers: Sequence[int]) -> None:
    """Clear the release mark of batches that may not leave today: dispatch sets it again."""
    connection.execute(
        """
        UPDATE delivery_batches
        SET released_at = NULL
        WHERE issue_id = %(issue_id)s AND number = ANY(%(numbers)s) AND state = 'waiting'
        """,
        {"issue_id": issue_id.root, "numbers": list(numbers)},
    )


def clear_unsendable(connection: Connection, issue_id: IssueId, numbers: Sequence[int]) -> None:
    """Clear the release mark of batches whose issue isn't sending.

    Dispatch then puts them on the queue again after the issue resumes.
    """
    connection.execute(
        """
        UPDATE delivery_batches
        SET released_at = NULL
        WHERE issue_id = %(issue_id)s
          AND number = ANY(%(numbers)s)
          AND state = 'waiting'
          AND NOT EXISTS (
              SELECT FROM issues WHERE id = %(issue_id)s AND status = 'sending'
          )
        """,
        {"issue_id": issue_id.root, "numbers": list(numbers)},
    )


def release_claim(
    connection: Connection, claim: Claim, results: Sequence[BatchResult]
) -> ReleasedBatches:
    """Release those batches that the claim still holds, each with its result."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(
            """
            UPDATE delivery_batches AS batch
            SET state = CASE WHEN result.is_closed THEN 'closed' ELSE 'waiting' END::batch_state,
                claim_id = NULL,
                claim_deadline = NULL,
                released_at = NULL,
                tries = result.tries,
                not_before = CASE WHEN NOT result.is_closed THEN now() + result.pause END
            FROM unnest(
                %(numbers)s::integer[],
                %(are_closed)s::boolean[],
                %(tries)s::integer[],
                %(pauses)s::interval[]
            ) AS result (number, is_closed, tries, pause)
            WHERE batch.issue_id = %(issue_id)s
              AND batch.number = result.number
              AND batch.claim_id = %(claim_id)s
            RETURNING batch.number, EXISTS (
                SELECT FROM delivery_batches AS other
                WHERE other.issue_id = %(issue_id)s
                  AND other.state = 'waiting'
                  AND other.number <> ALL(%(numbers)s)
            )
            """,
            {
                "issue_id": claim.issue_id.root,
                "claim_id": claim.id,
                "numbers": [result.number for result in results],
                "are_closed": [result.is_closed for result in results],
                "tries": [result.tries for result in results],
                "pauses": [result.pause for result in results],
            },
        ).fetchall()
    return ReleasedBatches({int(number) for number, _ in rows}, any(wait for _, wait in rows))


def lock_dead_claims(
    connection: Connection, issue_id: IssueId, dead_after_deadline: timedelta
) -> Sequence[tuple[Claim, bool]]:
    """Return and lock the claims whose deliver must have ended: no call of theirs is under way.

    With each: whether it may have sent anything. A claim whose mark is being set just now is
    returned twice, with the batches of either kind.
    """
    with connection.cursor(row_factory=class_row(_ClaimedRow)) as cursor:
        rows = cursor.execute(
            """
            SELECT claim_id, claim_deadline, version, number, round, tries,
                   unbegun_claim_id IS DISTINCT FROM claim_id AS may_have_sent
            FROM delivery_batches
            WHERE issue_id = %(issue_id)s
              AND state = 'claimed'
              AND claim_deadline < now() - %(dead_after_deadline)s
            ORDER BY claim_id, may_have_sent, number
            FOR UPDATE SKIP LOCKED
            """,
            {"issue_id": issue_id.root, "dead_after_deadline": dead_after_deadline},
        ).fetchall()
    by_claim = groupby(rows, key=lambda row: (row.claim_id, row.may_have_sent))
    return [
        (_claim_of(issue_id, list(of_claim)), may_have_sent)
        for (_, may_have_sent), of_claim in by_claim
    ]


def reopen_for_resend(
    connection: Connection, issue_id: IssueId, round_number: int, subscriber_ids: Sequence[UUID]
) -> set[UUID]:
    """Return batches with these recipients to waiting; return the recipients to send to again.

    Recipients of a claimed batch are left out: its claim has read whom to mail already.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        rows = cursor.execute(
            """
            WITH member AS (
                SELECT batch.number, id
                FROM delivery_batches AS batch
                CROSS JOIN LATERAL unnest(batch.recipients) AS member (id)
                JOIN unnest(%(ids)s::uuid[]) AS wanted (id) USING (id)
                WHERE batch.issue_id = %(issue_id)s
                  AND batch.round = %(round)s
                  AND batch.state <> 'claimed'
                FOR UPDATE OF batch
            ), reopened AS (
                UPDATE delivery_batches AS batch
                SET state = 'waiting', released_at = NULL, not_before = now(), tries = 0
                FROM (SELECT DISTINCT number FROM member) AS mine
                WHERE batch.issue_id = %(issue_id)s AND batch.number = mine.number
            )
            SELECT id FROM member
            """,
            {"issue_id": issue_id.root, "round": round_number, "ids": list(subscriber_ids)},
        ).fetchall()
    return set(rows)


def has_open(connection: Connection, issue_id: IssueId, up_to: int | None = None) -> bool:
    """Return whether a batch of the issue, up to a number if given, is waiting or claimed."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(
            cursor.execute(
                """
                SELECT EXISTS (
                    SELECT FROM delivery_batches
                    WHERE issue_id = %(id)s
                      AND state <> 'closed'
                      AND (%(up_to)s::integer IS NULL OR number <= %(up_to)s)
                )
                """,
                {"id": issue_id.root, "up_to": up_to},
            ).fetchone()
        )


def close_waiting(connection: Connection, issue_id: IssueId) -> int:
    """Close all batches of a canceled issue that no claim holds; return how many."""
    return connection.execute(
        """
        UPDATE delivery_batches SET state = 'closed'
        WHERE issue_id = %(issue_id)s AND state = 'waiting'
        """,
        {"issue_id": issue_id.root},
    ).rowcount


def has_open_round(connection: Connection, issue_id: IssueId) -> bool:
    """Return whether a round after the first has open batches."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(
            cursor.execute(
                """
                SELECT EXISTS (
                    SELECT FROM delivery_batches
                    WHERE issue_id = %(id)s AND round > 1 AND state <> 'closed'
                )
                """,
                {"id": issue_id.root},
            ).fetchone()
        )


def has_claimed(connection: Connection, issue_id: IssueId) -> bool:
    """Return whether a claim holds a batch of the issue."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(
            cursor.execute(
                """
                SELECT EXISTS (
                    SELECT FROM delivery_batches WHERE issue_id = %(id)s AND state = 'claimed'
                )
                """,
                {"id": issue_id.root},
            ).fetchone()
        )


def insert_round(
    connection: Connection,
    issue_id: IssueId,
    round_number: int,
    recipients: Sequence[UUID],
    batch_size: int,
) -> None:
    """Insert the batches of a new round for these recipients."""
    connection.execute(
        """
        INSERT INTO delivery_batches (issue_id, number, round, recipients)
        SELECT %(issue_id)s,
               (SELECT max(number) FROM delivery_batches WHERE issue_id = %(issue_id)s)
                   + (place - 1) / %(batch_size)s + 1,
               %(round)s,
               array_agg(id)
        FROM unnest(%(recipients)s::uuid[]) WITH ORDINALITY AS recipient (id, place)
        GROUP BY (place - 1) / %(batch_size)s
        """,
        {
            "issue_id": issue_id.root,
            "round": round_number,
            "recipients": list(recipients),
            "batch_size": batch_size,
        },
    )
