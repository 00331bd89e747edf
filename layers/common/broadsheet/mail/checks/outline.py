"""What an issue consists of, each part with its place in what the author wrote.

The checks read this instead of Markdown's tokens and the pieces of HTML, so that each of them
judges both alike.
"""

from __future__ import annotations

import html
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from broadsheet.mail.html_source import INLINE, Kind, Piece, Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markdown_it.token import Token

    from broadsheet.mail.placeholders import Marks

_CODE = frozenset(("code", "kbd", "pre", "samp"))
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))


class Passage:
    """A paragraph, heading or cell as readers see it, without its code.

    ``part``: follows a line's number, as in "line 3 of the HTML". ``name``: replaces both.
    """

    def __init__(self, part: str = "", name: str = "") -> None:
        self._part = part
        self._name = name
        self._texts: list[str] = []
        self._starts: list[int] = []
        self._lines: list[int] = []
        self._length = 0

    @classmethod
    def titled(cls, name: str, text: str) -> Passage:
        """Return a text that is one line, and has a name."""
        passage = cls(name=name)
        passage.add(text, 1)
        return passage

    @property
    def text(self) -> str:
        """Return the text, with the line breaks of the source."""
        return "".join(self._texts)

    def add(self, text: str, line: int) -> None:
        """Add a text that begins in a line of the source."""
        self._texts.append(text)
        self._starts.append(self._length)
        self._lines.append(line)
        self._length += len(text)

    def where(self, offset: int) -> str:
        """Return the place of an offset of the text, in words."""
        if self._name:
            return self._name
        at = max(0, bisect_right(self._starts, offset) - 1)
        breaks = self._texts[at].count("\n", 0, offset - self._starts[at]) if self._texts else 0
        return f"line {self._lines[at] + breaks if self._lines else 1}{self._part}"


class Link(NamedTuple):
    """A link. ``name``: its text, the descriptions of its images, or its label."""

    name: str
    address: str
    where: str


class Image(NamedTuple):
    """An image. ``description``: None if it has none, empty if it is only an ornament."""

    address: str
    description: str | None
    width: str
    where: str


class Heading(NamedTuple):
    """A heading, from level 1 to 6."""

    level: int
    where: str


@dataclass
class Outline:
    """The parts of an issue, in order.

    ``alternative``: the text that its author wrote beside HTML. ``source``: that HTML.
    ``has_title_as_headline``: whether the title stands above the content.
    """

    passages: list[Passage] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    alternative: Passage | None = None
    source: Source | None = None
    has_title_as_headline: bool = True


def of_markdown(tokens: Sequence[Token], marks: Marks, *, has_own_headline: bool) -> Outline:
    """Return the outline of parsed Markdown."""
    outline = Outline(has_title_as_headline=not has_own_headline)
    line = 1
    for token in tokens:
        if token.map:
            line = token.map[0] + 1
        if token.type == "heading_open":
            outline.headings.append(Heading(int(token.tag[1:]), f"line {line}"))
        if token.type == "inline":
            _add_inline(outline, token.children or [], line, marks)
    return outline


def _add_inline(outline: Outline, tokens: Sequence[Token], line: int, marks: Marks) -> None:
    passage = Passage()
    opened: tuple[str, int] | None = None  # a link's address and line
    name = ""
    for token in tokens:
        match token.type:
            case "softbreak" | "hardbreak":
                passage.add("\n", line)
                name += " "
                line += token.type == "softbreak" or not token.markup
            case "link_open":
                opened, name = (marks.as_typed(str(token.attrs["href"])), line), ""
            case "link_close" if opened:
                outline.links.append(Link(name.strip(), opened[0], f"line {opened[1]}"))
                opened = None
            case "image":
                description = marks.as_typed(_text_of(token.children or [])).strip()
                address = marks.as_typed(str(token.attrs["src"]))
                # Empty brackets are no statement that an image is an ornament.
                outline.images.append(Image(address, description or None, "", f"line {line}"))
                name += description
            case "code_inline":
                passage.add("`", line)
                name += token.content
            case "text" | "text_special":
                text = marks.as_typed(token.content)
                passage.add(text, line)
                name += text
    outline.passages.append(passage)


def _text_of(tokens: Sequence[Token]) -> str:
    return "".join(" " if token.type.endswith("break") else token.content for token in tokens)


def of_html(source: Source, *, has_own_headline: bool) -> Outline:
    """Return the outline of an author's HTML."""
    reader = _Reader(source, has_own_headline=has_own_headline)
    for piece in source.pieces:
        reader.read(piece)
    reader.end_link()
    return reader.outline


def of_text(text: str) -> Passage:
    """Return the plain text that an author wrote beside HTML."""
    passage = Passage(" of the text")
    passage.add(text, 1)
    return passage


class _Reader:
    def __init__(self, source: Source, *, has_own_headline: bool) -> None:
        self.outline = Outline(source=source, has_title_as_headline=not has_own_headline)
        self._source = source
        self._passage = Passage(" of the HTML")
        self._code = 0  # open elements
        self._link: tuple[str, str, str] | None = None  # name, address and place
        self._line = 1
        self.outline.passages.append(self._passage)

    def read(self, piece: Piece) -> None:
        text = self._source.text[piece.start : piece.end]
        self._line = self._source.line(piece.start)
        match piece.kind:
            case Kind.TEXT:
                self._read_text(html.unescape(text))
            case Kind.START_TAG | Kind.END_TAG:
                self._begin_passage(piece.name)
                if piece.kind is Kind.START_TAG:
                    self._open(piece)
                else:
                    self._close(piece.name)

    @property
    def _where(self) -> str:
        return f"line {self._line} of the HTML"

    def _read_text(self, text: str) -> None:
        self._passage.add("`" if self._code else text, self._line)
        self._name_link(text)

    def _name_link(self, name: str) -> None:
        if self._link:
            self._link = (self._link[0] + name, *self._link[1:])

    def _begin_passage(self, tag: str) -> None:
        if tag not in INLINE:
            self._passage = Passage(" of the HTML")
            self.outline.passages.append(self._passage)

    def _open(self, tag: Piece) -> None:
        self._code += tag.name in _CODE
        if tag.name in _HEADINGS:
            self.outline.headings.append(Heading(int(tag.name[1:]), self._where))
        if tag.name not in {"a", "img"}:
            return
        attributes = {each.name: html.unescape(each.value) for each in self._source.attributes(tag)}
        if tag.name == "img":
            self._add_image(attributes)
        elif "href" in attributes:
            self.end_link()
            label = attributes.get("aria-label") or attributes.get("title") or ""
            self._link = (label, attributes["href"].strip(), self._where)

    def _add_image(self, attributes: Mapping[str, str]) -> None:
        description = attributes.get("alt")
        self.outline.images.append(
            Image(
                attributes.get("src", "").strip(),
                description,
                attributes.get("width", ""),
                self._where,
            )
        )
        self._name_link(description or "")

    def _close(self, name: str) -> None:
        self._code -= self._code > 0 and name in _CODE
        if name == "a":
            self.end_link()

    def end_link(self) -> None:
        if self._link:
            name, address, where = self._link
            self.outline.links.append(Link(" ".join(name.split()), address, where))
            self._link = None
