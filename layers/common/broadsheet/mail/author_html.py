"""Checks an author's HTML and sets the marks in it; everything else stays as written."""

import html
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import css_inline

from broadsheet.mail import author_styles
from broadsheet.mail.html_source import Attribute, Kind, Piece, Source
from broadsheet.mail.limits import TooComplex
from broadsheet.mail.placeholders import BRACKETED, Marks

MAX_NESTING = (
    500  # far more than any mail has; the deeper HTML is nested, the longer reading it takes
)
MAX_STYLED = 50_000_000  # characters of styles times elements: the most that inlining writes
# css-inline needs 900 bytes a level, and the deepest HTML has a level every three characters.
STACK_BYTES = 192 * 1024 * 1024
_ADDRESSES = frozenset(
    (
        *("action", "background", "cite", "data", "formaction", "href", "longdesc", "ping"),
        *("poster", "src", "srcset", "xlink:href"),
    )
)
# The links and images that reach readers. Mail programs drop all others, so any form will do.
_CHECKED = {
    "a": ("href",),
    "area": ("href",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    **dict.fromkeys(
        ("body", "table", "thead", "tbody", "tfoot", "tr", "th", "td"), ("background",)
    ),
}
# A candidate of a srcset; a comma that an address ends with ends the candidate (HTML §4.8.4.2.1).
_CANDIDATE = re.compile(r"(?P<address>[^\s,]\S*+)(?:(?<=,)|(?:\s[^,]*+)?)")
# The addresses of a stylesheet, and where none is meant: in its comments and strings.
_IN_STYLES = re.compile(
    r"""
    /\*.*?(?:\*/|\Z)
  | (?<![\w-])url\(\s*+(?: "(?P<double>[^"]*+)"? | '(?P<single>[^']*+)'? | (?P<bare>[^)]*+) )
  | "(?:[^"\\\n]|\\.)*+"? | '(?:[^'\\\n]|\\.)*+'?
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_SHOWN_AS_TYPED = frozenset(("code", "kbd", "pre", "samp"))
_PROGRAMS = frozenset(("script", "style"))
_NAME = re.compile(rf"(?<!\\){BRACKETED}")
_BEGINS_TAG_WITH_NAME = re.compile(rf"<[/!?]?{BRACKETED}")
_ENDS_COMMENT_WITH_NAME = re.compile(rf"(?<!\\){BRACKETED}-*!?>")
# Outlook's own form, which no other program reads as a comment.
_CONDITIONAL = re.compile(r"<!\[(?:if|endif)\b", re.IGNORECASE)
_FOR_ALL_SCREENS = re.compile(r"\s*(?:all|screen)?\s*", re.IGNORECASE)


class Edit(NamedTuple):
    """The text that replaces a part of the source."""

    start: int
    end: int
    text: str


class StyleElement(NamedTuple):
    """A style element's place, its rules to inline, and what of it goes into a mail's head."""

    cut: Edit
    to_inline: str
    tag: str


class Fragment(NamedTuple):
    """A fragment, separated from its style elements.

    ``style_tags``: these elements, limited to the author's part of the mail, for media queries and
    what else can't be inlined. ``stylesheet``: those of their rules to inline.
    ``conditionals``: Outlook's, such as ``<![if !mso]>``, which a parser would turn into plain
    comments; a comment with a mark and a number stands for each.
    """

    html: str
    conditionals: Sequence[str]
    style_tags: str
    stylesheet: str
    has_headline: bool


def document(source: Source, marks: Marks, preheader: str, footer: str) -> str:
    """Set the marks of a whole document, and put these at the beginning and end of its body."""
    begin, end = source.begin_of_body, source.end_of_body
    inserted = [Edit(begin, begin, preheader), Edit(end, end, footer)]
    edits = [*_edits(source, source.pieces, marks), *inserted]
    return _edited(source.text, edits)


def fragment(source: Source, marks: Marks) -> Fragment:
    """Separate a fragment from its style elements, and set its marks.

    Raises ``TooComplex``.
    """
    if source.depth > MAX_NESTING:
        raise TooComplex("html-nesting", most=MAX_NESTING)
    styles = list(_styles(source, marks))
    stylesheet = "\n".join(style.to_inline for style in styles)
    tags = [piece.name for piece in source.pieces if piece.kind is Kind.START_TAG]
    if len(stylesheet) * len(tags) > MAX_STYLED:
        raise TooComplex("html-styles")
    content = [piece for piece in source.pieces if piece.name != "style"]
    edits = {edit.start: edit for edit in _edits(source, content, marks)}
    conditionals = []
    for piece in source.pieces:
        if piece.kind is Kind.DECLARATION and _CONDITIONAL.match(source.text, piece.start):
            written = Edit(piece.start, piece.end, source.text[piece.start : piece.end])
            conditionals.append(edits.get(piece.start, written).text)
            mark = f"<!--{marks.conditional}{len(conditionals) - 1}-->"
            edits[piece.start] = Edit(piece.start, piece.end, mark)
    return Fragment(
        html=_edited(source.text, [*edits.values(), *(style.cut for style in styles)]),
        conditionals=conditionals,
        style_tags="\n".join(style.tag for style in styles),
        stylesheet=stylesheet,
        has_headline="h1" in tags,
    )


def with_styles_inlined(fragment: Fragment, marks: Marks) -> str:
    """Return a fragment's HTML with its styles inlined and its open elements closed."""
    inlined = _with_deep_stack(
        lambda: css_inline.inline_fragment(
            fragment.html,
            fragment.stylesheet,
            inline_style_tags=False,
            keep_link_tags=True,
            load_remote_stylesheets=False,
        )
    )
    return re.sub(
        rf"<!--{marks.conditional}(\d+)-->",
        lambda found: fragment.conditionals[int(found[1])],
        inlined,
    )


def _with_deep_stack[Result](work: Callable[[], Result]) -> Result:
    """Run native code that recurses into HTML: if its stack overflowed, the process would end.

    Only the parser itself finds out how deep broken HTML is nested.
    """
    usual = threading.stack_size(STACK_BYTES)
    try:
        with ThreadPoolExecutor(max_workers=1) as executor:
            return executor.submit(work).result()
    finally:
        threading.stack_size(usual)


def _styles(source: Source, marks: Marks) -> Iterator[StyleElement]:
    """Yield the style elements."""
    begin, tag, style, is_inlined = -1, "", "", False
    for piece in source.pieces:
        if piece.name != "style":
            continue
        written = source.text[piece.start : piece.end]
        match piece.kind:
            case Kind.START_TAG:
                begin, tag, style = piece.start, written, ""
                media = {each.name: each.value for each in source.attributes(piece)}.get("media")
                is_inlined = bool(_FOR_ALL_SCREENS.fullmatch(media or ""))
            case Kind.RAW:
                _has_name(source, piece, written, marks)
                _check_styles(source, piece, written, marks)
                tag += author_styles.limited(written)
                style = written if is_inlined else ""
            case Kind.END_TAG if begin >= 0:
                yield StyleElement(Edit(begin, piece.end, ""), style, tag + written)
                begin = -1


def _edited(text: str, edits: list[Edit]) -> str:
    pieces, done = [], 0
    for edit in sorted(edits):
        pieces += [text[done : edit.start], edit.text]
        done = edit.end
    return "".join([*pieces, text[done:]])


def _edits(source: Source, pieces: Sequence[Piece], marks: Marks) -> Iterator[Edit]:
    """Yield the edits that set the marks.

    A placeholder or an address that would mislead readers is a finding, and so is a name that
    could become markup: where it stands, no mark is set.
    """
    typed = 0  # open elements that show brackets as typed: no placeholder in them is misspelt
    for piece in pieces:
        text = source.text[piece.start : piece.end]
        if _is_named(piece, text):
            _report_name(source, piece, marks)
            continue
        match piece.kind:
            case Kind.START_TAG:
                yield from _edits_of_tag(source, piece, marks)
                typed += piece.name in _SHOWN_AS_TYPED
            case Kind.END_TAG:
                typed -= typed > 0 and piece.name in _SHOWN_AS_TYPED
            case Kind.RAW if piece.name in _PROGRAMS:
                if piece.name == "style":
                    _check_styles(source, piece, text, marks)
                if not _has_name(source, piece, text, marks):
                    yield Edit(piece.start, piece.end, marks.protect(text))
            case Kind.TEXT | Kind.RAW if "[[" in text:
                yield Edit(
                    piece.start,
                    piece.end,
                    marks.protect(text) if typed else _prose(source, piece.start, text, marks),
                )
            case Kind.COMMENT | Kind.DECLARATION if "[[" in text:
                yield Edit(piece.start, piece.end, marks.in_addresses(marks.protect(text)))


def _is_named(piece: Piece, text: str) -> bool:
    """Return whether a name could end a comment, or be the name of a tag."""
    if piece.kind is Kind.START_TAG:
        return False
    is_comment = piece.kind in {Kind.COMMENT, Kind.DECLARATION}
    ends_early = is_comment and bool(_ENDS_COMMENT_WITH_NAME.search(text))
    return ends_early or bool(_BEGINS_TAG_WITH_NAME.search(text))


def _edits_of_tag(source: Source, tag: Piece, marks: Marks) -> Iterator[Edit]:
    checked = _CHECKED.get(tag.name, ())
    outside = tag.start
    is_marked = "[[" in source.text[tag.start : tag.end]
    if not is_marked and not checked and "(" not in source.text[tag.start : tag.end]:
        return
    for attribute in source.attributes(tag):
        value = attribute.value
        if is_marked:
            _has_name(source, tag, source.text[outside : attribute.start], marks)
            outside = attribute.start + len(value)
            value = _marked_value(source, tag, attribute, marks)
        if attribute.name == "style":
            _check_styles(source, tag, html.unescape(value), marks)
        elif attribute.name in checked:
            _check_addresses(source, tag, attribute.name, html.unescape(value), marks)
            if attribute.name == "href":
                value = _counted(value, marks)
        if value != attribute.value:
            yield Edit(attribute.start, attribute.start + len(attribute.value), value)
    _has_name(source, tag, source.text[outside : tag.end], marks)


def _counted(value: str, marks: Marks) -> str:
    address = html.unescape(value)
    counted = marks.counted(address)
    return value if counted == address else counted


def _marked_value(source: Source, tag: Piece, attribute: Attribute, marks: Marks) -> str:
    value = attribute.value
    is_program = attribute.name == "style" or attribute.name.startswith("on")
    is_markup = is_program or (source.is_document and not attribute.is_quoted)
    if is_markup and _has_name(source, tag, value, marks):
        return value
    if is_program:
        return marks.protect(value)
    value = _prose(source, attribute.start, value, marks)
    return marks.in_address(value) if attribute.name in _ADDRESSES else value


def _check_addresses(source: Source, tag: Piece, attribute: str, value: str, marks: Marks) -> None:
    if attribute == "srcset":
        for candidate in _CANDIDATE.finditer(value):
            _check_address(source, tag.start, "image", candidate["address"].rstrip(","), marks)
    else:
        kind: Literal["link", "image"] = "link" if attribute == "href" else "image"
        _check_address(source, tag.start, kind, value, marks)


def _check_styles(source: Source, piece: Piece, styles: str, marks: Marks) -> None:
    for found in _IN_STYLES.finditer(styles):
        address = found["double"] or found["single"] or found["bare"] or ""
        if address.strip():  # url() is a way to say none
            place = piece.start + (found.start() if piece.kind is Kind.RAW else 0)
            _check_address(source, place, "image", address, marks)


def _check_address(
    source: Source, place: int, kind: Literal["link", "image"], address: str, marks: Marks
) -> None:
    address = address.strip()
    if not address.startswith("#"):
        marks.check_address(address, kind, source.where(place))


def _prose(source: Source, start: int, text: str, marks: Marks) -> str:
    return marks.set_in_prose(text, lambda place: source.where(start + place))


def _has_name(source: Source, piece: Piece, text: str, marks: Marks) -> bool:
    """Return whether a name stands in a text where it could become markup, and report it."""
    if found := _NAME.search(text):
        _report_name(source, piece, marks)
    return bool(found)


def _report_name(source: Source, piece: Piece, marks: Marks) -> None:
    marks.findings.add("placeholder-in-markup", source.where(piece.start))
