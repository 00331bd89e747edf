"""Who got an older version of an issue, by the ledger: the audience of a correction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import scalar_row

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import CorrectedVersion

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
    """
)
_COUNT = sql.SQL("SELECT count(*) FROM ({audience}) AS audience").format(audience=AUDIENCE)
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
