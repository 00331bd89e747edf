"""How a newsletter speaks to who doesn't read it yet."""

from typing import NamedTuple


class Voice(NamedTuple):
    """The operator's own words on the sign-up page; empty, a line is left out.

    ``language``: which they are in, as BCP 47 writes it. ``frequency``: how often an issue comes,
    as in "Every Friday". ``privacy_line``: what becomes of an address, instead of our own sentence.
    """

    description: str = ""
    author: str = ""
    frequency: str = ""
    privacy_line: str = ""
    privacy_url: str = ""
    postal_address: str = ""
    language: str = "en"
