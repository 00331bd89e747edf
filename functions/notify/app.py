"""Sends webhooks what they are notified of, from WebhooksQueue."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from broadsheet import settings
from broadsheet.database.connection import session
from broadsheet.queues import redelivery, worker
from broadsheet.queues.webhooks_queue import Kick
from broadsheet.queues.worker import Received, Unfinished
from broadsheet.services.webhooks import notifying


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take SQS messages, each a webhook; all of them are called at once."""
    left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    redelivery.hold(settings.queue_url("WEBHOOKS"), event["Records"], left.total_seconds())
    with session() as invocation:

        def notify(received: Sequence[Received[Kick]]) -> Mapping[int, Unfinished]:
            return notifying.notify(invocation, received)

        return worker.work_through_set(event, Kick.model_validate_json, notify, "WEBHOOKS")
