"""The books: where an issue's audience is, counted from the ledger as one moment sees it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict

from broadsheet.domain.books import Books
from broadsheet.domain.deliveries import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId

_STANDINGS = """
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
        SELECT outcome, reason, version, 1 AS sign, delivered_at, bounced_at, complained_at,
               recorded_at
        FROM deliveries
        WHERE issue_id = %(issue_id)s AND round = 1
        UNION ALL
        SELECT outcome, reason, version, -1, delivered_at, bounced_at, complained_at, recorded_at
        FROM deliveries JOIN later USING (subscriber_id)
        WHERE deliveries.issue_id = %(issue_id)s AND deliveries.round = 1
        UNION ALL
        SELECT outcome, reason, version, 1, delivered_at, bounced_at, complained_at, recorded_at
        FROM best
        WHERE outcome IN ('accepted', 'unresolved') OR round = last_round
    )
    SELECT outcome,
           CASE
               WHEN outcome <> 'accepted' THEN coalesce(reason, outcome::text)
           END AS reason,
           version,
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
    GROUP BY outcome, counted.reason, version
    HAVING sum(sign) > 0
    """
_RARITIES = """
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
           ) AS claimed_without_row
    """


class _Standing(BaseModel):
    """How many recipients have an outcome in a version, and what happened to their mails."""

    model_config = ConfigDict(frozen=True)

    outcome: Outcome
    reason: str | None
    version: int
    number: int
    delivered: int
    bounced: int
    complained: int
    lately: int


class _Rarities(BaseModel):
    model_config = ConfigDict(frozen=True)

    duplicates: int = 0
    possibly_twice: int = 0
    claimed_without_row: int = 0


def read_books(
    connection: Connection, issue_id: IssueId, audience: int, *, canceled: bool
) -> Books:
    """Return where the audience is.

    A recipient counts as accepted if any round accepted them, else as unresolved if any round is
    unresolved, else by the last round's outcome. Without a row for that round, they are waiting;
    in a canceled issue, they are waiting only if a claim holds their batch, and else skipped.
    """
    # A million rows in the order of their index take seconds; in the order of the table, half a
    # second. The planner can't know before the first ANALYZE of a fast issue.
    connection.execute("SET LOCAL enable_indexscan = off")
    with connection.cursor(row_factory=class_row(_Standing)) as cursor:
        standings = cursor.execute(_STANDINGS, {"issue_id": issue_id.root}).fetchall()
    with connection.cursor(row_factory=class_row(_Rarities)) as cursor:
        rarities = cursor.execute(
            _RARITIES, {"issue_id": issue_id.root, "canceled": canceled}
        ).fetchone()
    return _add_up(audience, standings, rarities or _Rarities(), canceled=canceled)


def _add_up(
    audience: int, standings: Sequence[_Standing], rarities: _Rarities, *, canceled: bool
) -> Books:
    without_row = audience - sum(standing.number for standing in standings)
    waiting = min(without_row, rarities.claimed_without_row) if canceled else without_row
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
        accepted_by_version={
            standing.version: standing.number
            for standing in sorted(standings, key=lambda standing: standing.version)
            if standing.outcome is Outcome.ACCEPTED
        },
        duplicates=rarities.duplicates,
        possibly_twice=rarities.possibly_twice,
        rate=round(sum(standing.lately for standing in standings) / 60, 1),
    )


def _number(standings: Sequence[_Standing], outcome: Outcome) -> int:
    return sum(standing.number for standing in standings if standing.outcome is outcome)


def _by_reason(standings: Sequence[_Standing], *outcomes: Outcome) -> dict[str, int]:
    numbers = Counter[str]()
    for standing in standings:
        if standing.outcome in outcomes:
            numbers[str(standing.reason)] += standing.number
    return dict(numbers)
