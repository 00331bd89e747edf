"""What an author's Markdown has beyond CommonMark, tables and strikethrough.

Footnotes, task lists and bare addresses, always; typographic quotes and kept line breaks when the
operator asks for them. Each has a form in plain text too. The work stays proportional to the
length of the text, which is why some of the libraries' rules have stand-ins here.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from linkify_it import LinkifyIt
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_core.smartquotes import process_inlines
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.footnote.index import footnote_def

MAX_QUOTES = 200  # in a paragraph; each is compared with all before it
MAX_ADDRESS = 2_048  # characters; reading an address may look at all of them again
MAX_WORD = 500  # characters around an address without its https://
LINKIFIED = "linkify"  # the markup of a link that is only an address
_REFERENCE = re.compile(r"\[\^(?P<label>[^\s\]]{1,100})\]")
_DEFINITION = re.compile(rf"{_REFERENCE.pattern}:")
_TASK = re.compile(r"\[[ xX]\] ")
_SCHEMES = ("https", "http")
_WORD = re.compile(r"\S+")
_BOX = {"[ ] ": "\u2610 ", "[x] ": "\u2611\ufe0e "}  # \ufe0e: as a character, not as an emoji
# Unicode's CLDR 45 (delimiters.json of each language): the outer pair, then the inner one. Between
# French marks and the words, there are spaces at which no line breaks.
_QUOTES = {
    **dict.fromkeys(("bg", "cs", "de", "et", "hr", "is", "lt", "mk", "sk", "sl", "sr"), "„“‚‘"),
    **dict.fromkeys(("el", "pt-pt", "ca", "it"), "«»“”"),
    **dict.fromkeys(("nb", "nn", "no"), "«»‘’"),
    **dict.fromkeys(("be", "ru", "uk"), "«»„“"),
    **dict.fromkeys(("pl", "ro"), "„”«»"),
    **dict.fromkeys(("fi", "sv"), "””’’"),
    "ar": "”“’‘",
    "he": "””’’",
    "hu": "„”»«",
    "ja": "「」『』",
}
_FRENCH = ("«\u00a0", "\u00a0»", "“", "”")
_ENGLISH = "“”‘’"


class Typography(NamedTuple):
    """How the text is set. ``quotes``: the outer pair and the inner one; empty: as typed."""

    quotes: Sequence[str] = ()
    keeps_line_breaks: bool = False


def quotes_of(language: str) -> Sequence[str]:
    """Return a language's quotation marks: the outer pair and the inner one."""
    language = language.lower()
    primary = language.partition("-")[0]
    if primary == "fr":
        return _FRENCH
    return _QUOTES.get(language) or _QUOTES.get(primary, _ENGLISH)


def install(parser: MarkdownIt, typography: Typography) -> None:
    """Add the extensions' rules to a parser. Its rule ``inline`` links bare addresses itself."""
    parser.block.ruler.before(
        "reference", "note", _note_definition, {"alt": ["paragraph", "reference"]}
    )
    parser.inline.ruler.before("link", "note_reference", _note_reference)
    parser.inline.ruler.before("autolink", "address", _bare_address)
    parser.core.ruler.after("inline", "notes", _move_notes)
    parser.core.ruler.after("inline", "tasks", _mark_tasks)
    if typography.quotes:
        parser.options.quotes = typography.quotes
        parser.core.ruler.after("inline", "quotes", _set_quotes)
    if typography.keeps_line_breaks:
        parser.core.ruler.after("inline", "line_breaks", _keep_line_breaks)
    parser.add_render_rule("note_reference", _render_note_reference)
    parser.add_render_rule("task", _render_task)


def with_links(tokens: Sequence[Token]) -> list[Token]:
    """Return a paragraph's tokens with links around addresses that were typed without a scheme."""
    linked: list[Token] = []
    inside = 0
    for token in tokens:
        inside += token.nesting if token.tag == "a" else 0
        if token.type == "text" and not inside and ("@" in token.content or "." in token.content):
            linked += _linked(token)
        else:
            linked.append(token)
    return linked


def unreferenced_notes(env: EnvType) -> Iterator[str]:
    """Yield the labels of the footnotes that nothing in a parsed text refers to."""
    for label, number in env.get("footnotes", {}).get("refs", {}).items():
        if number < 0:
            yield label.removeprefix(":")


@cache
def _finder() -> LinkifyIt:
    return LinkifyIt().add("//", None).add("ftp:", None)


def _bare_address(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - as markdown-it calls it
    """Link an https address where it begins, before its underscores are read as emphasis."""
    if silent or state.linkLevel or not state.src.startswith("://", state.pos):
        return False
    scheme = next(filter(state.pending.lower().endswith, _SCHEMES), "")
    before = state.pending[: -len(scheme)][-1:]
    if not scheme or before.isalnum():
        return False
    begin = state.pos + 1
    window = state.src[begin : min(begin + MAX_ADDRESS, state.posMax)]
    length = _finder().test_schema_at(window, "http:", 0)
    rest = window[:length].rstrip("*_~")
    if not rest or length == MAX_ADDRESS:
        return False
    written = state.pending[-len(scheme) :]
    state.pending = state.pending[: -len(scheme)]
    for token in _link(f"{written}:{rest}", f"{written}:{rest}", state.level, state.md):
        ...
    state.pos = begin + len(rest)
    return True
