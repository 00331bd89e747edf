"""Corrects an issue: a new issue for exactly those who got an older version of it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from broadsheet.database import issues_table
from broadsheet.database.ledger import older_versions
from broadsheet.domain import errors
from broadsheet.domain.issues import CorrectedVersion, IssueStatus
from broadsheet.services import looks
from broadsheet.services.issues import checking, counting, links, publication

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.books import Books
    from broadsheet.domain.findings import Finding
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.domain.issue_requests import CorrectionRequest
    from broadsheet.domain.issues import IssueId, RenderedIssue
    from broadsheet.domain.publications import IdempotencyKey, NewIssue


class Corrected(NamedTuple):
    """A correction, what its author is warned of, and how many it is for.

    ``audience``: those who are known to have an older version and are still confirmed.
    ``unsettled``: how many more there may be at most, once their mails' outcomes are known.
    """

    correction: Issue
    findings: Sequence[Finding]
    audience: int
    unsettled: int


def correct(  # noqa: PLR0913, PLR0917 - as ``publish``, and which issue
    connection: Connection,
    issue_id: IssueId,
    author: AuthorName,
    key: IdempotencyKey,
    request: CorrectionRequest,
    correlation_id: str,
) -> Corrected:
    """Publish a correction once, however often it is requested with the same key.

    Dispatch freezes its audience once the outcomes of all older versions are known. Raises
    ``IssueNotFound``, a ``WrongState``, and as ``publish``.
    """
    checked = checking.check(request, looks.newsletter(connection), links.known(connection))
    new = _new_correction(issue_id, author, key, request, checked.rendered)
    issue = _found(issues_table.find(connection, issue_id))
    # Before the lock, for which dispatch would wait: the ledger may have a million rows.
    readers = _count(connection, issue, publication.find_by_key(connection, new))
    with connection.transaction():
        issue = _found(issues_table.lock(connection, issue_id))  # no two corrections at once
        known = publication.find_by_key(connection, new)
        if readers.of != _corrected(issue, known):  # edited or corrected meanwhile
            readers = _count(connection, issue, known)
        beside = checking.beside_content(
            connection, request, request.publish_at, known.id if known else None
        )
        correction = known
        if correction is None:
            checking.refuse_errors(checked.findings, request.accept_warnings)
            _refuse_unless_correctable(connection, issue, readers.audience + readers.unsettled)
            new = new.model_copy(update={"corrected": readers.of})
            correction, is_new = publication.insert_once(
                connection, new, request.slug, correlation_id
            )
            if is_new:
                links.keep(connection, correction.id, checked.links)
    if known is None:
        publication.log_publication(correction)
    publication.kick_if_due(correction, correlation_id)
    findings = [*checked.findings, *beside]
    return Corrected(correction, findings, readers.audience, readers.unsettled)


class ReadersNow(NamedTuple):
    """How many a correction would be for now, as ``Corrected`` has them.

    ``counted_at``: when the audience was counted, including who has left or was mailed again since;
    None for now.
    """

    audience: int
    unsettled: int
    counted_at: datetime | None


def count_readers(connection: Connection, issue: Issue) -> ReadersNow:
    """Return how many a correction of this issue would be for; of a large one, as it is stored."""
    of = _corrected(issue, None)
    stored = counting.find(connection, issue)
    if stored is None:
        readers = _count(connection, issue, None)
        return ReadersNow(readers.audience, readers.unsettled, None)
    older = sum(
        mails for version, mails in stored.books.accepted_by_version.items() if version < of.version
    )
    older += older_versions.count_welcomed(connection, of)
    return ReadersNow(older, older_versions.count_unsettled(connection, of), stored.counted_at)


def has_readers(connection: Connection, issue: Issue, books: Books) -> bool:
    """Return whether anybody is known to have an older version."""
    if any(version < issue.version for version in books.accepted_by_version):
        return True
    of = _corrected(issue, None)
    return of.version > 1 and older_versions.count_welcomed(connection, of) > 0


class _Readers(NamedTuple):
    """Of which versions somebody has a mail, and how many, as in ``Corrected``."""

    of: CorrectedVersion
    audience: int
    unsettled: int


def _count(connection: Connection, issue: Issue, known: Issue | None) -> _Readers:
    of = _corrected(issue, known)
    return _Readers(
        of, older_versions.count(connection, of), older_versions.count_unsettled(connection, of)
    )


def _corrected(issue: Issue, known: Issue | None) -> CorrectedVersion:
    """Return what is corrected: by a correction that is known, as at its first request."""
    return (known and known.corrected) or CorrectedVersion(issue.id, issue.version)


def _found(issue: Issue | None) -> Issue:
    if issue is None:
        raise errors.IssueNotFound
    return issue


def _new_correction(
    issue_id: IssueId,
    author: AuthorName,
    key: IdempotencyKey,
    request: CorrectionRequest,
    rendered: RenderedIssue,
) -> NewIssue:
    new = publication.new_issue(author, key, request.publication(), rendered)
    # The same text to the readers of another issue, or to everybody, is another request.
    digest = sha256(b"correct" + issue_id.root.bytes + new.request_digest).digest()
    return new.model_copy(update={"request_digest": digest})


def _refuse_unless_correctable(connection: Connection, issue: Issue, recipients: int) -> None:
    if issue.status is IssueStatus.DRAFT:
        raise errors.IssueIsDraft
    earlier = issues_table.find_correction(connection, CorrectedVersion(issue.id, issue.version))
    if earlier is not None:
        raise errors.AlreadyCorrected(str(earlier.id))
    if not recipients:
        raise errors.NothingToCorrect
