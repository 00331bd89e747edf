r"""The author's placeholders, and the marks that stand for them while a mail is rendered.

An author writes ``[[name]]`` for the reader's name, anywhere, and ``\[[name]]`` to show these
brackets. Any other ``[[word]]`` counts as a misspelt placeholder and is refused.
"""

import hashlib
import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel

from broadsheet.domain.errors import UnsendableIssue
from broadsheet.mail.plain_text import display_width
from broadsheet.mail.substitutions import template_of

_PLACEHOLDER = re.compile(r"(\\?)\[\[name\]\]")
# Only words that could be meant as a placeholder, unlike shell's [[ -f x ]] and JSON's [["x"]].
_LIKE_A_PLACEHOLDER = re.compile(
    r"(?P<backslash>\\?)\[\[(?:\s|&nbsp;){0,3}(?P<word>[^\W\d][\w .,:|'-]{0,60})"
    r"(?:\s|&nbsp;){0,3}\]\]"
)
# Mail programs turn these into links, in plain text too.
_ADDRESS_IN_TEXT = re.compile(r"(?:https?://|mailto:)[^\s<>]*", re.IGNORECASE)
_NAME_COLUMNS = 12  # the width of a name, for wrapping
_SCHEME_WITH_HOST = re.compile(r"https?://([^/?#\s]+)", re.IGNORECASE)
_SCHEME = re.compile(r"(?!https?:|localhost:)[a-z][a-z0-9+-]*:\S", re.IGNORECASE)


@dataclass(frozen=True)
class Marks:
    """Words that stand for what is inserted later, while Markdown, HTML and CSS are processed.

    They consist of letters and digits, so that no parser changes them or reads them as syntax.
    They contain the text's digest, so that they can't occur in it. They begin with ``x`` and end
    with ``y``, which aren't hexadecimal digits, so that no mark overlaps another beside it.
    """

    name: str
    name_in_address: str
    literal_name: str
    unsubscribe_url: str
    content: str
    conditional: str

    @classmethod
    def foreign_to(cls, *texts: BaseModel) -> Self:
        """Return marks that occur in none of the texts."""
        everything = "\n".join(text.model_dump_json() for text in texts)
        digest = hashlib.sha256(everything.encode()).hexdigest()[:24]
        return cls(*(f"x{kind}{digest}y" for kind in ("n", "p", "l", "u", "w", "q")))

    def protect(self, text: str) -> str:
        """Replace the author's placeholders with marks, and leave similar words as they are."""
        return _PLACEHOLDER.sub(
            lambda found: self.literal_name if found[1] else self.name,
            text,
        )

    def set_in_prose(self, text: str, place: Callable[[int], str]) -> str:
        r"""Replace placeholders with marks, and drop the backslash of any other ``\[[word]]``.

        ``place``: returns the place of an offset in words, as in "line 3". Raises
        ``UnsendableIssue`` for a misspelt placeholder.
        """

        def protect(found: re.Match[str]) -> str:
            if _PLACEHOLDER.fullmatch(found[0]):
                return self.literal_name if found["backslash"] else self.name
            if found["backslash"]:
                return found[0][1:]
            raise misspelt(found, place(found.start()))

        return self.in_addresses(_LIKE_A_PLACEHOLDER.sub(protect, text))

    def in_addresses(self, text: str) -> str:
        """Return a text with the marks of percent-encoded names inside its addresses."""
        if self.name not in text:
            return text
        return _ADDRESS_IN_TEXT.sub(lambda found: self.in_address(found[0]), text)

    def in_address(self, address: str) -> str:
        """Return an address with the marks of percent-encoded names."""
        return address.replace(self.name, self.name_in_address)

    def fault_of_address(self, address: str) -> str | None:
        """Return why an address leads nowhere from a mail, as in "has no address", or None."""
        address = address.strip()
        if with_host := _SCHEME_WITH_HOST.match(address):
            if self.name in with_host[1] or self.name_in_address in with_host[1]:
                return "has [[name]] in the name of its host: put it after that"
            return None
        if _SCHEME.match(address):
            return None
        if not address:
            return "has no address"
        for mark in (self.name, self.name_in_address, self.literal_name):
            address = address.replace(mark, "[[name]]")
        meant = f"https://{address}" if address.startswith("www.") else "https://…"
        return f"leads to {address}, which is no whole address: write {meant}"

    def restore(self, text: str, kind: Literal["html", "text"]) -> str:
        """Turn a finished part, HTML or text, into a template, with variables for the marks."""
        return template_of(
            text.replace(self.literal_name, "[[name]]"),
            {
                self.name: f"name_{kind}",
                self.name_in_address: "name_url",
                self.unsubscribe_url: f"unsubscribe_url_{kind}",
            },
        )

    def columns(self, text: str) -> int:
        """Estimate the width of a text after its marks are filled in."""
        for mark in (self.name, self.name_in_address):
            text = text.replace(mark, " " * _NAME_COLUMNS)
        return display_width(text.replace(self.literal_name, "[[name]]"))


def find_misspelt(text: str) -> re.Match[str] | None:
    """Return the first misspelt placeholder of a text in which the marks are set, or None."""
    return next(
        (each for each in _LIKE_A_PLACEHOLDER.finditer(text) if not each["backslash"]), None
    )


def misspelt(found: re.Match[str], place: str) -> UnsendableIssue:
    """Return the error for a misspelt placeholder."""
    written = html.unescape(found[0].removeprefix("\\"))
    return UnsendableIssue(
        f"{written} in {place} is no placeholder: write [[name]] for the reader's name, "
        rf"or \{written} to show the brackets"
    )
