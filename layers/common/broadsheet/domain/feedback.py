"""What SES tells of mails after it took them, as it comes out of FeedbackQueue."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import (
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from broadsheet.domain.issues import IssueId
from broadsheet.domain.subscribers import SubscriberId
from broadsheet.domain.times import Timestamp


class EventKind(StrEnum):
    """SES's event types, as it writes them. DeliveryDelay says only that it goes on trying."""

    SEND = "Send"
    DELIVERY = "Delivery"
    DELIVERY_DELAY = "DeliveryDelay"
    BOUNCE = "Bounce"
    COMPLAINT = "Complaint"
    REJECT = "Reject"
    RENDERING_FAILURE = "Rendering Failure"


# SES's guide, "Contents of event data": the subtypes of each type of bounce.
BOUNCE_SUBTYPES = {
    "Permanent": frozenset(
        {"General", "NoEmail", "Suppressed", "OnAccountSuppressionList", "UnsubscribedRecipient"}
    ),
    "Transient": frozenset(
        {
            *("General", "MailboxFull", "MessageTooLarge", "ContentRejected"),
            *("AttachmentRejected", "CustomTimeoutExceeded"),
        }
    ),
    "Undetermined": frozenset({"Undetermined"}),
}
# SES's guide, "Complaint object".
COMPLAINT_SUBTYPES = frozenset({None, "OnAccountSuppressionList"})
# Of bounces and complaints: SES knew before, and did not send.
SUPPRESSED = frozenset({"OnAccountSuppressionList", "Suppressed", "UnsubscribedRecipient"})

# SES's are of letters, digits and hyphens.
MessageId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}$")]


class Bounce(BaseModel):
    """A bounce is ``Permanent``, ``Transient`` or ``Undetermined``; the subtype says why."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    kind: str = Field(alias="bounceType")
    subtype: str = Field(alias="bounceSubType", default="")
    at: Timestamp = Field(alias="timestamp")

    @property
    def is_known(self) -> bool:
        """Whether SES's guide has such a bounce."""
        return self.subtype in BOUNCE_SUBTYPES.get(self.kind, ())


class Complaint(BaseModel):
    """Somebody said that the mail is spam, or did so before: then the subtype says so."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    subtype: str | None = Field(alias="complaintSubType", default=None)
    at: Timestamp = Field(alias="timestamp")

    @property
    def is_known(self) -> bool:
        """Whether SES's guide has such a complaint."""
        return self.subtype in COMPLAINT_SUBTYPES


def _tag(name: str) -> AliasPath:
    """Name the first value of a tag; SES's own are beside ours, with a ``ses:`` prefix."""
    return AliasPath("mail", "tags", name, 0)


class LedgerKey(NamedTuple):
    """Names one row of the ledger, by bare ids: two are made for each mail, and parsing costs."""

    issue_id: UUID
    subscriber_id: UUID
    round: int


def _number(text: object) -> int:
    """Read a number from a tag, which is text; a number that isn't text is no tag of SES's."""
    if isinstance(text, str) and text.isascii() and text.isdecimal():
        return int(text)
    raise ValueError("this is no number as text")


# Ours, if a mail has it in our form; a mail that isn't ours may have any text.
type _Id = Annotated[UUID | str | None, Field(union_mode="left_to_right")]
type _Round = Annotated[
    Annotated[int, BeforeValidator(_number), Field(ge=1, le=2**31 - 1)] | str | None,
    Field(union_mode="left_to_right"),
]


class SesEvent(BaseModel):
    """An event in SES's own shape, as far as it is read; flat, since there are two for each mail.

    ``kind`` is any text: a type that we don't know changes nothing. ``sent_at``: its mail.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    kind: str = Field(alias="eventType")
    message_id: MessageId = Field(validation_alias=AliasPath("mail", "messageId"))
    sent_at: Timestamp = Field(validation_alias=AliasPath("mail", "timestamp"))
    issue_tag: _Id = Field(validation_alias=_tag("issue"), default=None)
    subscriber_tag: _Id = Field(validation_alias=_tag("subscriber"), default=None)
    round_tag: _Round = Field(validation_alias=_tag("round"), default=None)
    bounce: Bounce | None = None
    complaint: Complaint | None = None
    delivered_at: Timestamp | None = Field(
        validation_alias=AliasPath("delivery", "timestamp"), default=None
    )

    @property
    def subscriber_id(self) -> SubscriberId | None:
        """Whom the mail went to, by our tag."""
        return SubscriberId(self.subscriber_tag) if isinstance(self.subscriber_tag, UUID) else None

    @property
    def issue_id(self) -> IssueId | None:
        """The issue that the mail is of, by our tags; None for any other mail."""
        return IssueId(key.issue_id) if (key := self.key) else None

    @property
    def key(self) -> LedgerKey | None:
        """The ledger's row that the mail belongs to; None for a mail that is of no issue."""
        issue, subscriber, in_round = self.issue_tag, self.subscriber_tag, self.round_tag
        if isinstance(issue, UUID) and isinstance(subscriber, UUID) and isinstance(in_round, int):
            return LedgerKey(issue, subscriber, in_round)
        return None

    @property
    def permanent_bounce_at(self) -> datetime | None:
        """When the mail bounced for good; a transient bounce or an absence note is none."""
        is_permanent = self.bounce is not None and self.bounce.kind == "Permanent"
        return self.bounce.at if self.bounce and is_permanent else None

    @property
    def is_harmful(self) -> bool:
        """Whether it harms the sender's name, and ends what the subscriber gets."""
        return self.complaint is not None or self.permanent_bounce_at is not None

    @property
    def suppressed_as(self) -> str | None:
        """The subtype by which SES says that it did not send the mail, knowing its end before."""
        told = self.bounce or self.complaint
        return told.subtype if told and told.subtype in SUPPRESSED else None
