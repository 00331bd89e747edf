"""Wraps functions of the product with named points, at which a process is killed or frozen.

The product knows nothing of them. A file counts how often any process of a round passes a point;
the round's plan says at which passing an action strikes.
"""

import functools
import json
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import urllib3.connection

from broadsheet import dispatch_kick, issue_clock
from broadsheet.database import (
    bounces_and_complaints,
    delivery_batches_table,
    issues_table,
    pauses_table,
)
from broadsheet.database.connection import Connection, Session
from broadsheet.database.ledger import open_recipients, unresolved
from broadsheet.domain.deliveries import Claim, Delivery, Recipient
from broadsheet.domain.errors import DatabaseUnavailable
from broadsheet.domain.issues import IssueId
from broadsheet.domain.ses_events import SesEvent
from broadsheet.mail.ses import client as ses_client
from broadsheet.mail.ses import sending
from broadsheet.queues import sqs
from broadsheet.services.feedback import recording
from broadsheet.services.sending import delivery, dispatching, pacing
from broadsheet.settings import timings
from tests.faults import breaker

type Action = Literal["kill", "freeze", "outage", "forget", "lose", "delay", "double"]
type Plan = Mapping[str, Mapping[str, Action]]  # by point, then by the number of its passing

POINTS = {
    "deliver": (
        "slots reserved",
        "claim committed",
        "claim begun, recipients unread",
        "recipients read",
        "call signed",
        "request sent, answer unread",
        "answer read, ledger uncommitted",
        "acceptances committed, batch claimed",
        "ledger committed, message not deleted",
    ),
    "dispatch": (
        "audience frozen, uncommitted",
        "audience frozen, committed",
        "batches released, uncommitted",
        "between two pointers",
        "dead claim closed, uncommitted",
        "dead claim returned, uncommitted",
        "re-send allowed, uncommitted",
        "issue finished, uncommitted",
        "issue finished, clock running",
    ),
    "publish": ("clock created, issue uncommitted", "issue committed, dispatch not kicked"),
    "feedback": ("ledger updated, subscriber not", "events committed, messages not deleted"),
}
DATABASE_ANSWERED = "database's answer"
POSTGRES = "postgres"  # the file that holds its process id
OUTAGE = "outage"  # the file that makes the driver start it again
LOG = "log"  # the file that all environments log to
READS = "reads"  # the file that notes the recipients each claim reads, and when
POINTER_RECEIVED = "pointer"
EVENT_RECEIVED = "event's message"
ACTION_LABELS: Mapping[Action, str] = {  # as the table shows them
    "kill": "killed: {}",
    "freeze": "frozen: {}",
    "outage": "PostgreSQL killed: {}",
    "forget": "{} lost",
    "lose": "{} lost",
    "delay": "{} delivered late",
    "double": "{} delivered twice",
}

POINTERS_IN_A_CALL = 2  # so that even a small issue's pointers take several calls
ANSWER_SECONDS = 1.0


class Points:
    """One process's view of a round's plan, and the counts that all processes share."""

    def __init__(self, folder: Path, plan: Plan, after_a_thaw: float) -> None:
        self._folder = folder
        self._after_a_thaw = after_a_thaw
        self._plan = plan

    def is_planned(self, point: str) -> bool:
        return point in self._plan

    def action(self, point: str) -> Action | None:
        """Count one passing of a point, and return the action planned for it."""
        if point not in self._plan:
            return None
        action = self._plan[point].get(str(_append(self._folder / f"passed {point}", b".")))
        if action:
            _append(self._folder / "struck", f"{ACTION_LABELS[action].format(point)}\n".encode())
        return action

    def reach(self, point: str) -> None:
        """Pass a point: kill or freeze this process, if that is planned for this passing."""
        match self.action(point):
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "freeze":
                self.freeze()
            case "outage":
                self._end_postgres()
            case _:
                pass

    def freeze(self) -> None:
        """Freeze this process, as Lambda does, until the round's driver thaws it.

        The timeout doesn't run meanwhile; after the thaw, little of it is left.
        """
        signal.setitimer(signal.ITIMER_REAL, 0)
        (self._folder / f"frozen {os.getpid()}").touch()
        # To this thread, which otherwise might go on a little and start the timer below.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        signal.setitimer(signal.ITIMER_REAL, self._after_a_thaw)

    def _end_postgres(self) -> None:
        """Kill the database; this process lives on."""
        with suppress(ProcessLookupError):
            os.killpg(int((self._folder / POSTGRES).read_text()), signal.SIGKILL)
        (self._folder / OUTAGE).touch()

    def note(self, name: str, **what: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Note something in a file of the round, for judging it."""
        _append(self._folder / name, f"{json.dumps(what)}\n".encode())


def _append(path: Path, text: bytes) -> int:
    """Append to a shared file, and return its length afterwards."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, text)
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)


def wrap(function: str, points: Points) -> None:
    """Wrap the points of one function's process."""
    _lose_answers(points)
    match function:
        case "deliver":
            _wrap_deliver(points)
        case "dispatch":
            _wrap_dispatch(points)
        case "publish":
            _after(points, issue_clock, "start", "clock created, issue uncommitted")
            _before(points, dispatch_kick, "kick", "issue committed, dispatch not kicked")
        case "feedback":
            _before(points, bounces_and_complaints, "merge", "ledger updated, subscriber not")
            _note_breaker(points)
        case _:
            raise ValueError(function)


def _wrap_deliver(points: Points) -> None:
    _after(points, pacing, "reserve", "slots reserved", lambda starts_in: starts_in is not None)
    _after(points, delivery, "_claim", "claim committed", lambda made: made[0] is not None)
    _after(points, delivery_batches_table, "begin", "claim begun, recipients unread")
    _note_reads(points)
    _after(points, open_recipients, "read_recipients", "recipients read")
    _after(points, sending, "send_issue", "answer read, ledger uncommitted")
    _after(points, delivery, "_record_meanwhile", "acceptances committed, batch claimed")
    _after(points, delivery, "_finish", "ledger committed, message not deleted")
    _wrap_calls(points)


def _wrap_dispatch(points: Points) -> None:
    sqs.BATCH_LIMIT = POINTERS_IN_A_CALL
    _after(points, issues_table, "set_frozen", "audience frozen, uncommitted")
    _after(points, dispatching, "_freeze", "audience frozen, committed")
    _after(points, delivery_batches_table, "mark_released", "batches released, uncommitted", bool)
    _after(points, dispatching, "_close_as_unresolved", "dead claim closed, uncommitted")
    _after(points, dispatching, "_return_to_waiting", "dead claim returned, uncommitted")
    _after(points, unresolved, "delete_for_resend", "re-send allowed, uncommitted")
    _after(points, issues_table, "set_finished", "issue finished, uncommitted", bool)
    _before(points, issue_clock, "stop", "issue finished, clock running")
    sqs.client().meta.events.register(
        "before-send.sqs.SendMessageBatch", lambda **_: points.reach("between two pointers")
    )


def _lose_answers(points: Points) -> None:
    """Lose the database's answer, perhaps to a commit, after it did the work."""
    connected = Session.connected

    @contextmanager
    def wrapped(session: Session, connect_timeout: float) -> Generator[Connection]:
        with connected(session, connect_timeout) as connection:
            yield connection
        if points.action(DATABASE_ANSWERED) == "forget":
            session.close()
            raise DatabaseUnavailable("as planned")

    setattr(Session, "connected", wrapped)  # noqa: B010 - mypy takes a method for a constant


def _note_reads(points: Points) -> None:
    read = open_recipients.read_recipients

    def wrapped(connection: Connection, claim: Claim) -> tuple[list[Recipient], list[Delivery]]:
        started = time.time()
        recipients, not_mailed = read(connection, claim)
        points.note(
            READS,
            issue_id=str(claim.issue_id),
            version=claim.version,
            claimed=claim.deadline.timestamp() - timings().claim_deadline,
            started=started,
            recipients=[str(recipient.subscriber_id) for recipient in recipients],
        )
        return recipients, not_mailed

    open_recipients.read_recipients = wrapped


def _note_breaker(points: Points) -> None:
    """Note when permanent bounces reach feedback, and when it has paused their issue."""
    record, pause = recording.record, pauses_table.pause

    def noting_bounces(connection: Connection, events: Sequence[SesEvent]) -> None:
        bounced = [event.message_id for event in events if event.permanent_bounce_at]
        points.note(breaker.ARRIVALS, at=time.time(), bounced=bounced)
        record(connection, events)

    def noting_pause(
        connection: Connection, issue_id: IssueId, because: str, *, ends_hold: bool = False
    ) -> bool:
        is_paused = pause(connection, issue_id, because, ends_hold=ends_hold)
        if is_paused:  # and committed: it runs in no transaction
            points.note(breaker.PAUSES, at=time.time())
        return is_paused

    recording.record, pauses_table.pause = noting_bounces, noting_pause


def _wrap_calls(points: Points) -> None:
    """Add the points before a call to SES leaves, and before its answer is read."""
    here = threading.local()
    events = ses_client.sending_client().meta.events

    def before_send(**_: object) -> None:
        here.sends = True
        points.reach("call signed")

    events.register_first("before-send.sesv2.SendBulkEmail", before_send)
    get_response = urllib3.connection.HTTPConnection.getresponse

    def wrapped(connection: urllib3.connection.HTTPConnection) -> Any:  # noqa: ANN401
        if getattr(here, "sends", False):
            here.sends = False
            if points.is_planned("request sent, answer unread"):
                select.select([connection.sock], [], [], ANSWER_SECONDS)
            points.reach("request sent, answer unread")
        return get_response(connection)

    urllib3.connection.HTTPConnection.getresponse = wrapped  # type: ignore[method-assign,assignment]


def _after(
    points: Points,
    module: ModuleType,
    name: str,
    point: str,
    when: Callable[[Any], bool] = lambda _: True,
) -> None:
    original = getattr(module, name)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the product's takes
        result = original(*arguments, **named)
        if when(result):
            points.reach(point)
        return result

    setattr(module, name, wrapped)


def _before(points: Points, module: ModuleType, name: str, point: str) -> None:
    original = getattr(module, name)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the product's takes
        points.reach(point)
        return original(*arguments, **named)

    setattr(module, name, wrapped)
