"""FeedbackQueue: SES's events, until feedback records them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import settings
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.queues import redelivery, sqs
from broadsheet.queues.redelivery import Retry

if TYPE_CHECKING:
    from collections.abc import Callable


def is_empty() -> bool:
    """Return whether no event is waiting, delayed, being recorded, or among the dead letters.

    Raises ``DependencyUnavailable``.
    """
    urls = settings.queue_url("FEEDBACK"), settings.dead_letters_url("FEEDBACK")
    try:
        return all(_count(url) == 0 for url in urls)
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("SQS did not report what is on its queues") from error


def drop_dead_letters(droppable: Callable[[str], str | None]) -> int:
    """Delete the dead letters of feedback that may be dropped; return how many.

    Ends at the first that may not: the queue isn't empty then, whatever else is on it. Raises
    ``DependencyUnavailable``.
    """
    url = settings.dead_letters_url("FEEDBACK")
    dropped = 0
    try:
        while _count(url):
            answer = sqs.client().receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=sqs.BATCH_LIMIT,
                WaitTimeSeconds=1,  # any wait at all makes SQS ask all of its servers
            )
            received = answer.get("Messages", [])
            drop = [message for message in received if droppable(message["Body"])]
            for message in drop:
                sqs.client().delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            dropped += len(drop)
            if len(drop) < len(received) or not received:
                kept = [message for message in received if message not in drop]
                redelivery.schedule(
                    url, [Retry(each["MessageId"], each["ReceiptHandle"], 0) for each in kept]
                )
                break
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("SQS did not hand over the dead letters") from error
    return dropped


def _count(queue_url: str) -> int:
    attributes = sqs.client().get_queue_attributes(
        QueueUrl=queue_url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )["Attributes"]
    return sum(int(number) for number in attributes.values())
