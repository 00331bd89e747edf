"""The numbers of an issue's links, for a stack that counts clicks on them.

A number belongs to an address as it is written: what stands in an issue twice is one link. It stays
when the issue is edited, since mails in inboxes have it.
"""

from collections.abc import Mapping

from pydantic import ValidationError

from broadsheet.domain.links import LinkTarget

MOST_LINKS = 1000  # of an issue; further ones are not counted


class LinkNumbers:
    """The links of an issue: those that it has already, and those found while it is rendered."""

    def __init__(self, known: Mapping[str, int]) -> None:
        """Begin with the numbers of known links, by their addresses as they are written."""
        self.by_address = dict(known)

    def of(self, address: str) -> int | None:
        """Return an address's number, None unless it is a whole one on the web."""
        try:
            written = str(LinkTarget(address))
        except ValidationError:
            return None
        if written not in self.by_address:
            if len(self.by_address) >= MOST_LINKS:
                return None
            self.by_address[written] = max(self.by_address.values(), default=0) + 1
        return self.by_address[written]
