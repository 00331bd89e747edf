"""Applies readers' requests, from RequestsQueue, and sends the mails they are owed."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from broadsheet import settings
from broadsheet.database.connection import session
from broadsheet.domain.requests import QueuedRequest, read_queued
from broadsheet.mail.ses import client as ses_client
from broadsheet.queues import redelivery, worker
from broadsheet.queues.worker import Received, Unfinished
from broadsheet.services.subscribers import enrollment


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take a set of SQS messages; one connection serves them all."""
    timings = settings.timings()
    left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    # Whoever leaves would wait for the queue's nine minutes when an invocation is killed.
    redelivery.hold(settings.queue_url("REQUESTS"), event["Records"], left.total_seconds())
    deadline = datetime.now(UTC) + left - timedelta(seconds=timings.enroll_margin)
    try:
        with session() as invocation:

            def enroll(
                received: Sequence[Received[QueuedRequest]],
            ) -> Mapping[int, Unfinished]:
                with invocation.connected(timings.worker_connect_timeout) as connection:
                    return enrollment.apply(connection, received, deadline)

            return worker.work_through_set(event, read_queued, enroll, "REQUESTS")
    finally:
        ses_client.close_connections()
