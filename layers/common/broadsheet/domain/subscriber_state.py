"""A subscriber's state, by which sign-ups, confirmations and their mails are decided."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from broadsheet.domain.subscribers import (
    DueMail,
    DueWelcome,
    EmailAddress,
    SubscriberId,
    SubscriberStatus,
)


class Subscriber(BaseModel):
    """A subscriber's state, as far as any rule reads it."""

    model_config = ConfigDict(frozen=True)

    id: SubscriberId
    email: EmailAddress
    language: str
    status: SubscriberStatus
    confirmation_issued_at: datetime | None
    confirmed_at: datetime | None
    unsubscribed_at: datetime | None
    due_mail: DueMail | None
    due_mail_since: datetime | None
    due_welcome: DueWelcome | None
    address_issued_at: datetime | None
    moved_at: datetime | None = None
    forgiven_at: datetime | None = None
