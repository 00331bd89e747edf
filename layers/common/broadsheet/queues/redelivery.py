"""When SQS delivers a message again that was not processed."""

from __future__ import annotations

from itertools import batched
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import settings
from broadsheet.queues import sqs
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef


LONGEST_HIDDEN = 11 * 3600.0  # seconds; SQS hides a message for 12 h at most


class Retry(NamedTuple):
    """A message that becomes visible again ``after`` so many seconds."""

    message_id: str
    receipt_handle: str
    after: float


class Waiting(NamedTuple):
    """A message that has not failed, and comes back ``after`` so many seconds."""

    record: dict[str, Any]
    correlation_id: str | None
    after: float


def pause_after_failure(receive_count: int) -> float:
    """Return how many seconds a message rests: 2 after its first failure, doubling to 15 min."""
    timings = settings.timings()
    doubled: float = timings.message_retry_first * 2 ** min(receive_count - 1, 30)
    return min(doubled, timings.message_retry_longest)


def hold(queue_url: str, records: Iterable[dict[str, Any]], seconds: float) -> None:
    """Hide the messages of an invocation as long as it may run, and no longer.

    The queue's own timeout is six times as long, for batches that Lambda can't start yet. One that
    has started and is killed would hide its messages for all of it.
    """
    after = seconds + settings.timings().message_hold_margin
    schedule(
        queue_url, (Retry(each["messageId"], each["receiptHandle"], after) for each in records)
    )


def put_back(queue_url: str, waiting: Iterable[Waiting]) -> list[Waiting]:
    """Put messages onto their queue again, delayed; return those that SQS did not accept.

    SQS allows 120,000 messages in flight, and a hidden one is; a delayed one is not. It comes back
    after 15 min at most, and is put back again. Whoever is killed before the old messages are
    finished leaves both: what they ask for must be harmless when it is asked twice.
    """
    not_accepted: list[Waiting] = []
    for chunk in batched(waiting, sqs.BATCH_LIMIT, strict=False):
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {
                "Id": str(position),
                "MessageBody": each.record["body"],
                "DelaySeconds": ceil(min(each.after, sqs.LONGEST_DELAY)),
                "MessageAttributes": sqs.attributes(correlation_id=each.correlation_id)
                if each.correlation_id
                else {},
            }
            for position, each in enumerate(chunk)
        ]
        try:
            answer = sqs.client().send_message_batch(QueueUrl=queue_url, Entries=entries)
        except (BotoCoreError, ClientError):
            logger.warning("messages that wait could not be put back")
            not_accepted += chunk
            continue
        not_accepted += [chunk[int(failed["Id"])] for failed in answer.get("Failed", [])]
    return not_accepted


def schedule(queue_url: str, retries: Iterable[Retry]) -> None:
    """Make messages visible again in time.

    Best effort: without it a message comes back after the queue's own timeout.
    """
    for chunk in batched(retries, sqs.BATCH_LIMIT, strict=False):
        try:
            answer = sqs.client().change_message_visibility_batch(
                QueueUrl=queue_url,
                Entries=[
                    {
                        "Id": str(position),
                        "ReceiptHandle": retry.receipt_handle,
                        "VisibilityTimeout": round(min(retry.after, LONGEST_HIDDEN)),
                    }
                    for position, retry in enumerate(chunk)
                ],
            )
        except (BotoCoreError, ClientError):
            logger.warning("messages could not be made visible sooner")
            return
        if answer.get("Failed"):
            logger.warning("some messages could not be made visible sooner")
