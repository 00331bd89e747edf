"""What a mail says."""

from pydantic import BaseModel, ConfigDict


class MailContent(BaseModel):
    """A complete mail to one person, with nothing left to substitute.

    ``unsubscribe_token``: by which a mail program unsubscribes who is subscribed; None for a mail
    to somebody who isn't.
    """

    model_config = ConfigDict(frozen=True)

    subject: str
    html: str
    text: str
    unsubscribe_token: str | None = None
