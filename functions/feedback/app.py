"""Records SES's events, from FeedbackQueue."""

from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import TypeAdapter, ValidationError

from broadsheet import settings
from broadsheet.database.connection import session
from broadsheet.domain.ses_events import SesEvent
from broadsheet.domain.stray_messages import about_no_mail
from broadsheet.queues import worker
from broadsheet.services.feedback import recording
from broadsheet.telemetry import logger

_event = TypeAdapter(SesEvent)


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Take SQS messages, each an event in SES's own shape; all are recorded together."""
    connect_timeout = settings.timings().worker_connect_timeout
    with session() as invocation:

        def record(events: Sequence[SesEvent], _correlation_id: str) -> Sequence[SesEvent]:
            with invocation.connected(connect_timeout) as connection:
                recording.record(connection, events)
            return []

        return worker.work_through(event, _parse, record, "FEEDBACK", together=lambda _event: "all")


def _parse(body: str) -> SesEvent | None:
    """Return the event, or None for a message that is surely about no mail."""
    try:
        return _event.validate_json(body)
    except ValidationError:
        what = about_no_mail(body)
        if what is None:
            raise
        logger.info("a message about no mail was dropped", what=what)
        return None
