"""Claims batches, sends their mails at their slots, and writes the ledger.

A claim that ends without its outcomes is held as unresolved by dispatch. So every way out of here,
except the death of the process, writes what is known.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from broadsheet import dispatch_kick, settings, signing
from broadsheet.database import delivery_batches_table, rendered_versions
from broadsheet.database.ledger import open_recipients, outcomes
from broadsheet.domain.deliveries import Delivery, Outcome
from broadsheet.domain.errors import DatabaseUnavailable
from broadsheet.mail.links import links_to
from broadsheet.mail.ses.results import Accepted, OutcomeUnknown, Refusal, Refused
from broadsheet.mail.ses.sending import BulkMail, bulk_mail
from broadsheet.mail.substitutions import Tokens
from broadsheet.services.feedback import duplicates
from broadsheet.services.issues import pausing
from broadsheet.services.sending import calls, pacing, settling
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection, Session
    from broadsheet.domain.deliveries import BatchPointer, Claim, Recipient
    from broadsheet.domain.issues import IssueId
    from broadsheet.mail.ses.results import SendResult
    from broadsheet.services.sending.pacing import Allowed


class Invocation(NamedTuple):
    """One run of deliver: its connection, and its time.

    ``seconds_left``: returns how long Lambda still lets it run.
    """

    session: Session
    seconds_left: Callable[[], float]

    def in_database[Result](self, work: Callable[[Connection], Result]) -> Result:
        """Do some work in the database, and repeat it if the database goes away and there is time.

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


class _TooManyForToday(Exception):
    """A warm-up allows fewer mails today: nothing is claimed, and dispatch releases it tomorrow."""


def deliver(invocation: Invocation, pointer: BatchPointer, correlation_id: str) -> bool:
    """Send the batches of a pointer, as far as there is time; return whether it is finished.

    Raises ``DatabaseUnavailable`` and ``DependencyUnavailable``: what was not claimed by then has
    not been touched.
    """
    signing.load_keys()
    connect_timeout = settings.timings().deliver_connect_timeout
    numbers: Sequence[int] = pointer.numbers
    others_wait = False
    while numbers and invocation.has_time_for_a_claim:
        with invocation.session.connected(connect_timeout) as connection:
            at_most = pacing.allowed(connection)
        if at_most is None:
            return False
        if not invocation.has_time_for_a_claim:  # the database was long in waking
            break
        size = pacing.batches_in_a_claim(at_most)
        try:
            others_wait = _deliver_claim(invocation, pointer.issue_id, numbers[:size], at_most)
        except _NoSlots:
            time.sleep(random.uniform(0.5, 1) * settings.timings().slot_poll)  # noqa: S311
            continue
        except _TooManyForToday:
            with invocation.session.connected(connect_timeout) as connection:
                delivery_batches_table.clear_release(connection, pointer.issue_id, numbers[:size])
        numbers = numbers[size:]
    if not others_wait:
        with invocation.session.connected(connect_timeout) as connection:
            is_all_sent = not delivery_batches_table.has_open(connection, pointer.issue_id)
        if is_all_sent:
            dispatch_kick.kick(pointer.issue_id, correlation_id)
    return not numbers


class _Answers:
    """SES's answers to a claim: acceptances that are not yet written, and everything else."""

    def __init__(self) -> None:
        self.accepted: list[Delivery] = []
        self.other: list[tuple[Recipient, Refused | OutcomeUnknown]] = []
        self.number_accepted = 0

    def take(self, answers: Sequence[tuple[Recipient, SendResult]]) -> None:
        """Add answers; those before have been written."""
        self.accepted = []
        for recipient, result in answers:
            if isinstance(result, Accepted):
                place = recipient.subscriber_id, recipient.batch_number, recipient.round
                accepted = Delivery(*place, Outcome.ACCEPTED, None, result.message_id)
                self.accepted.append(accepted)
            else:
                self.other.append((recipient, result))
        self.number_accepted += len(self.accepted)

    @property
    def number(self) -> int:
        """How many recipients have an answer."""
        return self.number_accepted + len(self.other)

    @property
    def refusals(self) -> dict[Refusal, str]:
        """Why SES refused mails, and its code for it."""
        refused = (result for _, result in self.other if isinstance(result, Refused))
        return {result.refusal: result.reason for result in refused}


def _deliver_claim(
    invocation: Invocation, issue_id: IssueId, numbers: Sequence[int], at_most: Allowed
) -> bool:
    """Send some batches under one claim; return whether others are known to wait.

    Raises ``_NoSlots`` and ``_TooManyForToday`` before anything is claimed.
    """
    claim, starts_in = _claim(invocation, issue_id, numbers, at_most)
    if claim is None:
        logger.info("nothing to claim", issue_id=str(issue_id), batches=list(numbers))
        return False
    pace = calls.Pace(at_most.rate, first_slot=time.monotonic() + starts_in.total_seconds())
    time.sleep(max(0.0, starts_in.total_seconds()))
    recipients, not_mailed, mail = invocation.in_database(
        lambda connection: _begin(connection, claim)
    )
    answers = _Answers()
    sent = calls.send(mail, recipients, _tokens_of(issue_id), pace, claim.deadline)
    # Closed here, so that its calls have ended also when their outcomes can't be written.
    with closing(sent):
        for answered in sent:
            answers.take(answered)
            if answers.number < len(recipients):  # the last ones are written as the claim ends
                _record_meanwhile(invocation, claim, answers.accepted)
    return _finish(invocation, claim, answers, not_mailed)


def _begin(
    connection: Connection, claim: Claim
) -> tuple[list[Recipient], list[Delivery], BulkMail]:
    """Mark the claim as one that may send, and only then read whom to mail, and what.

    Until the mark is there, a death leaves nobody's mail in doubt. After it, the batches are read
    that the claim still holds.
    """
    delivery_batches_table.begin(connection, claim)
    return *open_recipients.read_recipients(connection, claim), _bulk_mail(connection, claim)


# Of the issue that this environment sends, in the version that it sent last.
_bulk_mails: dict[tuple[IssueId, int], BulkMail] = {}


def _bulk_mail(connection: Connection, claim: Claim) -> BulkMail:
    sent = claim.issue_id, claim.version
    if sent not in _bulk_mails:
        rendered = rendered_versions.find(connection, *sent)
        _bulk_mails.clear()
        links = links_to(rendered.slug, claim.issue_id)
        _bulk_mails[sent] = bulk_mail(settings.newsletter(), *sent, rendered, links)
    return _bulk_mails[sent]


def _tokens_of(issue_id: IssueId) -> Callable[[UUID], Tokens]:
    sign = signing.mail_signer(issue_id)
    return lambda subscriber_id: Tokens(*sign(subscriber_id))


def _record_meanwhile(invocation: Invocation, claim: Claim, accepted: Sequence[Delivery]) -> None:
    invocation.in_database(lambda connection: _record(connection, claim, accepted))


def _record(connection: Connection, claim: Claim, deliveries: Sequence[Delivery]) -> None:
    duplicates.report_duplicates(outcomes.record(connection, claim, deliveries))


def _claim(
    invocation: Invocation, issue_id: IssueId, numbers: Sequence[int], at_most: Allowed
) -> tuple[Claim | None, timedelta]:
    """Claim batches and reserve their slots, both or neither; return the delay to the first."""
    timings = settings.timings()
    with (
        invocation.session.connected(timings.deliver_connect_timeout) as connection,
        connection.transaction(),
    ):
        taken = delivery_batches_table.claim(
            connection, issue_id, numbers, timedelta(seconds=timings.claim_deadline)
        )
        if taken is None:
            delivery_batches_table.clear_unsendable(connection, issue_id, numbers)
            return None, timedelta()
        claim, mails = taken
        if at_most.left is not None and mails > at_most.left:
            raise _TooManyForToday
        starts_in = pacing.reserve(connection, mails, at_most) if mails else timedelta()
        if starts_in is None:
            raise _NoSlots
    return claim, starts_in


def _finish(
    invocation: Invocation, claim: Claim, answers: _Answers, not_mailed: Sequence[Delivery]
) -> bool:
    """Write the remaining outcomes and release the claim; return whether other batches wait.

    A recipient without an outcome waits again with their batch. Acceptances are written whoever
    holds the claim; other outcomes only while this claim does.
    """
    batch_results = settling.batch_results(claim, answers.other)
    settled = [
        delivery
        for recipient, result in answers.other
        if (delivery := settling.settle(recipient, result, batch_results[recipient.batch_number]))
    ]

    def release_claim(connection: Connection) -> bool:
        with connection.transaction():
            released = delivery_batches_table.release_claim(
                connection, claim, list(batch_results.values())
            )
            ended = [*settled, *not_mailed]
            not_accepted = [row for row in ended if row.batch_number in released.ours]
            _record(connection, claim, [*answers.accepted, *not_accepted])
        return released.others_wait

    others_wait = invocation.in_database(release_claim)
    if refusals := answers.refusals:
        invocation.in_database(lambda connection: _react_to_refusals(connection, claim, refusals))
    _log_outcome(claim, answers, settled, not_mailed)
    return others_wait


def _react_to_refusals(connection: Connection, claim: Claim, refusals: dict[Refusal, str]) -> None:
    """Send more slowly, wait for the quota, or pause the issue, as SES's refusals demand."""
    if Refusal.THROTTLED in refusals:
        pacing.slow_down(connection)
    if Refusal.QUOTA in refusals:
        pacing.stop_for_the_day(connection)
    if reason := refusals.get(Refusal.ACCOUNT):
        pausing.pause_because(connection, claim.issue_id, reason)


def _log_outcome(
    claim: Claim, answers: _Answers, settled: Sequence[Delivery], not_mailed: Sequence[Delivery]
) -> None:
    by_outcome = Counter(delivery.outcome for delivery in settled)
    count("MailsAccepted", answers.number_accepted)
    count("MailsFailed", by_outcome[Outcome.FAILED])
    count("MailsUnresolved", by_outcome[Outcome.UNRESOLVED])
    logger.info(
        "batches sent",
        issue_id=str(claim.issue_id),
        batches=[batch.number for batch in claim.batches],
        accepted=answers.number_accepted,
        failed=by_outcome[Outcome.FAILED],
        unresolved=by_outcome[Outcome.UNRESOLVED],
        not_sent_to=len(not_mailed),
        waiting=len(answers.other) - len(settled),
    )
