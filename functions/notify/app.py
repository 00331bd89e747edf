"""Sends webhooks what they are notified of, when it is kicked, or its clock calls."""

from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from broadsheet import settings
from broadsheet.database.connection import connected
from broadsheet.services.webhooks import notifying
from broadsheet.telemetry import InvocationFailed, correlated, flush_metrics, kind_of, log_failure


def handler(_event: dict[str, Any], context: LambdaContext) -> None:
    """Take ``{}``. Lambda tries a failed invocation again."""
    timings = settings.timings()
    left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    deadline = datetime.now(UTC) + left - timedelta(seconds=timings.notify_margin)
    with correlated():
        try:
            with connected(timings.worker_connect_timeout) as connection:
                notifying.notify(connection, deadline)
        except Exception as error:  # noqa: BLE001 - logged without its message, then raised
            log_failure("notify failed", error)
            raise InvocationFailed(kind_of(error)) from None
        finally:
            flush_metrics()
