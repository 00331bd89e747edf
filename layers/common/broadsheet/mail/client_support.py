"""Finds what an HTML mail uses that some mail clients lack, by the table of caniemail.com.

``client_support.json`` is that table, with its date; ``make client-support`` renews it. Only the
clients that most readers have are in it. What depends on a selector's reach or on two declarations
together is not seen: the table has one line for each feature.
"""

import html
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import tinycss2
from tinycss2.ast import AtRule, Declaration, Node, QualifiedRule

from broadsheet.mail.html_source import Kind, Piece, Source

_TABLE = Path(__file__).with_suffix(".json")

_ALIASES = {
    **dict.fromkeys(("column-gap", "row-gap", "grid-gap"), "css-gap"),
    **dict.fromkeys(("flex", "flex-flow", "flex-grow", "flex-basis"), "css-display-flex"),
    **dict.fromkeys(("grid", "grid-area", "grid-column", "grid-row"), "css-display-grid"),
    **dict.fromkeys(("top", "right", "bottom", "left"), "css-left-right-top-bottom"),
    **dict.fromkeys(("columns", "column-width"), "css-column-count"),
    **dict.fromkeys(("column-rule", "column-span", "column-fill"), "css-column-layout-properties"),
    **dict.fromkeys(("block-size", "inline-size"), "css-block-inline-size"),
    **dict.fromkeys(("margin-inline", "margin-block"), "css-margin-inline-block"),
    **dict.fromkeys(("padding-inline", "padding-block"), "css-padding-inline-block"),
    **dict.fromkeys(("border-inline", "border-block"), "css-border-inline-block"),
    **{
        f"{box}-{axis}-{end}": f"css-{box}-{axis}-start-end"
        for box in ("margin", "padding")
        for axis in ("inline", "block")
        for end in ("start", "end")
    },
    "word-wrap": "css-word-wrap",
}
_FUNCTIONS = {
    "calc": "css-unit-calc",
    "var": "css-variables",
    **{name: f"css-function-{name}" for name in ("clamp", "max", "min", "light-dark")},
    **{f"{name}-gradient": f"css-{name}-gradient" for name in ("linear", "radial", "conic")},
    **dict.fromkeys(("lch", "oklch", "lab", "oklab"), "css-modern-color"),
    "rgba": "css-rgba",
}
_KEYWORDS = {
    "initial": "css-unit-initial",
    **dict.fromkeys(("fit-content", "min-content", "max-content"), "css-intrinsic-size"),
    **dict.fromkeys(
        ("system-ui", "ui-serif", "ui-sans-serif", "ui-monospace", "ui-rounded"),
        "css-sytem-ui",  # caniemail's spelling
    ),
}
_DISPLAYS = {
    **dict.fromkeys(("flex", "inline-flex"), "css-display-flex"),
    **dict.fromkeys(("grid", "inline-grid"), "css-display-grid"),
    "none": "css-display-none",
    **dict.fromkeys(("contents", "flow-root", "revert", "unset"), "css-display"),
}
# A picture there is lacking in Outlook on Windows, which knows no more of either than a colour.
_BACKGROUNDS = frozenset(("background", "background-image"))
_PICTURES = re.compile(r"url|(-webkit-)?image-set|.+-gradient")
_QUERIES = {
    **{
        name: f"css-at-media-{name}"
        for name in ("hover", "orientation", "prefers-color-scheme", "prefers-reduced-motion")
    },
    "any-hover": "css-at-media-hover",
    "-webkit-device-pixel-ratio": "css-at-media-device-pixel-ratio",
}
_COMBINATORS = {
    ">": "css-selector-child",
    "+": "css-selector-adjacent-sibling",
    "~": "css-selector-general-sibling",
    "*": "css-selector-universal",
}
_ELEMENTS = {
    **{f"h{level}": "html-h1-h6" for level in range(1, 7)},
    **dict.fromkeys(("ul", "ol", "dl"), "html-lists"),
    **dict.fromkeys(
        (
            *("article", "aside", "details", "figcaption", "figure", "footer", "header", "main"),
            *("mark", "nav", "section", "summary", "time"),
        ),
        "html-semantics",
    ),
    "button": "html-button-submit",
    "s": "html-strike",
}
_ATTRIBUTES = {
    "loading": "html-loading-attribute",
    "usemap": "html-image-maps",
    "sizes": "html-srcset",
    "inert": "css-inert-attribute",
}
_FORMATS = {"jpeg": "jpg", "tif": "tiff", "heic": "heif"}
# Where the table has an entry for an element's name, an attribute of that name is another thing.
_ONLY_ATTRIBUTES = frozenset(
    (
        *("align", "background", "cellpadding", "cellspacing", "dir", "height", "hidden", "lang"),
        *("popover", "required", "role", "target", "valign", "width"),
    )
)


class Gap(NamedTuple):
    """Something that a mail uses and some clients lack.

    ``feature``: caniemail's name of it, as in ``https://www.caniemail.com/features/{feature}/``.
    ``title``: what a person calls it, such as ``display:flex``. ``clients``: those that lack it,
    such as ``Outlook (Windows)``. ``where``: the place of its first use, in words.
    """

    feature: str
    title: str
    clients: tuple[str, ...]
    where: str


class _Support(NamedTuple):
    title: str
    lacking: tuple[str, ...]


def gaps(source: Source) -> list[Gap]:
    """Return what a mail, or a part of one, uses that at least one client lacks.

    In the order of first use, each feature once. The rules within an ``@media`` or ``@supports``
    don't count: they are meant for the clients that know them.
    """
    table = _table()
    first: dict[str, int] = {}
    with suppress(RecursionError):  # too many brackets in brackets: the renderer reports it
        for feature, place in _used(source):
            first.setdefault(feature, place)
    return [
        Gap(feature, table[feature].title, table[feature].lacking, source.where(place))
        for feature, place in first.items()
        if feature in table and table[feature].lacking
    ]


@cache
def clients() -> tuple[str, ...]:
    """Return the clients that the table describes."""
    return tuple(_read()["clients"])


@cache
def features() -> frozenset[str]:
    """Return the names of all features in the table."""
    return frozenset(_table())


@cache
def _table() -> dict[str, _Support]:
    return {
        feature: _Support(
            title,
            tuple(client for client, level in zip(clients(), levels, strict=True) if level == "n"),
        )
        for feature, (title, levels) in _read()["features"].items()
    }


@cache
def _read() -> dict[str, dict[str, Sequence[str]]]:
    table: dict[str, dict[str, Sequence[str]]] = json.loads(_TABLE.read_text(encoding="utf-8"))
    return table


def _used(source: Source) -> Iterator[tuple[str, int]]:
    """Yield each feature that is used, with its place."""
    for piece in source.pieces:
        if piece.kind is Kind.START_TAG:
            for feature in _of_tag(source, piece):
                yield feature, piece.start
        elif piece.kind is Kind.RAW and piece.name == "style":
            for feature in _of_stylesheet(source.text[piece.start : piece.end]):
                yield feature, piece.start


def _of_tag(source: Source, tag: Piece) -> Iterator[str]:
    attributes = {each.name: html.unescape(each.value) for each in source.attributes(tag)}
    yield _of_element(tag.name, attributes)
    for name, value in attributes.items():
        if name in _ATTRIBUTES:
            yield _ATTRIBUTES[name]
        elif name in _ONLY_ATTRIBUTES or name.startswith("aria-") or name == "srcset":
            yield f"html-{name}"
        elif name == "style":
            yield from _of_declarations(tinycss2.parse_blocks_contents(value))


def _of_element(name: str, attributes: dict[str, str]) -> str:
    match name:
        case "a":
            return _of_link(attributes.get("href", ""))
        case "img":
            return _of_image(attributes.get("src", ""))
        case "input":
            return f"html-input-{attributes.get('type', 'text').lower()}"
        case "meta":
            return f"html-meta-{attributes.get('name', '')}"
        case "button" if attributes.get("type") == "reset":
            return "html-button-reset"
    return "" if name in _ONLY_ATTRIBUTES else _ELEMENTS.get(name, f"html-{name}")


def _of_link(address: str) -> str:
    if address.startswith("#"):
        return "html-anchor-links"
    return "html-mailto-links" if address.lower().startswith("mailto:") else ""


def _of_image(address: str) -> str:
    if address.lower().startswith("data:"):
        return "image-base64"
    suffix = address.partition("?")[0].partition("#")[0].rpartition(".")[2].lower()
    return f"image-{_FORMATS.get(suffix, suffix)}"


def _of_stylesheet(stylesheet: str) -> Iterator[str]:
    for rule in tinycss2.parse_stylesheet(stylesheet, skip_comments=True, skip_whitespace=True):
        yield from _of_rule(rule)


def _of_rule(rule: Node) -> Iterator[str]:
    if isinstance(rule, AtRule):
        yield f"css-at-{rule.lower_at_keyword.removeprefix('-webkit-')}"
        if rule.lower_at_keyword == "media":
            for token in _all(rule.prelude):
                if token.type == "ident" and token.lower_value in _QUERIES:
                    yield _QUERIES[token.lower_value]
    elif isinstance(rule, QualifiedRule):
        yield from _of_selectors(rule.prelude)
        contents = tinycss2.parse_blocks_contents(rule.content)
        if any(isinstance(each, QualifiedRule) for each in contents):
            yield "css-nesting"
        yield from _of_declarations(contents)


def _of_selectors(prelude: Sequence[Node]) -> Iterator[str]:
    colons = 0
    for token in prelude:
        if token == ":":  # noqa: S105 - a token of CSS
            colons += 1
            continue
        if colons and token.type in {"ident", "function"}:
            name = token.lower_value if token.type == "ident" else token.lower_name
            is_element = colons > 1 or name in {"before", "after", "first-letter", "first-line"}
            yield f"css-pseudo-{'element' if is_element else 'class'}-{name}"
        elif token.type == "literal" and token.value in _COMBINATORS:
            yield _COMBINATORS[token.value]
        elif token.type == "[] block":
            yield "css-selector-attribute"
        colons = 0


def _of_declarations(contents: Sequence[Node]) -> Iterator[str]:
    for each in contents:
        if not isinstance(each, Declaration):
            continue
        yield _of_property(each.lower_name)
        if each.important:
            yield "css-important"
        for token in _all(each.value):
            yield from _of_value(each.lower_name, token)


def _of_property(name: str) -> str:
    """Return the feature of a property: its own, or the one of its shorthand."""
    if name.startswith("--"):
        return "css-variables"
    if name in _ALIASES:
        return _ALIASES[name]
    if name in {"display", "background-image"}:  # only some of their values are lacking anywhere
        return ""
    shorter = name
    while f"css-{shorter}" not in features():
        shorter, hyphen, _ = shorter.rpartition("-")
        if not hyphen:
            return ""
    return f"css-{shorter}"


def _of_value(name: str, token: Node) -> Iterator[str]:
    match token.type:
        case "dimension":
            yield f"css-unit-{token.lower_unit}"
        case "percentage":
            yield "css-unit-percent"
        case "url" if name in _BACKGROUNDS:
            yield "css-background-image"
        case "function":
            yield _FUNCTIONS.get(token.lower_name, "")
            if name in _BACKGROUNDS and _PICTURES.fullmatch(token.lower_name):
                yield "css-background-image"
        case "ident" if name == "display":
            yield _DISPLAYS.get(token.lower_value, "")
        case "ident":
            yield _KEYWORDS.get(token.lower_value, "")


def _all(tokens: Sequence[Node]) -> Iterator[Node]:
    """Yield tokens with those inside of functions and brackets."""
    for token in tokens:
        yield token
        if token.type == "function":
            yield from _all(token.arguments)
        elif token.type in {"() block", "[] block"}:
            yield from _all(token.content)
