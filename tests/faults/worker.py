"""Plays Lambda: forks environments that run the real handlers, and may be killed at any time.

``python -m tests.faults.worker`` imports the application once, and then reads orders from standard
input, one JSON object a line. For each it forks an environment, a process as quick as a warm
Lambda. It reports each process's start and end on standard output, and kills all of them when its
input ends.
"""

import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Literal
from uuid import uuid4

import boto3
from botocore.config import Config
from pydantic import BaseModel, ConfigDict

from broadsheet import issue_clock, lambdas, secrets
from broadsheet.mail import public_issue  # noqa: F401 - dispatch imports it when it archives
from broadsheet.mail.ses import client as ses_client
from broadsheet.queues import sqs
from broadsheet.telemetry import InvocationFailed, log_failure, logger
from functions.deliver import app as deliver
from functions.dispatch import app as dispatch
from functions.feedback import app as feedback
from functions.publish import app as publish
from local.lambda_events import sqs_record
from tests.faults import points, sabotage, timing
from tests.faults.points import EVENT_RECEIVED, POINTER_RECEIVED, Points
from tests.faults.timing import Pace

REAPING_SECONDS = 0.02
POLL_SECONDS = 1  # SQS's long poll
RECEIVES_AT_ONCE = {"deliver": 1, "feedback": 10}

type FunctionName = Literal["deliver", "dispatch", "feedback", "publish"]

APPS: Mapping[str, ModuleType] = {
    "deliver": deliver,
    "dispatch": dispatch,
    "feedback": feedback,
    "publish": publish,
}
QUEUES = {"deliver": "DELIVERY_QUEUE_URL", "feedback": "FEEDBACK_QUEUE_URL"}


class Order(BaseModel):
    """An order to start an environment. Without an ``event`` it polls its function's queue.

    ``folder``: the round's, for the files that its processes share. ``until``: when the
    environment ends at the latest, by the wall clock. ``scale``: the round's pace.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    function: FunctionName
    environment: dict[str, str]
    folder: Path
    plan: dict[str, dict[str, points.Action]] = {}
    sabotage: str | None = None
    event: dict[str, Any] | None = None
    until: float
    scale: float


class ProcessStatus(BaseModel):
    """A report about an order's process: it has started, or it has ended."""

    model_config = ConfigDict(frozen=True)

    number: int
    pid: int
    has_ended: bool = False


class _Context:
    """An invocation's Lambda context."""

    log_stream_name = "faults"

    def __init__(self, limit: float) -> None:
        self.aws_request_id = str(uuid4())
        self._deadline = time.time() + limit

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.time()) * 1000))


def main() -> None:
    """Carry out orders until the input ends."""
    _make_clients()
    sys.stdout.flush()
    orders = os.fdopen(os.dup(0), "rb", buffering=0)
    running: dict[int, int] = {}  # order numbers by process id
    unread = b""
    while True:
        readable, _, _ = select.select([orders], [], [], REAPING_SECONDS)
        if readable:
            read = orders.read(65536)
            if not read:
                break
            *lines, unread = (unread + read).split(b"\n")
            for line in lines:
                order = Order.model_validate_json(line)
                pid = os.fork()
                if pid == 0:
                    _run_environment(order)
                running[pid] = order.number
                _report(ProcessStatus(number=order.number, pid=pid))
        for pid in _ended(running):
            _report(ProcessStatus(number=running.pop(pid), pid=pid, has_ended=True))
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _make_clients() -> None:
    """Make the slow clients before forking, as a warm environment has them, unconnected."""
    ses_client.sending_client()
    ses_client.asking_client()
    sqs.client()
    secrets.client()
    issue_clock.client()
    lambdas.client()
    _poller()


_pollers: list[Any] = []


def _poller() -> Any:  # noqa: ANN401 - boto3's
    if not _pollers:
        _pollers.append(
            boto3.client(
                "sqs",
                config=Config(
                    connect_timeout=2,
                    read_timeout=5,
                    retries={"mode": "standard", "total_max_attempts": 3},
                ),
            )
        )
    return _pollers[0]


def _ended(running: Mapping[int, int]) -> list[int]:
    return [pid for pid in running if os.waitpid(pid, os.WNOHANG)[0] == pid]


def _report(status: ProcessStatus) -> None:
    os.write(1, status.model_dump_json().encode() + b"\n")


def _run_environment(order: Order) -> None:
    """Run the environment in this forked process, and exit."""
    code = 1
    try:
        log = os.open(order.folder / points.LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        random.seed()
        os.environ.update(order.environment)
        logger.append_keys(pid=os.getpid(), function=order.function)
        passed = Points(order.folder, order.plan, Pace(order.scale).of(timing.AFTER_A_THAW))
        signal.signal(signal.SIGUSR1, lambda *_: passed.freeze())
        if order.sabotage:
            sabotage.apply(order.sabotage)
        points.wrap(order.function, passed)
        if order.event is None:
            _poll_queue(order, passed)
        else:
            _handle_event(order, order.event)
        code = 0
    except InvocationFailed:
        pass  # it has logged why
    except BaseException as error:  # noqa: BLE001 - logged, and the process ends
        log_failure("the environment failed", error)
    finally:
        sys.stdout.flush()
        os._exit(code)


def _handle_event(order: Order, event: dict[str, Any]) -> None:
    """Handle one event, and write the answer to a file for the caller."""
    answer = _invoke(order, event)
    written = order.folder / f"answer {order.number}.new"
    written.write_text(json.dumps(answer))
    written.rename(order.folder / f"answer {order.number}")


def _invoke(order: Order, event: dict[str, Any]) -> Any:  # noqa: ANN401 - the handler's own
    """Call the handler; its timeout kills the process, as Lambda does."""
    limit = Pace(order.scale).of(timing.LIMITS[order.function])
    signal.setitimer(signal.ITIMER_REAL, limit)  # an unhandled SIGALRM ends the process
    try:
        return APPS[order.function].handler(event, _Context(limit))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _poll_queue(order: Order, passed: Points) -> None:
    """Poll the function's queue and pass its messages on, as an event source does."""
    url = os.environ[QUEUES[order.function]]
    zygote = os.getppid()
    while time.time() < order.until and os.getppid() == zygote:
        messages = _receive(url, RECEIVES_AT_ONCE[order.function])
        messages = [message for message in messages if _arrives(url, message, order, passed)]
        if not messages:
            continue
        answer = _invoke(order, {"Records": [sqs_record(message) for message in messages]})
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        if order.function == "feedback":
            passed.reach("events committed, messages not deleted")
        _delete(url, [message for message in messages if message["MessageId"] not in failed])


def _receive(url: str, at_most: int) -> list[Mapping[str, Any]]:
    messages: list[Mapping[str, Any]] = []
    for receive in range(at_most):
        received = _poller().receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=0 if receive else POLL_SECONDS,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        if not received.get("Messages"):
            break
        messages += received["Messages"]
    return messages


def _arrives(url: str, message: Mapping[str, Any], order: Order, passed: Points) -> bool:
    """Lose, delay or double a message if that is planned; return whether it arrives now."""
    received = POINTER_RECEIVED if order.function == "deliver" else EVENT_RECEIVED
    match passed.action(received):
        case "lose":
            _delete(url, [message])
            return False
        case "delay":
            _poller().change_message_visibility(
                QueueUrl=url,
                ReceiptHandle=message["ReceiptHandle"],
                VisibilityTimeout=Pace(order.scale).whole(timing.LATE_MESSAGE),
            )
            return False
        case "double":
            for delay in (0, 1):
                _poller().send_message(
                    QueueUrl=url, MessageBody=message["Body"], DelaySeconds=delay
                )
            return True
        case _:
            return True


def _delete(url: str, messages: Sequence[Mapping[str, Any]]) -> None:
    for first in range(0, len(messages), 10):
        _poller().delete_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(position), "ReceiptHandle": message["ReceiptHandle"]}
                for position, message in enumerate(messages[first : first + 10])
            ],
        )


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
