"""Notices to the operator, by the topic of the alarms: whoever subscribed to it gets a mail."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import aws, settings
from broadsheet.telemetry import log_failure

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


def publish(subject: str, text: str) -> None:
    """Send a notice; best effort. ``subject``: at most 100 characters of ASCII, SNS's own limit."""
    try:
        _client().publish(TopicArn=settings.alarms_topic_arn(), Subject=subject, Message=text)
    except (BotoCoreError, ClientError) as error:
        log_failure("the operator could not be notified", error)


@cache
def _client() -> SNSClient:
    created: SNSClient = aws.client("sns")
    return created
