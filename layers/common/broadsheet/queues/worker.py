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
from broadsheet.queues.redelivery import Retry, Waiting
from broadsheet.telemetry import correlated, count_seconds, flush_metrics, log_failure, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from broadsheet.settings import QueueName


class Received[Message](NamedTuple):
    """A message, and SQS's record of it."""

    message: Message
    record: dict[str, Any]

    @property
    def correlation_id(self) -> str | None:
        """The id of the request that the message came from; None if it names none."""
        attribute = self.record.get("messageAttributes", {}).get("correlation_id")
        return str(attribute["stringValue"]) if attribute else None


# Why a message of a set was not finished: its failure, or after how many seconds it comes back.
type Unfinished = Exception | float


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


class _Remainder:
    """What an invocation has not finished, and SQS delivers again."""

    def __init__(self, queue: QueueName) -> None:
        self._queue: QueueName = queue
        self._retries: list[Retry] = []
        self._waiting: list[Waiting] = []
        self._oldest_failure = 0.0  # seconds since it was sent; SQS's metric leaves such ones out

    def add_failed(
        self, received: Sequence[Received[Any]], error: Exception, correlation_id: str | None
    ) -> None:
        """Retry messages that failed together, or put them to the dead letters."""
        with correlated(correlation_id) as shown_id:
            if isinstance(error, CanNeverSucceed):
                for each in received:
                    _dead_letter(each.record, shown_id, self._queue, str(error))
                return
            log_failure("messages failed, to be tried again", error, messages=len(received))
        self._retries += [_retry_failed(each.record) for each in received]
        ages = (_age(each.record) for each in received)
        self._oldest_failure = max(self._oldest_failure, *ages)

    def add_left(self, received: Received[Any], after: float) -> None:
        """Deliver a message again after so many seconds; it has not failed."""
        self._waiting.append(Waiting(received.record, received.correlation_id, after))

    def report(self) -> dict[str, Any]:
        """Schedule the retries, write the metrics, and return what SQS delivers again."""
        queue_url = settings.queue_url(self._queue)
        longest = settings.timings().message_hidden
        long = [each for each in self._waiting if each.after > longest]
        hidden = [each for each in self._waiting if each.after <= longest]
        hidden += redelivery.put_back(queue_url, long)
        self._retries += [_retry(each.record, each.after) for each in hidden]
        redelivery.schedule(queue_url, self._retries)
        if self._oldest_failure:
            count_seconds("OldestFailure", self._oldest_failure)
        flush_metrics()
        return {
            "batchItemFailures": [{"itemIdentifier": retry.message_id} for retry in self._retries]
        }


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
    outage, remainder = _Outage(), _Remainder(queue)
    for received in _grouped(event, parse, queue, together).values():
        with correlated(received[0].correlation_id) as correlation_id:
            messages = [each.message for each in received]
            try:
                unprocessed = outage.guard(lambda: work(messages, correlation_id))  # noqa: B023
            except Exception as error:  # noqa: BLE001 - logged, and tried again
                remainder.add_failed(received, error, correlation_id)
            else:
                for each in received:
                    if each.message in unprocessed:
                        remainder.add_left(each, settings.timings().left_message_retry)
    return remainder.report()


def work_through_set[Message](
    event: dict[str, Any],
    parse: Callable[[str], Message | None],
    work: Callable[[Sequence[Received[Message]]], Mapping[int, Unfinished]],
    queue: QueueName,
) -> dict[str, Any]:
    """Call ``work`` once with all messages; return what SQS delivers again.

    ``work`` returns what it has not finished, by position. Otherwise as ``work_through``.
    """
    remainder = _Remainder(queue)
    received = [each for group in _grouped(event, parse, queue, None).values() for each in group]
    unfinished: Mapping[int, Unfinished] = {}
    try:
        if received:
            unfinished = work(received)
    except Exception as error:  # noqa: BLE001 - logged, and tried again
        unfinished = dict.fromkeys(range(len(received)), error)
    failures: dict[Exception, list[Received[Message]]] = {}
    for position, reason in unfinished.items():
        if isinstance(reason, Exception):
            failures.setdefault(reason, []).append(received[position])
        else:
            remainder.add_left(received[position], reason)
    for failure, failed in failures.items():
        remainder.add_failed(failed, failure, failed[0].correlation_id)
    return remainder.report()


def _grouped[Message](
    event: dict[str, Any],
    parse: Callable[[str], Message | None],
    queue: QueueName,
    together: Callable[[Message], Hashable] | None,
) -> dict[Hashable, list[Received[Message]]]:
    groups: dict[Hashable, list[Received[Message]]] = {}
    for record in event["Records"]:
        message = _parse(parse, record, queue)
        if message is not None:
            key = together(message) if together else record["messageId"]
            groups.setdefault(key, []).append(Received(message, record))
    return groups


def _parse[Message](
    parse: Callable[[str], Message | None], record: dict[str, Any], queue: QueueName
) -> Message | None:
    try:
        return parse(record["body"])
    except ValidationError:
        with correlated(Received(None, record).correlation_id) as correlation_id:
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
