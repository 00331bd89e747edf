"""Checks what surrounds the text: headings, the subject, the preheader, and the size."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broadsheet.domain.issues import MAX_SLUG_CHARACTERS
from broadsheet.mail import footer
from broadsheet.mail.placeholders import NAMED
from broadsheet.mail.substitutions import Links, Reader, Tokens, all_variables

if TYPE_CHECKING:
    from broadsheet.domain.findings import Findings
    from broadsheet.domain.issues import IssueTitle, Preheader, RenderedIssue
    from broadsheet.domain.newsletter import Newsletter
    from broadsheet.mail.checks.outline import Outline

LONGEST_SUBJECT = (
    78  # characters: the line length of RFC 5322 §2.1.1; desktop clients show about it
)
_NAME_CHARACTERS = 10  # of a usual reader's name
CLIPPED_AT = 102_000  # bytes: Gmail shows no more of a mail's HTML, and a link to the rest
# 256 characters is the longest name, and an apostrophe the longest of them in HTML.
_LONGEST_NAME = "'" * 256
_LONGEST_TOKENS = Tokens("x" * 90, "x" * 90)
_LONGEST_PAGE = "https://" + "x" * 202  # of a stage's address
_LONGEST_LINKS = Links(
    _LONGEST_PAGE,
    _LONGEST_PAGE,
    archive=_LONGEST_PAGE + "x" * MAX_SLUG_CHARACTERS,
    counted=_LONGEST_PAGE + "x" * 36,  # an issue's id
)
_BARE_NAME = re.compile(r"\{\{name_(?:html|text|url)\}\}")


def check_headings(outline: Outline, findings: Findings) -> None:
    """Report a heading that skips a level: screen readers navigate by them."""
    before = 1  # the title, whether it stands above the content or the content has its own
    for heading in outline.headings:
        if heading.level > before + 1:
            findings.add("heading-order", heading.where, level=heading.level, expected=before + 1)
        before = heading.level


def check_subject(title: IssueTitle, preheader: Preheader | None, findings: Findings) -> None:
    """Report a subject that mail clients cut, and a missing preheader."""
    length = len(NAMED.sub("x" * _NAME_CHARACTERS, str(title)))
    if length > LONGEST_SUBJECT:
        findings.add("subject-long", "the title", characters=length, most=LONGEST_SUBJECT)
    if preheader is None:
        findings.add("no-preheader")


def check_name(issue: RenderedIssue, language: str, findings: Findings) -> None:
    """Report a name without a fallback, for which "reader" stands in another language's text.

    Readers need not give a name.
    """
    templates = (issue.subject, issue.html, issue.text)
    if not language.lower().startswith("en") and any(map(_BARE_NAME.search, templates)):
        findings.add("name-without-fallback")


def check_size(issue: RenderedIssue, newsletter: Newsletter, findings: Findings) -> None:
    """Report a mail that Gmail clips for the reader with the longest name and footer."""
    size = largest_bytes(issue, newsletter)
    if size > CLIPPED_AT:
        findings.add("clipped", bytes=size, most=CLIPPED_AT)


def largest_bytes(issue: RenderedIssue, newsletter: Newsletter) -> int:
    """Return the bytes of a mail's HTML with the longest values of its variables."""
    reader = Reader(_LONGEST_NAME, _LONGEST_TOKENS, footer.longest_texts(newsletter))
    values = all_variables(issue.html, reader, _LONGEST_LINKS)
    size = len(issue.html.encode())
    for variable, value in values.items():
        placed = f"{{{{{variable}}}}}"
        size += issue.html.count(placed) * (len(value.encode()) - len(placed))
    return size
