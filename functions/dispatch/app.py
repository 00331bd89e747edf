"""Does what is due for the issue whose clock or kick calls; without one, looks at all issues."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from broadsheet import settings
from broadsheet.database.connection import connected
from broadsheet.domain.errors import DatabaseUnavailable
from broadsheet.issue_clock import Tick
from broadsheet.services.sending import dispatching
from broadsheet.telemetry import InvocationFailed, correlated, flush_metrics, kind_of, log_failure


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any] | None:
    """Take ``{"issue_id": "..."}`` or ``{}``. Lambda tries a failed invocation again.

    ``{"report": true}`` changes nothing and returns ``OpenProblems``, for the operator's doctor.

    A database that is down is no failure here: the issue's clock calls again in a minute.
    """
    tick = Tick.model_validate(event)
    with correlated(tick.correlation_id) as correlation_id:
        try:
            with connected(settings.timings().worker_connect_timeout) as connection:
                if tick.issue_id is not None and not tick.report:
                    dispatching.run(connection, tick.issue_id, correlation_id)
                    return None
                # No issue needs it, and it is a fifth of the import.
                from broadsheet.services import upkeep  # noqa: PLC0415

                if tick.report:
                    return upkeep.report_problems(connection).model_dump(mode="json")
                upkeep.look_at_all(connection, correlation_id)
        except DatabaseUnavailable as error:
            log_failure("the database is unavailable", error, issue_id=str(tick.issue_id))
            if tick.issue_id is None:
                raise InvocationFailed(kind_of(error)) from None
        except Exception as error:  # noqa: BLE001 - logged without its message, then raised
            log_failure("dispatch failed", error, issue_id=str(tick.issue_id))
            raise InvocationFailed(kind_of(error)) from None
        finally:
            flush_metrics()
    return None
