"""Sends batches of an issue, from DeliveryQueue."""

from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import TypeAdapter

from broadsheet.database.connection import session
from broadsheet.domain.deliveries import BatchPointer
from broadsheet.mail.ses import client as ses_client
from broadsheet.queues import worker
from broadsheet.services.sending import delivery
from broadsheet.services.sending.delivery import Invocation

_pointer = TypeAdapter(BatchPointer)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take SQS messages, each of which points to batches of an issue."""
    try:
        with session() as connections:
            invocation = Invocation(
                connections, lambda: context.get_remaining_time_in_millis() / 1000
            )

            def deliver(
                pointers: Sequence[BatchPointer], correlation_id: str
            ) -> Sequence[BatchPointer]:
                return [
                    pointer
                    for pointer in pointers
                    if not delivery.deliver(invocation, pointer, correlation_id)
                ]

            return worker.work_through(event, _pointer.validate_json, deliver, "DELIVERY")
    finally:
        ses_client.close_connections()
