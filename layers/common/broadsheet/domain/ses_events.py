"""SES's events about mails that it has accepted, as they come out of FeedbackQueue."""

import re
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
from broadsheet.domain.ledger import LedgerKey
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
    OPEN = "Open"
    CLICK = "Click"
    SUBSCRIPTION = "Subscription"


# SES's guide, "Contents of event data": the subtypes of each type of bounce. SES adds
# subtypes without notice: one that is missing here is logged, and changes nothing else.
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
# SES's guide, "Complaint object"; the feedback types are RFC 5965's and RFC 6430's.
COMPLAINT_SUBTYPES = frozenset({None, "OnAccountSuppressionList"})
COMPLAINT_FEEDBACK_TYPES = frozenset(
    {None, "abuse", "auth-failure", "fraud", "not-spam", "other", "virus"}
)
# Of bounces and complaints: SES knew before, and did not send.
SUPPRESSED = frozenset({"OnAccountSuppressionList", "Suppressed", "UnsubscribedRecipient"})

# SES's are of letters, digits and hyphens.
MessageId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}$")]


class Bounce(BaseModel):
    """A bounce is ``Permanent``, ``Transient`` or ``Undetermined``; the subtype says why."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    kind: str = Field(alias="bounceType")
    subtype: str | None = Field(alias="bounceSubType", default=None)
    at: Timestamp = Field(alias="timestamp")

    @property
    def is_listed(self) -> bool:
        """Whether SES's guide lists such a bounce."""
        return self.subtype in BOUNCE_SUBTYPES.get(self.kind, ())


class Complaint(BaseModel):
    """A reader called the mail spam; the subtype says whether it was an earlier mail.

    With the feedback type ``not-spam`` (RFC 6430) the reader said the opposite.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    subtype: str | None = Field(alias="complaintSubType", default=None)
    feedback_type: str | None = Field(alias="complaintFeedbackType", default=None)
    at: Timestamp = Field(alias="timestamp")

    @property
    def is_listed(self) -> bool:
        """Whether SES's guide lists such a complaint."""
        return self.subtype in COMPLAINT_SUBTYPES and self.feedback_type in COMPLAINT_FEEDBACK_TYPES

    @property
    def is_about_spam(self) -> bool:
        """Whether the reader complained, and did not take the mail out of the spam folder."""
        return self.feedback_type != "not-spam"


def _tag(name: str) -> AliasPath:
    """Name the first value of a tag; SES's own are beside ours, with a ``ses:`` prefix."""
    return AliasPath("mail", "tags", name, 0)


def _number(text: object) -> int:
    """Read a number from a tag, which is text; SES writes no tag as a number."""
    if isinstance(text, str) and text.isascii() and text.isdecimal():
        return int(text)
    raise ValueError("this is no number as text")


# Ours, if a mail has it in our form; a mail that isn't ours may have any text.
type _Id = Annotated[UUID | str | None, Field(union_mode="left_to_right")]
type _Round = Annotated[
    Annotated[int, BeforeValidator(_number), Field(ge=1, le=2**31 - 1)] | str | None,
    Field(union_mode="left_to_right"),
]


_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class SesEvent(BaseModel):
    """An event in SES's own shape, as far as it is read; flat, since there are two for each mail.

    ``kind`` is any text: a type that we don't know says, as any other, that SES took the mail.
    ``sent_at``: its mail.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    kind: str = Field(alias="eventType")
    message_id: MessageId = Field(validation_alias=AliasPath("mail", "messageId"))
    sent_at: Timestamp = Field(validation_alias=AliasPath("mail", "timestamp"))
    issue_tag: _Id = Field(validation_alias=_tag("issue"), default=None)
    subscriber_tag: _Id = Field(validation_alias=_tag("subscriber"), default=None)
    round_tag: _Round = Field(validation_alias=_tag("round"), default=None)
    version_tag: str | None = Field(validation_alias=_tag("version"), default=None)
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
    def version(self) -> int:
        """The version of the issue that the mail had; 1 if it has no such tag, as 0.1.0's."""
        tag = self.version_tag
        return int(tag) if tag and _VERSION.fullmatch(tag) else 1

    @property
    def is_listed(self) -> bool:
        """Whether SES's guide lists an event of this type and subtype."""
        harm = self.bounce or self.complaint
        return self.kind in _KINDS and (harm is None or harm.is_listed)

    @property
    def permanent_bounce_at(self) -> datetime | None:
        """When the mail bounced for good, whatever the subtype; None after any other bounce."""
        if self.bounce is not None and self.bounce.kind == "Permanent":
            return self.bounce.at
        return None

    @property
    def complaint_at(self) -> datetime | None:
        """When the reader called the mail spam."""
        if self.complaint is not None and self.complaint.is_about_spam:
            return self.complaint.at
        return None

    @property
    def is_harmful(self) -> bool:
        """Whether it harms the sender's name, and ends what the subscriber gets."""
        return self.complaint_at is not None or self.permanent_bounce_at is not None

    @property
    def suppressed_as(self) -> str | None:
        """The subtype, if SES sent no mail since the address was already on a suppression list."""
        harm = self.bounce or self.complaint
        return harm.subtype if harm and harm.subtype in SUPPRESSED else None


_KINDS = frozenset(EventKind)


class BounceOrComplaint(NamedTuple):
    """A permanent bounce, dated by when its mail was sent, or a complaint."""

    subscriber_id: SubscriberId
    message_id: str
    issue_id: IssueId | None
    bounced_at: datetime | None
    complained_at: datetime | None
