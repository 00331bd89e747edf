"""Claims batches, sends them at their slots, and writes the ledger.

A claim that ends without its outcomes is held as unresolved by dispatch. So every way out of
here but the death of the process writes what is known.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING, NamedTuple

from broadsheet import dispatch_kick, settings, signed_tokens
from broadsheet.database import deliveries_table, delivery_batches_table, issues_table
from broadsheet.database.delivery_batches_table import Ending
from broadsheet.domain.deliveries import Delivery, Outcome
from broadsheet.domain.errors import DatabaseUnavailable
from broadsheet.domain.requests import UnsubscribeToken
from broadsheet.mail import ses_mailer
from broadsheet.mail.ses_mailer import (
    Accepted,
    Addressee,
    Letter,
    PerhapsAccepted,
    Refusal,
    Refused,
    SendResult,
)
from broadsheet.services import feedback, levers, pacing
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from broadsheet.database.connection import Connection, Session
    from broadsheet.domain.deliveries import Claim, ClaimedBatch, Recipient
    from broadsheet.domain.issues import IssueId

_ASKED = (Refusal.THROTTLED, Refusal.RETRY)  # SES was asked, and may answer otherwise next time


class Invocation(NamedTuple):
    """What one run of deliver has: a connection, and until when.

    ``seconds_left``: until Lambda ends it.
    """

    session: Session
    seconds_left: Callable[[], float]

    def in_database[Result](self, work: Callable[[Connection], Result]) -> Result:
        """Do some work in the database, again if it goes away, for as long as there is time.

        ``work`` is harmless when repeated. Raises ``DatabaseUnavailable``.
        """
        while True:
            patience = self.seconds_left() - settings.waits().database_connect_timeout
            try:
                with self.session.connected(max(0, patience)) as connection:
                    return work(connection)
            except DatabaseUnavailable:
                if patience <= 0:
                    raise

    @property
    def has_time_for_a_claim(self) -> bool:
        """Whether a claim that is made now ends, and is written, before Lambda ends this."""
        waits = settings.waits()
        needed = waits.claim_deadline + waits.ses_call_timeout + waits.deliver_margin
        return self.seconds_left() >= needed


class _NoSlots(Exception):
    """The governor has no slots within its horizon: nothing is claimed."""


def deliver(
    invocation: Invocation, issue_id: IssueId, numbers: Sequence[int], correlation_id: str
) -> Sequence[int]:
    """Send batches of an issue, as many as there is time for; return the numbers of the others.

    Raises ``DatabaseUnavailable`` and ``DependencyUnavailable``: what was not claimed by then
    has not been touched.
    """
    signed_tokens.load_keys()
    patience = settings.waits().database_patience_of_deliver
    while numbers and invocation.has_time_for_a_claim:
        with invocation.session.connected(patience) as connection:
            rate = pacing.issue_rate(connection)
        if rate is None:
            return numbers
        size = _batches_in_a_claim(rate)
        try:
            _deliver_together(invocation, issue_id, numbers[:size], rate)
        except _NoSlots:
            time.sleep(random.uniform(0.5, 1) * settings.waits().slot_poll)  # noqa: S311
        else:
            numbers = numbers[size:]
    with invocation.session.connected(patience) as connection:
        is_all_sent = not delivery_batches_table.has_open(connection, issue_id)
    if is_all_sent:
        dispatch_kick.kick(issue_id, correlation_id)
    return numbers


def _batches_in_a_claim(rate: float) -> int:
    """Return how many batches are about two seconds of sending."""
    return max(1, int(rate * settings.waits().batch_seconds) // pacing.batch_size(rate))


def _deliver_together(
    invocation: Invocation, issue_id: IssueId, numbers: Sequence[int], rate: float
) -> None:
    """Send some batches under one claim. Raises ``_NoSlots`` before anything is claimed."""
    claim, starts_in = _claim(invocation, issue_id, numbers, rate)
    if claim is None:
        logger.info("nothing to claim", issue_id=str(issue_id), batches=list(numbers))
        return
    first_slot = time.monotonic() + starts_in.total_seconds()
    time.sleep(starts_in.total_seconds())
    recipients, others, letter = invocation.in_database(
        lambda connection: (
            *deliveries_table.read_recipients(connection, claim),
            Letter(issue_id=issue_id, rendered=issues_table.rendered(connection, issue_id)),
        )
    )
    results: dict[Recipient, SendResult] = {}
    for answered in _send(letter, claim, recipients, rate, first_slot):
        results |= answered
        accepted = [
            _accepted(recipient, result)
            for recipient, result in answered.items()
            if isinstance(result, Accepted)
        ]
        invocation.in_database(partial(_record, claim=claim, deliveries=accepted))
    _finish(invocation, claim, results, others)


def _record(connection: Connection, claim: Claim, deliveries: Sequence[Delivery]) -> None:
    feedback.tell_of_duplicates(deliveries_table.record(connection, claim, deliveries))


def _claim(
    invocation: Invocation, issue_id: IssueId, numbers: Sequence[int], rate: float
) -> tuple[Claim | None, timedelta]:
    """Claim batches and reserve their slots, both or neither; tell how far the first slot is."""
    waits = settings.waits()
    with (
        invocation.session.connected(waits.database_patience_of_deliver) as connection,
        connection.transaction(),
    ):
        claim = delivery_batches_table.claim(
            connection, issue_id, numbers, timedelta(seconds=waits.claim_deadline)
        )
        if claim is None:
            delivery_batches_table.clear_release(connection, issue_id, numbers)
            return None, timedelta()
        mails = sum(len(batch.recipients) for batch in claim.batches)
        starts_in = pacing.reserve(connection, mails, rate)
        if starts_in is None:
            raise _NoSlots
    return claim, starts_in


def _send(
    letter: Letter,
    claim: Claim,
    recipients: Sequence[Recipient],
    rate: float,
    first_slot: float,
) -> Iterator[dict[Recipient, SendResult]]:
    """Send in calls of half a second's worth, each at its slot; give the answers as they come.

    They are given at most every ``Waits.write_outcomes_every``. All calls have ended after it.
    """
    newsletter = settings.newsletter()
    size = pacing.call_size(rate)

    def call(position: int, chunk: Sequence[Recipient]) -> dict[Recipient, SendResult]:
        addressees = [Addressee(recipient, _token(claim, recipient)) for recipient in chunk]
        slot = first_slot + position * size / rate
        deadline = claim.deadline.timestamp() - time.time()  # later there is nothing to wait for
        time.sleep(max(0.0, min(slot - time.monotonic(), deadline)))
        results = ses_mailer.send_issue(newsletter, letter, addressees, claim.deadline)
        return dict(zip(chunk, results, strict=True))

    pause = settings.waits().write_outcomes_every
    with ThreadPoolExecutor(max_workers=settings.CALLS_AT_ONCE) as pool:
        under_way: set[Future[dict[Recipient, SendResult]]] = {
            pool.submit(call, position, chunk)
            for position, chunk in enumerate(batched(recipients, size, strict=False))
        }
        answered: dict[Recipient, SendResult] = {}
        given_at = time.monotonic()
        while under_way:
            ended, under_way = wait(under_way, timeout=pause, return_when=FIRST_COMPLETED)
            for future in ended:
                answered |= future.result()
            if not under_way or time.monotonic() - given_at >= pause:
                yield answered
                answered, given_at = {}, time.monotonic()


def _token(claim: Claim, recipient: Recipient) -> str:
    return signed_tokens.sign_unsubscribe(
        UnsubscribeToken(subscriber_id=recipient.subscriber_id, issue_id=claim.issue_id)
    )


def _finish(
    invocation: Invocation,
    claim: Claim,
    results: dict[Recipient, SendResult],
    others: Sequence[Delivery],
) -> None:
    """Write the other outcomes, and let go of the batches.

    Whoever has no outcome goes back to waiting with their batch. Acceptances were written whoever
    holds the claim; everything else is only while it is ours.
    """
    endings = {batch.number: _ending(batch, results) for batch in claim.batches}
    settled = [
        delivery
        for recipient, result in results.items()
        if (delivery := _settled(recipient, result, endings[recipient.batch_number])) is not None
    ]

    def let_go(connection: Connection) -> None:
        with connection.transaction():
            ours = delivery_batches_table.let_go(connection, claim, list(endings.values()))
            deliveries_table.record(
                connection,
                claim,
                [row for row in [*settled, *others] if row.batch_number in ours],
            )

    invocation.in_database(let_go)
    invocation.in_database(lambda connection: _heed(connection, claim, results))
    _tell(claim, results, settled, others)


def _ending(batch: ClaimedBatch, results: dict[Recipient, SendResult]) -> Ending:
    """Return how a batch is let go: closed when nobody of it is to be sent to again."""
    refusals = {
        result.refusal
        for recipient, result in results.items()
        if recipient.batch_number == batch.number and isinstance(result, Refused)
    }
    tries = batch.tries + any(refusal in _ASKED for refusal in refusals)
    is_last_try = tries >= settings.waits().batch_tries
    returning = refusals - {Refusal.RECIPIENT} - (set(_ASKED) if is_last_try else set())
    return Ending(batch.number, is_closed=not returning, tries=tries, pause=_pause_before(tries))


def _pause_before(tries: int) -> timedelta:
    """Return how long a batch waits for its next try: doubling, with jitter."""
    waits = settings.waits()
    longest = min(waits.batch_retry_first * 2**tries, waits.batch_retry_longest)
    return timedelta(seconds=random.uniform(longest / 2, longest))  # noqa: S311 - no secret


def _accepted(recipient: Recipient, accepted: Accepted) -> Delivery:
    return _delivery(recipient, Outcome.ACCEPTED, message_id=accepted.message_id)


def _settled(recipient: Recipient, result: SendResult, ending: Ending) -> Delivery | None:
    """Return an outcome that is not an acceptance; None for who goes back to waiting."""
    is_last_try = ending.tries >= settings.waits().batch_tries
    match result:
        case PerhapsAccepted(reason=reason):
            return _delivery(recipient, Outcome.UNRESOLVED, reason=reason)
        case Refused(refusal=Refusal.RECIPIENT, reason=reason):
            return _delivery(recipient, Outcome.FAILED, reason=reason)
        case Refused(refusal=refusal, reason=reason) if is_last_try and refusal in _ASKED:
            return _delivery(recipient, Outcome.FAILED, reason=reason)
        case _:
            return None


def _delivery(
    recipient: Recipient,
    outcome: Outcome,
    *,
    reason: str | None = None,
    message_id: str | None = None,
) -> Delivery:
    return Delivery(
        subscriber_id=recipient.subscriber_id,
        batch_number=recipient.batch_number,
        round=recipient.round,
        outcome=outcome,
        reason=reason,
        message_id=message_id,
    )


def _heed(connection: Connection, claim: Claim, results: dict[Recipient, SendResult]) -> None:
    """Do what SES's refusals ask for: go slower, wait for the quota, or stop for a person."""
    refused = {r.refusal: r.reason for r in results.values() if isinstance(r, Refused)}
    if Refusal.THROTTLED in refused:
        pacing.slow_down(connection)
    if Refusal.QUOTA in refused:
        pacing.stop_for_the_day(connection)
    if reason := refused.get(Refusal.ACCOUNT):
        levers.pause_because(connection, claim.issue_id, reason)


def _tell(
    claim: Claim,
    results: dict[Recipient, SendResult],
    settled: Sequence[Delivery],
    others: Sequence[Delivery],
) -> None:
    accepted = sum(isinstance(result, Accepted) for result in results.values())
    by_outcome = Counter(delivery.outcome for delivery in settled)
    count("MailsAccepted", accepted)
    count("MailsFailed", by_outcome[Outcome.FAILED])
    count("MailsUnresolved", by_outcome[Outcome.UNRESOLVED])
    logger.info(
        "batches sent",
        issue_id=str(claim.issue_id),
        batches=[batch.number for batch in claim.batches],
        accepted=accepted,
        failed=by_outcome[Outcome.FAILED],
        unresolved=by_outcome[Outcome.UNRESOLVED],
        not_sent_to=len(others),
        waiting=len(results) - accepted - len(settled),
    )
