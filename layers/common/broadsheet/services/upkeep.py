"""What the daily look does for everything, and what it tells the operator.

An issue's own clock has none of this, and dispatch imports it for no issue.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from broadsheet import issue_clock, settings
from broadsheet.database import (
    consents_table,
    issues_table,
    strict_mode_table,
    suspicious_sign_ups_table,
    webhooks_table,
)
from broadsheet.database.ledger import outcomes
from broadsheet.database.ledger import unresolved as unresolved_sends
from broadsheet.domain import pauses
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.open_problems import OpenProblems, PausedIssue
from broadsheet.services.issues import archiving, certifying, links
from broadsheet.services.people import stalled_imports, statistics
from broadsheet.services.sending import dispatching
from broadsheet.services.subscribers import retention
from broadsheet.services.webhooks import outbox
from broadsheet.telemetry import log_failure, logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection

_ARCHIVED_BY_THEN = timedelta(hours=1)  # S3 may be away for a while, and is back by then
_FORTNIGHT = timedelta(days=14)  # as long as queues and logs have what explains a duplicate


def look_at_all(connection: Connection, correlation_id: str) -> None:
    """Start the clock of every open issue, in case it was lost, and do all the archive owes."""
    for issue in issues_table.find_open(connection):
        try:
            issue_clock.start(issue.id, issue.due_at, correlation_id)
        except DependencyUnavailable as error:  # the others have theirs all the same
            log_failure("a clock could not be made", error, issue_id=str(issue.id))
        logger.info("open issue", issue_id=str(issue.id), status=issue.status)
    archiving.settle_all(connection)
    outbox.look(connection)
    stalled_imports.look_at_all(connection)
    retention.look(connection)
    links.look(connection)
    statistics.count_days(connection)
    certifying.settle_all(connection)  # last: it may count many issues


def report_problems(connection: Connection) -> OpenProblems:
    """Return what needs operator attention, also when its alarm has gone quiet."""
    now = datetime.now(UTC)
    grace = timedelta(seconds=settings.timings().grace)
    return OpenProblems(
        paused=[
            PausedIssue(issue_id=issue.id, because=because)
            for issue in issues_table.find_open(connection)
            if (because := issue.paused_because) and because != pauses.BY_AUTHOR
        ],
        unresolved_mails=unresolved_sends.count_until(
            connection, now - grace - dispatching.dead_after_deadline()
        ),
        duplicate_mails=outcomes.count_duplicates_since(connection, now - _FORTNIGHT),
        strict_since=strict_mode_table.read(connection).since,
        suspicious_sign_ups=suspicious_sign_ups_table.counts(connection),
        disabled_webhooks={
            str(webhook.id): because
            for webhook in webhooks_table.find_all(connection)
            if (because := webhook.disabled_because)
        },
        owed_pages=archiving.count_owed_since(connection, now - _ARCHIVED_BY_THEN),
        completion={
            "days_30": consents_table.completion_since(connection, now - timedelta(days=30)),
            "always": consents_table.completion_since(connection),
        },
    )
