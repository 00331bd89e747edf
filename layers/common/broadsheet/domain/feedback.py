"""What SES tells of mails after it took them, as it comes out of FeedbackQueue."""

from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from broadsheet.domain.issues import IssueId
from broadsheet.domain.subscribers import SubscriberId


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
# Of bounces and complaints: SES knew before, and did not send.
SUPPRESSED = frozenset({"OnAccountSuppressionList", "Suppressed", "UnsubscribedRecipient"})

# SES's are of letters, digits and hyphens.
MessageId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}$")]


class Mail(BaseModel):
    """The mail that an event is about. ``tags``: ours, and SES's own with a ``ses:`` prefix."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    message_id: MessageId = Field(alias="messageId")
    sent_at: AwareDatetime = Field(alias="timestamp")
    tags: dict[str, list[str]] = {}


class Bounce(BaseModel):
    """A bounce is ``Permanent``, ``Transient`` or ``Undetermined``; the subtype says why."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    kind: str = Field(alias="bounceType")
    subtype: str = Field(alias="bounceSubType", default="")
    at: AwareDatetime = Field(alias="timestamp")

    @property
    def is_known(self) -> bool:
        """Whether SES's guide has such a bounce."""
        return self.subtype in BOUNCE_SUBTYPES.get(self.kind, ())


class Complaint(BaseModel):
    """Somebody said that the mail is spam, or did so before: then the subtype says so."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    subtype: str | None = Field(alias="complaintSubType", default=None)
    at: AwareDatetime = Field(alias="timestamp")


class Delivery(BaseModel):
    """The mailbox's server took the mail."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime = Field(alias="timestamp")


class SesEvent(BaseModel):
    """An event in SES's own shape, as far as it is read.

    ``kind`` is any text: a type that we don't know changes nothing.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    kind: str = Field(alias="eventType")
    mail: Mail
    bounce: Bounce | None = None
    complaint: Complaint | None = None
    delivery: Delivery | None = None

    @property
    def subscriber_id(self) -> SubscriberId | None:
        """Whom the mail went to, by our tag."""
        try:
            return SubscriberId.model_validate(self._tag("subscriber"))
        except ValidationError:
            return None

    @cached_property
    def key(self) -> "LedgerKey | None":
        """The ledger's row that the mail belongs to; None for a mail that is of no issue."""
        try:
            return LedgerKey.model_validate(
                {
                    "issue_id": self._tag("issue"),
                    "subscriber_id": self._tag("subscriber"),
                    "round": self._tag("round"),
                }
            )
        except ValidationError:
            return None

    @property
    def permanent_bounce_at(self) -> datetime | None:
        """When the mail bounced for good; a transient bounce or an absence note is none."""
        is_permanent = self.bounce is not None and self.bounce.kind == "Permanent"
        return self.bounce.at if self.bounce and is_permanent else None

    @property
    def suppressed_as(self) -> str | None:
        """The subtype by which SES says that it did not send the mail, knowing its end before."""
        told = self.bounce or self.complaint
        return told.subtype if told and told.subtype in SUPPRESSED else None

    def _tag(self, name: str) -> str | None:
        return next(iter(self.mail.tags.get(name, [])), None)


class LedgerKey(BaseModel):
    """Names one row of the ledger."""

    model_config = ConfigDict(frozen=True)

    issue_id: IssueId
    subscriber_id: SubscriberId
    round: int = Field(ge=1, le=2**31 - 1)
