"""Turns an author's HTML into markdown-it's tokens, of which ``plain_text`` makes a mail's text.

It takes HTML as css-inline writes it: every element is closed, and what a stylesheet hides has it
in its ``style``. What readers don't see is left out. Most tables only lay out a mail, and leave no
trace; one that begins with a row of headers keeps its columns. The work is proportional to the
length.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from markdown_it.token import Token

from broadsheet.domain.findings import Findings
from broadsheet.mail.html_source import INLINE, Kind, Piece, Source
from broadsheet.mail.plain_text import LINE_WIDTH

MAX_CONTAINERS = 30  # lists, items and quotations inside each other; deeper ones leave no trace
MAX_COLUMNS = 20  # of a table; short rows are filled up to the longest
_VOID = frozenset(  # elements without an end tag (HTML §13.3)
    (
        *("area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img"),
        *("input", "keygen", "link", "meta", "param", "source", "track", "wbr"),
    )
)
_UNREAD = frozenset(
    ("audio", "canvas", "datalist", "math", "object", "select", "svg", "template", "video")
)
_HIDES = re.compile(
    r"(?<![\w-])(?:display\s*+:\s*+none|visibility\s*+:\s*+hidden"
    r"|max-height\s*+:\s*+0(?:px)?\s*+(?:;|!|\Z))",
    re.IGNORECASE,
)
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_CONTAINERS = {"ul": "bullet_list", "ol": "ordered_list", "blockquote": "blockquote"}
_CELLS = frozenset(("td", "th"))
_ROW_GROUPS = frozenset(("thead", "tbody", "tfoot", "colgroup", "col"))
_IN_CELLS = INLINE | {"br", "p", "div", "center"}
_SPANS = {
    **dict.fromkeys(("b", "strong"), "strong"),
    **dict.fromkeys(("em", "i"), "em"),
    **dict.fromkeys(("del", "s", "strike"), "s"),
    **dict.fromkeys(("code", "kbd", "samp", "tt"), "code"),
}
_WHITE = " \t\n\f\r"  # not the no-break space
_SPACES = re.compile(f"[{_WHITE}]+")
_UNSEEN = re.compile("[\u00ad\u034f\u200b\ufeff]")  # soft hyphens, and padding of no width
_NO_ADDRESS = re.compile(r"#|javascript:|\Z", re.IGNORECASE)


def tokens_of(written: str) -> list[Token]:
    """Return the tokens of HTML in which every element is closed."""
    source = Source(written, Findings())
    writer = _Writer(source)
    for piece in source.pieces:
        writer.read(piece)
    return writer.finished()


@dataclass
class _Row:
    """A table's row. ``is_simple``: whether its cells have only words in them."""

    start: int
    cells: int = 0
    headers: int = 0
    characters: int = 0
    is_simple: bool = True

    @property
    def is_line(self) -> bool:
        """Return whether its cells fit into one line, with a mark between them."""
        is_short = self.characters + 2 * self.cells <= LINE_WIDTH
        return self.is_simple and self.cells > 1 and is_short


@dataclass
class _Table:
    """A table. ``is_simple``: whether its cells have only words and paragraphs in them."""

    start: int
    is_simple: bool
    rows: list[_Row] = field(default_factory=list)

    def open(self, tag: Piece) -> None:
        """Take note of an element in it."""
        if tag.name == "tr":
            self.rows.append(_Row(tag.start))
        elif tag.name in _CELLS and self.rows:
            self.rows[-1].cells += 1
            self.rows[-1].headers += tag.name == "th"
        elif tag.name not in _ROW_GROUPS | {"caption"}:
            self.is_simple &= tag.name in _IN_CELLS
            if self.rows:
                self.rows[-1].is_simple &= tag.name in INLINE

    @property
    def has_columns(self) -> bool:
        """Return whether it is a table of data."""
        is_narrow = all(row.cells <= MAX_COLUMNS for row in self.rows)
        begins_with_headers = bool(self.rows) and 0 < self.rows[0].cells == self.rows[0].headers
        return self.is_simple and is_narrow and begins_with_headers


def _tables(source: Source) -> Iterator[_Table]:
    """Yield the tables, from the innermost."""
    tables: list[_Table] = []
    for piece in source.pieces:
        inner = tables[-1] if tables else None
        if inner and piece.kind is Kind.START_TAG:
            inner.open(piece)
        if piece.kind is Kind.START_TAG and piece.name == "table":
            roles = [each.value for each in source.attributes(piece) if each.name == "role"]
            tables.append(_Table(piece.start, roles[:1] not in (["presentation"], ["none"])))
        elif inner is None:
            continue
        elif piece.kind is Kind.END_TAG and piece.name == "table":
            yield tables.pop()
        elif piece.kind is Kind.TEXT and inner.rows:
            words = html.unescape(source.text[piece.start : piece.end]).split()
            inner.rows[-1].characters += sum(map(len, words)) + len(words)


@dataclass
class _Span:
    """An open emphasis or link. It begins with its first word, and a link is written once."""

    opening: Token
    is_open: bool = False
    is_over: bool = False


@dataclass
class _Element:
    """An open element. ``containers``: how many there are around its own, if it has one."""

    name: str
    span: _Span | None = None
    containers: int | None = None


@dataclass
class _Line:
    """A paragraph, heading or cell. ``space`` and ``breaks``: what comes before its next word."""

    tokens: list[Token] = field(default_factory=list)
    space: str = ""
    breaks: int = 0


class _Writer:
    def __init__(self, source: Source) -> None:
        tables = list(_tables(source))
        self._source = source
        self._with_columns = {table.start for table in tables if table.has_columns}
        self._row_lines = {row.start for table in tables for row in table.rows if row.is_line}
        self._tokens: list[Token] = []
        self._open: list[_Element] = []
        self._names = Counter[str]()  # of the open elements
        self._hidden_from: int | None = None  # how many elements are open around the hidden one
        self._containers: list[str] = []  # the types of their tokens
        self._spans: list[_Span] = []
        self._line = _Line()
        self._code: list[str] = []  # of a pre element
        self._rows: list[list[list[Token]]] | None = None  # of a table with columns
        self._is_in_cell = False  # of such a table
        self._is_in_row_line = self._is_after_row_line = False

    def finished(self) -> list[Token]:
        """Return the tokens, with everything closed."""
        while self._open:
            self._end()
        self._flush()
        self._close_containers(0)
        return self._tokens

    def read(self, piece: Piece) -> None:
        """Write what a piece says."""
        match piece.kind:
            case Kind.TEXT if self._hidden_from is None:
                self._add_text(html.unescape(self._source.text[piece.start : piece.end]))
            case Kind.START_TAG:
                self._start(piece)
            case Kind.END_TAG if self._names[piece.name]:
                while self._open[-1].name != piece.name:
                    self._end()
                self._end()

    def _start(self, tag: Piece) -> None:
        attributes = {each.name: html.unescape(each.value) for each in self._source.attributes(tag)}
        element = _Element(tag.name)
        is_hidden = "hidden" in attributes or _HIDES.search(attributes.get("style", ""))
        if self._hidden_from is None and (is_hidden or tag.name in _UNREAD):
            if tag.name not in INLINE and not self._names["pre"]:
                self._end_block()
            self._hidden_from = len(self._open) if tag.name not in _VOID else None
        elif self._hidden_from is None:
            self._begin(element, tag.start, attributes)
        if tag.name not in _VOID:
            self._open.append(element)
            self._names[tag.name] += 1

    def _end(self) -> None:
        if self._hidden_from is None:
            self._finish(self._open[-1])
        self._names[self._open.pop().name] -= 1
        if self._hidden_from == len(self._open):
            self._hidden_from = None

    def _begin(self, element: _Element, start: int, attributes: dict[str, str]) -> None:
        name = element.name
        if self._names["pre"]:
            if name == "br":
                self._code.append("\n")
        elif name == "br":
            self._line.breaks += 1
        elif name == "img":
            self._add_image(attributes.get("alt", ""))
        elif name == "a" or name in _SPANS:
            self._open_span(element, attributes.get("href", "").strip())
        elif name in _CELLS and (self._is_in_row_line or self._rows is not None):
            self._begin_cell()
        elif name == "tr" and start in self._row_lines and self._rows is None:
            self._begin_row_line()
        elif name not in INLINE | _ROW_GROUPS:
            self._end_block()
            self._begin_block(element, start, attributes)

    def _begin_block(self, element: _Element, start: int, attributes: dict[str, str]) -> None:
        name = element.name
        if name == "hr":
            self._add_block(Token("hr", "hr", 0))
        elif name == "tr" and self._rows is not None:
            self._rows.append([])
        elif name == "table" and start in self._with_columns:
            self._rows = []
        elif name == "li":
            self._begin_item()
        elif name in _CONTAINERS and len(self._containers) < MAX_CONTAINERS:
            self._begin_item_of_list()
            element.containers = len(self._containers)
            first = attributes.get("start", "").strip()
            is_number = name == "ol" and re.fullmatch("[0-9]{1,9}", first)
            self._open_container(_CONTAINERS[name], int(first) if is_number else 1)

    def _finish(self, element: _Element) -> None:
        name = element.name
        if self._names["pre"]:
            if name == "pre" and self._names["pre"] == 1:
                self._write_code()
        elif element.span:
            self._close_span()
        elif name in _CELLS and self._is_in_cell:
            self._end_cell()
        elif self._is_in_row_line and name in _CELLS | {"tr"}:
            if name == "tr":
                self._is_in_row_line, self._is_after_row_line = False, True
        elif name not in INLINE | _ROW_GROUPS:
            self._end_block()
            if name == "table" and self._rows is not None:
                self._write_table(self._rows)
            if element.containers is not None:
                self._close_containers(element.containers)

    # Words

    def _add_text(self, text: str) -> None:
        if self._names["pre"]:
            self._code.append(text)
            return
        line, text = self._line, _UNSEEN.sub("", text)
        words = _SPACES.sub(" ", text).strip(" ")
        if not words.strip("\u00a0\u200c"):  # what fills an empty cell, or hides from inboxes
            line.space = line.space or (" " if text else "")
            return
        if text[0] in _WHITE:
            line.space = line.space or " "
        self._begin_word()
        line.tokens.append(Token("text", "", 0, content=words))
        line.space = " " if text[-1] in _WHITE else ""

    def _begin_word(self) -> None:
        """Write the space or the line break before a word, and the spans that begin with it."""
        line = self._line
        if line.tokens and line.breaks:
            line.tokens += [Token("hardbreak", "br", 0) for _ in range(min(line.breaks, 2))]
        elif line.tokens and line.space:
            line.tokens.append(Token("text", "", 0, content=line.space))
        line.space, line.breaks = "", 0
        for span in self._spans:
            if not (span.is_open or span.is_over):
                line.tokens.append(span.opening)
                span.is_open = True

    def _add_image(self, description: str) -> None:
        if description.strip():
            self._add_text(description)
        elif any(span.opening.tag == "a" for span in self._spans):
            self._begin_word()  # a link that has no words shows its address

    def _open_span(self, element: _Element, address: str) -> None:
        if element.name == "a" and _NO_ADDRESS.match(address):
            return
        kind = _SPANS.get(element.name, "link")
        attributes: dict[str, str | int | float] = {"href": address} if kind == "link" else {}
        opening = Token(f"{kind}_open", element.name, 1, attrs=attributes)
        if kind != "link" and self._heading:
            return  # it is emphasized already
        if all(span.opening.type != opening.type for span in self._spans):
            element.span = _Span(opening)
            self._spans.append(element.span)

    def _close_span(self) -> None:
        span = self._spans.pop()
        if span.is_open:
            self._line.tokens.append(_closing(span.opening))

    # Blocks

    @property
    def _heading(self) -> str:
        return next((name for name in _HEADINGS if self._names[name]), "")

    def _end_block(self) -> None:
        if self._is_in_cell:
            self._line.space = self._line.space or " "
        else:
            self._flush()

    def _take_line(self) -> list[Token]:
        """Return the tokens of the line, and begin another one."""
        taken = self._line.tokens
        for span in reversed(self._spans):
            if span.is_open:
                taken.append(_closing(span.opening))
                span.is_open, span.is_over = False, span.opening.tag == "a"
        self._line = _Line()
        return taken

    def _flush(self) -> None:
        self._is_after_row_line = False
        heading = self._heading
        kind, tag = ("heading", heading) if heading else ("paragraph", "p")
        if line := self._take_line():
            opening = Token(f"{kind}_open", tag, 1, hidden=not (heading or self._names["p"]))
            self._add_block(opening, Token("inline", "", 0, children=line), _closing(opening))

    def _add_block(self, *tokens: Token) -> None:
        self._begin_item_of_list()
        tokens[0].level = len(self._containers)
        self._tokens += tokens

    def _open_container(self, kind: str, first: int = 1) -> None:
        self._containers.append(kind)
        self._tokens.append(Token(f"{kind}_open", "", 1, attrs={"start": first}))

    def _close_containers(self, around: int) -> None:
        while len(self._containers) > around:
            kind = self._containers.pop()
            if self._tokens[-1].nesting == 1:
                self._tokens.pop()  # it is empty
            else:
                self._tokens.append(Token(f"{kind}_close", "", -1))

    def _begin_item(self) -> None:
        """Begin a list's item; the last one ends here, so that a list between them is in it."""
        if self._containers and self._containers[-1] == "list_item":
            self._close_containers(len(self._containers) - 1)
        self._begin_item_of_list()

    def _begin_item_of_list(self) -> None:
        if self._containers and self._containers[-1] in {"bullet_list", "ordered_list"}:
            self._open_container("list_item")

    def _write_code(self) -> None:
        code = "".join(self._code)
        self._code = []
        if code.strip():
            self._add_block(Token("fence", "code", 0, content=code))

    # Tables

    def _begin_row_line(self) -> None:
        if self._is_after_row_line:
            self._line.breaks = 1
        else:
            self._flush()
        self._is_in_row_line = True

    def _begin_cell(self) -> None:
        if self._is_in_row_line:
            self._line.space = " | "
        else:
            self._flush()
            self._is_in_cell = True

    def _end_cell(self) -> None:
        self._is_in_cell = False
        if self._rows:
            self._rows[-1].append(self._take_line())

    def _write_table(self, rows: list[list[list[Token]]]) -> None:
        self._rows = None
        columns = max(map(len, rows))
        written = [Token("table_open", "table", 1), Token("tbody_open", "tbody", 1)]
        for row in rows:
            written.append(Token("tr_open", "tr", 1))
            for cell in [*row, *([[]] * (columns - len(row)))]:
                written.append(Token("td_open", "td", 1))
                written.append(Token("inline", "", 0, children=cell))
                written.append(Token("td_close", "td", -1))
            written.append(Token("tr_close", "tr", -1))
        written += [Token("tbody_close", "tbody", -1), Token("table_close", "table", -1)]
        self._add_block(*written)


def _closing(opening: Token) -> Token:
    return Token(opening.type.replace("_open", "_close"), opening.tag, -1, hidden=opening.hidden)
