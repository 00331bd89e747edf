"""Calls dispatch at once, so that no issue waits for its clock's next minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import lambdas, settings
from broadsheet.issue_clock import Tick
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.domain.issues import IssueId


def kick(issue_id: IssueId, correlation_id: str) -> None:
    """Invoke dispatch asynchronously; best effort, since the clock calls it anyway."""
    _kick(Tick(issue_id=issue_id, correlation_id=correlation_id))


def kick_all() -> None:
    """Have dispatch look at all issues, as it does daily; best effort for that reason."""
    _kick(Tick())


def _kick(tick: Tick) -> None:
    try:
        lambdas.client().invoke(
            FunctionName=settings.dispatch_function_name(),
            InvocationType="Event",
            Payload=tick.model_dump_json(),
        )
    except (BotoCoreError, ClientError):
        logger.warning("dispatch could not be called at once", issue_id=str(tick.issue_id))
