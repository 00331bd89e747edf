"""The ledger's rows, a page at a time, as an author reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import class_row

from broadsheet.database.columns import columns_of
from broadsheet.domain.books import LedgerRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId

_FROM_ELSEWHERE = ("email", "duplicates", "possibly_twice")
_PAGE = sql.SQL(
    """
    SELECT {columns},
           subscriber.email,
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
    """
).format(columns=columns_of(LedgerRow, table="ledger", without=_FROM_ELSEWHERE))


def read_page(
    connection: Connection, issue_id: IssueId, limit: int, after: tuple[UUID, int] | None
) -> Sequence[LedgerRow]:
    """Return an issue's ledger rows in the order of their key; ``after`` ended the last page."""
    with connection.cursor(row_factory=class_row(LedgerRow)) as cursor:
        return cursor.execute(
            _PAGE,
            {
                "issue_id": issue_id.root,
                "subscriber_id": after[0] if after else None,
                "round": after[1] if after else 0,
                "limit": limit,
            },
        ).fetchall()
