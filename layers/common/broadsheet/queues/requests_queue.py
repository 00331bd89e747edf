"""RequestsQueue: what readers ask for at the edge, until enroll applies it."""

from __future__ import annotations

from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import settings
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.queues import sqs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.domain.requests import QueuedRequest


def send(request: QueuedRequest, correlation_id: str) -> None:
    """Store a reader's request. Raises ``DependencyUnavailable`` when SQS did not accept it."""
    try:
        sqs.client().send_message(
            QueueUrl=settings.queue_url("REQUESTS"),
            MessageBody=request.model_dump_json(),
            MessageAttributes=sqs.attributes(correlation_id=correlation_id),
        )
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable(
            "we could not take your request just now: please try again in a minute"
        ) from error


def send_all(requests: Sequence[QueuedRequest], correlation_id: str) -> None:
    """Store requests again. Raises ``DependencyUnavailable`` when SQS did not accept them all."""
    for chunk in batched(requests, sqs.BATCH_LIMIT, strict=False):
        try:
            answer = sqs.client().send_message_batch(
                QueueUrl=settings.queue_url("REQUESTS"),
                Entries=[
                    {
                        "Id": str(position),
                        "MessageBody": request.model_dump_json(),
                        "MessageAttributes": sqs.attributes(correlation_id=correlation_id),
                    }
                    for position, request in enumerate(chunk)
                ],
            )
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable("SQS did not accept the requests") from error
        if answer.get("Failed"):
            raise DependencyUnavailable("SQS did not accept all requests")
