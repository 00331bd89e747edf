"""Imports a file, going on where the import is, and calls itself for the rest; or writes one."""

from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from broadsheet import settings
from broadsheet.database.connection import Connection, connected
from broadsheet.domain.errors import ExportNotFound, ImportNotFound
from broadsheet.domain.imports import TransferEvent
from broadsheet.services.people import exports, importing
from broadsheet.telemetry import InvocationFailed, correlated, flush_metrics, kind_of, log_failure


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Take ``{"import_id": "..."}`` or ``{"export_id": "..."}``.

    Lambda tries a failed invocation again.
    """
    wanted = TransferEvent.model_validate(event)
    timings = settings.timings()
    left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    # Half of it: what began before the deadline may take minutes more, as copying pictures does.
    deadline = datetime.now(UTC) + left / 2
    with correlated():
        try:
            with connected(timings.worker_connect_timeout) as connection:
                _work(connection, wanted, deadline)
        except (ImportNotFound, ExportNotFound) as error:  # deleted meanwhile: nothing to try again
            log_failure("nothing to transfer", error, **event)
        except Exception as error:  # noqa: BLE001 - logged without its message, then raised
            log_failure("transfer failed", error, **event)
            raise InvocationFailed(kind_of(error)) from None
        finally:
            flush_metrics()


def _work(connection: Connection, wanted: TransferEvent, deadline: datetime) -> None:
    if wanted.import_id is not None:
        importing.work(connection, wanted.import_id, deadline)
    elif wanted.export_id is not None:
        exports.write(connection, wanted.export_id)
