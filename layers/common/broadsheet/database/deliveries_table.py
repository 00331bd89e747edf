"""The ledger: what became of each recipient of an issue in each round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict, ValidationError

from broadsheet.domain.deliveries import Claim, Delivery, Outcome, Recipient
from broadsheet.domain.subscribers import SubscriberId, SubscriberStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId


class Books(BaseModel):
    """Where an issue's audience is: these always add up to it."""

    model_config = ConfigDict(frozen=True)

    waiting: int
    accepted: int
    failed: dict[str, int]
    skipped: dict[str, int]
    unresolved: int


def record(connection: Connection, claim: Claim, deliveries: Iterable[Delivery]) -> None:
    """Write a claim's outcomes, by precedence, whoever else writes the same recipients.

    An acceptance is written whoever holds the batch now; anything else only for the claim that
    still holds it, which the caller makes sure of by holding the batch's row.
    Rows go in one order, so that two writers can't lock each other out.
    """
    ordered = sorted(deliveries, key=lambda delivery: delivery.subscriber_id.root)
    connection.execute(
        """
        INSERT INTO deliveries AS ledger
            (issue_id, subscriber_id, round, outcome, reason, message_id, claim_id,
             claim_deadline)
        SELECT %(issue_id)s, subscriber_id, %(round)s, outcome, reason, message_id, %(claim_id)s,
               %(claim_deadline)s
        FROM unnest(
            %(subscriber_ids)s::uuid[],
            %(outcomes)s::delivery_outcome[],
            %(reasons)s::text[],
            %(message_ids)s::text[]
        ) AS row (subscriber_id, outcome, reason, message_id)
        ON CONFLICT (issue_id, subscriber_id, round) DO UPDATE
        SET outcome = excluded.outcome,
            reason = excluded.reason,
            message_id = excluded.message_id,
            claim_id = excluded.claim_id,
            claim_deadline = excluded.claim_deadline,
            recorded_at = now()
        WHERE excluded.outcome > ledger.outcome
        """,
        {
            "issue_id": claim.issue_id.root,
            "round": claim.round,
            "claim_id": claim.id,
            "claim_deadline": claim.deadline,
            "subscriber_ids": [delivery.subscriber_id.root for delivery in ordered],
            "outcomes": [delivery.outcome.value for delivery in ordered],
            "reasons": [delivery.reason for delivery in ordered],
            "message_ids": [delivery.message_id for delivery in ordered],
        },
    )


class _Member(BaseModel):
    """A member of a batch as the subscribers' table has it, not yet parsed; maybe no more there."""

    subscriber_id: SubscriberId
    email: str | None
    name: str | None
    status: SubscriberStatus | None


def read_recipients(connection: Connection, claim: Claim) -> tuple[list[Recipient], list[Delivery]]:
    """Return whom of a claimed batch to mail, and the outcome of those who are not to be.

    To mail are those still confirmed. Nobody appears who has a row for this round, or was
    accepted in any.
    """
    with connection.cursor(row_factory=class_row(_Member)) as cursor:
        members = cursor.execute(
            """
            SELECT member.id AS subscriber_id, subscriber.email, subscriber.name,
                   subscriber.status
            FROM unnest(%(recipients)s::uuid[]) AS member (id)
            LEFT JOIN subscribers AS subscriber ON subscriber.id = member.id
            WHERE NOT EXISTS (
                SELECT FROM deliveries AS ledger
                WHERE ledger.issue_id = %(issue_id)s
                  AND ledger.subscriber_id = member.id
                  AND (ledger.round = %(round)s OR ledger.outcome = 'accepted')
            )
            """,
            {
                "recipients": [recipient.root for recipient in claim.recipients],
                "issue_id": claim.issue_id.root,
                "round": claim.round,
            },
        ).fetchall()
    parsed = [_parse(member) for member in members]
    return (
        [member for member in parsed if isinstance(member, Recipient)],
        [member for member in parsed if isinstance(member, Delivery)],
    )


def _parse(member: _Member) -> Recipient | Delivery:
    if member.status is not SubscriberStatus.CONFIRMED:
        return Delivery(
            subscriber_id=member.subscriber_id,
            outcome=Outcome.SKIPPED,
            reason=member.status or "deleted",
        )
    try:
        return Recipient.model_validate(member.model_dump(exclude={"status"}))
    except ValidationError:  # stored by older rules, or by hand: it fails alone
        return Delivery(
            subscriber_id=member.subscriber_id,
            outcome=Outcome.FAILED,
            reason="INVALID_SUBSCRIBER",
        )


def books(connection: Connection, issue_id: IssueId, audience: int) -> Books:
    """Return where the audience is, as one moment sees it.

    A recipient counts as accepted if any round says so, else as unresolved if any does, else as
    the last round says; without a row, as waiting.
    """
    rows = connection.execute(
        """
        SELECT outcome, coalesce(reason, outcome::text), count(*)
        FROM (
            SELECT DISTINCT ON (subscriber_id) outcome, reason
            FROM deliveries
            WHERE issue_id = %(issue_id)s
            ORDER BY subscriber_id, outcome = 'accepted' DESC, outcome = 'unresolved' DESC,
                     round DESC
        ) AS standing
        GROUP BY 1, 2
        """,
        {"issue_id": issue_id.root},
    ).fetchall()
    counts: dict[Outcome, dict[str, int]] = {outcome: {} for outcome in Outcome}
    for outcome, reason, number in rows:
        counts[Outcome(str(outcome))][str(reason)] = int(str(number))
    failed = counts[Outcome.FAILED] | counts[Outcome.RENDERING_FAILED] | counts[Outcome.REJECTED]
    settled = sum(sum(reasons.values()) for reasons in counts.values())
    return Books(
        waiting=audience - settled,
        accepted=sum(counts[Outcome.ACCEPTED].values()),
        failed=failed,
        skipped=counts[Outcome.SKIPPED],
        unresolved=sum(counts[Outcome.UNRESOLVED].values()),
    )
