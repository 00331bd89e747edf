"""Applies what readers asked for, from RequestsQueue, and mails them what they are owed."""

from contextlib import ExitStack
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from broadsheet import queue_worker, settings
from broadsheet.database.connection import Connection, connected
from broadsheet.domain.requests import SubscriberRequest, subscriber_request
from broadsheet.mail import ses_mailer
from broadsheet.services import enrollment


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Take SQS messages; one connection serves them all, opened when the first needs it."""
    with ExitStack() as at_the_end:
        at_the_end.callback(ses_mailer.close_connections)

        @cache
        def connection() -> Connection:
            return at_the_end.enter_context(
                connected(settings.waits().database_patience_of_workers)
            )

        def enroll(request: SubscriberRequest, _correlation_id: str) -> None:
            enrollment.apply(connection(), request)

        return queue_worker.work_through(event, subscriber_request, enroll, "REQUESTS")
