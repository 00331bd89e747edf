"""What a text is to a person who reads it: visible or not, one line or more, how long.

Most names and titles are ASCII, of which Python's own methods say everything. The Unicode tables
take a tenth of a cold import, so they are loaded when the first other text comes.
"""

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import regex

# A text that nobody can see is blank; a braille pattern without dots is a symbol, yet invisible.
_VISIBLE = r"[^\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]"
# Line breaks, and the controls that turn the text around a name (Unicode UAX #9). The joiners and
# marks that emoji and right-to-left scripts are written with are none of these.
_CONTROL = r"[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]"
_GRAPHEME = r"\X"
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def is_blank(text: str) -> bool:
    """Return whether a text shows nothing."""
    if text.isascii():
        return not any("!" <= character <= "~" for character in text)
    return _pattern(_VISIBLE).search(text) is None


def has_controls(text: str) -> bool:
    """Return whether a text has line breaks or other control characters."""
    if text.isascii():
        return not text.isprintable()
    return _pattern(_CONTROL).search(text) is not None


def has_unstorable(text: str) -> bool:
    """Return whether a text has controls other than tabs and breaks, which no mail can hold."""
    return _UNSTORABLE.search(text) is not None


def count_graphemes(text: str) -> int:
    """Count what a person takes for characters (Unicode UAX #29's extended grapheme clusters)."""
    if text.isascii():
        return len(text)
    return len(_pattern(_GRAPHEME).findall(text))


@cache
def _pattern(expression: str) -> "regex.Pattern[str]":
    import regex  # noqa: PLC0415 - see above

    return regex.compile(expression)
