"""Applies readers' requests, from RequestsQueue, and sends the mails they are owed."""

from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from broadsheet import settings
from broadsheet.database.connection import session
from broadsheet.domain.requests import SubscriberRequest, subscriber_request
from broadsheet.mail.ses import client as ses_client
from broadsheet.queues import worker
from broadsheet.services.subscribers import enrollment


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Take SQS messages; one connection serves them all, opened when the first needs it."""
    connect_timeout = settings.timings().worker_connect_timeout
    try:
        with session() as invocation:

            def enroll(
                requests: Sequence[SubscriberRequest], _correlation_id: str
            ) -> Sequence[SubscriberRequest]:
                for request in requests:
                    with invocation.connected(connect_timeout) as connection:
                        enrollment.apply(connection, request)
                return []

            return worker.work_through(event, subscriber_request.validate_json, enroll, "REQUESTS")
    finally:
        ses_client.close_connections()
