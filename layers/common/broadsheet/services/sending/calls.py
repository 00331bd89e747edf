"""Sends a claim's mails in calls of half a second's worth, each at its slot."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import batched
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from broadsheet import settings
from broadsheet.mail.ses import sending
from broadsheet.services.sending import pacing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from datetime import datetime
    from uuid import UUID

    from broadsheet.domain.deliveries import Recipient
    from broadsheet.mail.ses.results import SendResult
    from broadsheet.mail.ses.sending import BulkMail
    from broadsheet.mail.substitutions import Tokens


class Pace(NamedTuple):
    """At how many mails a second, and from when on ``time.monotonic``'s clock."""

    rate: float
    first_slot: float


def send(
    mail: BulkMail,
    recipients: Sequence[Recipient],
    tokens_of: Callable[[UUID], Tokens],
    pace: Pace,
    deadline: datetime,
) -> Generator[list[tuple[Recipient, SendResult]]]:
    """Send to all recipients; yield SES's answers as they come.

    They are yielded at most every ``Timings.write_outcomes_every``. All calls have ended when the
    generator has, also when it is closed early.
    """
    size = pacing.call_size(pace.rate)
    pending: SimpleQueue[tuple[int, tuple[Recipient, ...]]] = SimpleQueue()
    for place in enumerate(batched(recipients, size, strict=False)):
        pending.put(place)
    answered: SimpleQueue[list[tuple[Recipient, SendResult]]] = SimpleQueue()

    def make_calls() -> None:
        while (place := _next(pending)) is not None:
            position, chunk = place
            slot = pace.first_slot + position * size / pace.rate
            left = deadline.timestamp() - time.time()  # after it, no call starts
            time.sleep(max(0.0, min(slot - time.monotonic(), left)))
            results = sending.send_issue(mail, chunk, tokens_of, deadline)
            answered.put(list(zip(chunk, results, strict=True)))

    pause = settings.timings().write_outcomes_every
    threads = min(settings.CALLS_AT_ONCE, pending.qsize())
    if not threads:
        return
    with ThreadPoolExecutor(max_workers=threads) as pool:
        # A task a thread, not a call: a future for each call takes a tenth of sending it.
        running = {pool.submit(make_calls) for _ in range(threads)}
        while running:
            ended, running = wait(running, timeout=pause)
            for thread in ended:
                thread.result()
            if answers := _drain(answered):
                yield answers


def _next[Item](queue: SimpleQueue[Item]) -> Item | None:
    try:
        return queue.get_nowait()
    except Empty:
        return None


def _drain[Item](queue: SimpleQueue[list[Item]]) -> list[Item]:
    items: list[Item] = []
    while (batch := _next(queue)) is not None:
        items += batch
    return items
