"""The consent log: every change of a subscriber's status, and where the request came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId
    from broadsheet.domain.requests import SubscriberRequest
    from broadsheet.domain.subscribers import SubscriberId

type Change = Literal["signed_up", "confirmed", "unsubscribed", "address_changed"]


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
            (request_id, subscriber_id, change, at, source_address, user_agent, issue_id)
        VALUES
            (%(request_id)s, %(subscriber_id)s, %(change)s, %(at)s, %(source_address)s,
             %(user_agent)s, %(issue_id)s)
        ON CONFLICT (request_id, change) DO NOTHING
        """,
        {
            "request_id": request.id,
            "subscriber_id": subscriber_id.root,
            "change": change,
            "at": request.received_at,
            "source_address": str(request.origin.source_address),
            "user_agent": request.origin.user_agent,
            "issue_id": issue_id.root if issue_id else None,
        },
    )
