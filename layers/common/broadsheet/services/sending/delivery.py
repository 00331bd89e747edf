"""Claims batches, sends them at their slots, and writes the ledger.

A claim that ends without its outcomes is held as unresolved by dispatch. So every way out of
here but the death of the process writes what is known.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from datetime import timedelta
from itertools import batched
from typing import TYPE_CHECKING, NamedTuple

from broadsheet import dispatch_kick, settings, signed_tokens
from broadsheet.database import delivery_batches_table, issues_table
from broadsheet.database.ledger import open_recipients, outcomes
from broadsheet.domain.deliveries import BatchResult, Delivery, Outcome
from broadsheet.domain.errors import DatabaseUnavailable
from broadsheet.domain.requests import UnsubscribeToken
from broadsheet.domain.subscribers import SubscriberId
from broadsheet.mail import ses_mailer
from broadsheet.mail.ses_mailer import (
    Accepted,
    Addressee,
    Letter,
    OutcomeUnknown,
    Refusal,
    Refused,
    SendResult,
)
from broadsheet.services.feedback import recording
from broadsheet.services.issues import lifecycle
from broadsheet.services.sending import pacing
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

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
            connect_timeout = self.seconds_left() - settings.timings().database_connect_timeout
            try:
                with self.session.connected(max(0, connect_timeout)) as connection:
                    return work(connection)
            except DatabaseUnavailable:
                if connect_timeout <= 0:
                    raise

    @property
    def has_time_for_a_claim(self) -> bool:
        """Whether a claim that is made now ends, and is written, before Lambda ends this."""
        timings = settings.timings()
        needed = timings.claim_deadline + timings.ses_call_timeout + timings.deliver_margin
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
    connect_timeout = settings.timings().deliver_connect_timeout
    others_wait = False
    while numbers and invocation.has_time_for_a_claim:
        with invocation.session.connected(connect_timeout) as connection:
            rate = pacing.issue_rate(connection)
        if rate is None:
            return numbers
        if not invocation.has_time_for_a_claim:  # the database was long in waking
            break
        size = pacing.batches_in_a_claim(rate)
        try:
            others_wait = _deliver_together(invocation, issue_id, numbers[:size], rate)
        except _NoSlots:
            time.sleep(random.uniform(0.5, 1) * settings.timings().slot_poll)  # noqa: S311
        else:
            numbers = numbers[size:]
    if not others_wait:
        with invocation.session.connected(connect_timeout) as connection:
            is_all_sent = not delivery_batches_table.has_open(connection, issue_id)
        if is_all_sent:
            dispatch_kick.kick(issue_id, correlation_id)
    return numbers


def _deliver_together(
    invocation: Invocation, issue_id: IssueId, numbers: Sequence[int], rate: float
) -> bool:
    """Send some batches under one claim; tell whether others are known to wait.

    Raises ``_NoSlots`` before anything is claimed.
    """
    claim, starts_in = _claim(invocation, issue_id, numbers, rate)
    if claim is None:
        logger.info("nothing to claim", issue_id=str(issue_id), batches=list(numbers))
        return False
    first_slot = time.monotonic() + starts_in.total_seconds()
    time.sleep(max(0.0, starts_in.total_seconds()))
    recipients, others, letter = invocation.in_database(
        lambda connection: (
            *open_recipients.read_recipients(connection, claim),
            _letter(connection, issue_id),
        )
    )
    answers: list[_Answer] = []
    accepted: list[Delivery] = []
    # Closed here, so that its calls have ended also when their outcomes can't be written.
    with closing(_send(letter, claim, recipients, rate, first_slot)) as sending:
        for answered in sending:
            answers += answered
            accepted = [
                _delivery(recipient, Outcome.ACCEPTED, message_id=result.message_id)
                for recipient, result in answered
                if isinstance(result, Accepted)
            ]
            if len(answers) < len(recipients):  # the last ones are written as the claim ends
                _record_meanwhile(invocation, claim, accepted)
    return _finish(invocation, claim, answers, accepted, others)


class _Answer(NamedTuple):
    """What SES said of one recipient."""

    recipient: Recipient
    result: SendResult


_letters: dict[IssueId, Letter] = {}  # the one that this environment sends; it never changes


def _letter(connection: Connection, issue_id: IssueId) -> Letter:
    if issue_id not in _letters:
        rendered = issues_table.rendered(connection, issue_id)
        _letters.clear()
        _letters[issue_id] = Letter(issue_id=issue_id, rendered=rendered)
    return _letters[issue_id]


def _record_meanwhile(invocation: Invocation, claim: Claim, accepted: Sequence[Delivery]) -> None:
    invocation.in_database(lambda connection: _record(connection, claim, accepted))


def _record(connection: Connection, claim: Claim, deliveries: Sequence[Delivery]) -> None:
    recording.report_duplicates(outcomes.record(connection, claim, deliveries))


def _claim(
    invocation: Invocation, issue_id: IssueId, numbers: Sequence[int], rate: float
) -> tuple[Claim | None, timedelta]:
    """Claim batches and reserve their slots, both or neither; tell how far the first slot is."""
    timings = settings.timings()
    with (
        invocation.session.connected(timings.deliver_connect_timeout) as connection,
        connection.transaction(),
    ):
        taken = delivery_batches_table.claim(
            connection, issue_id, numbers, timedelta(seconds=timings.claim_deadline)
        )
        if taken is None:
            delivery_batches_table.clear_release(connection, issue_id, numbers)
            return None, timedelta()
        claim, mails = taken
        starts_in = pacing.reserve(connection, mails, rate) if mails else timedelta()
        if starts_in is None:
            raise _NoSlots
    return claim, starts_in


def _send(
    letter: Letter,
    claim: Claim,
    recipients: Sequence[Recipient],
    rate: float,
    first_slot: float,
) -> Generator[list[_Answer]]:
    """Send in calls of half a second's worth, each at its slot; give the answers as they come.

    They are given at most every ``Timings.write_outcomes_every``. All calls have ended after it,
    and when it is closed before.
    """
    newsletter = settings.newsletter()
    size = pacing.call_size(rate)

    def call(position: int, chunk: Sequence[Recipient]) -> list[_Answer]:
        addressees = [Addressee(recipient, _token(claim, recipient)) for recipient in chunk]
        slot = first_slot + position * size / rate
        deadline = claim.deadline.timestamp() - time.time()  # later there is nothing to wait for
        time.sleep(max(0.0, min(slot - time.monotonic(), deadline)))
        results = ses_mailer.send_issue(newsletter, letter, addressees, claim.deadline)
        return list(map(_Answer, chunk, results))

    pause = settings.timings().write_outcomes_every
    with ThreadPoolExecutor(max_workers=settings.CALLS_AT_ONCE) as pool:
        under_way = {
            pool.submit(call, position, chunk)
            for position, chunk in enumerate(batched(recipients, size, strict=False))
        }
        while under_way:
            ended, under_way = wait(under_way, timeout=pause)
            if ended:
                yield [answer for future in ended for answer in future.result()]


def _token(claim: Claim, recipient: Recipient) -> str:
    return signed_tokens.sign_unsubscribe(
        UnsubscribeToken(
            subscriber_id=SubscriberId(recipient.subscriber_id), issue_id=claim.issue_id
        )
    )


def _finish(
    invocation: Invocation,
    claim: Claim,
    answers: Sequence[_Answer],
    accepted: Sequence[Delivery],
    others: Sequence[Delivery],
) -> bool:
    """Write the outcomes that are not written yet, and let go; tell whether other batches wait.

    Whoever has no outcome goes back to waiting with their batch. Acceptances are written whoever
    holds the claim; everything else is only while it is ours.
    """
    refused: dict[int, list[Refusal]] = defaultdict(list)
    for recipient, result in answers:
        if isinstance(result, Refused):
            refused[recipient.batch_number].append(result.refusal)
    batch_results = {
        batch.number: _batch_result(batch, set(refused[batch.number])) for batch in claim.batches
    }
    settled = [
        delivery
        for recipient, result in answers
        if not isinstance(result, Accepted)
        and (delivery := _settled(recipient, result, batch_results[recipient.batch_number]))
        is not None
    ]

    def release_claim(connection: Connection) -> bool:
        with connection.transaction():
            gone = delivery_batches_table.release_claim(
                connection, claim, list(batch_results.values())
            )
            not_accepted = [row for row in [*settled, *others] if row.batch_number in gone.ours]
            _record(connection, claim, [*accepted, *not_accepted])
        return gone.others_wait

    others_wait = invocation.in_database(release_claim)
    if refused:
        invocation.in_database(lambda connection: _react_to_refusals(connection, claim, answers))
    _log_outcome(claim, answers, settled, others)
    return others_wait


def _batch_result(batch: ClaimedBatch, refusals: set[Refusal]) -> BatchResult:
    """Return how a batch is let go: closed when nobody of it is to be sent to again."""
    tries = batch.tries + any(refusal in _ASKED for refusal in refusals)
    is_last_try = tries >= settings.timings().batch_tries
    returning = refusals - {Refusal.RECIPIENT} - (set(_ASKED) if is_last_try else set())
    return BatchResult(
        batch.number, is_closed=not returning, tries=tries, pause=_pause_before(tries)
    )


def _pause_before(tries: int) -> timedelta:
    """Return how long a batch waits for its next try: doubling, with jitter."""
    timings = settings.timings()
    longest = min(timings.batch_retry_first * 2**tries, timings.batch_retry_longest)
    return timedelta(seconds=random.uniform(longest / 2, longest))  # noqa: S311 - no secret


def _settled(
    recipient: Recipient, result: Refused | OutcomeUnknown, batch_result: BatchResult
) -> Delivery | None:
    """Return an outcome that is not an acceptance; None for who goes back to waiting."""
    is_last_try = batch_result.tries >= settings.timings().batch_tries
    match result:
        case OutcomeUnknown(reason=reason):
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
    place = recipient.subscriber_id, recipient.batch_number, recipient.round
    return Delivery(*place, outcome, reason, message_id)


def _react_to_refusals(connection: Connection, claim: Claim, answers: Sequence[_Answer]) -> None:
    """Do what SES's refusals ask for: go slower, wait for the quota, or stop for a person."""
    refused = {
        answer.result.refusal: answer.result.reason
        for answer in answers
        if isinstance(answer.result, Refused)
    }
    if Refusal.THROTTLED in refused:
        pacing.slow_down(connection)
    if Refusal.QUOTA in refused:
        pacing.stop_for_the_day(connection)
    if reason := refused.get(Refusal.ACCOUNT):
        lifecycle.pause_because(connection, claim.issue_id, reason)


def _log_outcome(
    claim: Claim,
    answers: Sequence[_Answer],
    settled: Sequence[Delivery],
    others: Sequence[Delivery],
) -> None:
    accepted = sum(isinstance(answer.result, Accepted) for answer in answers)
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
        waiting=len(answers) - accepted - len(settled),
    )
