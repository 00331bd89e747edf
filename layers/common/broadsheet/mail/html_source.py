"""Splits an author's HTML into tags, texts and comments, and keeps their places.

A document is sent as its author wrote it, apart from what is inserted. Parsers that build a tree
lose the places, and Python's own ``html.parser`` ends comments and raw text differently in each
3.13 release. This module follows the HTML standard's tokenization (§13.2.5) in one pass, so the
work is proportional to the length.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import NamedTuple

from broadsheet.domain.findings import Findings

# The content of these elements is text, not markup. A mail program without scripts shows a
# noscript's content and one with scripts skips it, so nothing is inserted there.
_RAW = frozenset(
    (
        *("iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style"),
        *("textarea", "title", "xmp"),
    )
)
# The content of these elements is not shown. (A block ends an svg or math that was left open.)
_HIDING = frozenset(("audio", "canvas", "object", "select", "template", "video"))
_TAGS_LEFT_OPEN = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"),
        *("track", "wbr"),
        *("p", "li", "tr", "td", "th", "thead", "tbody", "tfoot", "colgroup"),
        "caption",
    )
)
# Tags that don't end a paragraph.
INLINE = frozenset(
    (
        *("a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em"),
        *("font", "i", "img", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span"),
        *("strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"),
    )
)
_DOCUMENT = frozenset(("html", "head", "body"))

_ATTRIBUTE = r"""
    [\t\n\f\r\ /]*+
    (?P<name> [^\t\n\f\r\ />] [^\t\n\f\r\ />=]*+ )
    (?:
        [\t\n\f\r\ ]*+ = [\t\n\f\r\ ]*+
        (?P<value> "[^"]*+" | '[^']*+' | (?!["']) [^\t\n\f\r\ >]*+ )
      | (?! [\t\n\f\r\ ]*+ = )
    )
"""
_ATTRIBUTE_OF_TAG = re.compile(_ATTRIBUTE, re.VERBOSE)
_TAG = re.compile(
    rf"<(?P<slash>/?)(?P<tag>[a-zA-Z][^\t\n\f\r\ />]*+)"
    rf"(?:{re.sub(r'\?P<\w+>', '?:', _ATTRIBUTE)})*+ [\t\n\f\r\ /]*+ >",
    re.VERBOSE,
)
_COMMENT = re.compile(r"<!--(?:-?>|.*?--!?>)", re.DOTALL)
_OTHER_MARKUP = re.compile(
    r"<(?:[!?]|/(?![a-zA-Z]))[^>]*+>"
)  # a doctype, or markup that is skipped
_BEGINS_MARKUP = re.compile(r"<(?:[!?]|/?[a-zA-Z]|/.)", re.DOTALL)


class Kind(Enum):
    """The kind of a piece of HTML. ``RAW`` is text in which tags have no effect, as in a style."""

    TEXT = auto()
    START_TAG = auto()
    END_TAG = auto()
    RAW = auto()
    COMMENT = auto()
    DECLARATION = auto()


class Piece(NamedTuple):
    """A piece of the source. ``name``: the tag's, or that of the element around raw text."""

    kind: Kind
    start: int
    end: int
    name: str = ""


class Attribute(NamedTuple):
    """An attribute. ``value``: as written, without its quotes. ``start``: the value's place."""

    name: str
    value: str
    start: int
    is_quoted: bool


class Lines:
    """The lines of a text, found once: a text has as many places as it has characters."""

    def __init__(self, text: str) -> None:
        self._breaks = [found.start() for found in re.finditer("\n", text)]

    def at(self, place: int) -> int:
        """Return the line number of a place, from 1."""
        return bisect_left(self._breaks, place) + 1


class Source:
    """An HTML text and its pieces, in order.

    A tag, a comment or a raw text that never ends is a finding: mail programs show nothing after
    it, and it is the last piece, as text.
    """

    def __init__(self, text: str, findings: Findings) -> None:
        self.text = text
        self._findings = findings
        self._lines = Lines(text)
        self.pieces: Sequence[Piece] = list(self._read())

    def line(self, place: int) -> int:
        """Return the line number of a place, from 1."""
        return self._lines.at(place)

    def where(self, place: int) -> str:
        """Return a place in words."""
        return f"line {self.line(place)} of the HTML"

    def attributes(self, tag: Piece) -> Iterator[Attribute]:
        """Yield a start tag's attributes."""
        begin = tag.start + 1 + len(tag.name)
        for found in _ATTRIBUTE_OF_TAG.finditer(self.text, begin, tag.end - 1):
            written = found["value"] or ""
            is_quoted = written[:1] in {'"', "'"}
            yield Attribute(
                found["name"].lower(),
                written[1:-1] if is_quoted else written,
                found.end() - len(written) + is_quoted,
                is_quoted,
            )

    @property
    def is_document(self) -> bool:
        """Return whether this is a whole document and not a fragment, by what comes first."""
        for piece in self.pieces:
            match piece.kind:
                case Kind.START_TAG:
                    return piece.name in _DOCUMENT
                case Kind.DECLARATION:
                    if self.text[piece.start : piece.end].lower().startswith("<!doctype"):
                        return True
                case Kind.TEXT if self.text[piece.start : piece.end].strip("\ufeff \t\n\f\r"):
                    return False
        return False

    @property
    def depth(self) -> int:
        """Estimate how deep elements are nested, assuming that all end tags are in place.

        Elements whose end tag is optional don't count: the elements that contain them do. Inside
        an svg or math element they nest like any other, and do count.
        """
        depth = deepest = 0
        opened = Counter[str]()
        for piece in self.pieces:
            name = piece.name
            if name in _TAGS_LEFT_OPEN and not (opened["svg"] or opened["math"]):
                continue
            if piece.kind is Kind.START_TAG:
                opened[name] += 1
                depth += 1
                deepest = max(deepest, depth)
            elif piece.kind is Kind.END_TAG and opened[name]:
                opened[name] -= 1
                depth -= 1
        return deepest

    @property
    def begin_of_body(self) -> int:
        """Return the first place in the body, which may have no tag of its own."""
        begin = 0
        for piece in self.pieces:
            begins = piece.kind is Kind.START_TAG and piece.name in {"html", "body"}
            ends_head = piece.kind is Kind.END_TAG and piece.name == "head"
            is_doctype = piece.kind is Kind.DECLARATION and not begin
            if begins or ends_head or is_doctype:
                begin = piece.end
            if begins and piece.name == "body":
                break
        return begin

    @property
    def end_of_body(self) -> int:
        """Return the last place in the body at which inserted text is shown.

        An element that is never closed and hides everything after it is a finding.
        """
        ends: dict[str, int] = {}
        hidden_by: list[Piece] = []
        for piece in self.pieces:
            if piece.name in _HIDING and piece.kind is Kind.START_TAG:
                hidden_by.append(piece)
            elif hidden_by and piece.kind is Kind.END_TAG:
                if piece.name == hidden_by[-1].name:
                    hidden_by.pop()
            elif piece.kind is Kind.END_TAG:
                ends[piece.name] = piece.start
        if hidden_by and "body" not in ends and "html" not in ends:
            self._report_unfinished(hidden_by[0].start, what=f"<{hidden_by[0].name}>")
        return ends.get("body", ends.get("html", len(self.text)))

    def _report_unfinished(self, place: int, **what: str) -> None:
        self._findings.add("unfinished-markup", self.where(place), **what)

    def _read(self) -> Iterator[Piece]:
        text, place, read = self.text, 0, 0
        while (place := text.find("<", place)) >= 0:
            piece = self._markup(place)
            if piece is None:
                if self._report_if_unfinished(place):
                    break
                place += 1
                continue
            if read < place:
                yield Piece(Kind.TEXT, read, place)
            yield piece
            place = read = piece.end
            if piece.kind is Kind.START_TAG and piece.name in _RAW:
                raw = self._raw(piece)
                if raw is None:
                    self._report_unfinished(piece.start, what=f"<{piece.name}>")
                    break
                if raw.start < raw.end:
                    yield raw
                place = read = raw.end
        if read < len(text):
            yield Piece(Kind.TEXT, read, len(text))

    def _markup(self, place: int) -> Piece | None:
        """Return the piece that begins with a ``<``, or None if it is a character or never ends."""
        if tag := _TAG.match(self.text, place):
            kind = Kind.END_TAG if tag["slash"] else Kind.START_TAG
            return Piece(kind, place, tag.end(), tag["tag"].lower())
        if self.text.startswith("<!--", place):
            comment = _COMMENT.match(self.text, place)
            return Piece(Kind.COMMENT, place, comment.end()) if comment else None
        if other := _OTHER_MARKUP.match(self.text, place):
            return Piece(Kind.DECLARATION, place, other.end())
        return None

    def _report_if_unfinished(self, place: int) -> bool:
        """Report markup that begins with a ``<`` and never ends; return whether it does."""
        is_comment = self.text.startswith("<!--", place)
        if not is_comment and not _BEGINS_MARKUP.match(self.text, place):
            return False
        self._report_unfinished(place, variant="comment" if is_comment else "tag")
        return True

    def _raw(self, tag: Piece) -> Piece | None:
        """Return an element's raw text, or None if it never ends."""
        end = re.compile(rf"</{tag.name}(?=[\t\n\f\r />])", re.IGNORECASE | re.ASCII)
        found = end.search(self.text, tag.end)
        return Piece(Kind.RAW, tag.end, found.start(), tag.name) if found else None
