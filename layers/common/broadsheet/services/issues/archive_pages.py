"""Writes and removes the archive's pages, and its index.

It may end at any point, and is then done again with the same result. A page is stored before the
index names it, and removed after the index has stopped naming it. The database notes first that
work has begun, and last that it is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet import settings
from broadsheet.database import archive_table, issue_versions_table, voice_table
from broadsheet.domain.archive import ArchivedIssue, ArchiveIndex, ArchivePage
from broadsheet.storage import archive
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.archive_table import OwedPage
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issue_versions import IssueVersion
    from broadsheet.domain.issues import IssueId


def settle(connection: Connection, issue_id: IssueId) -> None:
    """Write or remove an issue's page, if it is owed. Raises ``DependencyUnavailable``."""
    owed = archive_table.find_owed(connection, issue_id)
    if owed is None:
        return
    archive_table.begin(connection, issue_id)
    if owed.is_wanted:
        _write(connection, owed)
    else:
        _remove(connection, issue_id)


def _write(connection: Connection, owed: OwedPage) -> None:
    page = _page(owed, issue_versions_table.find(connection, owed.id, owed.version))
    with connection.transaction():
        if not archive_table.try_lock(connection):
            _leave(owed.id)
            return
        # Another dispatch may have been faster: an older page must not replace its page.
        if archive_table.find_owed(connection, owed.id) != owed:
            return
        archive.store_page(page)
        for earlier in owed.earlier_slugs:
            if earlier == owed.slug:
                archive.remove_redirect(_path(earlier))
            else:
                archive.store_redirect(_path(earlier), owed.slug)
        _store_index(connection, owed.id, page.issue)
        archive_table.record(connection, page.issue)
    logger.info("archived", issue_id=str(owed.id), version=owed.version)


def _remove(connection: Connection, issue_id: IssueId) -> None:
    with connection.transaction():
        if not archive_table.try_lock(connection):
            _leave(issue_id)
            return
        owed = archive_table.find_owed(connection, issue_id)
        if owed is None or owed.is_wanted:
            return
        _store_index(connection, issue_id)
        archive.remove_page(issue_id)
        for earlier in owed.earlier_slugs:
            archive.remove_redirect(_path(earlier))
        archive_table.record_removal(connection, issue_id)
    logger.info("removed from the archive", issue_id=str(issue_id))


def _leave(issue_id: IssueId) -> None:
    """Leave an issue's page owed, so that its clock or the daily look comes back to it."""
    logger.info("another dispatch changes the archive", issue_id=str(issue_id))


def _path(slug: str) -> str:
    return f"/archive/{slug}"


def _store_index(connection: Connection, issue_id: IssueId, *changed: ArchivedIssue) -> None:
    """Store the index of all that has pages, of which one has changed or gone."""
    others = [each for each in archive_table.find_archived(connection) if each.id != issue_id]
    _store_sorted(connection, [*others, *changed])


def store_index(connection: Connection) -> None:
    """Store the index of all that has pages, with the authors' voice.

    Raises ``DependencyUnavailable``.

    The caller holds the archive's lock.
    """
    _store_sorted(connection, archive_table.find_archived(connection))


def _store_sorted(connection: Connection, entries: Sequence[ArchivedIssue]) -> None:
    issues = sorted(entries, key=lambda each: (each.published_at, each.id.root))
    voice = voice_table.find(connection)
    archive.store_index(ArchiveIndex(issues=tuple(reversed(issues)), voice=voice))


def _page(owed: OwedPage, written: IssueVersion | None) -> ArchivePage:
    if written is None or owed.frozen_at is None:
        raise LookupError("the issue has no such version, or has not begun")
    # Rendering takes a third of a second to import, which dispatch needs once an issue.
    from broadsheet.mail.public_issue import public_issue  # noqa: PLC0415 - see above

    link = settings.archive_link(owed.slug)
    public = public_issue(written, settings.newsletter(), settings.public_url(), link)
    return ArchivePage(
        issue=ArchivedIssue(
            id=owed.id,
            version=owed.version,
            slug=owed.slug,
            title=public.title,
            description=public.description,
            published_at=owed.frozen_at,
            updated_at=max(owed.frozen_at, written.created_at),
            image=public.image,
        ),
        headline=public.headline,
        html=public.html,
        is_authors_html=public.is_authors_html,
    )
