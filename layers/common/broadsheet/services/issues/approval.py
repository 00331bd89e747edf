"""Asks those who may publish for their approval of an author's draft."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from broadsheet import authors_secret, settings
from broadsheet.database import (
    approval_requests_table,
    daily_budgets_table,
    issues_table,
)
from broadsheet.domain import errors
from broadsheet.domain.authors import Role
from broadsheet.domain.issues import IssueStatus
from broadsheet.mail import approval_mail
from broadsheet.mail.ses import single_mails
from broadsheet.mail.ses.results import MailNotTaken, MailRefused
from broadsheet.services import looks
from broadsheet.services.people import segments
from broadsheet.services.sending import pacing
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.domain.issues import IssueId
    from broadsheet.mail.content import MailContent

REQUESTS_A_DAY = 20  # of one author: each version is a request of its own


def ask(connection: Connection, author: AuthorName, issue_id: IssueId, issue_url: str) -> int:
    """Mail the operator and whoever may publish; return how many were asked.

    Asking again for the same version mails only those who were not asked yet, such as after this
    process was killed. Raises ``IssueNotFound``, ``IssuePublished``,
    ``NobodyToAsk``, ``SpentApprovalRequests``, ``RefusedApprovalMail`` and
    ``DependencyUnavailable``.
    """
    addresses = _who_decides(author)
    with connection.transaction():
        issue = issues_table.lock(connection, issue_id)
        if issue is None:
            raise errors.IssueNotFound
        if issue.status is not IssueStatus.DRAFT:
            raise errors.IssuePublished(issue.status)
        if not addresses:
            raise errors.NobodyToAsk
        if approval_requests_table.insert(connection, author, issue):
            _count(connection, author)
    audience = segments.audience_now(connection, issue.segment)
    mail = approval_mail.render_approval_request(
        looks.newsletter(connection), author, issue, issue_url, audience
    )
    failure = _send(connection, author, issue, addresses, mail)
    asked = approval_requests_table.count_asked(connection, author, issue)
    if not asked and isinstance(failure, MailRefused):
        raise errors.RefusedApprovalMail(str(failure)) from failure
    if not asked:
        raise errors.DependencyUnavailable("SES took no mail") from failure
    logger.info("approval requested", issue_id=str(issue_id), mails=asked)
    return asked


def _count(connection: Connection, author: AuthorName) -> None:
    resets_at = daily_budgets_table.take(
        connection, author, daily_budgets_table.Kind.APPROVAL_REQUESTS, 1, REQUESTS_A_DAY
    )
    if resets_at is not None:
        raise errors.SpentApprovalRequests.until(resets_at, REQUESTS_A_DAY)


def _who_decides(author: AuthorName) -> list[str]:
    """Return the addresses of all who may publish, but for the author's own."""
    entries = authors_secret.authors().entries
    addresses = [
        str(entry.email)
        for entry in entries
        if entry.email and entry.name != author and entry.role.includes(Role.PUBLISH)
    ]
    own = {str(entry.email) for entry in entries if entry.name == author}
    if operator := settings.operator_address():
        addresses.append(operator.lower())
    return [address for address in dict.fromkeys(addresses) if address not in own]


def _send(
    connection: Connection,
    author: AuthorName,
    issue: Issue,
    addresses: list[str],
    mail: MailContent,
) -> MailNotTaken | MailRefused | None:
    """Send to each address that was not asked yet; return the last failure.

    The request is locked while a mail is sent, so that another call doesn't send it as well; who
    was asked is stored at once, so that a later call resumes where this one ends.
    """
    give_up_at = time.monotonic() + settings.timings().test_mails
    failure: MailNotTaken | MailRefused | None = None
    for address in addresses:
        if time.monotonic() > give_up_at:
            break
        with connection.transaction():
            if not approval_requests_table.lock(connection, author, issue, address):
                continue
            try:
                single_mails.send_approval_request(settings.newsletter(), address, mail)
            except (MailNotTaken, MailRefused) as error:
                logger.warning("approval mail not sent", issue_id=str(issue.id))
                failure = error
                continue
            approval_requests_table.add(connection, author, issue, address)
        pacing.count_single_mail(connection)
    return failure
