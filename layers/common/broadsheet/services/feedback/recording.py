"""Records SES's events in the ledger and in the subscribers' status.

A batch of events takes a handful of statements. An event may come before deliver has written the
row, twice, late, or out of order: everything is merged by precedence and by time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.database import bounces_and_complaints, feedback_progress_table, pauses_table
from broadsheet.database.ledger import breaker_counts, outcomes
from broadsheet.domain import pauses
from broadsheet.domain.breaker import BREAKER
from broadsheet.domain.deliveries import Outcome
from broadsheet.domain.ledger import LedgerUpdate
from broadsheet.domain.ses_events import BounceOrComplaint, EventKind
from broadsheet.services.feedback import duplicates
from broadsheet.services.issues import pausing
from broadsheet.services.webhooks import outbox
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId
    from broadsheet.domain.ledger import LedgerKey
    from broadsheet.domain.ses_events import SesEvent

_OUTCOMES: dict[str, Outcome] = {
    EventKind.REJECT: Outcome.REJECTED,
    EventKind.RENDERING_FAILURE: Outcome.RENDERING_FAILED,
}


def record(connection: Connection, events: Sequence[SesEvent]) -> None:
    """Record a batch of events: all of it, or nothing. Harmless when repeated.

    An event of a type or subtype that SES's guide doesn't list says, as any other, that SES took
    the mail; it is logged.
    """
    for event in events:
        if not event.is_listed:
            _log_unlisted(event)
    with connection.transaction():
        mailed_twice = outcomes.merge_updates(connection, _ledger_updates(events))
        changed = bounces_and_complaints.merge(connection, _bounces_and_complaints(events))
        latest = max(event.sent_at for event in events)
        feedback_progress_table.note_mail(connection, latest)
    duplicates.report_duplicates(mailed_twice)
    for status, number in changed.items():
        count(f"Subscribers{status.capitalize()}", number)
    logger.info(
        "events recorded",
        events=len(events),
        not_spam=sum(event.complaint is not None and not event.is_harmful for event in events),
    )
    for issue_id in _issues_with_bounces_and_complaints(events):
        _look_at_breaker(connection, issue_id)
    outbox.kick(connection)


def _log_unlisted(event: SesEvent) -> None:
    harm = event.bounce or event.complaint
    logger.warning(
        "an event that SES's guide does not list",
        kind=event.kind[:40],
        bounce=event.bounce.kind[:40] if event.bounce else None,
        complaint=(event.complaint.feedback_type or "")[:40] if event.complaint else None,
        subtype=(harm.subtype or "")[:40] if harm else None,
    )


def _ledger_updates(events: Iterable[SesEvent]) -> Iterable[LedgerUpdate]:
    """Return one update for each row, merged from its events in the order of their mails."""
    by_row: dict[LedgerKey, LedgerUpdate] = {}
    for event in sorted(events, key=lambda event: event.sent_at):
        if key := event.key:
            update = _ledger_update(event, key)
            earlier = by_row.get(key)
            by_row[key] = earlier.merged_with(update) if earlier else update
    return by_row.values()


def _ledger_update(event: SesEvent, key: LedgerKey) -> LedgerUpdate:
    outcome = _OUTCOMES.get(event.kind)
    return LedgerUpdate(
        key,
        outcome or Outcome.ACCEPTED,
        {event.message_id: event.version},
        reason=event.kind.upper().replace(" ", "_") if outcome else None,
        delivered_at=event.delivered_at,
        bounced_at=event.permanent_bounce_at,
        complained_at=event.complaint_at,
        suppressed_as=event.suppressed_as,
    )


def _bounces_and_complaints(events: Iterable[SesEvent]) -> list[BounceOrComplaint]:
    """Return the permanent bounces and complaints, each of which ends a subscriber's mail."""
    return [
        BounceOrComplaint(
            subscriber_id=event.subscriber_id,
            message_id=event.message_id,
            issue_id=event.issue_id,
            # When the bounced mail was sent: a confirmation since then counts for more.
            bounced_at=event.sent_at if event.permanent_bounce_at else None,
            complained_at=event.complaint_at,
        )
        for event in events
        if event.is_harmful and event.subscriber_id is not None
    ]


def _issues_with_bounces_and_complaints(events: Iterable[SesEvent]) -> set[IssueId]:
    return {event.issue_id for event in events if event.is_harmful and event.issue_id is not None}


def _look_at_breaker(connection: Connection, issue_id: IssueId) -> None:
    """Pause an issue whose bounces or complaints exceed the breaker's limits."""
    counts = breaker_counts.count_bounces_and_complaints(connection, issue_id)
    if counts.is_bad_sample:
        pausing.stop_bad_sample(connection, issue_id, counts)
        return
    if not BREAKER.may_trip(counts):
        return
    accepted = pauses_table.accepted_when_last_counted(connection, issue_id)
    if not BREAKER.trips(counts, accepted):
        return
    # More mails may have been accepted since they were counted last.
    accepted = breaker_counts.count_accepted(connection, issue_id)
    pauses_table.note_accepted(connection, issue_id, accepted)
    if BREAKER.trips(counts, accepted):
        pausing.trip_breaker(
            connection,
            issue_id,
            pauses.BREAKER.format(
                accepted=accepted, bounced=counts.bounced, complained=counts.complained
            ),
        )
