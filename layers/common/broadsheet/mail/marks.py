r"""The author's placeholders, and the words that stand for them while a mail is made.

An author writes ``[[name]]`` for the reader's name, anywhere, and ``\[[name]]`` for the word
itself. Any other ``[[word]]`` is taken for a misspelt placeholder and refused.
"""

import hashlib
import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel

from broadsheet.domain.errors import UnsendableIssue
from broadsheet.mail.plain_text import display_width

_PLACEHOLDER = re.compile(r"(\\?)\[\[name\]\]")
# Words as a placeholder could have them: shell's [[ -f x ]] and JSON's [["x"]] are none.
_LIKE_A_PLACEHOLDER = re.compile(
    r"(?P<backslash>\\?)\[\[(?:\s|&nbsp;){0,3}(?P<word>[^\W\d][\w .,:|'-]{0,60})"
    r"(?:\s|&nbsp;){0,3}\]\]"
)
# Mail programs make links of these in a plain text, too.
_ADDRESS_IN_TEXT = re.compile(r"(?:https?://|mailto:)[^\s<>]*", re.IGNORECASE)
_NAME_COLUMNS = 12  # what wrapping takes a name for
_BRACES = {"{": "left_brace", "}": "right_brace", "\\": "backslash"}
_SCHEME_WITH_HOST = re.compile(r"https?://([^/?#\s]+)", re.IGNORECASE)
_SCHEME = re.compile(r"(?!https?:|localhost:)[a-z][a-z0-9+-]*:\S", re.IGNORECASE)


@dataclass(frozen=True)
class Marks:
    """Words that stand for what is put in later, while Markdown, HTML and CSS are worked on.

    Letters and digits only, so that no parser changes them or takes them for syntax; made from
    the text's digest, so that they can't be in it; ``x`` and ``y`` are no hexadecimal digits, so
    that no mark overlaps another, whatever it stands beside.
    """

    name: str
    name_in_address: str
    literal_name: str
    unsubscribe_url: str
    content: str
    conditional: str

    @classmethod
    def foreign_to(cls, *texts: BaseModel) -> Self:
        """Return marks that stand nowhere in the texts."""
        everything = "\n".join(text.model_dump_json() for text in texts)
        digest = hashlib.sha256(everything.encode()).hexdigest()[:24]
        return cls(*(f"x{kind}{digest}y" for kind in ("n", "p", "l", "u", "w", "q")))

    def set_in(self, text: str) -> str:
        """Put marks for the author's placeholders, and pass over what is like one."""
        return _PLACEHOLDER.sub(
            lambda found: self.literal_name if found[1] else self.name,
            text,
        )

    def set_in_prose(self, text: str, place: Callable[[int], str]) -> str:
        r"""Put marks for placeholders, and take the backslash from any other ``\[[word]]``.

        ``place`` returns where an offset is, as in "line 3". Raises ``UnsendableIssue`` for a
        misspelt placeholder.
        """

        def set_in(found: re.Match[str]) -> str:
            if _PLACEHOLDER.fullmatch(found[0]):
                return self.literal_name if found["backslash"] else self.name
            if found["backslash"]:
                return found[0][1:]
            raise misspelt(found, place(found.start()))

        return self.in_addresses(_LIKE_A_PLACEHOLDER.sub(set_in, text))

    def in_addresses(self, text: str) -> str:
        """Return a text with another mark for each name that stands in an address."""
        if self.name not in text:
            return text
        return _ADDRESS_IN_TEXT.sub(lambda found: self.in_address(found[0]), text)

    def in_address(self, address: str) -> str:
        """Return an address with the marks for what is percent-encoded."""
        return address.replace(self.name, self.name_in_address)

    def fault_of_address(self, address: str) -> str | None:
        """Return why an address leads nowhere from a mail, as "has no address"; else None."""
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

    def open_as(self, text: str, kind: str) -> str:
        """Turn a finished ``html`` or ``text`` part into what SES substitutes in.

        Braces, backslashes (Handlebars' escape) and variables that stand side by side become
        variables all: what is left of the author's is single braces that touch no other.
        """
        variables = _BRACES | {
            self.name: f"name_{kind}",
            self.name_in_address: "name_url",
            self.unsubscribe_url: f"unsubscribe_url_{kind}",
        }
        piece = re.compile(rf"[{{}}\\]|{self.name}|{self.name_in_address}|{self.unsubscribe_url}")
        run = re.compile(rf"(?:{piece.pattern})+")

        def open_run(found: re.Match[str]) -> str:
            pieces = piece.findall(found[0])
            if sum(each != "\\" for each in pieces) <= 1 and set(pieces) <= _BRACES.keys():
                return found[0]
            return "".join(f"{{{{{variables[each]}}}}}" for each in pieces)

        return run.sub(open_run, text.replace(self.literal_name, "[[name]]"))

    def columns(self, text: str) -> int:
        """Estimate how wide a text is once its marks are filled in."""
        for mark in (self.name, self.name_in_address):
            text = text.replace(mark, " " * _NAME_COLUMNS)
        return display_width(text.replace(self.literal_name, "[[name]]"))


def find_misspelt(text: str) -> re.Match[str] | None:
    """Return the first ``[[word]]`` of a text in which the marks are set, if there is one."""
    return next(
        (each for each in _LIKE_A_PLACEHOLDER.finditer(text) if not each["backslash"]), None
    )


def misspelt(found: re.Match[str], place: str) -> UnsendableIssue:
    """Return the error for a ``[[word]]`` that is no placeholder."""
    written = html.unescape(found[0].removeprefix("\\"))
    return UnsendableIssue(
        f"{written} in {place} is no placeholder: write [[name]] for the reader's name, "
        rf"or \{written} to show the brackets"
    )
