"""The line that an inbox shows after the subject, and what keeps the rest of a mail out of it."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from markdown_it.token import Token

    from broadsheet.mail.plain_text import Width

# Letters of no width and spaces, which an inbox doesn't show and no screen reader reads: without
# them, the line would go on with the masthead. An inbox shows up to 140 characters.
PADDING = "\n".join(["&#847;&zwnj;&nbsp;" * 10] * 14)
_MOST = 140  # columns
_LEAST = 30  # columns: "Dear Ursula," says too little by itself
_SENTENCE_ENDS = re.compile(r"[.!?…](?=\s)|[。！？]")  # noqa: RUF001 - intended
_UNDERLINE = re.compile(r"^[=\-*_#\s]+$", re.MULTILINE)
_CUT_MARK = re.compile(r"x[a-z][0-9a-f]{0,27}$")


def of_markdown(tokens: Sequence[Token], width: Width) -> str:
    """Return the first sentence of parsed Markdown; empty if it has no paragraph."""
    paragraphs = (
        _text_of(inline.children or ())
        for block, inline in pairwise(tokens)
        if block.type == "paragraph_open" and not block.level
    )
    return _first_sentence(paragraphs, width)


def of_text(text: str, title: str, width: Width) -> str:
    """Return the first sentence of a plain text after its title; empty if it has none."""
    paragraphs = (_UNDERLINE.sub("", each) for each in text.split("\n\n"))
    words = (" ".join(each.split()) for each in paragraphs)
    sentences = (each for each in words if each.casefold() != title.casefold())
    return _first_sentence(sentences, width)


def _first_sentence(paragraphs: Iterable[str], width: Width) -> str:
    text = ""
    for paragraph in paragraphs:
        text = f"{text} {paragraph}".strip()
        if width(text) >= _LEAST:
            break
    for end in _SENTENCE_ENDS.finditer(text[: 2 * _MOST]):
        if _LEAST <= width(text[: end.end()]) <= _MOST:
            return text[: end.end()]
    if width(text) <= _MOST:
        return text
    cut = text[:_MOST].rpartition(" ")[0] or _CUT_MARK.sub("", text[:_MOST])
    return f"{cut}…"


def _text_of(tokens: Sequence[Token]) -> str:
    shown = (
        " " if token.type.endswith("break") else token.content
        for token in tokens
        if token.type in {"text", "text_special", "code_inline", "softbreak", "hardbreak"}
    )
    return " ".join("".join(shown).split())
