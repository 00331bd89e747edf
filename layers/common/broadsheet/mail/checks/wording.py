"""Checks the words: what an author meant to replace, to attach, or to leave out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from broadsheet.domain.findings import Findings
    from broadsheet.mail.checks.outline import Outline, Passage

# TK: what journalists write for "to come". A TODO list is a subject, and TK Maxx is a shop.
_TODO = re.compile(
    r"\b(?:TK(?:TK)*)\b(?!-|\s?Maxx)|\b(?:TODO|FIXME)\b(?!s?[ -](?:list|app|item|comment))"
    r"|\b(?i:lorem\s+ipsum)\b"
)
# At the beginning, as in a footer: a photograph's © stays that of its year.
_COPYRIGHT = re.compile(
    r"\s*(?:(?:copyright|\(c\)|©)\s*)+(?P<first>\d{4})(?:\s*[-–—]\s*(?P<last>\d{4}))?(?![\d.])",  # noqa: RUF001 - dashes
    re.IGNORECASE,
)
_FILES = (
    r"(?:files?|pdfs?|documents?|invoices?|spreadsheets?|photos?|pictures?|images?|slides|reports?"
    r"|forms?|agenda|minutes|copy|schedules?|calendars?|programmes?|programs?|flyers?|maps?)"
)
_ATTACHMENT = re.compile(
    rf"""
    \b(?:see|find|open|check|read)\s+(?:the\s+)?attached\b(?!\s+to\b)
  | \battached\s+(?:please|you(?:['’]ll|\s+will)\s+find)\b
  | \battached\s+to\s+this\s+(?:e-?mail|mail|message|issue|newsletter)\b
  | \battached\s+(?:\w+\s+){{0,2}}{_FILES}\b
  | \b(?:see|open|in|as)\s+(?:the|an?|my|our|this)\s+attachments?\b(?!\s+(?:style|theory|of|to))
  | \bim\s+Anhang\b(?!\s+(?:des|der|zu[rm]?|von)\b)
  | \bangehängte[nrs]?\s+(?:Datei|PDF|Dokument|Bild)
  | \banbei\s+(?:finde[nt]?|das|die|der|ein)\b
    """,  # noqa: RUF001 - apostrophes
    re.VERBOSE | re.IGNORECASE,
)
_KEY = re.compile(r"[A-Za-z_][\w-]*\s*[:=](?:\s.*|$)")
_LONGEST_FRONT_MATTER = 100  # lines


def check(outline: Outline, beside: Iterable[Passage], today: date, findings: Findings) -> None:
    """Report unfinished text, an old year, and an attachment that no issue can have.

    ``beside``: the title and the preheader.
    """
    alternative = [outline.alternative] if outline.alternative else []
    for passage in (*beside, *outline.passages, *alternative):
        for found in _TODO.finditer(passage.text):
            findings.add("todo-left", passage.where(found.start()), text=found[0])
    for passage in outline.passages:
        _check_year(passage, today, findings)
        for found in _ATTACHMENT.finditer(passage.text):
            findings.add("attachment-mentioned", passage.where(found.start()), text=found[0])


def _check_year(passage: Passage, today: date, findings: Findings) -> None:
    if found := _COPYRIGHT.match(passage.text):
        year = int(found["last"] or found["first"])
        if year < today.year:
            findings.add(
                "old-copyright-year",
                passage.where(found.end()),
                year=str(year),
                now=str(today.year),
            )


def check_front_matter(markdown: str, findings: Findings) -> None:
    """Report a block of settings before the text: it would be sent as a part of it."""
    first, *lines = markdown.lstrip("\ufeff\n\r ").split("\n", _LONGEST_FRONT_MATTER)
    fence = first.strip()
    if fence not in {"---", "+++"}:
        return
    has_key = False
    for line in lines[:_LONGEST_FRONT_MATTER]:
        if line.rstrip() in {fence, "..."}:
            if has_key:
                findings.add("front-matter-in-body", "line 1")
            return
        if _KEY.match(line):
            has_key = True
        elif not has_key or (line.strip() and not line.startswith((" ", "\t", "-", "#", "]", "}"))):
            return  # a rule, and a text after it
