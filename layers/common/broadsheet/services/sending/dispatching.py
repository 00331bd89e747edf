"""Does what is due for one issue: freeze, settle, release, finish, archive. Harmless to repeat.

Each step is a transaction of its own that first takes the issue's lock, which most steps hold for
milliseconds. A dispatch that doesn't get it soon ends, since another one is doing the same work.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import batched, groupby
from typing import TYPE_CHECKING

from broadsheet import issue_clock, settings
from broadsheet.database import (
    delivery_batches_table,
    feedback_progress_table,
    issues_table,
    segments_table,
)
from broadsheet.database.ledger import older_versions, open_recipients, outcomes
from broadsheet.database.ledger import unresolved as unresolved_sends
from broadsheet.domain import audiences, pauses
from broadsheet.domain.deliveries import BatchPointer, BatchResult, Delivery, Outcome
from broadsheet.domain.errors import CanNeverSucceed, DependencyUnavailable
from broadsheet.domain.issues import FrozenAudience, IssueStatus
from broadsheet.domain.stray_messages import about_no_mail
from broadsheet.mail.ses import single_mails
from broadsheet.queues import delivery_queue, feedback_queue
from broadsheet.services.issues import (
    archiving,
    careful_start,
    certifying,
    pausing,
)
from broadsheet.services.sending import pacing
from broadsheet.services.webhooks import outbox
from broadsheet.telemetry import count, log_failure, logger

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.deliveries import Claim, Recipient
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.domain.issues import IssueId
    from broadsheet.domain.ledger import RoundMember
    from broadsheet.domain.segments import SegmentFilter
    from broadsheet.services.sending.pacing import Allowed


_LOCK_WAIT = 0.5  # seconds; ended at once, a kick after the last batch would be lost for a minute
_LOCK_RETRY = 0.02  # seconds


class _LockedByAnother(Exception):
    """Another dispatch works on this issue."""


def run(connection: Connection, issue_id: IssueId, correlation_id: str) -> None:
    """Do what is due for one issue."""
    issue = issues_table.find(connection, issue_id)
    if issue is None:
        _stop_orphaned_clock(issue_id)
        return
    try:
        if issue.status is IssueStatus.SCHEDULED:
            if issue.due_at > datetime.now(UTC):
                return
            _freeze(connection, issue_id)
        _close_dead_claims(connection, issue_id)
        _settle(connection, issue_id)
        _close_or_hold(connection, issue_id)
        day_over_until = _release(connection, issue_id, correlation_id)
        _finish(connection, issue_id)
        archiving.settle(connection, issue_id)  # after sending, which never waits for it
        certifying.settle(connection, issue_id)
        _refresh_counts(connection, issue_id)
        _adjust_clock(connection, issue_id, correlation_id, day_over_until)
        outbox.kick(connection)
    except _LockedByAnother:
        logger.info("another dispatch works on this issue", issue_id=str(issue_id))


@contextmanager
def _locked(connection: Connection, issue_id: IssueId) -> Generator[Issue]:
    with connection.transaction():
        give_up_at = time.monotonic() + _LOCK_WAIT
        while (issue := issues_table.try_lock(connection, issue_id)) is None:
            if time.monotonic() > give_up_at:
                raise _LockedByAnother
            time.sleep(_LOCK_RETRY)
        yield issue


def _freeze(connection: Connection, issue_id: IssueId) -> None:
    """Freeze the audience, once: the subscribers who are confirmed now get the issue.

    With a segment, those of them who are in it as it is now; a correction's are those who have an
    older version of the issue that it corrects.
    """
    size = pacing.batch_size(pacing.usual_rate(connection))
    with _locked(connection, issue_id) as issue:
        if issue.frozen_at is not None or issue.status is not IssueStatus.SCHEDULED:
            return
        if issue.due_at > datetime.now(UTC):  # moved while this waited for the lock
            return
        segment = None
        if issue.segment is not None:
            stored = segments_table.find(connection, issue.segment)
            if stored is None:  # a stored issue keeps its segment; never everybody instead
                because = pauses.SEGMENT_GONE.format(segment=issue.segment)
                pausing.pause_because(connection, issue_id, because)
                return
            segment = stored.filter
        audience = _insert_audience(connection, issue, size, segment)
        if audience is None:
            logger.info("the outcomes of older versions are awaited", issue_id=str(issue_id))
            return
        issues_table.set_frozen(connection, issue_id, audience)
    logger.info(
        "audience frozen",
        issue_id=str(issue_id),
        audience=audience.size,
        sample=audience.sample_size,
    )


def _insert_audience(
    connection: Connection, issue: Issue, size: int, segment: SegmentFilter | None
) -> FrozenAudience | None:
    """Put the recipients into batches; None while those of a correction aren't known yet."""
    if corrected := issue.corrected:
        if older_versions.count_unsettled(connection, corrected):
            return None
        return FrozenAudience(
            delivery_batches_table.insert_corrected(connection, issue.id, size, corrected)
        )
    if issue.careful is None:
        inserted = delivery_batches_table.insert_audience(connection, issue.id, size, segment)
        return FrozenAudience(inserted, segment=segment)
    return careful_start.freeze(connection, issue.id, size, segment, issue.careful)


def _close_dead_claims(connection: Connection, issue_id: IssueId) -> None:
    """Close the batches whose deliver died, and write their open recipients as unresolved.

    SES may have accepted their mails: they are not sent to again before that is known. Batches
    whose claim had not begun to send wait again at once.
    """
    with _locked(connection, issue_id):
        for claim, may_have_sent in delivery_batches_table.lock_dead_claims(
            connection, issue_id, dead_after_deadline()
        ):
            if may_have_sent:
                _close_as_unresolved(connection, claim)
            else:
                _return_to_waiting(connection, claim)


def dead_after_deadline() -> timedelta:
    """Return how long after its deadline a claim counts as dead."""
    timings = settings.timings()
    return timedelta(seconds=timings.claim_taken_for_dead - timings.claim_deadline)


def _return_to_waiting(connection: Connection, claim: Claim) -> None:
    results = [
        BatchResult(batch.number, is_closed=False, tries=batch.tries, pause=timedelta())
        for batch in claim.batches
    ]
    delivery_batches_table.release_claim(connection, claim, results)
    logger.warning(
        "a claim died before it sent",
        issue_id=str(claim.issue_id),
        batches=[batch.number for batch in claim.batches],
    )


def _close_as_unresolved(connection: Connection, claim: Claim) -> None:
    recipients, not_mailed = open_recipients.read_recipients(connection, claim)
    # A recipient who has unsubscribed since may have been mailed before: they are unresolved, too.
    unsubscribed = [each for each in not_mailed if each.outcome is Outcome.SKIPPED]
    perhaps_mailed: list[Recipient | Delivery] = [*recipients, *unsubscribed]
    unresolved = [
        Delivery(of.subscriber_id, of.batch_number, of.round, Outcome.UNRESOLVED, "CLAIM_DIED")
        for of in perhaps_mailed
    ]
    failed = [each for each in not_mailed if each.outcome is Outcome.FAILED]
    outcomes.record(connection, claim, [*failed, *unresolved])
    delivery_batches_table.release_claim(
        connection,
        claim,
        [
            BatchResult(batch.number, is_closed=True, tries=batch.tries, pause=timedelta())
            for batch in claim.batches
        ],
    )
    count("MailsUnresolved", len(unresolved))
    logger.warning(
        "a claim died",
        issue_id=str(claim.issue_id),
        batches=[batch.number for batch in claim.batches],
        unresolved=len(unresolved),
    )


def _settle(connection: Connection, issue_id: IssueId) -> None:
    """Return unresolved recipients to waiting, once no event of their mails can still arrive."""
    deadline = unresolved_sends.oldest_deadline(connection, issue_id)
    if deadline is None:
        return
    oldest = deadline + dead_after_deadline()  # SES can't have accepted it later
    later = oldest + timedelta(seconds=settings.timings().grace)
    if later > datetime.now(UTC):
        return
    current_until = feedback_progress_table.read(connection).current_until
    if current_until is None or current_until < oldest:
        try:
            _prove_feedback_current(connection, later)
        except (DependencyUnavailable, CanNeverSucceed) as error:  # sending goes on all the same
            log_failure("could not determine feedback progress", error, issue_id=str(issue_id))
        current_until = feedback_progress_table.read(connection).current_until
    if current_until is None or current_until < oldest:
        count("UnresolvedPastGrace")
        logger.warning("unresolved sends wait for SES's events", issue_id=str(issue_id))
        return
    with _locked(connection, issue_id) as issue:
        # Read again under the lock: an event may have settled them meanwhile.
        rows = unresolved_sends.lock_until(
            connection, issue_id, current_until - dead_after_deadline()
        )
        if rows and issue.status is IssueStatus.CANCELED:
            unresolved_sends.give_up(connection, issue_id, rows)
            logger.warning("given up, since canceled", issue_id=str(issue_id), recipients=len(rows))
            return
        by_round = groupby(sorted(rows, key=lambda row: row.round), key=lambda row: row.round)
        for round_number, unresolved in by_round:
            _let_wait_again(connection, issue_id, round_number, list(unresolved))


def _let_wait_again(
    connection: Connection, issue_id: IssueId, round_number: int, unresolved: Sequence[RoundMember]
) -> None:
    again = delivery_batches_table.reopen_for_resend(
        connection, issue_id, round_number, [row.subscriber_id for row in unresolved]
    )
    unresolved_sends.delete_for_resend(connection, issue_id, round_number, sorted(again))
    count("MailsSentAgain", len(again))
    logger.warning("sent again, possibly twice", issue_id=str(issue_id), recipients=len(again))


def _prove_feedback_current(connection: Connection, later_than: datetime) -> None:
    """Take a step of the proof that no event of an earlier mail can still arrive.

    First an event of a mail that was sent after ``later_than`` must be recorded. Then the queues
    must be seen empty twice, a minute apart.
    """
    timings = settings.timings()
    progress = feedback_progress_table.read(connection)
    if progress.candidate_mail_at is None or progress.candidate_mail_at < later_than:
        if progress.latest_mail_at is None or progress.latest_mail_at < later_than:
            if feedback_progress_table.claim_probe(
                connection, timedelta(seconds=timings.probe_every)
            ):
                single_mails.send_probe(settings.newsletter())
            return
        feedback_progress_table.start_proof(connection)
    feedback_progress_table.see_queues(
        connection,
        are_empty=_are_feedback_queues_empty(),
        apart=timedelta(seconds=timings.queues_seen_empty_apart),
        grace=timedelta(seconds=timings.grace),
    )


def _are_feedback_queues_empty() -> bool:
    """Return whether no event of a mail can be on the queues.

    SNS may have put a message about no mail into the dead letters, where feedback can't drop it.
    """
    if dropped := feedback_queue.drop_dead_letters(about_no_mail):
        logger.info("dead letters were dropped, since they are about no mail", messages=dropped)
    return feedback_queue.is_empty()


def _close_or_hold(connection: Connection, issue_id: IssueId) -> None:
    """Close a canceled issue's waiting batches, also those that return to waiting later.

    Of a careful start, hold all but the sample, for as long as it takes.
    """
    with _locked(connection, issue_id) as issue:
        if issue.status is IssueStatus.CANCELED:
            delivery_batches_table.close_waiting(connection, issue_id)
        careful_start.advance(connection, issue)


def _release(connection: Connection, issue_id: IssueId, correlation_id: str) -> datetime | None:
    """Put the next minutes' worth of batches on the queue, each delayed to about its turn.

    Return when more may leave, if the mails that a warm-up allows today are sent.
    """
    at_most = pacing.allowed(connection)
    if at_most is None:
        return None
    if at_most.is_day_over:
        return at_most.day_ends
    _release_batches(connection, issue_id, correlation_id, at_most)
    return None


def _release_batches(
    connection: Connection, issue_id: IssueId, correlation_id: str, at_most: Allowed
) -> None:
    long_ago = timedelta(seconds=settings.timings().released_long_ago)
    seconds_a_batch = pacing.batch_size(at_most.rate) / at_most.rate
    with _locked(connection, issue_id) as issue:
        if issue.status is not IssueStatus.SENDING:
            return
        on_their_way = delivery_batches_table.count_released(connection, issue_id, long_ago)
        room = pacing.batches_to_release(at_most) - on_their_way
        if room <= 0:
            return
        numbers = delivery_batches_table.mark_released(
            connection, issue_id, room, long_ago, up_to=issue.held_after
        )
    size = pacing.batches_in_a_claim(at_most)
    delivery_queue.send(
        (
            (
                BatchPointer(issue_id=issue_id, numbers=of_a_claim),
                (on_their_way + position * size) * seconds_a_batch,
            )
            for position, of_a_claim in enumerate(batched(numbers, size, strict=False))
        ),
        correlation_id,
    )
    if numbers:
        logger.info("batches released", issue_id=str(issue_id), batches=len(numbers))


def _finish(connection: Connection, issue_id: IssueId) -> None:
    with _locked(connection, issue_id):
        has_finished = issues_table.set_finished(connection, issue_id)
    if has_finished:
        count("IssuesFinished")
        logger.info("issue finished", issue_id=str(issue_id))


def _refresh_counts(connection: Connection, issue_id: IssueId) -> None:
    issue = issues_table.find(connection, issue_id)
    if issue is None or not audiences.is_large(issue.audience):
        return
    # Only large issues need it here, and most dispatches are of others.
    from broadsheet.services.issues import counting  # noqa: PLC0415 - see above

    counting.refresh(connection, issue)


def _adjust_clock(
    connection: Connection,
    issue_id: IssueId,
    correlation_id: str,
    day_over_until: datetime | None,
) -> None:
    """Delete the clock of an issue that needs no more dispatching.

    If nothing is due before a known time, the clock sleeps until then, so that nothing wakes the
    database but SES's events. After a crash before that it ticks, and the next tick comes here.
    This holds the lock under which ``resume``, ``cancel`` and ``retry`` start it again.
    """
    with _locked(connection, issue_id) as issue:
        if not archiving.is_settled(connection, issue_id):
            return
        if not certifying.is_settled(connection, issue_id):
            return
        if issue.status in {IssueStatus.SCHEDULED, IssueStatus.SENDING}:
            until = careful_start.held_until(issue)
            if until is None and day_over_until and not _is_under_way(connection, issue):
                until = day_over_until
            if until is not None and until > datetime.now(UTC):
                _sleep(issue_id, until, correlation_id)
            return
        # In a canceled issue, a batch that a deliver has just released waits to be closed.
        is_canceled = issue.status is IssueStatus.CANCELED
        has_work = (
            delivery_batches_table.has_open if is_canceled else delivery_batches_table.has_claimed
        )
        if issue.status is not IssueStatus.FINISHED and (
            has_work(connection, issue_id) or unresolved_sends.oldest_deadline(connection, issue_id)
        ):
            return
        issue_clock.stop(issue_id)
    logger.info("clock stopped", issue_id=str(issue_id))


def _is_under_way(connection: Connection, issue: Issue) -> bool:
    """Return whether a part of an issue is released, claimed or unresolved, or it has not begun."""
    long_ago = timedelta(seconds=settings.timings().released_long_ago)
    return (
        issue.status is not IssueStatus.SENDING
        or delivery_batches_table.count_released(connection, issue.id, long_ago) > 0
        or delivery_batches_table.has_claimed(connection, issue.id)
        or unresolved_sends.oldest_deadline(connection, issue.id) is not None
    )


def _sleep(issue_id: IssueId, until: datetime, correlation_id: str) -> None:
    try:
        issue_clock.move(issue_id, until, correlation_id)
    except DependencyUnavailable as error:  # it ticks on, which does no harm
        log_failure("a clock could not be moved", error, issue_id=str(issue_id))
    else:
        logger.info("clock sleeps", issue_id=str(issue_id), until=until.isoformat())


def _stop_orphaned_clock(issue_id: IssueId) -> None:
    """Delete a clock without an issue, once no publishing can still commit one."""
    age = issue_clock.age(issue_id)
    if age is not None and age > settings.timings().orphaned_clock:
        issue_clock.stop(issue_id)
    logger.warning("no such issue", issue_id=str(issue_id), clock_age=age)
