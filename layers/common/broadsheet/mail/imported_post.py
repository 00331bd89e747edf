"""Makes a stranger's post safe to show in the archive.

What stays is text, links, tables and pictures, without styles: it is shown in the archive's own.
Pictures are those that were copied, and nothing is loaded from where the post came from.
"""

from __future__ import annotations

import re
from html import escape, unescape
from typing import TYPE_CHECKING, NamedTuple

import nh3
from markdown_it import MarkdownIt

from broadsheet.domain.findings import Findings
from broadsheet.mail import preheader
from broadsheet.mail.author_html import MAX_NESTING
from broadsheet.mail.html_source import Source
from broadsheet.mail.limits import TooComplex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TAGS = nh3.ALLOWED_TAGS | {"figure", "figcaption", "section", "tfoot"}
_NOT_SHOWN = {
    *("audio", "button", "form", "head", "iframe", "math", "noscript", "object", "script"),
    *("select", "style", "svg", "template", "textarea", "title", "video"),
}
_ATTRIBUTES = {
    "*": {"dir", "lang", "title"},
    "a": {"href", "hreflang"},
    "img": {"alt", "height", "src", "width"},
    "ol": {"start", "reversed"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "time": {"datetime"},
}
_IMAGE = re.compile(r'<img(?P<attributes>(?: [a-z]+="[^"]*")*)>')
_HREF = re.compile(r'(?P<before><a(?: [a-z]+="[^"]*")*? href=")(?P<address>[^"]*)')
_BLOCK_ENDS = re.compile(r"</(?:p|h[1-6]|li|div|blockquote)>")
_A_TAG = re.compile(r"<[^>]*>")


class CleanPost(NamedTuple):
    """A post that is safe. ``first``: its first sentence."""

    html: str
    has_headline: bool
    first: str


def html_of(markdown: str) -> str:
    """Return the HTML of Markdown in which HTML may stand."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return str(parser.render(markdown))


def images_in(html: str) -> list[str]:
    """Return the addresses of a post's pictures, each once. Raises ``TooComplex``."""
    found: dict[str, None] = {}

    def note(tag: str, attribute: str, value: str) -> str:
        if (tag, attribute) == ("img", "src"):
            found[value] = None
        return value

    _cleaned(html, note)
    return list(found)


def links_in(clean: str) -> list[str]:
    """Return the addresses to which a post's links lead, in HTML that is clean."""
    return [unescape(found["address"]) for found in _HREF.finditer(clean)]


def relinked(clean: str, lead: Callable[[str], str | None]) -> str:
    """Return clean HTML whose links lead where ``lead`` says, None for where they did."""

    def replaced(found: re.Match[str]) -> str:
        address = lead(unescape(found["address"]))
        return found[0] if address is None else f"{found['before']}{escape(address)}"

    return _HREF.sub(replaced, clean)


def cleaned(html: str, title: str, copies: Mapping[str, str]) -> CleanPost:
    """Return a post with its pictures' copies, by their addresses; all others are left out.

    Raises ``TooComplex``.
    """

    def copied(tag: str, attribute: str, value: str) -> str | None:
        return copies.get(value) if (tag, attribute) == ("img", "src") else value

    safe = _cleaned(html, copied)
    safe = _IMAGE.sub(lambda found: found[0] if ' src="' in found["attributes"] else "", safe)
    text = unescape(_A_TAG.sub("", _BLOCK_ENDS.sub("\n\n", safe)))
    return CleanPost(safe, "<h1" in safe, preheader.of_text(text, title, len))


def _cleaned(html: str, attribute_filter: Callable[[str, str, str], str | None]) -> str:
    if Source(html, Findings()).depth > MAX_NESTING:  # the time to clean it is its square
        raise TooComplex("html-nesting", most=MAX_NESTING)
    return nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags=_NOT_SHOWN,
        attributes=_ATTRIBUTES,
        attribute_filter=attribute_filter,
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    )
