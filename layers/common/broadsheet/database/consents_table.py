"""The consent log: every change of a subscriber's status, and where the request came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from psycopg.rows import tuple_row

from broadsheet import settings
from broadsheet.domain.confirming import Completion
from broadsheet.domain.requests import ConfirmRequest, SubscribeRequest, UnsubscribeRequest

if TYPE_CHECKING:
    from datetime import datetime

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.issues import IssueId
    from broadsheet.domain.requests import SubscriberRequest
    from broadsheet.domain.subscribers import SubscriberId

type Change = Literal["signed_up", "confirmed", "unsubscribed", "address_changed"]
type RecordedChange = Literal["confirmed", "unsubscribed", "forgiven", "tags_changed"]


class KeptOrigin(NamedTuple):
    """Where a request came from; None unless the operator keeps that."""

    source_address: str | None
    user_agent: str | None


def kept_origin(request: SubscriberRequest) -> KeptOrigin:
    """Return what the log keeps of a request's origin; an author's says nothing of the reader."""
    is_of_author = isinstance(request, SubscribeRequest) and request.author is not None
    if is_of_author or not settings.keeps_sources():
        return KeptOrigin(None, None)
    return KeptOrigin(str(request.origin.source_address), request.origin.user_agent)


def append(
    connection: Connection,
    subscriber_id: SubscriberId,
    change: Change,
    request: SubscriberRequest,
    issue_id: IssueId | None = None,
) -> None:
    """Append a change; each request adds it once."""
    connection.execute(
        """
        INSERT INTO consents
            (request_id, subscriber_id, change, at, source_address, user_agent, issue_id, way)
        VALUES
            (%(request_id)s, %(subscriber_id)s, %(change)s, %(at)s, %(source_address)s,
             %(user_agent)s, %(issue_id)s, %(way)s)
        ON CONFLICT (request_id, change) DO NOTHING
        """,
        {
            "request_id": request.id,
            "subscriber_id": subscriber_id.root,
            "change": change,
            "at": request.received_at,
            **kept_origin(request)._asdict(),
            "issue_id": issue_id.root if issue_id else None,
            "way": (
                request.way if isinstance(request, ConfirmRequest | UnsubscribeRequest) else None
            ),
        },
    )


class Recorded(NamedTuple):
    """A change that an author records on somebody's behalf: when it was, and what they state."""

    change: RecordedChange
    at: datetime
    author: AuthorName
    evidence: str | None


def record(connection: Connection, subscriber_id: SubscriberId, recorded: Recorded) -> None:
    """Append a change that is recorded now."""
    connection.execute(
        """
        INSERT INTO consents
            (request_id, subscriber_id, change, at, recorded_by, recorded_at, evidence)
        VALUES
            (gen_random_uuid(), %(subscriber_id)s, %(change)s, %(at)s, %(author)s, now(),
             %(evidence)s)
        """,
        {
            "subscriber_id": subscriber_id.root,
            "change": recorded.change,
            "at": recorded.at,
            "author": str(recorded.author),
            "evidence": recorded.evidence,
        },
    )


def completion_since(connection: Connection, moment: datetime | None = None) -> Completion:
    """Count the readers who were mailed to confirm since a moment, and those of them who did.

    It reads the whole log, for which a million readers take seconds.
    """
    with connection.cursor(row_factory=tuple_row) as cursor:
        counted = cursor.execute(
            """
            WITH asked AS (
                SELECT consents.subscriber_id, min(consents.at) AS at
                FROM consents
                JOIN sign_ups ON sign_ups.request_id = consents.request_id AND mail_granted
                WHERE change = 'signed_up' AND consents.at > %(moment)s
                GROUP BY consents.subscriber_id
            ), reader AS (
                SELECT asked.subscriber_id, first.request_id IS NOT NULL AS has_confirmed, first.way
                FROM asked
                LEFT JOIN LATERAL (
                    SELECT request_id, way FROM consents
                    WHERE subscriber_id = asked.subscriber_id
                      AND change = 'confirmed' AND consents.at >= asked.at
                    ORDER BY consents.at
                    LIMIT 1
                ) AS first ON true
            )
            SELECT has_confirmed, coalesce(way, 'unknown'), count(*)
            FROM reader
            GROUP BY 1, 2
            ORDER BY 3 DESC
            """,
            {"moment": moment or "-infinity"},
        ).fetchall()
    by_way = {way: number for has_confirmed, way, number in counted if has_confirmed}
    return Completion(
        asked=sum(number for *_, number in counted), confirmed=sum(by_way.values()), by_way=by_way
    )
