"""Wrong codes: for each sign-up as many as refuse every later code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import scalar_row

from broadsheet.domain.confirming import MOST_TRIES

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import WrongCodeRequest


def insert(connection: Connection, request: WrongCodeRequest) -> None:
    """Insert a wrong code, unless as many earlier ones refuse every later code already."""
    connection.execute(
        """
        INSERT INTO wrong_codes (request_id, sign_up_id, received_at)
        SELECT %(request_id)s, %(sign_up_id)s, %(received_at)s
        WHERE %(most)s > (
            SELECT count(*) FROM wrong_codes
            WHERE sign_up_id = %(sign_up_id)s AND received_at <= %(received_at)s
        )
        ON CONFLICT (request_id) DO NOTHING
        """,
        {
            "request_id": request.id,
            "sign_up_id": request.sign_up_id,
            "received_at": request.received_at,
            "most": MOST_TRIES,
        },
    )


def count_until(connection: Connection, sign_up_id: UUID, moment: datetime) -> int:
    """Count the wrong codes for a sign-up that came no later than a moment."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                """
                SELECT count(*) FROM wrong_codes
                WHERE sign_up_id = %(sign_up_id)s AND received_at <= %(moment)s
                """,
                {"sign_up_id": sign_up_id, "moment": moment},
            ).fetchone()
            or 0
        )
