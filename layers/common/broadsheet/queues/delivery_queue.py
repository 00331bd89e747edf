"""DeliveryQueue: pointers to the batches of an issue, each delayed to about its turn."""

from __future__ import annotations

from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import settings
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.queues import sqs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

    from broadsheet.domain.deliveries import BatchPointer


def send(pointers: Iterable[tuple[BatchPointer, float]], correlation_id: str) -> None:
    """Put pointers on the queue, each with its delay in seconds, 0 to 900.

    Raises ``DependencyUnavailable`` when SQS did not accept them all. Those that it accepted are
    harmless, and the others are released again.
    """
    for chunk in batched(pointers, sqs.BATCH_LIMIT, strict=False):
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {
                "Id": str(position),
                "MessageBody": pointer.model_dump_json(),
                "DelaySeconds": min(int(delay), sqs.LONGEST_DELAY),
                "MessageAttributes": sqs.attributes(correlation_id=correlation_id),
            }
            for position, (pointer, delay) in enumerate(chunk)
        ]
        try:
            answer = sqs.client().send_message_batch(
                QueueUrl=settings.queue_url("DELIVERY"), Entries=entries
            )
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable("SQS did not accept the pointers") from error
        if answer.get("Failed"):
            raise DependencyUnavailable("SQS did not accept all pointers")
