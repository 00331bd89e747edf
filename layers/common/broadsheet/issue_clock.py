"""An issue's clock: an EventBridge Scheduler schedule that calls dispatch once a minute.

It exists while dispatch has work for the issue; a draft, or a paused issue at rest, has none. So
nothing runs, and no database wakes, while there is nothing to do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict

from broadsheet import aws, settings
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.issues import IssueId

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_scheduler.type_defs import CreateScheduleInputTypeDef


class Tick(BaseModel):
    """What dispatch is called with: an issue, or none to look at all open issues.

    ``report``: only return what needs operator attention. ``correlation_id`` is that of the request
    that published the issue, so that its whole delivery can be followed in the logs.
    """

    model_config = ConfigDict(frozen=True)

    issue_id: IssueId | None = None
    report: bool = False
    correlation_id: str | None = None


def start(issue_id: IssueId, starting_at: datetime, correlation_id: str) -> None:
    """Create the issue's clock, unless it runs already.

    Raises ``DependencyUnavailable`` when it could not be created.
    """
    try:
        client().create_schedule(**_clock(issue_id, starting_at, correlation_id))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConflictException":
            raise DependencyUnavailable("the issue's clock could not be made") from error
    except BotoCoreError as error:
        raise DependencyUnavailable("the issue's clock could not be made") from error


def _clock(
    issue_id: IssueId, starting_at: datetime, correlation_id: str
) -> CreateScheduleInputTypeDef:
    of_stack = settings.issue_clock()
    clock: CreateScheduleInputTypeDef = {
        "Name": str(issue_id),
        "GroupName": of_stack.group,
        "ScheduleExpression": "rate(1 minute)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": of_stack.dispatch_arn,
            "RoleArn": of_stack.role_arn,
            "Input": Tick(issue_id=issue_id, correlation_id=correlation_id).model_dump_json(),
            "RetryPolicy": {"MaximumRetryAttempts": 0},  # the next minute is a retry
            "DeadLetterConfig": {"Arn": of_stack.dead_letter_queue_arn},
        },
    }
    if starting_at > datetime.now(UTC):
        clock["StartDate"] = starting_at
    return clock


def move(issue_id: IssueId, starting_at: datetime, correlation_id: str) -> None:
    """Change when the issue's clock starts; at every moment there is one clock.

    Raises ``DependencyUnavailable`` when it could not be moved.
    """
    scheduler = client()
    try:
        scheduler.update_schedule(**_clock(issue_id, starting_at, correlation_id))
    except scheduler.exceptions.ResourceNotFoundException:
        start(issue_id, starting_at, correlation_id)
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("the issue's clock could not be moved") from error


def stop(issue_id: IssueId) -> None:
    """Delete the issue's clock, if it has one."""
    scheduler = client()
    try:
        scheduler.delete_schedule(Name=str(issue_id), GroupName=settings.issue_clock().group)
    except scheduler.exceptions.ResourceNotFoundException:
        return


def age(issue_id: IssueId) -> float | None:
    """Return the age of the issue's clock in seconds; None when it has none."""
    scheduler = client()
    try:
        clock = scheduler.get_schedule(Name=str(issue_id), GroupName=settings.issue_clock().group)
    except scheduler.exceptions.ResourceNotFoundException:
        return None
    return (datetime.now(UTC) - clock["CreationDate"]).total_seconds()


@cache
def client() -> EventBridgeSchedulerClient:
    """Return the client of EventBridge Scheduler."""
    created: EventBridgeSchedulerClient = aws.client("scheduler")
    return created
