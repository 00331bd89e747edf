"""Measures what a restart of the whole local stack costs the issue after it.

It publishes two issues to everybody, the second the moment that the first has finished: the events
of its last mails are then still in their queue. The stack, a new one each time, is restarted in
between, or isn't.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict

from bench.stage import add_subscribers
from bench.tables import NOT_MEASURED
from bench.tables import table as table_of
from local import stack
from local.demo import Newsletter
from local.stack import Stack
from local.state import State
from ses_server.control import Control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

RATE = 500  # mails a second that SES allows
LOOK_SECONDS = 0.5
LONGEST_SECONDS = 1_800.0


class Restarted(BaseModel):
    """An issue that was published after a restart. ``up``: the seconds that the start took.

    ``at_first``, ``deepest``: messages in FeedbackQueue before publishing, and at most.
    ``finished``: seconds from publishing.
    """

    model_config = ConfigDict(frozen=True)

    after: str
    mails: int
    up: float | None
    at_first: int
    deepest: int
    finished: float


def run(folder: Path, subscribers: int) -> list[Restarted]:
    """Publish an issue after another one, without a restart and after two kinds of one."""
    return [
        _after(State.at(folder / name), name, end, subscribers)
        for name, end in (
            ("no restart", None),
            ("make down, make up", Stack.stop),
            ("kill -9, make up", Stack.kill9),
        )
    ]


def _after(
    state: State, name: str, end: Callable[[Stack], object] | None, subscribers: int
) -> Restarted:
    try:
        running, up = stack.start(state), None
        Control(state.ses_url).change_account(max_send_rate=RATE, max_24_hour_send=-1)
        with psycopg.connect(running.database_url, autocommit=True) as connection:
            add_subscribers(connection, subscribers)
        _publish(running, name, None)
        if end:
            end(running)
            began = time.monotonic()
            running = stack.start(state)
            up = time.monotonic() - began
        return _publish(running, name, up)
    finally:
        stack.down(state)


def _publish(running: Stack, after: str, up: float | None) -> Restarted:
    newsletter = Newsletter(running.public_url, running.inbox_url, running.author_token)
    name = f"issue-{time.time_ns()}"
    with _watching(running) as depths:
        began = time.monotonic()
        issue_id = newsletter.publish(name, "Hello, [[name]].\n", name)
        while not (issue := newsletter.author.issue(issue_id)).has_ended:
            if time.monotonic() > began + LONGEST_SECONDS:
                raise RuntimeError(f"it is still {issue.status}: {issue.books}")
            time.sleep(LOOK_SECONDS)
        finished = time.monotonic() - began
    books = issue.books
    if books is None or books.accepted != issue.audience or books.duplicates:
        raise RuntimeError(f"not everybody was mailed once: {books}")
    return Restarted(
        after=after,
        mails=books.accepted,
        up=up,
        at_first=depths[0],
        deepest=max(depths),
        finished=finished,
    )


@contextmanager
def _watching(running: Stack) -> Iterator[list[int]]:
    """Return FeedbackQueue's depth now, and let it be looked at again and again."""
    depths = [_depth(running)]
    has_ended = threading.Event()

    def look() -> None:
        while not has_ended.wait(LOOK_SECONDS):
            with suppress(BotoCoreError, ClientError):  # a busy emulator
                depths.append(_depth(running))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield depths
    finally:
        has_ended.set()
        watcher.join()


def _depth(running: Stack) -> int:
    counts = running.aws.sqs.get_queue_attributes(
        QueueUrl=running.deployment.outputs["FeedbackQueueUrl"],
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
        ],
    )["Attributes"]
    return sum(map(int, counts.values()))


def table(results: Sequence[Restarted]) -> str:
    """Return a table, one issue a line."""
    return table_of(
        ("published after", "mails", "up s", "finished s", "FeedbackQueue at first", "deepest"),
        [
            (
                one.after,
                one.mails,
                NOT_MEASURED if one.up is None else one.up,
                one.finished,
                one.at_first,
                one.deepest,
            )
            for one in results
        ],
    )
