"""The events of mails: stored with them in one transaction, published later."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from ses_server import event_records
from ses_server.chance import chance
from ses_server.fates import EventType, Happening
from ses_server.mails import AcceptedCall

DELIVERY_SECONDS = 0.1  # from accepting a mail to its delivery or bounce

_BY_SES_ITSELF = {EventType.SEND, EventType.REJECT, EventType.RENDERING_FAILURE}


class EventState(StrEnum):
    """Whether an event was published."""

    DUE = "due"
    PUBLISHED = "published"
    WITHHELD = "withheld"  # until it is released
    LOST = "lost"  # never to be published
    UNWANTED = "unwanted"  # its configuration set has no destination for it


class Travel(BaseModel):
    """How the events of new mails travel; by default at once, once, and in order.

    ``seed`` and the event (its recipient, type, and the mail's tags ``issue`` and ``round``)
    decide who belongs to a share, so that a repeated run selects the same events.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    types: frozenset[EventType] = frozenset(
        EventType
    )  # the events of these types; others travel as usual
    late: tuple[float, float] = (0.0, 0.0)  # seconds more, from and to
    twice: float = Field(default=0.0, ge=0, le=1)  # the share that is published again
    out_of_order: float = Field(default=0.0, ge=0, le=1)  # the share of mails in reverse order
    lost: float = Field(default=0.0, ge=0, le=1)  # the share that is never published
    is_withheld: bool = False  # until released
    seed: int = 0


@dataclass(frozen=True)
class Event:
    """An event and its state; ``record`` is what SES publishes.

    An event that is published twice is two of these.
    """

    id: int
    type: EventType
    state: EventState
    message_id: str
    recipient: str
    configuration_set: str | None
    tags: dict[str, str]
    happened_at: datetime
    due_at: datetime
    published_at: datetime | None
    record: dict[str, object]


class _Planned(NamedTuple):
    mail_id: int
    recipient: str
    happening: Happening
    happened_at: int  # milliseconds since 1970
    due_at: int


class Plan:
    """Plans the events of accepted calls by the travel in force."""

    def __init__(self) -> None:
        self.travel = Travel()

    def rows(self, call: AcceptedCall, first_mail_id: int) -> Iterator[tuple[object, ...]]:
        """Yield the rows of a call's events; its mails have ids from ``first_mail_id`` on."""
        travels_plainly = self.travel == _PLAINLY
        now = int(call.received_at.timestamp() * 1000)
        mail_id = first_mail_id
        for message in call.messages:
            planned: list[_Planned] = []
            for recipient, fate in message.fates.items():
                is_first = not planned
                happenings = fate.happenings
                if is_first and happenings[0].type is not EventType.RENDERING_FAILURE:
                    planned.append(_Planned(mail_id, recipient, _SENT, now, now))
                for happening in happenings:
                    at = _time(now, happening)
                    planned.append(_Planned(mail_id, recipient, happening, at, at))
                mail_id += 1
            for event in planned:
                if travels_plainly:
                    yield _row(event, EventState.DUE)
                else:
                    yield from self._travelling(event, planned, message.tags)

    def _travelling(
        self, event: _Planned, of_message: Sequence[_Planned], tags: Mapping[str, str]
    ) -> Iterator[tuple[object, ...]]:
        travel = self.travel
        if event.happening.type not in travel.types:
            yield _row(event, EventState.DUE)
            return

        def drawn(what: str, *about: str) -> float:
            tagged = (tags.get("issue"), tags.get("round"))
            return chance(travel.seed, what, event.recipient, *tagged, *about)

        event_type = event.happening.type
        due_at = event.due_at
        if drawn("order") < travel.out_of_order:
            last = max(other.due_at for other in of_message)
            due_at = last + min(other.due_at for other in of_message) - due_at
        state = EventState.WITHHELD if travel.is_withheld else EventState.DUE
        if drawn("lost", event_type) < travel.lost:
            state = EventState.LOST
        copies = 2 if drawn("twice", event_type) < travel.twice else 1
        earliest, latest = travel.late
        for copy in range(copies):
            late = earliest + (latest - earliest) * drawn("late", event_type, str(copy))
            yield _row(event, state, due_at + int(late * 1000))


_PLAINLY = Travel()
_SENT = Happening(EventType.SEND)


def _time(now: int, happening: Happening) -> int:
    if happening.type in _BY_SES_ITSELF:
        return now
    return now + int((DELIVERY_SECONDS + happening.after) * 1000)


def _row(event: _Planned, state: EventState, due_at: int | None = None) -> tuple[object, ...]:
    happening = event.happening
    return (
        event.mail_id,
        happening.type.value,
        json.dumps(happening.detail) if happening.detail else "{}",
        event.happened_at,
        event.due_at if due_at is None else due_at,
        state.value,
    )


def keep(connection: sqlite3.Connection, rows: Iterable[tuple[object, ...]]) -> None:
    """Store what ``Plan.rows`` yields. The caller owns the transaction."""
    connection.executemany(
        "INSERT INTO events (mail_id, type, detail, happened_at, due_at, state)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    )


def add_to_last_mail(
    connection: sqlite3.Connection, recipient: str, happening: Happening, now: datetime
) -> bool:
    """Add an event, due now, to the last mail to ``recipient``; return False if there is none."""
    found = connection.execute(
        "SELECT max(id) FROM mails WHERE recipient = ?", (recipient,)
    ).fetchone()
    if found[0] is None:
        return False
    at = int(now.timestamp() * 1000)
    keep(connection, [_row(_Planned(found[0], recipient, happening, at, at), EventState.DUE)])
    return True


def release(connection: sqlite3.Connection) -> int:
    """Make every withheld event due, and return how many there were."""
    released = connection.execute("UPDATE events SET state = 'due' WHERE state = 'withheld'")
    return released.rowcount


def make_due_again(connection: sqlite3.Connection, since: datetime) -> int:
    """Make due what was published since then, or had no destination; return how many.

    What is known to be taken in stays published.
    """
    again = connection.execute(
        "UPDATE events SET state = 'due' WHERE state IN ('published', 'unwanted')"
        " AND published_at >= max(?, coalesce((SELECT before FROM events_taken), 0))",
        (int(since.timestamp() * 1000),),
    )
    return again.rowcount


def take_in(connection: sqlite3.Connection, before: datetime) -> None:
    """Remember that what was published before a moment has been taken in."""
    connection.execute(
        "INSERT INTO events_taken VALUES (1, ?)"
        " ON CONFLICT (only_row) DO UPDATE SET before = max(before, excluded.before)",
        (int(before.timestamp() * 1000),),
    )


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Count the events by state."""
    return dict(connection.execute("SELECT state, count(*) FROM events GROUP BY state").fetchall())


def next_due_at(connection: sqlite3.Connection) -> float | None:
    """Return when the first unpublished event is due, in seconds since 1970."""
    times = [
        connection.execute(
            "SELECT min(due_at) FROM events WHERE state = 'due' AND (published_at IS NOT NULL) = ?",
            (was_published,),
        ).fetchone()[0]
        for was_published in (False, True)
    ]
    return min((due_at / 1000 for due_at in times if due_at is not None), default=None)


_SELECT = """
SELECT events.id, mail_id, type, state, detail, happened_at, due_at, published_at,
       mails.message_id, mails.received_at, mails.recipient, mails.operation,
       mails.configuration_set, mails.entry,
       contents.sender, contents.reply_to, contents.subject, contents.default_data
FROM events JOIN mails ON mails.id = mail_id JOIN contents ON contents.id = content_id
"""
_WHERE = """
WHERE (:to IS NULL OR mails.recipient = :to) AND events.id > :after
  AND type IN (SELECT value FROM json_each(:types))
"""


def due(
    connection: sqlite3.Connection, now: datetime, limit: int, *, again: bool = False
) -> list[Event]:
    """Return the due events, the earliest first; ``again``: those that were published before."""
    rows = connection.execute(
        f"{_SELECT} WHERE state = 'due' AND (published_at IS NOT NULL) = ? AND due_at <= ?"
        " ORDER BY due_at, events.id LIMIT ?",
        (again, int(now.timestamp() * 1000), limit),
    )
    return [_event(row) for row in rows]


def mark(
    connection: sqlite3.Connection, ids: Iterable[int], state: EventState, now: datetime
) -> None:
    connection.execute(
        "UPDATE events SET state = ?, published_at = ?"
        " WHERE id IN (SELECT value FROM json_each(?))",
        (state.value, int(now.timestamp() * 1000), json.dumps(list(ids))),
    )


def find(
    connection: sqlite3.Connection,
    *,
    to: str | None = None,
    types: Iterable[EventType] = EventType,
    after: int = 0,
    limit: int = -1,
) -> Iterator[Event]:
    """Yield events in the order of planning, those after the event ``after``."""
    rows = connection.execute(
        f"{_SELECT} {_WHERE} ORDER BY events.id LIMIT :limit",
        {"to": to, "types": json.dumps(list(types)), "after": after, "limit": limit},
    )
    return map(_event, rows)


def _event(row: sqlite3.Row) -> Event:
    entry = json.loads(row["entry"])
    return Event(
        id=row["id"],
        type=EventType(row["type"]),
        state=EventState(row["state"]),
        message_id=row["message_id"],
        recipient=row["recipient"],
        configuration_set=row["configuration_set"],
        tags=entry["tags"],
        happened_at=_moment(row["happened_at"]),
        due_at=_moment(row["due_at"]),
        published_at=None if row["published_at"] is None else _moment(row["published_at"]),
        record=event_records.record(row, entry),
    )


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
