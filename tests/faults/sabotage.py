"""Breaks a rule of the protocol on purpose, so that the suite can be seen to notice."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from botocore.config import Config

from broadsheet.database import delivery_batches_table
from broadsheet.database.connection import Connection
from broadsheet.domain.deliveries import Claim
from broadsheet.domain.issues import IssueId
from broadsheet.mail import ses_mailer
from tests.faults import plans


def commit(sabotage: str) -> None:
    match sabotage:
        case plans.CLAIMS_IGNORED:
            _ignore_claims()
        case plans.SDK_RETRIES:
            _let_the_sdk_retry()
        case _:
            raise ValueError(sabotage)


def _ignore_claims() -> None:
    """Let a claim take a batch that another holds."""
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
    """Give the sending client the retries that the SDK has when nothing is said."""

    def config(**options: Any) -> Config:  # noqa: ANN401 - botocore's own
        return Config(**options | {"retries": {"mode": "standard", "total_max_attempts": 3}})

    vars(ses_mailer)["Config"] = config
    ses_mailer._sending_client.cache_clear()
