"""The accepted mails: written by the server, read as a person's mailbox."""

import hashlib
import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ses_server import addresses, rendering
from ses_server.fates import Fate, Outcome

MINUTES_PER_DAY = 24 * 60


@dataclass(frozen=True)
class Content:
    """What the mails of a call share. ``default_data`` is None unless it is a template."""

    sender: str
    reply_to: Sequence[str] = ()
    subject: str | None = None
    html: str | None = None
    text: str | None = None
    default_data: Mapping[str, object] | None = None
    raw: bytes | None = None


@dataclass(frozen=True)
class Message:
    """A message to store, with a fate for each of its recipients."""

    message_id: str
    fates: Mapping[str, Fate]  # by the recipient's mailbox key
    to: Sequence[str]
    cc: Sequence[str] = ()
    headers: Sequence[tuple[str, str]] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class AcceptedCall:
    """The content and the messages of a call of ``operation``."""

    operation: str
    configuration_set: str | None
    received_at: datetime
    content: Content
    messages: Sequence[Message]


@dataclass(frozen=True)
class Mail:
    """A message as one recipient got it, or would have got it if it had been delivered.

    ``to`` is the recipient's address in lower case; ``sender``, ``reply_to`` and ``subject`` are
    decoded for reading, ``headers`` are all headers, undecoded and unfolded. ``reason`` says why
    a mail was not delivered.
    """

    id: int
    message_id: str
    received_at: datetime
    to: str
    sender: str
    reply_to: str
    subject: str
    headers: rendering.Headers
    text: str | None
    html: str | None
    tags: dict[str, str]
    configuration_set: str | None
    operation: str
    outcome: Outcome
    reason: str
    came_raw: bytes | None = field(repr=False)

    @property
    def raw(self) -> bytes:
        """The message in the format of RFC 5322."""
        return self.came_raw or rendering.message(
            self.headers, message_id=self.message_id, text=self.text, html=self.html
        )

    def header(self, name: str) -> str | None:
        """Return the first header of that name, in any case, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def keep(connection: sqlite3.Connection, call: AcceptedCall) -> int:
    """Store the messages of a call, and return the id of its first mail; the next ids follow.

    The caller owns the transaction.
    """
    (first_id,) = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM mails").fetchone()
    content_id = _keep_content(connection, call.content)
    milliseconds = int(call.received_at.timestamp() * 1000)
    ids = itertools.count(first_id)
    rows = [
        (
            next(ids),
            message.message_id,
            milliseconds,
            recipient,
            fate.outcome.value,
            fate.reason,
            call.operation,
            call.configuration_set,
            content_id,
            _entry(message),
        )
        for message in call.messages
        for recipient, fate in message.fates.items()
    ]
    connection.executemany(
        "INSERT INTO mails (id, message_id, received_at, recipient, outcome, reason, operation,"
        " configuration_set, content_id, entry) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    connection.execute(
        "INSERT INTO sent (minute, recipients) VALUES (?, ?)"
        " ON CONFLICT (minute) DO UPDATE SET recipients = recipients + excluded.recipients",
        (milliseconds // 60_000, len(rows)),
    )
    return int(first_id)


def _entry(message: Message) -> str:
    return json.dumps(
        {
            "to": message.to,
            "cc": message.cc,
            "headers": message.headers,
            "tags": message.tags,
            "data": message.data,
        }
    )


def _keep_content(connection: sqlite3.Connection, content: Content) -> int:
    """Return the content's row; calls with the same content share one."""
    columns = (
        content.sender,
        json.dumps(list(content.reply_to)),
        content.subject,
        content.html,
        content.text,
        None if content.default_data is None else json.dumps(content.default_data),
    )
    digest = hashlib.blake2b(json.dumps(columns).encode(), digest_size=32)
    digest.update(content.raw or b"")
    found = connection.execute(
        "SELECT id FROM contents WHERE digest = ?", (digest.digest(),)
    ).fetchone()
    if found:
        return int(found[0])
    inserted = connection.execute(
        "INSERT INTO contents (digest, sender, reply_to, subject, html, text, default_data, raw)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (digest.digest(), *columns, content.raw),
    ).fetchone()
    return int(inserted[0])


def sent_last_24_hours(connection: sqlite3.Connection, now: datetime) -> int:
    """Count the recipients accepted in the 24 hours before ``now``, by whole minutes."""
    minute = int(now.timestamp()) // 60
    (count,) = connection.execute(
        "SELECT coalesce(sum(recipients), 0) FROM sent WHERE minute > ?",
        (minute - MINUTES_PER_DAY,),
    ).fetchone()
    return int(count)


def set_sent(connection: sqlite3.Connection, recipients: int, now: datetime) -> None:
    """Count as if ``recipients`` had been accepted in the last 24 hours."""
    connection.execute("DELETE FROM sent")
    connection.execute(
        "INSERT INTO sent (minute, recipients) VALUES (?, ?)",
        (int(now.timestamp()) // 60, recipients),
    )


_SELECT = """
SELECT mails.id, message_id, received_at, recipient, outcome, reason, operation,
       configuration_set, entry, sender, reply_to, subject, html, text, default_data, raw
FROM mails JOIN contents ON contents.id = content_id
"""
_WHERE = """
WHERE (:to IS NULL OR recipient = :to)
  AND outcome IN (SELECT value FROM json_each(:outcomes))
"""


def find(connection: sqlite3.Connection, mail_id: int) -> Mail | None:
    row = connection.execute(f"{_SELECT} WHERE mails.id = ?", (mail_id,)).fetchone()
    return _mail(row) if row else None


def oldest_first(
    connection: sqlite3.Connection,
    *,
    to: str | None = None,
    outcomes: Iterable[Outcome] = (Outcome.DELIVERED,),
    after: int = 0,
    limit: int = -1,
) -> Iterator[Mail]:
    """Yield mails in the order of acceptance, those after the mail ``after``; -1 is no limit."""
    rows = connection.execute(
        f"{_SELECT} {_WHERE} AND mails.id > :after ORDER BY mails.id LIMIT :limit",
        {**_filter(to, outcomes), "after": after, "limit": limit},
    )
    return map(_mail, rows)


def newest_first(
    connection: sqlite3.Connection, *, to: str | None = None, offset: int, limit: int
) -> list[Mail]:
    """Return a page of mails of every outcome."""
    rows = connection.execute(
        f"{_SELECT} {_WHERE} ORDER BY mails.id DESC LIMIT :limit OFFSET :offset",
        {**_filter(to, Outcome), "offset": offset, "limit": limit},
    )
    return [_mail(row) for row in rows]


def count(connection: sqlite3.Connection, *, to: str | None = None) -> int:
    """Count the mails of every outcome."""
    (total,) = connection.execute(
        "SELECT count(*) FROM mails WHERE :to IS NULL OR recipient = :to",
        {"to": to and addresses.mailbox_key(to)},
    ).fetchone()
    return int(total)


def _filter(to: str | None, outcomes: Iterable[Outcome]) -> dict[str, str | int | None]:
    return {"to": to and addresses.mailbox_key(to), "outcomes": json.dumps(list(outcomes))}


def _mail(row: sqlite3.Row) -> Mail:
    entry = json.loads(row["entry"])
    received_at = datetime.fromtimestamp(row["received_at"] / 1000, UTC)
    raw: bytes | None = row["raw"]
    if raw is None:
        headers, text, html = _made(row, entry, received_at)
    else:
        raw = rendering.raw_as_received(raw, message_id=row["message_id"], received_at=received_at)
        parsed = rendering.parse_raw(raw)
        headers = rendering.unfolded_headers(raw)
        text, html = rendering.body_of(parsed, "plain"), rendering.body_of(parsed, "html")
    shown = {name.lower(): rendering.readable(value) for name, value in reversed(headers)}
    return Mail(
        id=row["id"],
        message_id=row["message_id"],
        received_at=received_at,
        to=row["recipient"],
        sender=shown.get("from", row["sender"]),
        reply_to=shown.get("reply-to", ""),
        subject=shown.get("subject", ""),
        headers=headers,
        text=text,
        html=html,
        tags=entry["tags"],
        configuration_set=row["configuration_set"],
        operation=row["operation"],
        outcome=Outcome(row["outcome"]),
        reason=row["reason"],
        came_raw=raw,
    )


def _made(
    row: sqlite3.Row, entry: Mapping[str, Any], received_at: datetime
) -> tuple[rendering.Headers, str | None, str | None]:
    """Return the headers, text and HTML of a message that SES makes of its parts."""
    subject, text, html = _rendered(row, entry)
    headers = rendering.message_headers(
        message_id=row["message_id"],
        received_at=received_at,
        sender=row["sender"],
        reply_to=json.loads(row["reply_to"]),
        to=entry["to"],
        cc=entry["cc"],
        subject=subject or "",
        custom=[(name, value) for name, value in entry["headers"]],
        text=text,
        html=html,
    )
    return headers, text, html


def _rendered(
    row: sqlite3.Row, entry: Mapping[str, dict[str, object]]
) -> tuple[str | None, str | None, str | None]:
    subject, text, html = row["subject"], row["text"], row["html"]
    if row["default_data"] is None:
        return subject, text, html
    data = rendering.values({**json.loads(row["default_data"]), **entry["data"]})
    return (
        subject and rendering.substitute(subject, data),
        text and rendering.substitute(text, data),
        html and rendering.substitute(html, data),
    )
