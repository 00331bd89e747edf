"""What an author is warned of, each at its place in the form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from broadsheet.domain.findings import NEVER_ACCEPTED, Severity, in_order
from broadsheet.web import sentences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from broadsheet.domain.errors import InvalidField
    from broadsheet.domain.findings import Finding
    from broadsheet.i18n import Language
    from broadsheet.studio.issue_form import IssueForm

_PLAIN = re.compile(r"line \d+ of the text")
_FIELDS = {"the title": "title", "the preheader": "preheader", "the segment": "segment"}
_LONGEST_QUOTE = 120  # characters


class Remark(NamedTuple):
    """A sentence about a field. ``line``: of it, from 1, 0 for none; ``quote``: that line."""

    code: str
    is_error: bool
    sentence: str
    field: str = ""
    line: int = 0
    quote: str = ""

    @property
    def may_be_accepted(self) -> bool:
        """Return whether an issue may be sent in spite of it."""
        return self.code not in NEVER_ACCEPTED


def of_findings(findings: Sequence[Finding], form: IssueForm, language: Language) -> list[Remark]:
    """Return what the check found, errors first, in the order of the text."""
    return [_remark(each, form, language) for each in in_order(findings)]


def of_fields(wrong: Mapping[str, InvalidField], language: Language) -> list[Remark]:
    """Return what keeps fields from being stored."""
    said = sentences.of_fields(wrong, language)
    return [
        Remark(each.code, is_error=True, sentence=said[name], field=name)
        for name, each in wrong.items()
    ]


def _remark(finding: Finding, form: IssueForm, language: Language) -> Remark:
    field, line = _field(finding.where or ""), finding.line
    lines = (form.plain if field == "plain" else form.text).splitlines()
    quote = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    if len(quote) > _LONGEST_QUOTE:
        quote = f"{quote[: _LONGEST_QUOTE - 1]}…"
    sentence = sentences.finding_on_page(finding, language)
    is_error = finding.severity is Severity.ERROR
    return Remark(finding.code, is_error, sentence, field, line, quote)


def _field(where: str) -> str:
    if where.startswith("line "):
        return "plain" if _PLAIN.match(where) else "text"
    return _FIELDS.get(where, "")
