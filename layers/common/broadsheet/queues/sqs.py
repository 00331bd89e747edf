"""SQS's client and limits, which the modules of the queues share."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from botocore.config import Config

from broadsheet import aws

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

BATCH_LIMIT = 10  # messages in one call; SQS's own
LONGEST_DELAY = 900  # seconds; SQS's own


def attributes(**texts: str) -> Mapping[str, MessageAttributeValueTypeDef]:
    """Return texts as a message's attributes."""
    return {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}


@cache
def hasty_client() -> SQSClient:
    """Return the client for what a reader waits for, and that may fail: one try of a second."""
    config = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
    created: SQSClient = aws.client("sqs", config)
    return created


@cache
def client() -> SQSClient:
    """Return the client for all calls to SQS."""
    created: SQSClient = aws.client("sqs")
    return created
