"""Works through a queue's messages one by one: a bad one fails alone, and none is lost.

What failed becomes visible again soon and then ever later. What can never succeed goes to the
dead letters with its reason, and only that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from pydantic import TypeAdapter, ValidationError

from broadsheet import queues
from broadsheet.domain.errors import CanNeverSucceed, DatabaseUnavailable, NotEnoughTime
from broadsheet.settings import required
from broadsheet.telemetry import correlated, flush_metrics, log_failure, logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord


def work_through[Message](
    event: dict[str, Any],
    message_type: TypeAdapter[Message],
    work: Callable[[Message, str], None],
    queue: str,
) -> dict[str, Any]:
    """Call ``work`` with each message and its correlation id; return what SQS is to send again.

    ``queue``: REQUESTS or DELIVERY, as the environment names the queue and its dead letters.
    """
    outage: list[DatabaseUnavailable] = []  # once it is known, no other message waits for it

    def attempt(body: str, correlation_id: str) -> None:
        if outage:
            raise outage[0]
        try:
            work(_parse(message_type, body), correlation_id)
        except DatabaseUnavailable as error:
            outage.append(error)
            raise

    def work_on(record: SQSRecord) -> None:
        with correlated(_correlation_id(record)) as correlation_id:
            try:
                attempt(record.body, correlation_id)
            except CanNeverSucceed as error:
                queues.send_to_dead_letters(
                    required(f"{queue}_DEAD_LETTER_QUEUE_URL"),
                    record.body,
                    correlation_id,
                    reason=str(error),
                )
                logger.error("put to the dead letters", reason=str(error))
            except Exception as error:
                if isinstance(error, NotEnoughTime):
                    logger.info("left for another invocation")
                else:
                    log_failure("message failed, to be tried again", error)
                queues.retry_later(
                    required(f"{queue}_QUEUE_URL"),
                    record.receipt_handle,
                    int(record.attributes.approximate_receive_count),
                )
                raise

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    try:
        return dict(
            process_partial_response(event=event, record_handler=work_on, processor=processor)
        )
    finally:
        flush_metrics()


def _correlation_id(record: SQSRecord) -> str | None:
    attribute = record.raw_event.get("messageAttributes", {}).get("correlation_id")
    return str(attribute["stringValue"]) if attribute else None


def _parse[Message](message_type: TypeAdapter[Message], body: str) -> Message:
    try:
        return message_type.validate_json(body)
    except ValidationError:
        raise CanNeverSucceed("the message can't be read") from None
