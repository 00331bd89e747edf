"""Sends batches of an issue, from DeliveryQueue."""

from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import TypeAdapter

from broadsheet.database.connection import session
from broadsheet.domain.deliveries import BatchPointer
from broadsheet.mail import ses_mailer
from broadsheet.queues import worker
from broadsheet.services.sending import delivery
from broadsheet.services.sending.delivery import Invocation

_pointer = TypeAdapter(BatchPointer)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take SQS messages, each of which points to batches; those of one issue go together."""
    try:
        with session() as connections:
            invocation = Invocation(
                connections, lambda: context.get_remaining_time_in_millis() / 1000
            )

            def deliver(
                pointers: Sequence[BatchPointer], correlation_id: str
            ) -> Sequence[BatchPointer]:
                numbers = sorted({number for pointer in pointers for number in pointer.numbers})
                issue_id = pointers[0].issue_id
                unprocessed = set(delivery.deliver(invocation, issue_id, numbers, correlation_id))
                return [
                    pointer for pointer in pointers if not unprocessed.isdisjoint(pointer.numbers)
                ]

            return worker.work_through(
                event,
                _pointer.validate_json,
                deliver,
                "DELIVERY",
                together=lambda pointer: pointer.issue_id,
            )
    finally:
        ses_mailer.close_connections()
