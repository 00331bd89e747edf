"""Parses an author's Markdown and renders it as HTML.

It is CommonMark with tables, strikethrough and what ``markdown_extensions`` adds. HTML in it is
shown as typed, because the plain text must say the same; comments are left out, and ``<br>``
breaks the line. The work is bounded: Markdown that takes more than any real mail needs is refused,
with the reason.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, override
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from broadsheet.mail import markdown_extensions
from broadsheet.mail.limits import TooComplex
from broadsheet.mail.markdown_extensions import Typography
from broadsheet.mail.placeholders import Marks

if TYPE_CHECKING:
    from markdown_it.ruler import RuleOptionsType
    from markdown_it.utils import EnvType

MAX_NESTING = 50  # a nested list counts as four; Python's recursion allows about 150
MAX_LINES = 50_000  # as many as a book has
MAX_EMPHASIS = 100_000  # of the marks * _ ~; each is a token
MAX_BLOCKS = 30_000  # with inlined styles, about as much as SES takes
MAX_LOOKAHEAD = 500_000  # tokens; text in brackets is read ahead before it is known to be a link
# Looks at a line that may continue a block: at most three outside of quotations, and one for each
# quotation around it that it continues without a >.
MAX_LOOKS = 3 * MAX_LINES
AS_TYPED = Typography()
LONG_CELL = 24  # characters; on a phone, a longer cell keeps a readable width
_COMMENT = re.compile(r"<!--(?:-?>|.*?-->)", re.DOTALL)
# A tag that is shown as typed; List<i> is a type, and <name> a word in brackets.
_TAG = re.compile(
    r"(?:(?<!\w)<|</)(?:a|abbr|article|aside|b|big|blockquote|button|center|cite|code|dd|del|details"
    r"|div|dl|dt|em|figure|figcaption|font|footer|form|h[1-6]|header|hr|i|iframe|img|input|ins|kbd"
    r"|li|mark|ol|p|picture|pre|q|s|script|section|small|source|span|strike|strong|style|sub"
    r"|summary|sup|table|tbody|td|th|thead|tr|tt|u|ul|video)(?:\s[^<>]{0,500})?/?>",
    re.IGNORECASE,
)
_LINE_BREAK = re.compile(r"<br[ \t\n]*/?>", re.IGNORECASE)


def parse(markdown: str, marks: Marks, typography: Typography = AS_TYPED) -> list[Token]:
    """Return the tokens of a text in which the marks are set.

    Raises ``TooComplex``, with the reason.
    """
    if markdown.count("\n") > MAX_LINES:
        raise TooComplex("lines", most=MAX_LINES)
    if sum(map(markdown.count, "*_~")) > MAX_EMPHASIS:
        raise TooComplex("emphasis", most=MAX_EMPHASIS)
    try:
        tokens = _parser(typography).parse(markdown, {"marks": marks})
    except RecursionError as error:
        raise TooComplex("markdown") from error
    if _depth(tokens) > MAX_NESTING:
        raise TooComplex("markdown-nesting", most=MAX_NESTING)
    return tokens


def count_links(tokens: Sequence[Token], marks: Marks) -> None:
    """Have the links of parsed Markdown lead to where clicks are counted, if they are."""
    for token in tokens:
        if token.type == "link_open":
            address = str(token.attrs["href"])
            token.attrs["href"] = marks.counted(address)
            if token.attrs["href"] != address:
                token.markup = ""  # plain text has an address that is written out, too
        count_links(token.children or (), marks)


def render(tokens: Sequence[Token]) -> str:
    """Return the HTML of parsed Markdown."""
    parser = _parser(AS_TYPED)
    html: str = parser.renderer.render(tokens, parser.options, {})
    return html


def _depth(tokens: Sequence[Token]) -> int:
    depth = deepest = 0
    for token in tokens:
        depth += token.nesting
        inside = 1 + _depth(token.children) if token.children else 0
        deepest = max(deepest, depth + inside)
    return deepest


class _Parser(MarkdownIt):
    @override
    def normalizeLinkText(self, link: str) -> str:
        return link  # as it is typed: decoded, an address could have spaces, and be cut there


class _BoundedInline(ParserInline):
    """Limits the reading ahead, which grows with each bracket that is never closed."""

    @override
    def skipToken(self, state: StateInline) -> None:
        state.env["lookahead"] = steps = state.env.get("lookahead", 0) + 1
        if steps > MAX_LOOKAHEAD:
            raise TooComplex("brackets", line=state.env["line"])
        super().skipToken(state)


@cache
def _parser(typography: Typography) -> MarkdownIt:
    options = {
        "html": False,
        # markdown-it silently drops text that is nested deeper; ``parse`` refuses it first.
        "maxNesting": 2 * MAX_NESTING,
    }
    parser = _Parser("commonmark", options)
    parser.inline = _BoundedInline()
    parser.configure("commonmark", options).enable(["table", "strikethrough"])
    stops: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote"]}
    parser.block.ruler.before("heading", "comment", _comment_block, stops)
    parser.inline.ruler.before("autolink", "comment", _comment)
    parser.inline.ruler.before("autolink", "line_break", _line_break)
    parser.core.ruler.at("inline", _parse_inline)
    markdown_extensions.install(parser, typography)
    # On a phone, a wide table scrolls by itself, so that the mail doesn't.
    parser.add_render_rule("table_open", lambda *_: '<div class="wide" tabindex="0"><table>\n')
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


def _comment_block(state: StateBlock, line: int, end_line: int, silent: bool) -> bool:  # noqa: FBT001 - as markdown-it calls it
    """Leave out a comment that fills a line, or spans several."""
    if silent:
        _count_look(state.env, line)
    begin = state.bMarks[line] + state.tShift[line]
    if not state.src.startswith("<!--", begin) or state.is_code_block(line):
        return False
    if one_line := _COMMENT.match(state.src, begin, state.eMarks[line]):
        if state.src[one_line.end() : state.eMarks[line]].strip():
            return False
        last = line + 1
    else:
        unfinished = state.env.setdefault("unfinished", {})  # the first line by its block's last
        if unfinished.get(end_line, line) < line:
            return False
        last = line + 1
        while (end := state.src.find("-->", state.bMarks[last], state.eMarks[last])) < 0:
            last += 1
            if last >= end_line:
                unfinished[end_line] = line
                return False  # the text of its first line reports it
        if not silent:
            _begin_line_at(state, last, end + len("-->"))
    if not silent:
        state.line = last
    return True


def _count_look(env: "EnvType", line: int) -> None:
    """Count a line that may continue a block: each quotation around it looks for itself."""
    env["looks"] = looks = env.get("looks", 0) + 1
    if looks > MAX_LOOKS:
        raise TooComplex("quotations", line=line + 1)


def _begin_line_at(state: StateBlock, line: int, place: int) -> None:
    rest = state.src[place : state.eMarks[line]]
    state.bMarks[line] = place
    state.tShift[line] = len(rest) - len(rest.lstrip(" \t"))
    state.sCount[line] = state.blkIndent


def _comment(state: StateInline, silent: bool) -> bool:  # noqa: ARG001, FBT001 - as above
    if not state.src.startswith("<!--", state.pos):
        return False
    if state.env.get("unfinished_in") is state.src:
        return False
    comment = _COMMENT.match(state.src, state.pos, state.posMax)
    if not comment:
        state.env["unfinished_in"] = state.src
        line = state.env["line"] + state.src.count("\n", 0, state.pos)
        state.env["marks"].findings.add("unfinished-comment", f"line {line}")
        return False
    state.pos = comment.end()
    return True


def _line_break(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - as above
    line_break = _LINE_BREAK.match(state.src, state.pos, state.posMax)
    if not line_break:
        return False
    if not silent:
        state.push("hardbreak", "br", 0).markup = line_break[0]
    state.pos = line_break.end()
    return True


def _parse_inline(state: StateCore) -> None:
    """Parse the text of paragraphs, headings and cells, and report what would mislead readers."""
    blocks = sum(token.nesting >= 0 and not token.hidden for token in state.tokens)
    if blocks > 2 * MAX_BLOCKS:  # each has a token for its text
        raise TooComplex("blocks", most=MAX_BLOCKS)
    line = 1
    for before, token in pairwise(state.tokens):
        if token.map:
            line = token.map[0] + 1
        if not before.hidden:
            shown = before  # an item whose paragraph has no tag
        if token.type == "inline":
            state.env["line"] = line
            if before.tag == "th":
                before.attrSet("scope", "col")
            if before.tag in {"td", "th"} and len(token.content) > LONG_CELL:
                before.attrJoin("class", "long")
            if _is_right_to_left(token.content):
                shown.attrSet("dir", "rtl")
            token.children = []
            state.md.inline.parse(token.content, state.md, state.env, token.children)
            token.children = markdown_extensions.with_links(token.children)
            markdown_extensions.size_images(token.children)
            _check(token.children, line, state.env["marks"])


def _is_right_to_left(text: str) -> bool:
    """Return whether the first letter is of a script written from right to left (UAX #9, P2)."""
    directions = map(unicodedata.bidirectional, "" if text.isascii() else text)
    return next((each for each in directions if each in {"L", "R", "AL"}), "L") != "L"


def _check(tokens: Sequence[Token], line: int, marks: Marks) -> None:
    """Report misspelt placeholders and links that lead nowhere; mark names in addresses.

    An escaped bracket is a token of its own here, so it is never read as part of a placeholder.
    """
    for token in tokens:
        match token.type:
            case "softbreak":
                line += 1
            case "hardbreak" if not token.markup:
                line += 1
            case "text":
                marks.report_misspelt(token.content, f"line {line}")
                if tag := _TAG.search(token.content):
                    marks.findings.add("raw-html-in-markdown", f"line {line}", tag=tag[0])
                token.content = marks.in_addresses(token.content)
            case "link_open":
                _check_address(token, "href", "link", line, marks)
            case "image":
                _check_address(token, "src", "image", line, marks)
                _check(token.children or [], line, marks)


def _check_address(
    token: Token,
    attribute: Literal["href", "src"],
    kind: Literal["link", "image"],
    line: int,
    marks: Marks,
) -> None:
    address = str(token.attrs[attribute])
    marks.report_misspelt(unquote(address), f"line {line}")
    marks.check_address(address, kind, f"line {line}")
    token.attrs[attribute] = marks.in_address(address)
