"""The named points at which a process is killed or frozen: functions of the product, wrapped.

Nothing in the product knows of it. Each passing of a point by any process of a round is counted in
a file, and the round's plan says which passing is struck, and how.
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
    deliveries_table,
    delivery_batches_table,
    issues_table,
    subscribers_table,
)
from broadsheet.database.connection import Connection, Session
from broadsheet.domain.deliveries import Claim, Delivery, Recipient
from broadsheet.domain.errors import DatabaseUnavailable
from broadsheet.domain.issues import IssueId
from broadsheet.domain.ses_events import SesEvent
from broadsheet.mail import ses_mailer
from broadsheet.queues import messages
from broadsheet.services.feedback import recording
from broadsheet.services.sending import delivery, dispatching, pacing
from broadsheet.settings import timings
from tests.faults import breaker

type Deed = Literal["kill", "freeze", "outage", "forget", "lose", "delay", "double"]
type Plan = Mapping[str, Mapping[str, Deed]]  # by point, then by the number of its passing

POINTS = {
    "deliver": (
        "slots reserved",
        "claim committed",
        "recipients read",
        "call signed",
        "request sent, answer unread",
        "answer read, ledger uncommitted",
        "acceptances committed, batch held",
        "ledger committed, message not deleted",
    ),
    "dispatch": (
        "frozen, uncommitted",
        "frozen, committed",
        "released, uncommitted",
        "between two pointers",
        "dead claim held, uncommitted",
        "let wait again, uncommitted",
        "finished, uncommitted",
        "finished, clock running",
    ),
    "publish": ("clock made, issue uncommitted", "issue committed, dispatch not kicked"),
    "feedback": ("ledger told, subscriber not", "events committed, messages not deleted"),
}
DATABASE_ANSWERED = "answer of the database"
POSTGRES = "postgres"  # the file that names its process
OUTAGE = "outage"  # the file that tells the driver to start it again
LOG = "log"  # the file that all its environments log to
READS = "reads"  # the file of whom each claim read as to be mailed, and when
POINTER_RECEIVED = "pointer"
EVENT_RECEIVED = "event's message"
DEEDS: Mapping[Deed, str] = {  # as the table calls them
    "kill": "killed: {}",
    "freeze": "frozen: {}",
    "outage": "PostgreSQL killed: {}",
    "forget": "{} lost",
    "lose": "{} lost",
    "delay": "{} delivered late",
    "double": "{} delivered twice",
}

POINTERS_IN_A_CALL = 2  # so that a small issue's pointers take several
ANSWER_SECONDS = 1.0


class Points:
    """A round's plan, as one process sees it, and the counts that all of them share."""

    def __init__(self, folder: Path, plan: Plan, after_a_thaw: float) -> None:
        self._folder = folder
        self._after_a_thaw = after_a_thaw
        self._plan = plan

    def is_planned(self, point: str) -> bool:
        return point in self._plan

    def deed(self, point: str) -> Deed | None:
        """Count one passing of a point, and tell what is to be done at it."""
        if point not in self._plan:
            return None
        deed = self._plan[point].get(str(_append(self._folder / f"passed {point}", b".")))
        if deed:
            _append(self._folder / "struck", f"{DEEDS[deed].format(point)}\n".encode())
        return deed

    def passing(self, point: str) -> None:
        """Kill or freeze this process, if that is planned for this passing."""
        match self.deed(point):
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "freeze":
                self.freeze()
            case "outage":
                self._end_postgres()
            case _:
                pass

    def freeze(self) -> None:
        """Stop, as Lambda freezes an environment, until the round's driver thaws it.

        Lambda's limit does not pass meanwhile, and is not far after it.
        """
        signal.setitimer(signal.ITIMER_REAL, 0)
        (self._folder / f"frozen {os.getpid()}").touch()
        # By way of this thread, which otherwise may get on a little, and start the limit below.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        signal.setitimer(signal.ITIMER_REAL, self._after_a_thaw)

    def _end_postgres(self) -> None:
        """Kill the database under this process, which lives on."""
        with suppress(ProcessLookupError):
            os.killpg(int((self._folder / POSTGRES).read_text()), signal.SIGKILL)
        (self._folder / OUTAGE).touch()

    def note(self, name: str, **what: Any) -> None:  # noqa: ANN401 - whatever JSON can tell
        """Note something in a file of the round, for its judge."""
        _append(self._folder / name, f"{json.dumps(what)}\n".encode())


def _append(path: Path, text: bytes) -> int:
    """Append to a file that others append to as well, and return how long it is after that."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, text)
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)


def wrap(function: str, points: Points) -> None:
    """Wrap what the process of one function passes through."""
    _lose_answers(points)
    match function:
        case "deliver":
            _wrap_deliver(points)
        case "dispatch":
            _wrap_dispatch(points)
        case "publish":
            _after(points, issue_clock, "start", "clock made, issue uncommitted")
            _before(points, dispatch_kick, "kick", "issue committed, dispatch not kicked")
        case "feedback":
            _before(
                points,
                subscribers_table,
                "merge_bounces_and_complaints",
                "ledger told, subscriber not",
            )
            _note_breaker(points)
        case _:
            raise ValueError(function)


def _wrap_deliver(points: Points) -> None:
    _after(points, pacing, "reserve", "slots reserved", lambda starts_in: starts_in is not None)
    _after(points, delivery, "_claim", "claim committed", lambda made: made[0] is not None)
    _note_reads(points)
    _after(points, deliveries_table, "read_recipients", "recipients read")
    _after(points, ses_mailer, "send_issue", "answer read, ledger uncommitted")
    _after(points, delivery, "_record_meanwhile", "acceptances committed, batch held")
    _after(points, delivery, "_finish", "ledger committed, message not deleted")
    _wrap_calls(points)


def _wrap_dispatch(points: Points) -> None:
    messages.BATCH_LIMIT = POINTERS_IN_A_CALL
    _after(points, issues_table, "set_frozen", "frozen, uncommitted")
    _after(points, dispatching, "_freeze", "frozen, committed")
    _after(points, delivery_batches_table, "mark_released", "released, uncommitted", bool)
    _after(points, dispatching, "_hold", "dead claim held, uncommitted")
    _after(points, deliveries_table, "delete_for_resend", "let wait again, uncommitted")
    _after(points, issues_table, "set_finished", "finished, uncommitted", bool)
    _before(points, issue_clock, "stop", "finished, clock running")
    messages._client().meta.events.register(
        "before-send.sqs.SendMessageBatch", lambda **_: points.passing("between two pointers")
    )


def _lose_answers(points: Points) -> None:
    """Let the database's answer be lost, to a commit perhaps, after it did what it was asked."""
    connected = Session.connected

    @contextmanager
    def wrapped(session: Session, connect_timeout: float) -> Generator[Connection]:
        with connected(session, connect_timeout) as connection:
            yield connection
        if points.deed(DATABASE_ANSWERED) == "forget":
            session.close()
            raise DatabaseUnavailable("as commanded")

    setattr(Session, "connected", wrapped)  # noqa: B010 - mypy takes a method for a constant


def _note_reads(points: Points) -> None:
    read = deliveries_table.read_recipients

    def wrapped(connection: Connection, claim: Claim) -> tuple[list[Recipient], list[Delivery]]:
        started = time.time()
        recipients, others = read(connection, claim)
        points.note(
            READS,
            claimed=claim.deadline.timestamp() - timings().claim_deadline,
            started=started,
            recipients=[str(recipient.subscriber_id) for recipient in recipients],
        )
        return recipients, others

    deliveries_table.read_recipients = wrapped


def _note_breaker(points: Points) -> None:
    """Note when bounces for good come to feedback, and when it has paused their issue."""
    record, pause = recording.record, issues_table.pause

    def noting_bounces(connection: Connection, events: Sequence[SesEvent]) -> None:
        bounced = [event.message_id for event in events if event.permanent_bounce_at]
        points.note(breaker.ARRIVALS, at=time.time(), bounced=bounced)
        record(connection, events)

    def noting_pause(connection: Connection, issue_id: IssueId, because: str) -> bool:
        is_paused = pause(connection, issue_id, because)
        if is_paused:  # and committed: it is no part of a transaction
            points.note(breaker.PAUSES, at=time.time())
        return is_paused

    recording.record, issues_table.pause = noting_bounces, noting_pause


def _wrap_calls(points: Points) -> None:
    """Strike before a call to SES leaves, and when its answer is there and nobody has read it."""
    here = threading.local()
    events = ses_mailer._sending_client().meta.events

    def before_send(**_: object) -> None:
        here.sends = True
        points.passing("call signed")

    events.register_first("before-send.sesv2.SendBulkEmail", before_send)
    get_response = urllib3.connection.HTTPConnection.getresponse

    def wrapped(connection: urllib3.connection.HTTPConnection) -> Any:  # noqa: ANN401
        if getattr(here, "sends", False):
            here.sends = False
            if points.is_planned("request sent, answer unread"):
                select.select([connection.sock], [], [], ANSWER_SECONDS)
            points.passing("request sent, answer unread")
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
            points.passing(point)
        return result

    setattr(module, name, wrapped)


def _before(points: Points, module: ModuleType, name: str, point: str) -> None:
    original = getattr(module, name)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the product's takes
        points.passing(point)
        return original(*arguments, **named)

    setattr(module, name, wrapped)
