"""All of SQS: putting work on the queues, and what becomes of a message that failed."""

from __future__ import annotations

from functools import cache
from itertools import batched
from typing import TYPE_CHECKING, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from broadsheet.aws import call_config
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.settings import required, timings
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

    from broadsheet.domain.deliveries import BatchPointer
    from broadsheet.domain.requests import SubscriberRequest

BATCH_LIMIT = 10  # messages in one call; SQS's own
LONGEST_DELAY = 900  # seconds; SQS's own


def send_request(request: SubscriberRequest, correlation_id: str) -> None:
    """Keep a reader's request until enroll applies it.

    Raises ``DependencyUnavailable`` when SQS did not take it.
    """
    try:
        _client().send_message(
            QueueUrl=required("REQUESTS_QUEUE_URL"),
            MessageBody=request.model_dump_json(),
            MessageAttributes={
                "correlation_id": {"DataType": "String", "StringValue": correlation_id}
            },
        )
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable(
            "we could not take your request just now: please try again in a minute"
        ) from error


def send_pointers(pointers: Iterable[tuple[BatchPointer, float]], correlation_id: str) -> None:
    """Put batches on DeliveryQueue, each with its delay in seconds, 0 to 900.

    Raises ``DependencyUnavailable`` when SQS did not take them all; those that it took are
    harmless, and the others are released again.
    """
    for chunk in batched(pointers, BATCH_LIMIT, strict=False):
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {
                "Id": str(position),
                "MessageBody": pointer.model_dump_json(),
                "DelaySeconds": min(int(delay), LONGEST_DELAY),
                "MessageAttributes": {
                    "correlation_id": {"DataType": "String", "StringValue": correlation_id}
                },
            }
            for position, (pointer, delay) in enumerate(chunk)
        ]
        try:
            answer = _client().send_message_batch(
                QueueUrl=required("DELIVERY_QUEUE_URL"), Entries=entries
            )
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable("SQS did not take the pointers") from error
        if answer.get("Failed"):
            raise DependencyUnavailable("SQS did not take all pointers")


def are_feedback_queues_empty() -> bool:
    """Tell whether no event is waiting, delayed or being worked on, nor among the dead letters.

    Raises ``DependencyUnavailable``.
    """
    try:
        return all(
            _count(required(name)) == 0
            for name in ("FEEDBACK_QUEUE_URL", "FEEDBACK_DEAD_LETTER_QUEUE_URL")
        )
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("SQS did not tell what is on its queues") from error


def _count(queue_url: str) -> int:
    attributes = _client().get_queue_attributes(
        QueueUrl=queue_url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )["Attributes"]
    return sum(int(number) for number in attributes.values())


def drop_feedback_dead_letters(droppable: Callable[[str], str | None]) -> int:
    """Delete the dead letters of feedback that may be dropped; return how many.

    Ends at the first that may not: the queue isn't empty then, whatever else is on it. Raises
    ``DependencyUnavailable``.
    """
    url = required("FEEDBACK_DEAD_LETTER_QUEUE_URL")
    dropped = 0
    try:
        while _count(url):
            messages = _client().receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=BATCH_LIMIT,
                WaitTimeSeconds=1,  # any wait at all makes SQS ask all of its servers
            )
            received = messages.get("Messages", [])
            drop = [message for message in received if droppable(message["Body"])]
            for message in drop:
                _client().delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            dropped += len(drop)
            if len(drop) < len(received) or not received:
                kept = [message for message in received if message not in drop]
                retry_later(url, [Return(message["ReceiptHandle"], 0) for message in kept])
                break
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("SQS did not hand over the dead letters") from error
    return dropped


class Return(NamedTuple):
    """A message that is to be visible again, so many seconds from now."""

    receipt_handle: str
    after: float


def pause_after_failure(receive_count: int) -> float:
    """Return how many seconds a message rests: 2 after its first failure, doubling to 15 min."""
    doubled: float = timings().message_retry_first * 2 ** min(receive_count - 1, 30)
    return min(doubled, timings().message_retry_longest)


def retry_later(queue_url: str, returns: Iterable[Return]) -> None:
    """Make messages visible again.

    Best effort: without it a message comes back after the queue's own timeout.
    """
    for chunk in batched(returns, BATCH_LIMIT, strict=False):
        try:
            answer = _client().change_message_visibility_batch(
                QueueUrl=queue_url,
                Entries=[
                    {
                        "Id": str(position),
                        "ReceiptHandle": message.receipt_handle,
                        "VisibilityTimeout": round(message.after),
                    }
                    for position, message in enumerate(chunk)
                ],
            )
        except (BotoCoreError, ClientError):
            logger.warning("messages could not be made visible sooner")
            return
        if answer.get("Failed"):
            logger.warning("some messages could not be made visible sooner")


def send_to_dead_letters(queue_url: str, body: str, correlation_id: str, reason: str) -> None:
    """Put aside a message that can never succeed, with its reason, for a person to look at."""
    attributes = {"correlation_id": correlation_id, "reason": reason}
    _client().send_message(
        QueueUrl=queue_url,
        MessageBody=body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )


@cache
def _client() -> SQSClient:
    return boto3.client("sqs", config=call_config())
