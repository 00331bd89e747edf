"""Breaks a rule of the protocol on purpose, to show that the suite notices."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from broadsheet.database import delivery_batches_table, issues_table
from broadsheet.database.connection import Connection
from broadsheet.database.ledger import older_versions
from broadsheet.domain import warm_up
from broadsheet.domain.deliveries import BatchResult, Claim, Delivery, Recipient, ReleasedBatches
from broadsheet.domain.issue_progress import Issue
from broadsheet.domain.issues import CorrectedVersion, IssueId, RenderedIssue
from broadsheet.domain.newsletter import Newsletter
from broadsheet.mail.ses import client as ses_client
from broadsheet.mail.ses import results, sending
from broadsheet.mail.ses.results import OutcomeUnknown, Refusal, Refused
from broadsheet.mail.ses.sending import BulkMail
from broadsheet.mail.substitutions import Links
from broadsheet.services.issues import careful_start
from broadsheet.services.sending import delivery, settling
from broadsheet.settings import timings
from tests.faults import plans


def _ignore_claims() -> None:
    """Let a claim take batches that another claim holds."""
    claim = delivery_batches_table.claim

    def greedy(
        connection: Connection, issue_id: IssueId, numbers: Sequence[int], valid_for: timedelta
    ) -> tuple[Claim, int] | None:
        connection.execute(
            """
            UPDATE delivery_batches
            SET state = 'waiting', claim_id = NULL, claim_deadline = NULL
            WHERE issue_id = %(issue_id)s AND number = ANY(%(numbers)s) AND state = 'claimed'
            """,
            {"issue_id": issue_id.root, "numbers": list(numbers)},
        )
        return claim(connection, issue_id, numbers, valid_for)

    delivery_batches_table.claim = greedy


def _let_the_sdk_retry() -> None:
    """Give the sending client the SDK's default retries."""

    def config(**options: Any) -> Config:  # noqa: ANN401 - botocore's own
        return Config(**options | {"retries": {"mode": "standard", "total_max_attempts": 3}})

    vars(ses_client)["Config"] = config
    ses_client.sending_client.cache_clear()


def _ignore_the_deadline() -> None:
    """Let a call leave after its claim's deadline."""
    ses_client.sending_client().meta.events.unregister(
        "before-send.sesv2.SendBulkEmail", ses_client._check_deadline
    )


def _let_dead_claims_write() -> None:
    """Let a claim release batches that it no longer holds."""
    release_claim = delivery_batches_table.release_claim

    def unfenced(
        connection: Connection, claim: Claim, results: Sequence[BatchResult]
    ) -> ReleasedBatches:
        connection.execute(
            """
            UPDATE delivery_batches SET state = 'claimed', claim_id = %(claim_id)s,
                   claim_deadline = %(deadline)s
            WHERE issue_id = %(issue_id)s AND number = ANY(%(numbers)s)
            """,
            {
                "claim_id": claim.id,
                "deadline": claim.deadline,
                "issue_id": claim.issue_id.root,
                "numbers": [batch_result.number for batch_result in results],
            },
        )
        return release_claim(connection, claim, results)

    delivery_batches_table.release_claim = unfenced


def _ignore_pauses() -> None:
    """Let deliver claim batches of a paused issue."""
    claim = delivery_batches_table.claim

    def restless(
        connection: Connection, issue_id: IssueId, numbers: Sequence[int], valid_for: timedelta
    ) -> Any:  # noqa: ANN401 - whatever the product's returns
        connection.execute(
            "UPDATE issues SET status = 'sending', paused_because = NULL"
            " WHERE id = %(issue_id)s AND status = 'paused'",
            {"issue_id": issue_id.root},
        )
        return claim(connection, issue_id, numbers, valid_for)

    delivery_batches_table.claim = restless


def _write_no_unresolved() -> None:
    """Write no row for a recipient whose mail SES may have taken."""
    settle = settling.settle

    def forgetful(
        recipient: Recipient, result: Refused | OutcomeUnknown, batch_result: BatchResult
    ) -> Delivery | None:
        is_unknown = isinstance(result, OutcomeUnknown)
        return None if is_unknown else settle(recipient, result, batch_result)

    vars(settling)["settle"] = forgetful


def _treat_timeouts_as_not_begun() -> None:
    """Treat a call without an answer in time as one that never began."""
    result_of = results.result_of

    def hasty(error: ClientError | BotoCoreError) -> Refused | OutcomeUnknown:
        if isinstance(error, ReadTimeoutError):
            return Refused(refusal=Refusal.NOT_BEGUN, reason="TIMEOUT")
        return result_of(error)

    vars(sending)["result_of"] = hasty


def _raise_once() -> None:
    """Raise an error after the first claim's answers; the protocol recovers from it."""
    finish = delivery._finish

    def failing(*_: object) -> bool:
        vars(delivery)["_finish"] = finish
        raise TypeError

    vars(delivery)["_finish"] = failing


def _read_the_version_late() -> None:
    """Send the version that is current as the mails are sent, instead of the claim's."""
    bulk_mail = delivery._bulk_mail

    def late(connection: Connection, claim: Claim) -> BulkMail:
        give_up_at = time.monotonic() + timings().claim_deadline / 2
        while time.monotonic() < give_up_at:
            issue = issues_table.find(connection, claim.issue_id)
            if issue and issue.version > claim.version:
                return bulk_mail(connection, claim._replace(version=issue.version))
            time.sleep(0.02)
        return bulk_mail(connection, claim)

    vars(delivery)["_bulk_mail"] = late


def _cache_by_issue() -> None:
    """Send what this environment has sent of the issue before, of whatever version."""
    bulk_mail = delivery._bulk_mail
    mails: dict[IssueId, BulkMail] = {}

    def cached(connection: Connection, claim: Claim) -> BulkMail:
        if claim.issue_id not in mails:
            mails[claim.issue_id] = bulk_mail(connection, claim)
        return mails[claim.issue_id]

    vars(delivery)["_bulk_mail"] = cached


def _send_without_version() -> None:
    """Leave the version out of the tags, and so out of SES's events."""

    def untagged(
        newsletter: Newsletter,
        issue_id: IssueId,
        _version: int,
        rendered: RenderedIssue,
        links: Links,
    ) -> BulkMail:
        return sending.bulk_mail(newsletter, issue_id, 1, rendered, links)

    vars(delivery)["bulk_mail"] = untagged


def _correct_at_once() -> None:
    """Freeze a correction's audience before the outcomes of all older mails are known."""

    def none(_connection: Connection, _corrected: CorrectedVersion) -> int:
        return 0

    vars(older_versions)["count_unsettled"] = none


def _end_the_hold_at_once() -> None:
    """Send the rest of a careful start as soon as its sample."""

    def end(connection: Connection, issue: Issue) -> None:
        connection.execute(
            "UPDATE issues SET held_after = NULL WHERE id = %(id)s", {"id": issue.id.root}
        )
        delivery_batches_table.release_held(connection, issue.id)

    vars(careful_start)["advance"] = end


def _count_no_days() -> None:
    """Let as many mails leave in a day of a warm-up as there are."""

    def unlimited(_day: int) -> None:
        return None

    vars(warm_up)["allowance"] = unlimited


_SABOTAGES: Mapping[str, Callable[[], None]] = {
    plans.CLAIMS_IGNORED: _ignore_claims,
    plans.SDK_RETRIES: _let_the_sdk_retry,
    plans.DEADLINE_IGNORED: _ignore_the_deadline,
    plans.UNFENCED: _let_dead_claims_write,
    plans.PAUSE_IGNORED: _ignore_pauses,
    plans.UNRESOLVED_NOT_WRITTEN: _write_no_unresolved,
    plans.TIMEOUT_TREATED_AS_NOT_BEGUN: _treat_timeouts_as_not_begun,
    plans.HANDLER_RAISES: _raise_once,
    plans.VERSION_READ_LATE: _read_the_version_late,
    plans.CONTENT_CACHED: _cache_by_issue,
    plans.EVENTS_WITHOUT_VERSION: _send_without_version,
    plans.CORRECTED_EARLY: _correct_at_once,
    plans.HOLD_IGNORED: _end_the_hold_at_once,
    plans.DAYS_IGNORED: _count_no_days,
}


def apply(sabotage: str) -> None:
    """Break a rule in this process."""
    _SABOTAGES[sabotage]()
