"""Sends batches of an issue, from DeliveryQueue."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import TypeAdapter

from broadsheet import queue_worker
from broadsheet.domain.deliveries import BatchPointer
from broadsheet.mail import ses_mailer
from broadsheet.services import delivery

_pointer = TypeAdapter(BatchPointer)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take SQS messages, each of which points to a batch."""

    def seconds_left() -> float:
        return context.get_remaining_time_in_millis() / 1000

    def deliver(pointer: BatchPointer, correlation_id: str) -> None:
        delivery.deliver(pointer, correlation_id, seconds_left)

    try:
        return queue_worker.work_through(event, _pointer, deliver, "DELIVERY")
    finally:
        ses_mailer.close_connections()
