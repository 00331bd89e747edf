"""What a newsletter is called and who it comes from."""

import re
import unicodedata

from pydantic import BaseModel, ConfigDict

from broadsheet.domain.subscribers import EmailAddress

MAX_LABEL_CHARACTERS = 63  # of a host name's label (RFC 1035), whose form RFC 2919 asks for


class Newsletter(BaseModel):
    """The operator's newsletter, as the stack's parameters describe it."""

    model_config = ConfigDict(frozen=True)

    name: str
    sender: EmailAddress
    sender_name: str
    reply_to: EmailAddress | None = None
    language: str = "en"

    @property
    def list_id(self) -> str:
        """Return the List-Id header's value: a label of the name under the sender's domain."""
        plain = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode()
        label = "-".join(re.findall(r"[a-z0-9]+", plain.lower()))[:MAX_LABEL_CHARACTERS]
        return f"<{label.strip('-') or 'newsletter'}.{self.sender.domain}>"
