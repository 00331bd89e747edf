"""What a newsletter is called, who it comes from, and its looks."""

import re
import unicodedata
from email.header import Header
from email.utils import formataddr
from typing import Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, model_validator

from broadsheet.domain.subscribers import MailAddress

MAX_FROM_CHARACTERS = 320  # SES's, of the whole: the encoded name and the address
MAX_ENCODED_WORD_CHARACTERS = 75  # RFC 2047 §2
MAX_LABEL_CHARACTERS = 63  # of a host name's label (RFC 1035), whose form RFC 2919 asks for


class Newsletter(BaseModel):
    """The operator's newsletter, as the stack's parameters describe it.

    Raises ``ValueError`` when SES would refuse every mail for its From.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    sender: MailAddress
    sender_name: str
    reply_to: MailAddress | None = None
    language: str = "en"  # BCP 47
    postal_address: str = ""
    unsubscribe_mailbox: MailAddress | None = None
    has_typographic_quotes: bool = False
    keeps_line_breaks: bool = False
    theme: str = "default"  # the name of a folder in themes/

    @property
    def list_id(self) -> str:
        """Return the List-Id header's value: a label of the name under the sender's domain."""
        plain = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode()
        label = "-".join(re.findall(r"[a-z0-9]+", plain.lower()))[:MAX_LABEL_CHARACTERS]
        return f"<{label.strip('-') or 'newsletter'}.{self.sender.domain}>"

    def list_unsubscribe(self, url: str, token: str) -> str:
        """Return the List-Unsubscribe header's value: the preferred way first (RFC 2369 §3.2).

        ``url``: of the page that unsubscribes whoever has the ``token``. With a mailbox, a mail to
        it has the token in its subject.
        """
        if self.unsubscribe_mailbox is None:
            return f"<{url}>"
        mailbox = quote(str(self.unsubscribe_mailbox), safe="@+")  # RFC 6068 §2
        return f"<{url}>, <mailto:{mailbox}?subject=unsubscribe%20{token}>"

    @property
    def from_header(self) -> str:
        """Return a mail's From; a name outside of ASCII is folded into encoded-words (RFC 2047)."""
        if self.sender_name.isascii():
            return formataddr((self.sender_name, str(self.sender)))
        name = Header(self.sender_name, "utf-8", maxlinelen=MAX_ENCODED_WORD_CHARACTERS)
        return f"{name.encode(linesep='', splitchars='')} <{self.sender}>"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        length = len(self.from_header)
        if length > MAX_FROM_CHARACTERS:
            raise ValueError(
                f"SenderName and SenderAddress are {length} characters as SES gets them, and it"
                f" takes {MAX_FROM_CHARACTERS}: choose a shorter SenderName, of which each"
                " character outside of ASCII counts for up to six"
            )
        return self
