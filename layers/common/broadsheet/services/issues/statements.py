"""Certifies the circulation of finished issues: counts it, signs it, and publishes it.

All of it is one transaction, and S3 is written in it: whatever ends it, the statement stays owed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from broadsheet import settings
from broadsheet.database import (
    archive_table,
    issues_table,
    owed_statements_table,
    statements_table,
)
from broadsheet.domain.circulation import Statement
from broadsheet.domain.errors import IssueNotFound, StatementNotFound
from broadsheet.services.issues import archive_pages, counting
from broadsheet.storage import archive
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.circulation import SignedStatement
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.domain.issues import IssueId


# As long as the queues keep an event of SES; bounces and complaints that come later are rare.
_FINAL_AFTER = timedelta(days=14)


def show(connection: Connection, issue_id: IssueId) -> SignedStatement:
    """Return an issue's statement, also of one that the archive doesn't show.

    Raises ``IssueNotFound`` and ``StatementNotFound``.
    """
    if issues_table.find(connection, issue_id) is None:
        raise IssueNotFound
    signed = statements_table.find(connection, issue_id)
    if signed is None:
        raise StatementNotFound
    return signed


def publish_keys(connection: Connection) -> None:
    """Publish keys that were added or retired. Raises ``DependencyUnavailable``."""
    with connection.transaction():
        if statements_table.has_keys(connection):
            _update_keys(connection)


def _update_keys(connection: Connection) -> None:
    # Of all functions, only dispatch signs.
    from broadsheet import statement_signing  # noqa: PLC0415 - see above

    archive.store_keys(statements_table.update_keys(connection, statement_signing.public_keys()))


def certify(connection: Connection, issue_id: IssueId) -> None:
    """Make or renew an issue's statement, if it is owed. Raises ``DependencyUnavailable``."""
    with connection.transaction():
        if not archive_table.try_lock(connection):
            logger.info("another dispatch changes the archive", issue_id=str(issue_id))
            return
        issue = issues_table.find(connection, issue_id)
        # Another dispatch may have been faster.
        if issue is None or not owed_statements_table.is_owed(connection, issue_id):
            return
        _certify(connection, issue)
    logger.info("circulation certified", issue_id=str(issue_id))


def _certify(connection: Connection, issue: Issue) -> None:
    from broadsheet import statement_signing  # noqa: PLC0415 - see _update_keys

    # One that came with an import of everything is published as it was signed.
    signed = statements_table.find_final(connection, issue.id)
    if signed is None:
        signed, key_id = statement_signing.sign(_count(connection, issue))
        statements_table.store(connection, signed, key_id, is_public=issue.archive)
    _update_keys(connection)
    if not issue.archive:
        archive.remove_statement(issue.id)
        return
    archive.store_statement(issue.id, signed)
    archive_table.set_has_circulation(connection, issue.id)
    archive_pages.store_index(connection)


def _count(connection: Connection, issue: Issue) -> Statement:
    if issue.audience is None or issue.frozen_at is None or issue.finished_at is None:
        raise LookupError("the issue has not finished")
    as_of = datetime.now(UTC)
    counted = counting.count(connection, issue)
    return Statement(
        newsletter=settings.newsletter_name(),
        issue=issue.id,
        slug=issue.slug,
        segment=str(issue.segment) if issue.segment is not None else None,
        published_at=issue.frozen_at,
        finished_at=issue.finished_at,
        as_of=as_of,
        is_final=as_of >= issue.finished_at + _FINAL_AFTER,
        audience=issue.audience,
        accepted=counted.accepted,
        failed=sum(counted.failed.values()),
        skipped=sum(counted.skipped.values()),
        unresolved=counted.unresolved,
        delivered=counted.delivered,
        bounced=counted.bounced,
        complained=counted.complained,
        possibly_twice=counted.possibly_twice,
        versions={str(number): mails for number, mails in counted.accepted_by_version.items()},
        keys=settings.archive_link("keys.json"),
    )
