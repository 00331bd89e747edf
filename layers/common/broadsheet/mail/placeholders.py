r"""The author's placeholders, and the marks that stand for them while a mail is rendered.

An author writes ``[[name]]`` for the reader's name, ``[[name|friend]]`` with what stands for it
where a reader gave none. ``[[unsubscribe]]`` is the link to leave by, ``[[manage]]`` that to the
page of the reader's subscription, and ``[[archive]]`` that to the issue's own page. ``\[[name]]``
shows these brackets. Any other ``[[word]]`` counts as a misspelt placeholder, and is a finding.
"""

import hashlib
import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, NamedTuple, Self
from urllib.parse import unquote

from pydantic import BaseModel

from broadsheet.domain.findings import Findings
from broadsheet.mail.footer import VARIABLES as FOOTER_VARIABLES
from broadsheet.mail.limits import TooComplex
from broadsheet.mail.link_numbers import LinkNumbers
from broadsheet.mail.plain_text import display_width
from broadsheet.mail.substitutions import name_or, placed, template_of

MAX_FALLBACKS = 100  # different ones in an issue; each is a variable
BRACKETED = r"\[\[(?:name(?:\|[^][{}<>\\\n]{0,40})?|unsubscribe|manage|archive)\]\]"
NAMED = re.compile(r"\[\[name(?:\|[^][{}<>\\\n]{0,40})?\]\]")
_PLACEHOLDER = re.compile(rf"(?P<backslash>\\?)(?P<typed>{BRACKETED})")
# Only words that could be meant as a placeholder, unlike shell's [[ -f x ]] and JSON's [["x"]].
_LIKE_A_PLACEHOLDER = re.compile(
    r"(?P<backslash>\\?)\[\[(?:\s|&nbsp;){0,3}(?P<word>[^\W\d][\w .,:|'-]{0,60})"
    r"(?:\s|&nbsp;){0,3}\]\]"
)
_ARCHIVE = "[[archive]]"
# What a template has for the link of each placeholder. A page differs by its place, as the texts of
# a footer do; a token is the same everywhere.
LINKS = {
    "unsubscribe": ("unsubscribe_page_", "unsubscribe_token"),
    "manage": ("manage_page_", "manage_token"),
    "archive": ("archive_url_",),
}
# Mail programs turn these into links, in plain text too.
_ADDRESS_IN_TEXT = re.compile(r"(?:https?://|mailto:)[^\s<>]*", re.IGNORECASE)
_AFTER_ADDRESS = ".,;:!?'\")]}"  # in a sentence
_NAME_COLUMNS = 12  # the width of a name, for wrapping
_SCHEME_WITH_HOST = re.compile(r"https?://([^/?#\s]+)", re.IGNORECASE)
_SCHEME = re.compile(r"(?!https?:|localhost:)[a-z][a-z0-9+-]*:\S", re.IGNORECASE)


class _Marked(NamedTuple):
    """A placeholder as it is typed, and its variables; without any, it is shown as typed.

    A name that ends with an underscore is that of several variables, one for each kind of place.
    """

    typed: str
    variables: tuple[str, ...]


@dataclass(frozen=True)
class Marks:
    """Words that stand for what is inserted later, while Markdown, HTML and CSS are processed.

    They consist of letters and digits, so that no parser changes them or reads them as syntax.
    They contain the text's digest, so that they can't occur in it. They begin with ``x`` and end
    with ``y``, which aren't hexadecimal digits, so that no mark overlaps another beside it.
    ``findings`` collects what is wrong with placeholders and addresses. ``links`` has the mark of
    each placeholder that is a link, and ``footer`` that of each sentence of a footer. ``numbers``:
    those of the links on which clicks are counted, ``links_page`` what stands before a number.
    """

    digest: str
    content: str
    conditional: str
    has_page: bool
    findings: Findings = field(default_factory=Findings)
    links: dict[str, str] = field(default_factory=dict)
    footer: dict[str, str] = field(default_factory=dict)
    numbers: LinkNumbers | None = None
    links_page: str = ""
    _marked: dict[str, _Marked] = field(default_factory=dict)

    @classmethod
    def foreign_to(
        cls, *texts: BaseModel, has_page: bool = True, numbers: LinkNumbers | None = None
    ) -> Self:
        """Return marks that occur in none of the texts.

        ``has_page``: in the archive. ``numbers``: of the links on which clicks are counted.
        """
        everything = "\n".join(text.model_dump_json() for text in texts)
        digest = hashlib.sha256(everything.encode()).hexdigest()[:24]
        marks = cls(digest, f"xw{digest}y", f"xq{digest}y", has_page)
        for name, variables in LINKS.items():
            if name != "archive" or has_page:
                marks.links[name] = marks._add(_Marked(f"[[{name}]]", variables))
        for variable in FOOTER_VARIABLES:
            mark = marks._add(_Marked(variable, (f"{variable}_",)))
            marks.footer[variable.removeprefix("footer_")] = mark
        if numbers is None:
            return marks
        links_page = marks._add(_Marked("", ("links_page_",)))
        return replace(marks, numbers=numbers, links_page=links_page)

    @cached_property
    def _any(self) -> re.Pattern[str]:
        """A mark of a placeholder; one in an address begins with ``xp``."""
        return re.compile(rf"x[np]({self.digest}[0-9a-f]+y)")

    def protect(self, text: str) -> str:
        """Replace the author's placeholders with marks, and leave similar words as they are.

        Raises ``TooComplex`` for too many different ones.
        """
        return _PLACEHOLDER.sub(self._mark, text)

    def _mark(self, found: re.Match[str]) -> str:
        typed = html.unescape(found["typed"])
        if found["backslash"]:
            return self._mark_of(_Marked(typed, ()))
        if self._lacks_page(typed):
            return found[0]
        name, has_fallback, fallback = typed[2:-2].partition("|")
        variables = LINKS.get(name, ("name_",))
        if has_fallback:
            variables = (name_or(fallback.strip()),)
        return self._mark_of(_Marked(typed, variables))

    def _mark_of(self, marked: _Marked) -> str:
        for mark, known in self._marked.items():
            if known == marked:
                return mark
        if len(self._marked) - len(self.links) - len(self.footer) >= MAX_FALLBACKS:
            raise TooComplex("placeholders", most=MAX_FALLBACKS)
        return self._add(marked)

    def _add(self, marked: _Marked) -> str:
        mark = f"xn{self.digest}{len(self._marked):03x}y"
        self._marked[mark] = marked
        return mark

    def _lacks_page(self, typed: str) -> bool:
        return typed == _ARCHIVE and not self.has_page

    def set_in_prose(self, text: str, place: Callable[[int], str]) -> str:
        r"""Replace placeholders with marks, and drop the backslash of any other ``\[[word]]``.

        ``place``: returns the place of an offset in words, as in "line 3". A misspelt placeholder
        stays as it is.
        """

        def protect(found: re.Match[str]) -> str:
            if _PLACEHOLDER.fullmatch(found[0]) and not self._lacks_page(found[0]):
                return found[0]
            if found["backslash"]:
                return found[0][1:]
            self._report_misspelt(found, place(found.start()))
            return found[0]

        return self.in_addresses(self.protect(_LIKE_A_PLACEHOLDER.sub(protect, text)))

    def in_addresses(self, text: str) -> str:
        """Return a text in which the marks inside its addresses are for percent-encoded values."""
        if self.digest not in text:
            return text
        return _ADDRESS_IN_TEXT.sub(lambda found: self.in_address(found[0]), text)

    def in_address(self, address: str) -> str:
        """Return an address in which the marks are for percent-encoded values.

        One that is nothing but a placeholder for a link stays as it is.
        """
        if address.strip() in self.links.values():
            return address
        return self._any.sub(r"xp\1", address)

    def counted(self, address: str) -> str:
        """Return an address by which clicks are counted; the address itself if none are.

        That is one with a placeholder, or none on the web.
        """
        if self.numbers is None or self.digest in address:
            return address
        number = self.numbers.of(address)
        return address if number is None else f"{self.links_page}{number}"

    def counted_in_text(self, text: str) -> str:
        """Do the same with the addresses of a plain text that are among the counted links."""
        numbers = self.numbers
        if numbers is None:
            return text

        def count(found: re.Match[str]) -> str:
            address = found[0]
            while address not in numbers.by_address:
                if address[-1] not in _AFTER_ADDRESS:
                    return found[0]
                address = address[:-1]
            return self.counted(address) + found[0][len(address) :]

        return _ADDRESS_IN_TEXT.sub(count, text)

    def check_address(self, address: str, kind: Literal["link", "image"], where: str) -> None:
        """Report an address that leads nowhere from a mail. ``image``: whatever a mail loads."""
        address = address.strip()
        if with_host := _SCHEME_WITH_HOST.match(address):
            if self._any.search(with_host[1]):
                self.findings.add("name-in-host", where, address=self.as_typed(unquote(address)))
        elif not address:
            self.findings.add("no-address", where)
        elif not (_SCHEME.match(address) or address in self.links.values()):
            address = self.as_typed(unquote(address))
            if self._lacks_page(address):
                return  # a finding of its own
            meant = f"https://{address}" if address.startswith("www.") else "https://…"
            self.findings.add(f"relative-{kind}", where, address=address, meant=meant)

    def report_misspelt(self, text: str, where: str) -> None:
        """Report the misspelt placeholders of a text in which the marks are set."""
        for found in _LIKE_A_PLACEHOLDER.finditer(text):
            if not found["backslash"]:
                self._report_misspelt(found, where)

    def _report_misspelt(self, found: re.Match[str], where: str) -> None:
        written = html.unescape(found[0].removeprefix("\\"))
        code = "no-archive-page" if self._lacks_page(written) else "unknown-placeholder"
        self.findings.add(code, where, written=written)

    def as_typed(self, text: str) -> str:
        """Return a text as its author wrote it, with the placeholders in place of the marks."""
        return self._any.sub(lambda found: self._marked[f"xn{found[1]}"].typed, text)

    def restore(self, text: str, kind: Literal["html", "text"]) -> str:
        """Turn a finished part, HTML or text, into a template, with variables for the marks."""

        def show(found: re.Match[str]) -> str:
            typed, variables = self._marked[f"xn{found[1]}"]
            if variables:
                return found[0]
            return html.escape(typed) if kind == "html" else typed

        templates = {}
        for mark, (_, variables) in self._marked.items():
            if variables:
                templates[mark] = _placed(variables, kind)
                templates[mark.replace("xn", "xp", 1)] = _placed(variables, "url")
        return template_of(self._any.sub(show, text), templates)

    def columns(self, text: str) -> int:
        """Estimate the width of a text after its marks are filled in."""

        def shown(found: re.Match[str]) -> str:
            typed, variables = self._marked[f"xn{found[1]}"]
            return " " * _NAME_COLUMNS if variables else typed

        return display_width(self._any.sub(shown, text))


def _placed(variables: Sequence[str], kind: Literal["html", "text", "url"]) -> str:
    return placed(*(f"{each}{kind}" if each.endswith("_") else each for each in variables))
