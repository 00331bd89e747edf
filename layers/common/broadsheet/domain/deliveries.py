"""Sending an issue: batches, claims, recipients and outcomes.

What exists once a mail is a tuple of bare values, see ``docs/decisions/0020``.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from broadsheet.domain.issues import IssueId


class BatchPointer(BaseModel):
    """A message of DeliveryQueue: the numbers of batches to send, and nothing of their content."""

    model_config = ConfigDict(frozen=True)

    issue_id: IssueId
    numbers: tuple[Annotated[StrictInt, Field(gt=0)], ...] = Field(min_length=1)


class ClaimedBatch(NamedTuple):
    """A batch as its claim found it. ``tries`` counts the claims in which SES was asked."""

    number: int
    round: int
    tries: int


class Claim(NamedTuple):
    """One deliver's right to send a version of an issue to some batches, until the deadline."""

    id: UUID
    issue_id: IssueId
    deadline: datetime
    version: int
    batches: list[ClaimedBatch]


class BatchResult(NamedTuple):
    """What becomes of a claimed batch: closed, or waiting again after ``pause`` with its tries."""

    number: int
    is_closed: bool
    tries: int
    pause: timedelta


class ReleasedBatches(NamedTuple):
    """The numbers of the batches that the claim still held, and whether others wait."""

    ours: set[int]
    others_wait: bool


class Recipient(NamedTuple):
    """A confirmed subscriber to mail. ``email`` has the form in which addresses are stored."""

    subscriber_id: UUID
    batch_number: int
    round: int
    email: str
    name: str
    language: str


class Outcome(StrEnum):
    """The result for one recipient in one round; a later member takes precedence."""

    UNRESOLVED = "unresolved"
    SKIPPED = "skipped"
    FAILED = "failed"
    ACCEPTED = "accepted"
    RENDERING_FAILED = "rendering_failed"
    REJECTED = "rejected"


class Delivery(NamedTuple):
    """An outcome to write into the ledger."""

    subscriber_id: UUID
    batch_number: int
    round: int
    outcome: Outcome
    reason: str | None = None
    message_id: str | None = None
