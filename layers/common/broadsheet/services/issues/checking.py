"""Checks an issue before its readers get it: everything that an author is warned of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from broadsheet.database import issues_table, segments_table
from broadsheet.domain.errors import UnsendableIssue
from broadsheet.domain.findings import Finding, Findings, unaccepted
from broadsheet.domain.issue_requests import IssueDraft, MarkdownContent
from broadsheet.mail import issue_mail
from broadsheet.mail.checks import clients, colors, images, links, structure, wording
from broadsheet.mail.checks.outline import Passage
from broadsheet.mail.link_numbers import LinkNumbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.issue_requests import WrittenMail
    from broadsheet.domain.issues import IssueId, RenderedIssue
    from broadsheet.domain.newsletter import Newsletter
    from broadsheet.domain.segments import SegmentName
    from broadsheet.mail.issue_mail import Rendering


_SOON_PASSED = timedelta(minutes=10)  # "now", as the author's clock says it
_FAR_AWAY = timedelta(days=366)


class Checked(NamedTuple):
    """A rendered issue, what is wrong with it, and its links, None unless clicks are counted."""

    rendered: RenderedIssue
    findings: Sequence[Finding]
    links: Mapping[str, int] | None = None


def check(
    draft: WrittenMail, newsletter: Newsletter, known_links: Mapping[str, int] | None = None
) -> Checked:
    """Render an issue, and return it with everything that is wrong with it.

    ``newsletter``: as it looks now (``looks``). ``known_links``: the numbers of the links that it
    has; None if clicks on them aren't counted.
    """
    # A welcome mail has no page, and a draft that says nothing of it gets one.
    has_page = isinstance(draft, IssueDraft) and draft.archive is not False
    numbers = None if known_links is None else LinkNumbers(known_links)
    rendering = issue_mail.render_issue(
        draft.title,
        draft.content,
        newsletter,
        draft.preheader,
        has_page=has_page,
        numbers=numbers,
    )
    findings = of_content(draft, rendering, newsletter)
    all_links = None if numbers is None else numbers.by_address
    return Checked(rendering.issue, [*rendering.findings, *findings], all_links)


def of_content(draft: WrittenMail, rendering: Rendering, newsletter: Newsletter) -> Findings:
    """Return what the author may want to correct in an issue that can be sent."""
    findings = Findings()
    outline, today = rendering.outline, datetime.now(UTC).date()
    beside = [Passage.titled("the title", str(draft.title))]
    if draft.preheader is not None:
        beside.append(Passage.titled("the preheader", str(draft.preheader)))
    links.check(outline, findings)
    images.check(outline, findings)
    wording.check(outline, beside, today, findings)
    if isinstance(draft.content, MarkdownContent):
        wording.check_front_matter(draft.content.markdown, findings)
    structure.check_headings(outline, findings)
    structure.check_subject(draft.title, draft.preheader, findings)
    clients.check(outline, findings)
    structure.check_name(rendering.issue, newsletter.language, findings)
    structure.check_size(rendering.issue, newsletter, findings)
    if outline.source:
        colors.check(outline.source, findings)
    return findings


def of_time(publish_at: datetime | None, *, is_draft: bool = False) -> Sequence[Finding]:
    """Return a warning of a time that has passed or is far away: most likely it is mistyped."""
    findings, now = Findings(), datetime.now(UTC)
    if publish_at is None:
        return []
    if publish_at < now - _SOON_PASSED:
        variant = {"variant": "draft"} if is_draft else {}
        findings.add("publish-at-past", publish_at=publish_at.isoformat(), **variant)
    elif publish_at > now + _FAR_AWAY:
        findings.add("publish-at-far", publish_at=publish_at.isoformat())
    return [*findings]


def beside_content(
    connection: Connection,
    draft: IssueDraft,
    publish_at: datetime | None,
    but: IssueId | None,
    *,
    is_draft: bool = False,
) -> Sequence[Finding]:
    """Return the warnings of an issue's history and of its time; ``but``: the issue itself."""
    return [*against_earlier(connection, draft, but), *of_time(publish_at, is_draft=is_draft)]


def against_earlier(
    connection: Connection, draft: IssueDraft, but: IssueId | None = None
) -> Sequence[Finding]:
    """Return the warnings that an issue resembles an earlier one; ``but``: the issue itself."""
    findings = Findings()
    if sent := issues_table.find_sent_with(connection, draft.content, but):
        findings.add("same-as-sent", title=sent.title, date=sent.publish_at.date().isoformat())
    last = issues_table.find_last(connection, but)
    if last and last.title.casefold() == str(draft.title).casefold():
        findings.add("subject-as-last", "the title", date=last.publish_at.date().isoformat())
    return [*findings]


def of_segment(connection: Connection, name: SegmentName | None) -> Sequence[Finding]:
    """Return the error that there is no such segment; one that there is stays until the commit."""
    if name is None or segments_table.find_to_use(connection, name) is not None:
        return []
    return [Finding("unknown-segment", "the segment", {"segment": str(name)})]


def refuse_errors(findings: Sequence[Finding], accepted: Iterable[str]) -> None:
    """Raise ``UnsendableIssue`` if there are errors that the author does not accept."""
    if errors := unaccepted(findings, accepted):
        raise UnsendableIssue(findings, errors)


def of_audience(
    audience: int, segment: SegmentName | None, *, at_once: bool, others: Sequence[Finding] = ()
) -> Sequence[Finding]:
    """Return the warning for an issue that nobody would get.

    ``at_once``: it ends at once; one that is scheduled may have readers by then. ``others``: what
    is found already, as that its segment is none.
    """
    if audience or any(each.code == "unknown-segment" for each in others):
        return []
    parameters = {"variant": "at-once"} if at_once else {}
    if segment is not None:
        parameters = {"variant": "in-segment", "segment": str(segment)}
    return [Finding("nobody-to-send-to", parameters=parameters)]
