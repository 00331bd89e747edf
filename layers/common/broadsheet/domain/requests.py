"""What readers ask for at the edge, as it goes through RequestsQueue.

A request's time is when the edge received it. Every rule compares these times, because the queue
may repeat messages and change their order.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID, uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
)

from broadsheet.domain.issues import IssueId
from broadsheet.domain.subscribers import (
    EmailAddress,
    SourceAddress,
    SubscriberId,
    SubscriberName,
)
from broadsheet.domain.times import Timestamp

MAX_USER_AGENT_CHARACTERS = 256


def _in_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


type Moment = Annotated[Timestamp, AfterValidator(_in_milliseconds)]


def now() -> datetime:
    """Return the current time, in whole milliseconds."""
    return _in_milliseconds(datetime.now(UTC))


Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class ConfirmationToken(BaseModel):
    """The signed content of a confirmation link: all that a new subscriber is made from."""

    model_config = ConfigDict(frozen=True)

    email: EmailAddress
    name: SubscriberName
    language: Language = "en"
    issued_at: Moment = Field(default_factory=now)


class UnsubscribeToken(BaseModel):
    """The signed content of an unsubscribe link, which never expires."""

    model_config = ConfigDict(frozen=True)

    subscriber_id: SubscriberId
    issue_id: IssueId


class Origin(BaseModel):
    """Where a request came from: for the consent log and the budgets."""

    model_config = ConfigDict(frozen=True)

    source_address: SourceAddress
    user_agent: str = Field(default="", max_length=MAX_USER_AGENT_CHARACTERS)


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: UUID = Field(default_factory=uuid4)
    received_at: Moment = Field(default_factory=now)
    origin: Origin


class SubscribeRequest(_Request):
    """Somebody submitted a name and an address."""

    kind: Literal["subscribe"] = "subscribe"
    name: SubscriberName
    email: EmailAddress
    language: Language = "en"


class ConfirmRequest(_Request):
    """A reader pressed the button behind the link that was mailed to them."""

    kind: Literal["confirm"] = "confirm"
    token: ConfirmationToken


class UnsubscribeRequest(_Request):
    """A reader, or their mail client, asks for no more mail."""

    kind: Literal["unsubscribe"] = "unsubscribe"
    token: UnsubscribeToken


type SubscriberRequest = Annotated[
    SubscribeRequest | ConfirmRequest | UnsubscribeRequest, Field(discriminator="kind")
]

subscriber_request: TypeAdapter[SubscriberRequest] = TypeAdapter(SubscriberRequest)
