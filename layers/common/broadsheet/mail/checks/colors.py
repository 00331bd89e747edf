"""Checks the contrast of an author's colours, where they are certain.

Certain is what a style attribute says, and what it inherits from others. A stylesheet can change
any of it; with one, only colours that are set together with their background are judged.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, NamedTuple

import tinycss2
from tinycss2 import color3

from broadsheet.mail import contrast
from broadsheet.mail.html_source import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broadsheet.domain.findings import Findings
    from broadsheet.mail.html_source import Piece, Source

LEAST_OF_LARGE = 3.0  # WCAG 2.2 §1.4.3, of text of 24 pixels, or of 18.66 pixels and bold
_VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta"))
# A second one beside it ends the first.
_ENDED_BY_ITSELF = frozenset(("p", "li", "tr", "td", "th", "dt", "dd", "option"))
_BOLD = frozenset(("b", "strong", "th"))
_LARGE = frozenset(("h1", "h2"))
_PIXELS = re.compile(r"\s*(\d{1,4}(?:\.\d+)?)px\s*", re.IGNORECASE)


class _Look(NamedTuple):
    """How an element's text looks; a colour is ``#rrggbb``, or None where it isn't certain."""

    name: str
    text: str | None
    behind: str | None
    pixels: float
    is_bold: bool


def check(source: Source, findings: Findings) -> None:
    """Report texts that are hard to read against their background."""
    is_certain = not any(piece.name in {"style", "link"} for piece in source.pieces)
    look = _Look("", "#000000", "#ffffff", 16, is_bold=False)
    if not is_certain:
        look = look._replace(text=None, behind=None)
    looks = [look]
    for piece in source.pieces:
        match piece.kind:
            case Kind.START_TAG if piece.name not in _VOID:
                if looks[-1].name == piece.name and piece.name in _ENDED_BY_ITSELF:
                    looks.pop()
                looks.append(_look_of(source, piece, looks[-1], is_certain=is_certain))
            case Kind.END_TAG:
                _close(looks, piece.name)
            case Kind.TEXT if source.text[piece.start : piece.end].strip():
                _judge(looks[-1], source.where(piece.start), findings)


def _close(looks: list[_Look], name: str) -> None:
    # Of elements that stay open, only the last few are looked at: the work stays proportional.
    for above in range(1, min(len(looks), 50)):
        if looks[-above].name == name:
            del looks[-above:]
            return


def _look_of(source: Source, tag: Piece, around: _Look, *, is_certain: bool) -> _Look:
    attributes = {each.name: html.unescape(each.value) for each in source.attributes(tag)}
    styles = _styles(attributes.get("style", ""))
    text, behind = around.text, around.behind
    if not is_certain:
        text = behind = None
    if "color" in styles or (tag.name == "font" and "color" in attributes):
        text = _color(styles.get("color") or attributes.get("color", ""))
    elif tag.name == "a":
        text = None  # a mail program's own
    background = (
        styles.get("background-color") or styles.get("background") or attributes.get("bgcolor")
    )
    if (
        "background" in attributes
        or "url(" in styles.get("background", "")
        or ("background-image" in styles)
    ):
        behind = None
    elif background:
        behind = around.behind if background == "transparent" else _color(background)
    pixels = _PIXELS.fullmatch(styles.get("font-size", ""))
    return _Look(
        tag.name,
        text,
        behind,
        float(pixels[1]) if pixels else 24.0 if tag.name in _LARGE else around.pixels,
        around.is_bold or tag.name in _BOLD or styles.get("font-weight") in {"bold", "700"},
    )


def _styles(style: str) -> Mapping[str, str]:
    if not style:
        return {}
    try:
        return {
            each.lower_name: tinycss2.serialize(each.value).strip().lower()
            for each in tinycss2.parse_declaration_list(style, skip_comments=True)
            if each.type == "declaration"
        }
    except RecursionError:
        return {}  # brackets in brackets, which no mail program understands either


def _color(value: str) -> str | None:
    """Return a colour as ``#rrggbb``, or None if it can't be known, as a half transparent one."""
    color = color3.parse_color(value)
    if not isinstance(color, color3.RGBA) or color.alpha < 1:
        return None
    channels = (min(max(round(255 * part), 0), 255) for part in color[:3])
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def _judge(look: _Look, where: str, findings: Findings) -> None:
    if look.text is None or look.behind is None:
        return
    is_large = look.pixels >= 24 or (look.is_bold and look.pixels >= 18.66)  # noqa: PLR2004 - WCAG
    least = LEAST_OF_LARGE if is_large else contrast.READABLE
    ratio = contrast.ratio(look.text, look.behind)
    if ratio < least:
        findings.add("low-contrast", where, ratio=f"{ratio:.1f}", least=f"{least:.1f}")
