"""Imports a file: goes on where the import is, and calls itself for the rest."""

from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from broadsheet import settings
from broadsheet.database.connection import connected
from broadsheet.domain.errors import ImportNotFound
from broadsheet.domain.imports import TransferEvent
from broadsheet.services.people import importing
from broadsheet.telemetry import InvocationFailed, correlated, flush_metrics, kind_of, log_failure


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Take ``{"import_id": "..."}``. Lambda tries a failed invocation again."""
    wanted = TransferEvent.model_validate(event)
    timings = settings.timings()
    left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    # Half of it: what began before the deadline may take minutes more, as copying pictures does.
    deadline = datetime.now(UTC) + left / 2
    with correlated():
        try:
            with connected(timings.worker_connect_timeout) as connection:
                importing.work(connection, wanted.import_id, deadline)
        except ImportNotFound as error:  # deleted meanwhile: there is nothing to try again
            log_failure("no such import", error, import_id=str(wanted.import_id))
        except Exception as error:  # noqa: BLE001 - logged without its message, then raised
            log_failure("transfer failed", error, import_id=str(wanted.import_id))
            raise InvocationFailed(kind_of(error)) from None
        finally:
            flush_metrics()
