"""Processes a queue's messages: a bad message fails alone, and none is lost.

A message that failed becomes visible again soon, and later after each failure; one that was left
unprocessed, soon. A message that can never succeed goes to the dead letters with its reason, and
only such a message.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from broadsheet import settings
from broadsheet.domain.errors import CanNeverSucceed, DatabaseUnavailable
from broadsheet.queues import dead_letters, redelivery
from broadsheet.queues.redelivery import Retry
from broadsheet.telemetry import correlated, count_seconds, flush_metrics, log_failure, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from broadsheet.settings import QueueName


class _Received[Message](NamedTuple):
    """A message, and SQS's record of it."""

    message: Message
    record: dict[str, Any]


class _Outage:
    """A database outage: once one group of messages has met it, no other waits for it."""

    def __init__(self) -> None:
        self._error: DatabaseUnavailable | None = None

    def guard[Result](self, work: Callable[[], Result]) -> Result:
        """Call ``work``, unless the database is known to be unavailable."""
        if self._error:
            raise self._error
        try:
            return work()
        except DatabaseUnavailable as error:
            self._error = error
            raise


def work_through[Message](
    event: dict[str, Any],
    parse: Callable[[str], Message | None],
    work: Callable[[Sequence[Message], str], Sequence[Message]],
    queue: QueueName,
    together: Callable[[Message], Hashable] | None = None,
) -> dict[str, Any]:
    """Call ``work`` with messages and their correlation id; return what SQS delivers again.

    ``parse`` returns a body's message, or None for one to drop; what it can't read, and raises
    ``ValidationError`` for, goes to the dead letters. ``work`` gets one message at a time or, with
    ``together``, all messages of one key. It returns those that it left for another invocation.
    """
    outage = _Outage()
    retries: list[Retry] = []
    oldest_failure = 0.0  # seconds since it was sent; SQS's own metric leaves out what fails often
    for received in _grouped(event, parse, queue, together).values():
        with correlated(_correlation_id(received[0].record)) as correlation_id:
            messages = [each.message for each in received]
            try:
                unprocessed = outage.guard(lambda: work(messages, correlation_id))  # noqa: B023
            except CanNeverSucceed as error:
                for each in received:
                    _dead_letter(each.record, correlation_id, queue, str(error))
            except Exception as error:  # noqa: BLE001 - logged, and tried again
                log_failure("messages failed, to be tried again", error, messages=len(received))
                retries += [_retry_failed(each.record) for each in received]
                oldest_failure = max(oldest_failure, *(_age(each.record) for each in received))
            else:
                retries += [
                    _retry(each.record, settings.timings().left_message_retry)
                    for each in received
                    if each.message in unprocessed
                ]
    redelivery.schedule(settings.queue_url(queue), retries)
    if oldest_failure:
        count_seconds("OldestFailure", oldest_failure)
    flush_metrics()
    return {"batchItemFailures": [{"itemIdentifier": retry.message_id} for retry in retries]}


def _grouped[Message](
    event: dict[str, Any],
    parse: Callable[[str], Message | None],
    queue: QueueName,
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
    parse: Callable[[str], Message | None], record: dict[str, Any], queue: QueueName
) -> Message | None:
    try:
        return parse(record["body"])
    except ValidationError:
        with correlated(_correlation_id(record)) as correlation_id:
            _dead_letter(record, correlation_id, queue, "the message can't be read")
        return None


def _dead_letter(
    record: dict[str, Any], correlation_id: str, queue: QueueName, reason: str
) -> None:
    dead_letters.send(settings.dead_letters_url(queue), record["body"], correlation_id, reason)
    logger.error("put to the dead letters", reason=reason)


def _retry_failed(record: dict[str, Any]) -> Retry:
    receive_count = int(record["attributes"]["ApproximateReceiveCount"])
    return _retry(record, redelivery.pause_after_failure(receive_count))


def _retry(record: dict[str, Any], after: float) -> Retry:
    return Retry(record["messageId"], record["receiptHandle"], after)


def _age(record: dict[str, Any]) -> float:
    return time.time() - int(record["attributes"]["SentTimestamp"]) / 1000


def _correlation_id(record: dict[str, Any]) -> str | None:
    attribute = record.get("messageAttributes", {}).get("correlation_id")
    return str(attribute["stringValue"]) if attribute else None
