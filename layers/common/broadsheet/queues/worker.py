"""Works through a queue's messages: a bad one fails alone, and none is lost.

What failed becomes visible again soon and then ever later; what was merely left, soon. What can
never succeed goes to the dead letters with its reason, and only that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from broadsheet.domain.errors import CanNeverSucceed, DatabaseUnavailable
from broadsheet.queues import messages
from broadsheet.queues.messages import Return
from broadsheet.settings import required, timings
from broadsheet.telemetry import correlated, count_seconds, flush_metrics, log_failure, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence


class _Received[Message](NamedTuple):
    """A message, and SQS's record of it."""

    message: Message
    record: dict[str, Any]


class _Retry(NamedTuple):
    """A message's record, and in how many seconds SQS is to send it again."""

    record: dict[str, Any]
    after: float


def work_through[Message](
    event: dict[str, Any],
    parse: Callable[[str], Message | None],
    work: Callable[[Sequence[Message], str], Sequence[Message]],
    queue: str,
    together: Callable[[Message], Hashable] | None = None,
) -> dict[str, Any]:
    """Call ``work`` with messages and their correlation id; return what SQS is to send again.

    ``parse`` returns a body's message, or None for one to drop; what it can't read, and raises
    ``ValidationError`` for, goes to the dead letters. ``work`` is given one message at a time or,
    with ``together``, those of one key; it returns those it left for another invocation.
    ``queue``: REQUESTS, DELIVERY or FEEDBACK, as the environment names the queue and its dead
    letters.
    """
    groups = _grouped(event, parse, queue, together)
    again: list[_Retry] = []
    oldest_failure = 0.0  # seconds since it was sent; SQS's own metric leaves out what fails often
    outage: list[DatabaseUnavailable] = []  # once it is known, nobody else waits for it

    def attempt(messages: Sequence[Message], correlation_id: str) -> Sequence[Message]:
        if outage:
            raise outage[0]
        try:
            return work(messages, correlation_id)
        except DatabaseUnavailable as error:
            outage.append(error)
            raise

    for received in groups.values():
        with correlated(_correlation_id(received[0].record)) as correlation_id:
            try:
                unprocessed = attempt([each.message for each in received], correlation_id)
            except CanNeverSucceed as error:
                for each in received:
                    _dead_letter(each.record, correlation_id, queue, str(error))
            except Exception as error:  # noqa: BLE001 - told, and tried again
                log_failure("messages failed, to be tried again", error, messages=len(received))
                again += [_Retry(each.record, _pause(each.record)) for each in received]
                oldest_failure = max(oldest_failure, *(_age(each.record) for each in received))
            else:
                again += [
                    _Retry(each.record, timings().left_message_retry)
                    for each in received
                    if each.message in unprocessed
                ]
    messages.retry_later(
        required(f"{queue}_QUEUE_URL"),
        [Return(record["receiptHandle"], after) for record, after in again],
    )
    if oldest_failure:
        count_seconds("OldestFailure", oldest_failure)
    flush_metrics()
    return {"batchItemFailures": [{"itemIdentifier": each.record["messageId"]} for each in again]}


def _grouped[Message](
    event: dict[str, Any],
    parse: Callable[[str], Message | None],
    queue: str,
    together: Callable[[Message], Hashable] | None,
) -> dict[Hashable, list[_Received[Message]]]:
    groups: dict[Hashable, list[_Received[Message]]] = {}
    for record in event["Records"]:
        message = _parse(parse, record, queue)
        if message is not None:
            key = together(message) if together else record["messageId"]
            groups.setdefault(key, []).append(_Received(message, record))
    return groups


def _parse[Message](
    parse: Callable[[str], Message | None], record: dict[str, Any], queue: str
) -> Message | None:
    try:
        return parse(record["body"])
    except ValidationError:
        with correlated(_correlation_id(record)) as correlation_id:
            _dead_letter(record, correlation_id, queue, "the message can't be read")
        return None


def _dead_letter(record: dict[str, Any], correlation_id: str, queue: str, reason: str) -> None:
    messages.send_to_dead_letters(
        required(f"{queue}_DEAD_LETTER_QUEUE_URL"), record["body"], correlation_id, reason=reason
    )
    logger.error("put to the dead letters", reason=reason)


def _pause(record: dict[str, Any]) -> float:
    return messages.pause_after_failure(int(record["attributes"]["ApproximateReceiveCount"]))


def _age(record: dict[str, Any]) -> float:
    return time.time() - int(record["attributes"]["SentTimestamp"]) / 1000


def _correlation_id(record: dict[str, Any]) -> str | None:
    attribute = record.get("messageAttributes", {}).get("correlation_id")
    return str(attribute["stringValue"]) if attribute else None
