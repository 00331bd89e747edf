"""ClicksQueue: clicks on the links of issues, until somebody counts them.

No function is started by it, so that no click wakes a sleeping database.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import batched
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from broadsheet import settings
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.links import Click
from broadsheet.queues import sqs
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sqs.type_defs import MessageTypeDef

AT_ONCE = 5  # calls; as many servers of SQS are asked before the queue counts as empty
MOST = 20_000  # clicks held in memory; SQS hides up to 120,000


class WaitingClick(NamedTuple):
    """A click on the queue. ``click``: None if the message is none. ``receipt``: to delete it."""

    click: Click | None
    at: datetime
    receipt: str


def send(click: Click) -> None:
    """Store a click. Raises ``DependencyUnavailable`` when SQS did not accept it at once."""
    try:
        sqs.hasty_client().send_message(
            QueueUrl=settings.queue_url("CLICKS"), MessageBody=click.model_dump_json()
        )
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("SQS did not accept a click") from error


def take(seconds: float) -> Sequence[WaitingClick]:
    """Take the clicks that wait, as far as the time allows; until they are deleted, SQS has them.

    Raises ``DependencyUnavailable``.
    """
    ends = time.monotonic() + seconds
    taken: dict[str, WaitingClick] = {}  # SQS may hand over a message twice
    try:
        with ThreadPoolExecutor(AT_ONCE) as callers:
            while len(taken) < MOST:
                received = [
                    message
                    for answer in callers.map(lambda _: _receive(), range(AT_ONCE))
                    for message in answer
                ]
                taken |= {message["MessageId"]: _parsed(message) for message in received}
                if not received or time.monotonic() >= ends:
                    break
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("SQS did not hand over the clicks") from error
    return [*taken.values()]


def delete(clicks: Sequence[WaitingClick]) -> None:
    """Delete clicks that are counted. Raises ``DependencyUnavailable``; then some may come back."""
    chunks = list(batched([each.receipt for each in clicks], sqs.BATCH_LIMIT, strict=False))
    try:
        with ThreadPoolExecutor(AT_ONCE) as callers:
            list(callers.map(_delete, chunks))
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("SQS did not delete the clicks") from error


def _receive() -> Sequence[MessageTypeDef]:
    answer = sqs.client().receive_message(
        QueueUrl=settings.queue_url("CLICKS"),
        MaxNumberOfMessages=sqs.BATCH_LIMIT,
        MessageSystemAttributeNames=["SentTimestamp"],
    )
    return answer.get("Messages", [])


def _parsed(message: MessageTypeDef) -> WaitingClick:
    at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    try:
        click = Click.model_validate_json(message["Body"])
    except ValidationError:
        logger.error("a message is no click, and is dropped", message_id=message["MessageId"])
        click = None
    return WaitingClick(click, at, message["ReceiptHandle"])


def _delete(receipts: Sequence[str]) -> None:
    sqs.client().delete_message_batch(
        QueueUrl=settings.queue_url("CLICKS"),
        Entries=[
            {"Id": str(position), "ReceiptHandle": receipt}
            for position, receipt in enumerate(receipts)
        ],
    )
