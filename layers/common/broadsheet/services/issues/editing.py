"""Edits an issue's text before its readers have it, and publishes or deletes drafts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from broadsheet import dispatch_kick, issue_clock
from broadsheet.database import (
    issue_versions_table,
    issues_table,
    links_table,
    publications_table,
)
from broadsheet.domain import errors
from broadsheet.domain.authors import Role, require
from broadsheet.domain.issues import EDITABLE, IssueId, IssueStatus
from broadsheet.domain.publications import DraftPublication
from broadsheet.services import looks
from broadsheet.services.issues import checking, links, publication
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.careful_start import CarefulStart
    from broadsheet.domain.findings import Finding
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.domain.issue_requests import (
        EditRequest,
        ExpectedVersion,
        IssueDraft,
        Plan,
        PublishDraftRequest,
    )
    from broadsheet.domain.issue_versions import IssueVersion, LatestText, VersionSummary
    from broadsheet.domain.publications import IdempotencyKey
    from broadsheet.domain.segments import SegmentName


_SITTING = timedelta(minutes=30)  # an author who types again after it has begun another
_MOST_VERSIONS = 200  # shown of an issue
_BEGINNING = 400  # characters of a text by which its author recognises it, with room for spaces


class Editor(NamedTuple):
    """Who edits, and what the token allows. ``types``: a program saves what they type."""

    name: AuthorName
    role: Role | None
    types: bool = False


def find_versions(connection: Connection, issue_id: IssueId) -> Sequence[VersionSummary]:
    """Return who wrote an issue's versions, newest first. Raises ``IssueNotFound``."""
    _found(issues_table.find(connection, issue_id))
    return issue_versions_table.find_newest(connection, issue_id, _MOST_VERSIONS)


def find_latest_texts(
    connection: Connection, issue_ids: Collection[IssueId]
) -> Mapping[IssueId, LatestText]:
    """Return when the text of issues was saved last, and how it begins."""
    if not issue_ids:
        return {}
    found = issue_versions_table.find_latest_texts(connection, issue_ids, _BEGINNING)
    return {IssueId(each.issue_id): each for each in found}


def find_editable(connection: Connection, issue_id: IssueId) -> tuple[Issue, IssueVersion]:
    """Return an issue with its current version as it was written. Raises ``IssueNotFound``."""
    return _find_version(connection, issue_id, None)


def find_version(connection: Connection, issue_id: IssueId, version: int | None) -> IssueVersion:
    """Return a version of an issue as it was written; without a number, the current one.

    Raises ``IssueNotFound`` and ``VersionNotFound``.
    """
    return _find_version(connection, issue_id, version)[1]


def find_draft(connection: Connection, issue_id: IssueId) -> IssueDraft:
    """Return an issue's current version as a draft of it. Raises ``IssueNotFound``."""
    return find_draft_of(connection, issue_id)[1]


def find_draft_of(connection: Connection, issue_id: IssueId) -> tuple[Issue, IssueDraft]:
    """Return an issue, and its current version as a draft of it. Raises ``IssueNotFound``."""
    issue, written = _find_version(connection, issue_id, None)
    return issue, _with_archive(written.draft, archive=issue.archive)


def _find_version(
    connection: Connection, issue_id: IssueId, version: int | None
) -> tuple[Issue, IssueVersion]:
    issue = _found(issues_table.find(connection, issue_id))
    written = issue_versions_table.find(connection, issue_id, version or issue.version)
    if written is None:
        raise errors.VersionNotFound
    return issue, written


def edit(  # noqa: PLR0913, PLR0917 - as ``publish_draft``
    connection: Connection,
    issue_id: IssueId,
    editor: Editor,
    expected: ExpectedVersion,
    draft: EditRequest,
    correlation_id: str,
) -> Sequence[Finding]:
    """Replace the text of an issue that nobody is sending, and return what its author is warned of.

    Recipients who were mailed, or whose batch is claimed, keep the version that they have; all
    others get this one, and so does the archive. How it starts, and with whom, can change until it
    has.

    What an author types is saved in a draft only, where it replaces what the same sitting saved
    before. Raises ``IssueNotFound``, ``RoleNeeded``, a ``WrongState``, ``StaleVersion``,
    ``SlugTaken``, unless it is a draft, ``UnsendableIssue``, and, once it has begun,
    ``DependencyUnavailable``.
    """
    before = _found(issues_table.find(connection, issue_id))
    checked = _checked(connection, before, draft)
    with connection.transaction():
        issue = _found(issues_table.lock_for_edit(connection, issue_id))
        require(Role.WRITE if issue.status is IssueStatus.DRAFT else Role.PUBLISH, editor.role)
        _refuse_unless_editable(issue, types=editor.types)
        if not expected.allows(issue.version):
            raise errors.StaleVersion(issue.version)
        segment = _change_plan(connection, issue, draft)
        is_draft = issue.status is IssueStatus.DRAFT
        if issue.archive is not before.archive or issue.version != before.version:
            checked = _checked(connection, issue, draft)  # edited meanwhile
        found = [*checked.findings]
        if issue.frozen_at is None:  # later the audience is chosen, and needs no segment
            found += checking.of_segment(connection, segment)
        if not is_draft:
            checking.refuse_errors(found, draft.accept_warnings)
        beside = checking.beside_content(
            connection, draft, issue.publish_at if is_draft else None, issue_id, is_draft=is_draft
        )
        issues_table.edit(
            connection, issue_id, editor=editor.name, draft=draft, rendered=checked.rendered
        )
        _note_typing(connection, issue, editor)
        links.keep(connection, issue_id, checked.links)
        if issue.frozen_at is not None:  # its clock may be stopped, or sleep
            issue_clock.move(issue_id, issue.due_at, correlation_id)
    if issue.frozen_at is not None:
        dispatch_kick.kick(issue_id, correlation_id)
    logger.info("issue edited", issue_id=str(issue_id), version=issue.version + 1)
    return [*found, *beside]


def _change_plan(connection: Connection, issue: Issue, plan: Plan) -> SegmentName | None:
    """Change how an issue starts, and with whom; return the segment that it is for then."""
    if plan.changes_start:
        _change_start(connection, issue, plan.careful)
    segment = plan.segment_of(issue)
    if segment != issue.segment:
        _change_segment(connection, issue, segment)
    return segment


def _checked(connection: Connection, issue: Issue, draft: EditRequest) -> checking.Checked:
    is_draft = issue.status is IssueStatus.DRAFT  # rendered once more when it is published
    known_links = None if is_draft else links.known(connection, issue.id)
    written = _with_archive(draft, archive=issue.archive)
    return checking.check(written, looks.newsletter(connection), known_links)


def _note_typing(connection: Connection, before: Issue, editor: Editor) -> None:
    if editor.types:
        issue_versions_table.note_autosave(
            connection, before.id, before.version + 1, editor.name, _SITTING
        )


def _change_start(connection: Connection, issue: Issue, careful: CarefulStart | None) -> None:
    if careful == issue.careful:
        return
    if issue.frozen_at is not None or issue.corrected:
        raise errors.CarefulStartFixed
    issues_table.set_careful(connection, issue.id, careful)


def _change_segment(connection: Connection, issue: Issue, segment: SegmentName | None) -> None:
    if issue.frozen_at is not None or issue.corrected:
        raise errors.AudienceFixed
    issues_table.set_segment(connection, issue.id, segment)


def _with_archive(draft: IssueDraft, *, archive: bool) -> IssueDraft:
    """Return a draft that says whether the issue is archived. ``archive``: as it is before."""
    return draft if draft.archive is not None else draft.model_copy(update={"archive": archive})


def _refuse_unless_editable(issue: Issue, *, types: bool) -> None:
    if issue.status is IssueStatus.SENDING:
        raise errors.IssueSending
    if issue.status not in EDITABLE:
        raise errors.IssueNotEditable(issue.status)
    if types and issue.status is not IssueStatus.DRAFT:
        raise errors.NoLongerDraft(issue.status)


class Publisher(NamedTuple):
    """Who publishes a draft, and the version that they have read; None if they name none."""

    name: AuthorName
    expected: ExpectedVersion | None


class _Prepared(NamedTuple):
    """A version of a draft as it can be sent, and what its author is warned of."""

    version: int
    editor: AuthorName
    checked: checking.Checked
    resembles: Sequence[Finding]


def publish_draft(  # noqa: PLR0913, PLR0917 - as ``publish``, and which issue
    connection: Connection,
    issue_id: IssueId,
    publisher: Publisher,
    key: IdempotencyKey,
    request: PublishDraftRequest,
    correlation_id: str,
) -> Sequence[Finding]:
    """Publish a draft once, however often it is requested with the same key.

    Return what its author is warned of. Its clock is made in the same transaction, as for any
    other issue. Raises ``IssueNotFound``, ``StaleVersion``, ``IfMatchNeeded`` for a version that
    somebody else has written, ``IssuePublished`` for another key, ``IdempotencyKeyReused`` for
    another request with the same key, ``UnsendableIssue``, and ``DependencyUnavailable``.
    """
    wanted = DraftPublication(str(key), request.digest)
    prepared = _prepare(connection, issue_id)
    with connection.transaction():
        issue = _found(issues_table.lock(connection, issue_id))
        if issue.version != prepared.version:  # edited meanwhile
            prepared = _prepare(connection, issue_id)
        before = publications_table.find_publication(connection, issue_id)
        if not (is_first := issue.status is IssueStatus.DRAFT):
            _refuse_another_publication(issue, before, wanted)
        else:
            if publications_table.is_undone(connection, issue_id, wanted.key):
                raise errors.IdempotencyKeyReused
            _refuse_unread(publisher, prepared)
            _publish(connection, issue, prepared, request, wanted)
        published = _found(issues_table.find(connection, issue_id))
        if is_first:
            # The clock of a publication that was undone may still be there.
            start_clock = issue_clock.start if before is None else issue_clock.move
            start_clock(issue_id, published.due_at, correlation_id)
    if is_first:
        publication.log_publication(published)
    publication.kick_if_due(published, correlation_id)
    time = checking.of_time(request.publish_at or (issue.publish_at if is_first else None))
    return [*prepared.checked.findings, *prepared.resembles, *time]


def _publish(
    connection: Connection,
    issue: Issue,
    prepared: _Prepared,
    request: PublishDraftRequest,
    wanted: DraftPublication,
) -> None:
    segment = _change_plan(connection, issue, request)
    found = [*prepared.checked.findings, *checking.of_segment(connection, segment)]
    checking.refuse_errors(found, request.accept_warnings)
    publications_table.publish_draft(
        connection,
        issue.id,
        publish_at=request.publish_at or issue.publish_at or datetime.now(UTC),
        rendered=prepared.checked.rendered,
        publication=wanted,
    )
    links.keep(connection, issue.id, prepared.checked.links)


def _prepare(connection: Connection, issue_id: IssueId) -> _Prepared:
    """Render and check the current version.

    It was rendered before, but the newsletter's parameters may have changed since it was written.
    """
    issue, written = _find_version(connection, issue_id, None)
    draft = _with_archive(written.draft, archive=issue.archive)
    return _Prepared(
        version=written.version,
        editor=written.author,
        checked=checking.check(
            draft, looks.newsletter(connection), links.known(connection, issue_id)
        ),
        resembles=checking.against_earlier(connection, draft, issue_id),
    )


def _refuse_unread(publisher: Publisher, prepared: _Prepared) -> None:
    """Refuse a version that the publisher has neither named nor written."""
    if publisher.expected is not None and not publisher.expected.allows(prepared.version):
        raise errors.StaleVersion(prepared.version)
    names_it = publisher.expected is not None and not publisher.expected.is_any
    if not names_it and prepared.editor != publisher.name:
        raise errors.IfMatchNeeded


def _refuse_another_publication(
    issue: Issue, before: DraftPublication | None, wanted: DraftPublication
) -> None:
    if before is None or before.key != wanted.key:
        raise errors.IssuePublished(issue.status)
    if before.digest != wanted.digest:
        raise errors.IdempotencyKeyReused


def delete_draft(connection: Connection, issue_id: IssueId) -> None:
    """Delete a draft with its versions. Raises ``IssueNotFound`` and ``IssuePublished``."""
    with connection.transaction():
        issue = _found(issues_table.lock_for_edit(connection, issue_id))
        if issue.status is not IssueStatus.DRAFT:
            raise errors.IssuePublished(issue.status)
        links_table.delete(connection, issue_id)  # of a publication that was undone
        issues_table.delete_draft(connection, issue_id)
    logger.info("draft deleted", issue_id=str(issue_id))


def _found(issue: Issue | None) -> Issue:
    if issue is None:
        raise errors.IssueNotFound
    return issue
