"""Which language a request's page is in: chosen, or as the browser asks for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broadsheet import i18n

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broadsheet.i18n import Language

PARAMETER = "lang"  # of a query
COOKIE = "language"
_YEAR = 365 * 24 * 3600  # seconds
# RFC 9110 §12.5.4 and §12.4.2: a range of languages with its weight.
_RANGE = re.compile(
    r"\s*(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*[qQ]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?"
)


def accepted(header: str, otherwise: Language) -> Language:
    """Return the language that an ``Accept-Language`` prefers, of those there are.

    ``otherwise``: the newsletter's, for a header that names none of ours, or none at all.
    """
    for tag in _preferred(header):
        found = otherwise if tag == "*" else i18n.find(tag)
        if found:
            return found
    return otherwise


def named(tag: str) -> Language | None:
    """Return the language with exactly this tag, as a choice names it."""
    return next((each for each in i18n.languages() if each.tag == tag), None)


def cookie(language: Language, *, is_secure: bool) -> str:
    """Return the cookie that remembers a choice."""
    attributes = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if is_secure else "")
    name = cookie_name(is_secure=is_secure)
    return f"{name}={language.tag}; Max-Age={_YEAR}{attributes}"


def cookie_name(*, is_secure: bool) -> str:
    """Return the cookie's name: no other host can set one that begins with ``__Host-``."""
    return f"__Host-{COOKIE}" if is_secure else COOKIE


def _preferred(header: str) -> Iterator[str]:
    """Yield the ranges of a header, the most wanted first; what can't be read is left out."""
    weighed = [
        (float(found[2] or 1), found[1])
        for each in header.split(",")
        if (found := _RANGE.fullmatch(each))
    ]
    for weight, tag in sorted(weighed, key=lambda each: -each[0]):
        if weight > 0:
            yield tag
