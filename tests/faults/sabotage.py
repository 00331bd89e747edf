"""Breaks a rule of the protocol on purpose, to show that the suite notices."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from broadsheet.database import delivery_batches_table
from broadsheet.database.connection import Connection
from broadsheet.domain.deliveries import BatchResult, Claim, Delivery, Recipient, ReleasedBatches
from broadsheet.domain.issues import IssueId
from broadsheet.mail.ses import client as ses_client
from broadsheet.mail.ses import results, sending
from broadsheet.mail.ses.results import OutcomeUnknown, Refusal, Refused
from broadsheet.services.sending import delivery, settling
from tests.faults import plans


def apply(sabotage: str) -> None:
    match sabotage:
        case plans.CLAIMS_IGNORED:
            _ignore_claims()
        case plans.SDK_RETRIES:
            _let_the_sdk_retry()
        case plans.DEADLINE_IGNORED:
            _ignore_the_deadline()
        case plans.UNFENCED:
            _let_dead_claims_write()
        case plans.PAUSE_IGNORED:
            _ignore_pauses()
        case plans.UNRESOLVED_NOT_WRITTEN:
            _write_no_unresolved()
        case plans.TIMEOUT_TREATED_AS_NOT_BEGUN:
            _treat_timeouts_as_not_begun()
        case plans.HANDLER_RAISES:
            _raise_once()
        case _:
            raise ValueError(sabotage)


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
