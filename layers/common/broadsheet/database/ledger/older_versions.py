"""Who got an older version of an issue: the audience of a correction.

By the ledger, or with their welcome mail, which is in no ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import scalar_row

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import CorrectedVersion

# The index of these finds them among a million subscribers.
_WELCOMED = sql.SQL(
    """
    SELECT id
    FROM subscribers
    WHERE welcomes @> jsonb_build_array(jsonb_build_object('issue_id', %(corrects)s::uuid))
      AND status = 'confirmed'
      AND EXISTS (
          SELECT FROM jsonb_to_recordset(welcomes)
              AS sent (issue_id uuid, version integer, message_id text)
          WHERE sent.issue_id = %(corrects)s
            AND sent.version < %(version)s
            AND sent.message_id IS NOT NULL
      )
      AND NOT EXISTS (
          SELECT FROM deliveries
          WHERE issue_id = %(corrects)s AND subscriber_id = subscribers.id
      )
    """
)
# Whoever was mailed twice, and got the current version as well, needs no correction.
AUDIENCE = sql.SQL(
    """
    SELECT ledger.subscriber_id AS id
    FROM (
        SELECT subscriber_id
        FROM deliveries
        WHERE issue_id = %(corrects)s AND outcome = 'accepted'
        GROUP BY subscriber_id
        HAVING max(version) < %(version)s
    ) AS ledger
    JOIN subscribers AS subscriber ON subscriber.id = ledger.subscriber_id
    WHERE subscriber.status = 'confirmed'
      AND NOT EXISTS (
          SELECT FROM duplicate_mails AS duplicate
          WHERE duplicate.issue_id = %(corrects)s
            AND duplicate.subscriber_id = ledger.subscriber_id
            AND duplicate.version >= %(version)s
      )
    UNION ALL
    {welcomed}
    """
).format(welcomed=_WELCOMED)
_COUNT = sql.SQL("SELECT count(*) FROM ({audience}) AS audience").format(audience=AUDIENCE)
_COUNT_WELCOMED = sql.SQL("SELECT count(*) FROM ({audience}) AS audience").format(
    audience=_WELCOMED
)
_COUNT_UNSETTLED = sql.SQL(
    """
    SELECT (
        SELECT coalesce(sum(cardinality(recipients)), 0) FROM delivery_batches
        WHERE issue_id = %(corrects)s AND state = 'claimed' AND version < %(version)s
    ) + (
        SELECT count(*) FROM deliveries
        WHERE issue_id = %(corrects)s AND outcome = 'unresolved' AND version < %(version)s
    )
    """
)


def count(connection: Connection, corrected: CorrectedVersion) -> int:
    """Count the confirmed subscribers who are known to have an older version."""
    return _number(connection, _COUNT, corrected)


def count_welcomed(connection: Connection, corrected: CorrectedVersion) -> int:
    """Count those of them who got it with their welcome mail."""
    return _number(connection, _COUNT_WELCOMED, corrected)


def count_unsettled(connection: Connection, corrected: CorrectedVersion) -> int:
    """Count the recipients who may get an older version yet, or have it already.

    A recipient may be counted twice. Once there are none, nobody joins those with an older
    version: a claim sends the current one.
    """
    return _number(connection, _COUNT_UNSETTLED, corrected)


def _number(
    connection: Connection, query: sql.SQL | sql.Composed, corrected: CorrectedVersion
) -> int:
    with connection.cursor(row_factory=scalar_row) as cursor:
        parameters = {"corrects": corrected.issue_id.root, "version": corrected.version}
        return int(cursor.execute(query, parameters).fetchone() or 0)
