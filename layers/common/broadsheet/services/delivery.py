"""Claims a batch, sends it, and writes the ledger.

A claim that ends without its outcomes is held as unresolved by dispatch. So every way out of
here but the death of the process writes what is known.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from broadsheet import dispatch_kick, settings, signed_tokens
from broadsheet.database import deliveries_table, delivery_batches_table, issues_table
from broadsheet.database.connection import connected
from broadsheet.domain.deliveries import Delivery, Outcome
from broadsheet.domain.errors import NotEnoughTime
from broadsheet.domain.requests import UnsubscribeToken
from broadsheet.mail import ses_mailer
from broadsheet.mail.ses_mailer import Accepted, PerhapsAccepted, Refusal, Refused
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.deliveries import BatchPointer, Claim, Recipient
    from broadsheet.domain.issues import RenderedIssue
    from broadsheet.mail.ses_mailer import SendResult


def deliver(pointer: BatchPointer, correlation_id: str, seconds_left: Callable[[], float]) -> None:
    """Send one batch, if it is there to be claimed.

    ``seconds_left``: until this invocation is ended. Raises ``NotEnoughTime`` and
    ``DatabaseUnavailable`` when the batch could not be claimed; nothing has happened then.
    """
    signed_tokens.load_keys()
    waits = settings.waits()
    if seconds_left() < waits.claim_deadline + waits.ses_call_timeout + waits.deliver_margin:
        raise NotEnoughTime("too late in this invocation to claim a batch")
    with (
        connected(waits.database_patience_of_workers) as connection,
        connection.transaction(),  # nobody is claimed who could not be read
    ):
        claim = delivery_batches_table.claim(
            connection, pointer, timedelta(seconds=waits.claim_deadline)
        )
        if claim is None:
            delivery_batches_table.clear_release(connection, pointer)
            logger.info("nothing to claim", issue_id=str(pointer.issue_id), batch=pointer.number)
            return
        recipients, others = deliveries_table.read_recipients(connection, claim)
        issue = issues_table.rendered(connection, claim.issue_id)
    results = _send(claim, issue, recipients)
    with connected(seconds_left() - waits.database_connect_timeout) as connection:
        _write(connection, claim, recipients, results, others)
        if not delivery_batches_table.has_open(connection, claim.issue_id):
            dispatch_kick.kick(claim.issue_id, correlation_id)


def _send(claim: Claim, issue: RenderedIssue, recipients: Sequence[Recipient]) -> list[SendResult]:
    if not recipients:
        return []
    with_tokens = [
        (
            recipient,
            signed_tokens.sign_unsubscribe(
                UnsubscribeToken(subscriber_id=recipient.subscriber_id, issue_id=claim.issue_id)
            ),
        )
        for recipient in recipients
    ]
    return ses_mailer.send_issue(
        settings.newsletter(),
        claim.issue_id,
        claim.round,
        issue,
        with_tokens,
        deadline=claim.deadline,
    )


def _write(
    connection: Connection,
    claim: Claim,
    recipients: Sequence[Recipient],
    results: Sequence[SendResult],
    others: Sequence[Delivery],
) -> None:
    """Write the outcomes and let go of the batch.

    Whoever has no outcome yet goes back to waiting with it. Acceptances are written whoever
    holds the claim; everything else only while it is ours.
    """
    asked_again = any(
        isinstance(result, Refused) and result.refusal is Refusal.RETRY for result in results
    )
    tries = claim.tries + asked_again
    is_last_try = tries >= settings.waits().batch_tries
    outcomes = {
        recipient.subscriber_id: _outcome(recipient, result, is_last_try=is_last_try)
        for recipient, result in zip(recipients, results, strict=True)
    }
    settled = [delivery for delivery in outcomes.values() if delivery is not None]
    accepted = [delivery for delivery in settled if delivery.outcome is Outcome.ACCEPTED]
    with connection.transaction():
        if len(settled) == len(recipients):
            still_ours = delivery_batches_table.close(connection, claim)
        else:
            still_ours = delivery_batches_table.return_to_waiting(
                connection, claim, tries, _pause_before(tries)
            )
        deliveries_table.record(connection, claim, [*settled, *others] if still_ours else accepted)
    failed = sum(delivery.outcome is Outcome.FAILED for delivery in settled)
    unresolved = sum(delivery.outcome is Outcome.UNRESOLVED for delivery in settled)
    count("MailsAccepted", len(accepted))
    count("MailsFailed", failed)
    count("MailsUnresolved", unresolved)
    logger.info(
        "batch sent",
        issue_id=str(claim.issue_id),
        batch=claim.number,
        accepted=len(accepted),
        failed=failed,
        unresolved=unresolved,
        not_sent_to=len(others),
        waiting=len(recipients) - len(settled),
        claim_kept=still_ours,
    )


def _outcome(recipient: Recipient, result: SendResult, *, is_last_try: bool) -> Delivery | None:
    """Return the recipient's outcome; None for one who goes back to waiting."""
    subscriber_id = recipient.subscriber_id
    match result:
        case Accepted(message_id=message_id):
            return Delivery(
                subscriber_id=subscriber_id, outcome=Outcome.ACCEPTED, message_id=message_id
            )
        case PerhapsAccepted(reason=reason):
            return Delivery(subscriber_id=subscriber_id, outcome=Outcome.UNRESOLVED, reason=reason)
        case Refused(refusal=Refusal.RECIPIENT, reason=reason):
            return Delivery(subscriber_id=subscriber_id, outcome=Outcome.FAILED, reason=reason)
        case Refused(refusal=Refusal.RETRY, reason=reason) if is_last_try:
            return Delivery(subscriber_id=subscriber_id, outcome=Outcome.FAILED, reason=reason)
        case _:
            return None


def _pause_before(tries: int) -> timedelta:
    """Return how long a batch waits for its next try: doubling, with jitter."""
    waits = settings.waits()
    longest = min(waits.batch_retry_first * 2**tries, waits.batch_retry_longest)
    return timedelta(seconds=random.uniform(longest / 2, longest))  # noqa: S311 - no secret
