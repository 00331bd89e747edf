"""What a mail says."""

from pydantic import BaseModel, ConfigDict


class Attachment(BaseModel):
    """A file that comes with a mail."""

    model_config = ConfigDict(frozen=True)

    file_name: str
    media_type: str
    content: bytes


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
    attachment: Attachment | None = None
