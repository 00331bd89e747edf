"""Renders Markdown's tokens as plain text, for mail programs that show no HTML.

Emphasis keeps its marks, links become ``text (url)``, an image becomes its description, and lines
break between words only, so that an address is never cut.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

LINE_WIDTH = 78  # RFC 5322 §2.1.1
_NARROWEST = 24  # columns, however deep a list or a quotation is nested
_SPACES = re.compile(r"[ \t\n]+")  # not the no-break space
_OF_SPACES = re.compile(r"^ +$", re.MULTILINE)
# Chinese and Japanese are written without spaces: a line may break at any of these characters.
_IDEOGRAPH = (
    "\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff"
)
_NEVER_LAST = "「『（《〈【〔〖([{“‘"  # noqa: RUF001 - intended
_NEVER_FIRST = (
    "、。，．・：；？！ー々〜…」』）》〉】〕〗)]}”’,.;:?!ぁぃぅぇぉっゃゅょァィゥェォッャュョ"  # noqa: RUF001
)
_LINE_MAY_END = re.compile(
    rf"(?:(?<=[{_IDEOGRAPH}])|(?=[{_IDEOGRAPH}]))"
    rf"(?<![{re.escape(_NEVER_LAST)}])(?![{re.escape(_NEVER_FIRST)}])(?<=.)(?=.)"
)
_ADDRESS = re.compile(r"[(<]?[a-z][a-z0-9+.-]{0,20}://", re.IGNORECASE)
_UNDERLINES = {"h1": "=", "h2": "-"}
_EMPHASIS = {"em": "_", "strong": "*", "s": "~~", "code": "`"}

type Width = Callable[[str], int]


def display_width(text: str) -> int:
    """Return how many columns a text takes: a Chinese or Japanese character takes two."""
    if text.isascii():
        return len(text)
    from wcwidth import width  # noqa: PLC0415 - a tenth of a cold import; publishing alone needs it

    return width(text, control_codes="ignore")


def plain_text(tokens: Sequence[Token], width: Width = display_width) -> str:
    """Render markdown-it's tokens. ``width``: returns how many columns a text takes."""
    return _blocks(SyntaxTreeNode(tokens).children, LINE_WIDTH, width)


def wrap(text: str, columns: int = LINE_WIDTH, width: Width = display_width) -> str:
    """Fill lines of at most ``columns``; only a word that is longer by itself exceeds them."""
    lines = []
    for paragraph in text.split("\n"):
        line, filled = "", 0
        for space, word in _words(paragraph.strip(" \t")):
            room = width(word)
            if line and filled + len(space) + room > columns:
                lines.append(line)
                line, filled = word, room
            else:
                line += space + word
                filled += len(space) + room
        lines.append(line)
    return "\n".join(lines)


def _words(paragraph: str) -> Iterator[tuple[str, str]]:
    """Yield the parts between which a line may break, each with its space; an address is one."""
    for number, word in enumerate(_SPACES.split(paragraph)):
        space = " " if number else ""
        if word.isascii():
            yield space, word
            continue
        address = _ADDRESS.search(word)
        end = address.start() if address else len(word)
        parts = [*_LINE_MAY_END.split(word[:end]), word[end:]]
        for part in filter(None, parts):
            yield space, part
            space = ""


def heading(text: str, tag: str, width: Width = display_width) -> str:
    """Wrap a heading, and underline one of the first two levels. ``tag``: ``h1`` to ``h6``."""
    lines = wrap(text, width=width)
    if tag not in _UNDERLINES:
        return lines
    longest = max(width(line) for line in lines.split("\n"))
    return f"{lines}\n{_UNDERLINES[tag] * min(longest, LINE_WIDTH)}"


def _blocks(
    nodes: Sequence[SyntaxTreeNode], columns: int, width: Width, between: str = "\n\n"
) -> str:
    columns = max(columns, _NARROWEST)
    rendered = (_block(node, columns, width) for node in nodes)
    return between.join(text for text in rendered if text.strip())


def _block(  # noqa: PLR0911 - one return for each kind of block
    node: SyntaxTreeNode, columns: int, width: Width
) -> str:
    match node.type:
        case "paragraph":
            return wrap(_inline(node), columns, width)
        case "heading":
            return heading(_one_line(node), node.tag, width)
        case "bullet_list" | "ordered_list":
            return _list(node, columns, width)
        case "blockquote":
            return _prefix(_blocks(node.children, columns - 2, width), "> ", "> ")
        case "fence" | "code_block":
            return _prefix(node.content.removesuffix("\n"), "    ", "    ")
        case "table":
            return _table(node, columns, width)
        case "hr":
            return "* * *"
        case "notes":
            return _notes(node, columns, width)
        case unknown:
            raise NotImplementedError(f"no plain text for Markdown's {unknown}")


def _list(node: SyntaxTreeNode, columns: int, width: Width) -> str:
    is_tight = all(
        block.hidden for item in node.children for block in item.children if _is_paragraph(block)
    )
    between = "\n" if is_tight else "\n\n"
    first = int(node.attrs.get("start", 1))
    items = []
    for number, item in enumerate(node.children, first):
        mark = f"{number}. " if node.type == "ordered_list" else "- "
        body = _blocks(item.children, columns - len(mark), width, between)
        items.append(_prefix(body, mark, " " * len(mark)))
    return between.join(items)


def _notes(node: SyntaxTreeNode, columns: int, width: Width) -> str:
    notes = []
    for number, note in enumerate(node.children, 1):
        mark = f"[{number}] "
        body = _blocks(note.children, columns - len(mark), width)
        notes.append(_prefix(body, mark, " " * len(mark)))
    return "\n\n".join(notes)


def _is_paragraph(node: SyntaxTreeNode) -> bool:
    return node.type == "paragraph"


def _table(node: SyntaxTreeNode, columns: int, width: Width) -> str:
    head, *rows = (row for part in node.children for row in part.children)
    names = [_one_line(cell) for cell in head.children]
    cells = [[_one_line(cell) for cell in row.children] for row in rows]
    widths = [max(map(width, column)) for column in zip(names, *cells, strict=True)]
    if sum(widths) + 3 * (len(widths) - 1) > columns:
        return _records(names, cells, columns, width)
    to_the_right = ["right" in str(cell.attrs.get("style", "")) for cell in head.children]

    def line(texts: list[str]) -> str:
        padded = (
            " " * (full - width(text)) + text if right else text + " " * (full - width(text))
            for text, full, right in zip(texts, widths, to_the_right, strict=True)
        )
        return " | ".join(padded).rstrip(" ")

    rule = "-+-".join("-" * full for full in widths)
    return "\n".join([line(names), rule, *map(line, cells)])


def _records(names: list[str], rows: list[list[str]], columns: int, width: Width) -> str:
    """Render a table that is too wide for its lines, as a paragraph for each row."""
    if not rows:
        return wrap(", ".join(names), columns, width)
    return "\n\n".join(
        "\n".join(
            wrap(f"{name}: {text}" if name else text, columns, width)
            for name, text in zip(names, row, strict=True)
            if text
        )
        for row in rows
    )


def _one_line(node: SyntaxTreeNode) -> str:
    return _inline(node).replace("\n", " ")


def _inline(node: SyntaxTreeNode) -> str:
    return "".join(map(_span, node.children))


def _span(node: SyntaxTreeNode) -> str:  # noqa: PLR0911 - one return for each kind of span
    match node.type:
        case "inline":
            return _inline(node)
        case "text":
            return node.content
        case "softbreak":
            return " "
        case "hardbreak":
            return "\n"
        case "code_inline":
            return f"`{node.content}`"
        case "em" | "strong" | "s" | "code":
            mark = _EMPHASIS[node.type]
            return f"{mark}{_inline(node)}{mark}"
        case "link":
            return _link(node)
        case "image":
            return _inline(node)  # its description
        case "note_reference" | "task":
            return node.content
        case unknown:
            raise NotImplementedError(f"no plain text for Markdown's {unknown}")


def _link(node: SyntaxTreeNode) -> str:
    text = _inline(node)
    url = str(node.attrs["href"])
    if node.markup in {"autolink", "linkify"} or text in {url, url.removeprefix("mailto:")}:
        return text
    if text and url:
        return f"{text} ({url})"
    return text or url


def _prefix(text: str, first: str, others: str) -> str:
    prefixed = first + text.replace("\n", f"\n{others}")
    return _OF_SPACES.sub("", prefixed) if others.isspace() else prefixed
