"""Delivery's own words: batches, claims, recipients, outcomes."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from broadsheet.domain.issues import IssueId
from broadsheet.domain.subscribers import EmailAddress, SubscriberId, SubscriberName


class BatchPointer(BaseModel):
    """What travels through DeliveryQueue: names the batches of a claim, holds nothing of them."""

    model_config = ConfigDict(frozen=True)

    issue_id: IssueId
    numbers: tuple[Annotated[StrictInt, Field(gt=0)], ...] = Field(min_length=1)


class ClaimedBatch(BaseModel):
    """A batch as its claim found it. ``tries`` counts the claims in which SES was asked."""

    model_config = ConfigDict(frozen=True)

    number: int
    round: int
    tries: int


class Claim(BaseModel):
    """One deliver's right to send some batches of an issue, until the deadline."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    issue_id: IssueId
    deadline: datetime
    batches: list[ClaimedBatch]


class Recipient(NamedTuple):
    """A confirmed subscriber whose turn it is."""

    subscriber_id: SubscriberId
    batch_number: int
    round: int
    email: EmailAddress
    name: SubscriberName


class Outcome(StrEnum):
    """What became of one recipient in one round; a later member outranks an earlier one."""

    UNRESOLVED = "unresolved"
    SKIPPED = "skipped"
    FAILED = "failed"
    ACCEPTED = "accepted"
    RENDERING_FAILED = "rendering_failed"
    REJECTED = "rejected"


class Delivery(NamedTuple):
    """A row of the ledger, without its issue and claim."""

    subscriber_id: SubscriberId
    batch_number: int
    round: int
    outcome: Outcome
    reason: str | None = None
    message_id: str | None = None
