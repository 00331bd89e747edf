"""What a mail says."""

from pydantic import BaseModel, ConfigDict


class MailContent(BaseModel):
    """A complete mail to one person, with nothing left to substitute."""

    model_config = ConfigDict(frozen=True)

    subject: str
    html: str
    text: str
