"""Calls of notify: now, asynchronously, or by a clock when the next try of a webhook is due."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import issue_clock, lambdas, settings
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_scheduler.type_defs import UpdateScheduleInputTypeDef

_CLOCK = "webhooks"  # one for all of them


def kick() -> None:
    """Call notify at once; best effort, since a later kick finds what this one has lost."""
    try:
        lambdas.client().invoke(
            FunctionName=settings.notify_function_name(), InvocationType="Event", Payload="{}"
        )
    except (BotoCoreError, ClientError):
        logger.warning("notify could not be called at once")


def call_at(at: datetime) -> None:
    """Set the clock, which calls notify once. Raises ``DependencyUnavailable``."""
    of_stack = settings.webhook_clock()
    second = (at + timedelta(seconds=1)).astimezone(UTC)  # a part of it is left out
    clock: UpdateScheduleInputTypeDef = {
        "Name": _CLOCK,
        "GroupName": of_stack.group,
        "ScheduleExpression": f"at({second:%Y-%m-%dT%H:%M:%S})",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {"Arn": of_stack.notify_arn, "RoleArn": of_stack.role_arn, "Input": "{}"},
    }
    scheduler = issue_clock.client()
    try:
        try:
            scheduler.update_schedule(**clock)
        except scheduler.exceptions.ResourceNotFoundException:
            scheduler.create_schedule(**clock)
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("the clock of webhooks could not be set") from error
