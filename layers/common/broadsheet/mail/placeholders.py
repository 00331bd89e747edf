r"""The author's placeholders, and the marks that stand for them while a mail is rendered.

An author writes ``[[name]]`` for the reader's name, anywhere, and ``\[[name]]`` to show these
brackets. Any other ``[[word]]`` counts as a misspelt placeholder, and is a finding.
"""

import hashlib
import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self
from urllib.parse import unquote

from pydantic import BaseModel

from broadsheet.domain.findings import Findings
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
    ``findings`` collects what is wrong with placeholders and addresses.
    """

    name: str
    name_in_address: str
    literal_name: str
    unsubscribe_url: str
    content: str
    conditional: str
    findings: Findings

    @classmethod
    def foreign_to(cls, *texts: BaseModel) -> Self:
        """Return marks that occur in none of the texts."""
        everything = "\n".join(text.model_dump_json() for text in texts)
        digest = hashlib.sha256(everything.encode()).hexdigest()[:24]
        return cls(
            name=f"xn{digest}y",
            name_in_address=f"xp{digest}y",
            literal_name=f"xl{digest}y",
            unsubscribe_url=f"xu{digest}y",
            content=f"xw{digest}y",
            conditional=f"xq{digest}y",
            findings=Findings(),
        )

    def protect(self, text: str) -> str:
        """Replace the author's placeholders with marks, and leave similar words as they are."""
        return _PLACEHOLDER.sub(
            lambda found: self.literal_name if found[1] else self.name,
            text,
        )

    def set_in_prose(self, text: str, place: Callable[[int], str]) -> str:
        r"""Replace placeholders with marks, and drop the backslash of any other ``\[[word]]``.

        ``place``: returns the place of an offset in words, as in "line 3". A misspelt placeholder
        stays as it is.
        """

        def protect(found: re.Match[str]) -> str:
            if _PLACEHOLDER.fullmatch(found[0]):
                return self.literal_name if found["backslash"] else self.name
            if found["backslash"]:
                return found[0][1:]
            self._report_misspelt(found, place(found.start()))
            return found[0]

        return self.in_addresses(_LIKE_A_PLACEHOLDER.sub(protect, text))

    def in_addresses(self, text: str) -> str:
        """Return a text with the marks of percent-encoded names inside its addresses."""
        if self.name not in text:
            return text
        return _ADDRESS_IN_TEXT.sub(lambda found: self.in_address(found[0]), text)

    def in_address(self, address: str) -> str:
        """Return an address with the marks of percent-encoded names."""
        return address.replace(self.name, self.name_in_address)

    def check_address(self, address: str, kind: Literal["link", "image"], where: str) -> None:
        """Report an address that leads nowhere from a mail. ``image``: whatever a mail loads."""
        address = address.strip()
        if with_host := _SCHEME_WITH_HOST.match(address):
            if self.name in with_host[1] or self.name_in_address in with_host[1]:
                self.findings.add("name-in-host", where, address=self.as_typed(unquote(address)))
        elif not address:
            self.findings.add("no-address", where)
        elif not _SCHEME.match(address):
            address = self.as_typed(unquote(address))
            meant = f"https://{address}" if address.startswith("www.") else "https://…"
            self.findings.add(f"relative-{kind}", where, address=address, meant=meant)

    def report_misspelt(self, text: str, where: str) -> None:
        """Report the misspelt placeholders of a text in which the marks are set."""
        for found in _LIKE_A_PLACEHOLDER.finditer(text):
            if not found["backslash"]:
                self._report_misspelt(found, where)

    def _report_misspelt(self, found: re.Match[str], where: str) -> None:
        written = html.unescape(found[0].removeprefix("\\"))
        self.findings.add("unknown-placeholder", where, written=written)

    def as_typed(self, text: str) -> str:
        """Return a text as its author wrote it, with the placeholders in place of the marks."""
        for mark in (self.name, self.name_in_address, self.literal_name):
            text = text.replace(mark, "[[name]]")
        return text

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
