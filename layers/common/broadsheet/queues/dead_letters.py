"""The dead-letter queues: messages that can never succeed, for a person to look at."""

from __future__ import annotations

from broadsheet.queues import sqs


def send(queue_url: str, body: str, correlation_id: str, reason: str) -> None:
    """Send a message to a dead-letter queue, with the reason."""
    sqs.client().send_message(
        QueueUrl=queue_url,
        MessageBody=body,
        MessageAttributes=sqs.attributes(correlation_id=correlation_id, reason=reason),
    )
