"""What an author's Markdown has beyond CommonMark, tables and strikethrough.

Footnotes, task lists and bare addresses, always; typographic quotes and kept line breaks when the
operator asks for them. Each has a form in plain text too. The work stays proportional to the
length of the text, which is why some of the libraries' rules have stand-ins here.
"""
# ruff: noqa: RUF001 - the quotation marks of languages are meant

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from linkify_it import LinkifyIt
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_core.smartquotes import process_inlines
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.footnote.index import footnote_def

from broadsheet.domain.findings import MOST_OF_A_CODE, Findings
from broadsheet.mail.limits import TooComplex

if TYPE_CHECKING:
    from markdown_it.ruler import RuleOptionsType
    from markdown_it.utils import EnvType

COLUMN = 600  # CSS pixels: the width of a mail's text
MAX_NOTES_IN_NOTES = 5  # definitions inside each other; the parser recurses into each
MAX_QUOTES = 200  # in a paragraph; each is compared with all before it
MAX_ADDRESS = 2_048  # characters; reading an address may look at all of them again
MAX_TAG = 500  # characters of a tag before an address in it
MAX_WORD = 500  # characters around an address without its https://
BARE = "linkify"  # the markup of a link that was typed as an address
_REFERENCE = re.compile(r"\[\^(?P<label>[^\s\]]{1,100})\]")
_DEFINITION = re.compile(rf"{_REFERENCE.pattern}:")
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_TASK = re.compile(r"\[([ xX])\] ")
_SCHEME = re.compile(r"(?<![a-z0-9.+-])https?$", re.IGNORECASE)
_WORD = re.compile(r"\S+")
_WITHOUT_SCHEME = re.compile(r"www\.|@", re.IGNORECASE)
_BOXES = {"[ ] ": "\u2610 ", "[x] ": "\u2611\ufe0e "}  # \ufe0e: a character, no emoji
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
    """Add the extensions' rules to a parser; its rule ``inline`` must call ``with_links``."""
    stops: RuleOptionsType = {"alt": ["paragraph", "reference"]}
    parser.block.ruler.before("reference", "note", _note, stops)
    parser.inline.ruler.before("link", "note_reference", _note_reference)
    parser.inline.ruler.before("autolink", "bare_address", _bare_address)
    parser.core.ruler.after("inline", "notes", _move_notes)
    parser.core.ruler.after("inline", "tasks", _mark_tasks)
    if typography.quotes:
        parser.options["quotes"] = typography.quotes
        parser.core.ruler.after("inline", "quotes", _set_quotes)
    if typography.keeps_line_breaks:
        parser.core.ruler.after("inline", "kept_line_breaks", _keep_line_breaks)
    parser.add_render_rule("note_reference", lambda _, tokens, at, *__: _reference(tokens[at]))
    parser.add_render_rule("task", lambda _, tokens, at, *__: _BOXES[tokens[at].content])


def with_links(tokens: Sequence[Token]) -> list[Token]:
    """Return a paragraph's tokens with links around addresses that have no scheme."""
    linked: list[Token] = []
    open_links = 0
    for token in tokens:
        open_links += token.nesting if token.tag == "a" else 0
        if token.type == "text" and not open_links and _WITHOUT_SCHEME.search(token.content):
            linked += _linked(token)
        else:
            linked.append(token)
    return linked


def size_images(tokens: Sequence[Token]) -> None:
    """Set the width and height of a paragraph's images, which Outlook shows as large as they are.

    An address may end with the size of its image in pixels, as in ``boat.jpg#1200x800``. An image
    without one is as wide as the column if it stands alone.
    """
    is_alone = all(token.type in {"image", "link_open", "link_close"} for token in tokens)
    for token in tokens:
        if token.type != "image":
            continue
        address, _, size = str(token.attrs["src"]).rpartition("#")
        if found := _SIZE.fullmatch(size):
            width = min(int(found[1]), COLUMN)
            height = max(1, round(int(found[2]) * width / int(found[1])))
            token.attrs |= {"src": address, "width": width, "height": height}
        elif is_alone:
            token.attrs |= {"width": COLUMN, "class": "alone"}


@cache
def _finder() -> LinkifyIt:
    # Any top-level domain will do behind www and @; the library's list has a few.
    return LinkifyIt().add("//", None).add("ftp:", None).tlds("[a-z]{2,63}")


def _bare_address(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - as markdown-it calls it
    """Link an address where its scheme ends, before its underscores are read as emphasis."""
    if silent or state.linkLevel or not state.src.startswith("://", state.pos):
        return False
    found = _SCHEME.search(state.pending[-len("?https") :])
    if not found or _is_in_tag(state.pending[-MAX_TAG:]):
        return False
    begin = state.pos + 1
    ahead = state.src[begin : min(begin + MAX_ADDRESS, state.posMax)]
    rest = ahead[: _finder().test_schema_at(ahead, "http:", 0)].rstrip("*_~")
    if not rest or len(rest) == MAX_ADDRESS:
        return False
    state.pending = state.pending.removesuffix(found[0])
    opened = state.push("link_open", "a", 1)
    opened.attrs["href"] = state.md.normalizeLink(f"{found[0]}:{rest}")
    opened.markup = BARE
    state.push("text", "", 0).content = f"{found[0]}:{rest}"
    state.push("link_close", "a", -1).markup = BARE
    state.pos = begin + len(rest)
    return True


def _is_in_tag(text: str) -> bool:
    """Return whether a text ends inside a tag, which is shown as typed."""
    begin = text.rfind("<")
    return begin >= 0 and ">" not in text[begin:] and text[begin + 1 : begin + 2].isalpha()


def _linked(text: Token) -> Iterator[Token]:
    """Yield a text's tokens, with links around hosts that begin with www and mail addresses."""
    written, done = text.content, 0
    for word in _WORD.finditer(written):
        is_attribute = '="' in word[0] or "='" in word[0]
        if len(word[0]) > MAX_WORD or is_attribute or not _WITHOUT_SCHEME.search(word[0]):
            continue
        for found in _finder().match(word[0]) or ():
            if not found.schema and not found.raw.lower().startswith("www."):
                continue  # README.md and main.py would be hosts, too
            begin, end = word.start() + found.index, word.start() + found.last_index
            yield from _texts(text, written[done:begin])
            url = found.url if found.schema else f"https://{found.raw}"
            yield Token("link_open", "a", 1, {"href": url}, level=text.level, markup=BARE)
            yield from _texts(text, found.raw)
            yield Token("link_close", "a", -1, level=text.level, markup=BARE)
            done = end
    yield from _texts(text, written[done:])


def _texts(text: Token, part: str) -> Iterator[Token]:
    if part:
        yield Token("text", "", 0, content=part, level=text.level)


def _note(state: StateBlock, line: int, end_line: int, silent: bool) -> bool:  # noqa: FBT001 - as above
    """Read a footnote's definition."""
    begin = state.bMarks[line] + state.tShift[line]
    if not state.src.startswith("[^", begin):
        return False
    found = _DEFINITION.match(state.src, begin, state.eMarks[line])
    if not found or state.is_code_block(line):
        return False
    if silent:
        return True
    depth = state.env.get("note_depth", 0)
    if depth == MAX_NOTES_IN_NOTES:
        raise TooComplex("footnotes")
    defined = state.env.setdefault("note_lines", {})
    if found["label"] in defined:
        _findings(state.env).add("footnote-twice", f"line {line + 1}", label=found["label"])
    defined[found["label"]] = line + 1
    state.env["note_depth"] = depth + 1
    is_note = footnote_def(state, line, end_line, silent)
    state.env["note_depth"] = depth
    return is_note


def _note_reference(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - as above
    found = _REFERENCE.match(state.src, state.pos, state.posMax)
    if not found:
        return False
    if found["label"] not in state.env.get("note_lines", {}):
        _report_undefined(state, found["label"])
        return False
    if not silent:
        numbers = state.env.setdefault("note_numbers", {})
        number = numbers.setdefault(found["label"], len(numbers) + 1)
        state.push("note_reference", "", 0).content = f"[{number}]"
    state.pos = found.end()
    return True


def _report_undefined(state: StateInline, label: str) -> None:
    reported = state.env.setdefault("undefined_notes", set())
    if label not in reported and len(reported) < MOST_OF_A_CODE:  # counting lines takes long
        reported.add(label)
        line = state.env["line"] + state.src.count("\n", 0, state.pos)
        _findings(state.env).add("footnote-undefined", f"line {line}", label=label)


def _reference(token: Token) -> str:
    # Without a link: Gmail on iOS doesn't follow one inside a mail, and the notes are numbered.
    return f"<sup>{token.content}</sup>"


def _move_notes(state: StateCore) -> None:
    """Move the footnotes to the end, in the order of their references."""
    numbers = state.env.get("note_numbers", {})
    notes: dict[str, list[Token]] = {}
    within = [list[Token]()]
    for token in state.tokens:
        match token.type:
            case "footnote_reference_open":
                within.append(notes.setdefault(token.meta["label"], []))
            case "footnote_reference_close":
                within.pop()
            case _:
                within[-1].append(token)
    for label, line in state.env.get("note_lines", {}).items():
        if label not in numbers:
            _findings(state.env).add("footnote-unused", f"line {line}", label=label)
    state.tokens = within[0] + list(_notes([notes[label] for label in numbers]))


def _notes(notes: Sequence[Sequence[Token]]) -> Iterator[Token]:
    if notes:
        yield Token("hr", "hr", 0, block=True)
        yield Token("notes_open", "ol", 1, block=True)
        for note in notes:
            yield Token("note_open", "li", 1, block=True)
            yield from note
            yield Token("note_close", "li", -1, block=True)
        yield Token("notes_close", "ol", -1, block=True)


def _mark_tasks(state: StateCore) -> None:
    """Turn the brackets that begin a list's item into a box."""
    for item, paragraph, inline in zip(
        state.tokens, state.tokens[1:], state.tokens[2:], strict=False
    ):
        if item.type != "list_item_open" or paragraph.type != "paragraph_open":
            continue
        text = inline.children[0] if inline.children else inline
        if text.type == "text" and (box := _TASK.match(text.content)):
            text.content = text.content[box.end() :]
            task = Token("task", "", 0, content=box[0].lower())
            inline.children = [task, *(inline.children or ())]
            item.attrJoin("class", "task")


def _set_quotes(state: StateCore) -> None:
    for token in state.tokens:
        marks = sum(map(token.content.count, "\"'")) if token.children else 0
        if 0 < marks <= MAX_QUOTES:
            process_inlines(token.children or [], state)


def _keep_line_breaks(state: StateCore) -> None:
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type, child.tag = "hardbreak", "br"


def _findings(env: "EnvType") -> Findings:
    findings: Findings = env["marks"].findings
    return findings
