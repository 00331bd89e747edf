"""Webhooks: what other programs are notified of, by Standard Webhooks (standardwebhooks.com)."""

import base64
import hmac
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, Self
from uuid import UUID, uuid4

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    StrictBool,
    model_validator,
)
from pydantic_core import PydanticCustomError, to_json

from broadsheet.domain.targets import MOST_URL_CHARACTERS
from broadsheet.domain.times import Timestamp

MOST_WEBHOOKS = 20
# After each failure, nearly Standard Webhooks' example. The eighth try is the last, after 31 hours.
DELAYS = tuple(timedelta(seconds=each) for each in (60, 300, 1800, 7200, 18_000, 36_000, 50_400))
_JITTER = 0.1  # of a delay: what failed together doesn't come back together
DISABLED_AFTER = timedelta(days=5)  # without any success
OLD_SECRET_VALID = timedelta(days=1)  # after a rotation: both sign
_GONE = 410
_MESSAGE_PREFIX = "msg_"
_SECRET_PREFIX = "whsec_"  # noqa: S105 - what Standard Webhooks marks a secret with


class WebhookId(RootModel[UUID]):
    """Names one webhook for good."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def new(cls) -> Self:
        """Make an id that no other webhook has."""
        return cls(uuid4())

    def __str__(self) -> str:
        return str(self.root)


class EventType(StrEnum):
    """What a webhook may be notified of."""

    SUBSCRIBER_CONFIRMED = "subscriber.confirmed"
    SUBSCRIBER_UNSUBSCRIBED = "subscriber.unsubscribed"
    SUBSCRIBER_BOUNCED = "subscriber.bounced"
    SUBSCRIBER_COMPLAINED = "subscriber.complained"
    ISSUE_PUBLISHED = "issue.published"
    ISSUE_FINISHED = "issue.finished"
    ISSUE_PAUSED = "issue.paused"


TEST_EVENT = "webhook.test"
# What an author sees of a webhook.
SHOWN_OF_WEBHOOK = {
    *("id", "url", "events", "created_at", "created_by", "rotated_at", "disabled_at"),
    *("disabled_because", "failing_since"),
}


class WebhookRequest(BaseModel):
    """A webhook as an author asks for it; without ``events``, it gets all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, Field(strict=True, max_length=MOST_URL_CHARACTERS)]
    # One that is named twice does no harm.
    events: Annotated[
        frozenset[EventType], Field(min_length=1, json_schema_extra={"uniqueItems": False})
    ] = frozenset(EventType)


def written_message_id(message_id: UUID) -> str:
    """Return a message's id as its receiver knows it."""
    return f"{_MESSAGE_PREFIX}{message_id}"


def _message_id(text: object) -> UUID:
    try:
        return UUID(str(text).removeprefix(_MESSAGE_PREFIX))
    except ValueError:
        raise PydanticCustomError("not-a-message", "not-a-message") from None


class ReplayRequest(BaseModel):
    """What to send again: one message, or all since a time, or those of them that failed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: Timestamp | None = None
    message: Annotated[UUID, BeforeValidator(_message_id)] | None = None
    only_failed: StrictBool = False

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.since is None) == (self.message is None):
            raise PydanticCustomError("either-since-or-message", "either-since-or-message")
        return self


class Webhook(BaseModel):
    """A webhook. ``generation`` and ``key_id``: what its secret is derived from.

    ``failing_since``: the first failure after the last success. ``failures``: how many calls in a
    row have failed. ``retry_at``: until then, only what was never tried is sent. ``quiet_until``:
    until then, nothing is. ``claimed_until``: an invocation may be sending until then.
    """

    model_config = ConfigDict(frozen=True)

    id: WebhookId
    url: str
    events: Sequence[EventType]
    created_at: datetime
    created_by: str
    key_id: str
    generation: int
    rotated_at: datetime | None
    disabled_at: datetime | None
    disabled_because: str | None
    failing_since: datetime | None
    failures: int
    retry_at: datetime | None
    quiet_until: datetime | None
    claimed_until: datetime | None

    def is_claimed(self, now: datetime) -> bool:
        """Return whether an invocation may be sending to it."""
        return self.claimed_until is not None and self.claimed_until > now


class WebhookMessage(BaseModel):
    """An event for one webhook. ``attempts``: how many have failed.

    ``email``: the subscriber's, as of now; None once they are erased.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    type: EventType | Literal["webhook.test"]
    occurred_at: datetime
    subscriber_id: UUID | None
    issue: dict[str, Any] | None
    attempts: int
    email: str | None

    @property
    def body(self) -> bytes:
        """The document that is sent."""
        data = self.issue or {}
        if self.subscriber_id is not None:
            data = {"subscriber_id": self.subscriber_id, "email": self.email}
        at = self.occurred_at.astimezone(UTC)
        return to_json({"type": self.type, "timestamp": at, "data": data})


class LoggedTry(BaseModel):
    """A try as its author sees it: how the call of a message ended, and how long it took."""

    model_config = ConfigDict(frozen=True)

    message: str
    type: str
    at: datetime
    status: int | None
    error: str | None
    milliseconds: int


class Try(NamedTuple):
    """How a call ended: with a status, or with the code of what kept it from one."""

    message_id: UUID
    at: datetime
    status: int | None
    error: str | None
    milliseconds: int
    asked_pause: timedelta = timedelta()  # by the receiver

    @property
    def has_succeeded(self) -> bool:
        """Return whether the receiver has the message."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own

    @property
    def is_gone(self) -> bool:
        """Return whether the receiver wants no more messages."""
        return self.status == _GONE


def delay_after(failures: int) -> timedelta | None:
    """Return how long to wait after so many failures in a row; None when there were too many."""
    if failures > len(DELAYS):
        return None
    return DELAYS[failures - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - a delay


def written_secret(secret: bytes) -> str:
    """Return a secret as its receiver stores it."""
    return _SECRET_PREFIX + base64.b64encode(secret).decode()


def signed_headers(
    message_id: UUID, at: datetime, body: bytes, secrets: Sequence[bytes]
) -> dict[str, str]:
    """Return the headers that identify a message and prove where it comes from."""
    name, timestamp = written_message_id(message_id), str(int(at.timestamp()))
    content = b".".join((name.encode(), timestamp.encode(), body))
    signatures = (
        base64.b64encode(hmac.digest(secret, content, "sha256")).decode() for secret in secrets
    )
    return {
        "webhook-id": name,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        "Content-Type": "application/json",
    }
