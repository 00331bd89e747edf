"""The clock of webhooks: an EventBridge Scheduler schedule that calls notify once.

There is one for all webhooks, at the earliest time at which a message is tried again. It stays
when it has called: AWS deletes a schedule some time after its call, and might delete the next one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import issue_clock, settings
from broadsheet.domain.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_scheduler.type_defs import UpdateScheduleInputTypeDef

_NAME = "webhooks"
_SOONEST = timedelta(seconds=10)  # Scheduler calls within a minute anyway


def set_to(at: datetime) -> None:
    """Set the clock to a time. Raises ``DependencyUnavailable``."""
    of_stack = settings.webhook_clock()
    # Rounded up to a second; a time that has passed on arrival would be refused, or never come.
    at = max(at + timedelta(seconds=1), datetime.now(UTC) + _SOONEST).astimezone(UTC)
    clock: UpdateScheduleInputTypeDef = {
        "Name": _NAME,
        "GroupName": of_stack.group,
        "ScheduleExpression": f"at({at:%Y-%m-%dT%H:%M:%S})",
        "FlexibleTimeWindow": {"Mode": "OFF"},
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
