"""What a newsletter is called and who it comes from."""

from pydantic import BaseModel, ConfigDict

from broadsheet.domain.subscribers import EmailAddress


class Newsletter(BaseModel):
    """The operator's newsletter, as the stack's parameters describe it.

    ``list_id`` is derived (RFC 2919): a label of the name, under the sender's domain.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    sender: EmailAddress
    sender_name: str
    reply_to: EmailAddress | None = None
    language: str = "en"
