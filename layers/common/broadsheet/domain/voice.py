"""How a newsletter speaks to who doesn't read it yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # pages alone need no pydantic
    from broadsheet.domain.authors_voice import AuthorsVoice


class Voice(NamedTuple):
    """The operator's own words on the sign-up page; empty, a line is left out.

    ``language``: which they are in, as BCP 47 writes it. ``frequency``: how often an issue comes,
    as in "Every Friday". ``privacy_line``: what becomes of an address, instead of our own sentence.
    ``preview_image``: what previews of links show where a page has no image of its own.
    """

    description: str = ""
    author: str = ""
    frequency: str = ""
    privacy_line: str = ""
    privacy_url: str = ""
    preview_image: str = ""
    postal_address: str = ""
    language: str = "en"

    def replaced_by(self, authors: AuthorsVoice | None) -> Voice:
        """Return it with what authors say in place of the operator's words."""
        if authors is None:
            return self
        return self._replace(
            description=authors.description or self.description,
            author=authors.author_name or self.author,
            frequency=authors.frequency or self.frequency,
        )
