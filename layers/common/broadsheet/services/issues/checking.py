"""Checks an issue before its readers get it: everything that an author is warned of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from broadsheet import settings
from broadsheet.domain.errors import UnsendableIssue
from broadsheet.domain.findings import Finding, unaccepted
from broadsheet.mail import issue_mail

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from broadsheet.domain.issues import IssueDraft, RenderedIssue


class Checked(NamedTuple):
    """A rendered issue, and what is wrong with it."""

    rendered: RenderedIssue
    findings: Sequence[Finding]


def check(draft: IssueDraft) -> Checked:
    """Render an issue, and return it with everything that is wrong with it."""
    rendering = issue_mail.render_issue(
        draft.title, draft.content, settings.newsletter(), draft.preheader
    )
    return Checked(rendering.issue, rendering.findings)


def refuse_errors(findings: Sequence[Finding], accepted: Iterable[str]) -> None:
    """Raise ``UnsendableIssue`` if there are errors that the author does not accept."""
    if errors := unaccepted(findings, accepted):
        raise UnsendableIssue(findings, errors)


def nobody_to_send_to(*, at_once: bool) -> Finding:
    """Return the warning for an issue that nobody would get.

    ``at_once``: it ends at once; one that is scheduled may have readers by then.
    """
    return Finding("nobody-to-send-to", parameters={"variant": "at-once"} if at_once else {})
