"""When SQS delivers a message again that was not processed."""

from __future__ import annotations

from itertools import batched
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import settings
from broadsheet.queues import sqs
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Iterable


class Retry(NamedTuple):
    """A message that becomes visible again ``after`` so many seconds."""

    message_id: str
    receipt_handle: str
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
                        "VisibilityTimeout": round(retry.after),
                    }
                    for position, retry in enumerate(chunk)
                ],
            )
        except (BotoCoreError, ClientError):
            logger.warning("messages could not be made visible sooner")
            return
        if answer.get("Failed"):
            logger.warning("some messages could not be made visible sooner")
