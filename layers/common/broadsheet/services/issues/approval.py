"""Asks those who may publish for their approval of an author's draft."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from broadsheet import authors_secret, settings
from broadsheet.database import approval_requests_table, issues_table, subscribers_table
from broadsheet.domain import errors
from broadsheet.domain.authors import Role
from broadsheet.domain.issues import IssueStatus
from broadsheet.mail import approval_mail
from broadsheet.mail.ses import sending
from broadsheet.mail.ses.results import MailNotTaken, MailRefused
from broadsheet.services.sending import pacing
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.issues import Issue, IssueId
    from broadsheet.mail.content import MailContent

REQUESTS_A_DAY = 20  # of one author: each version is a request of its own


def ask(connection: Connection, author: AuthorName, issue_id: IssueId, issue_url: str) -> int:
    """Mail the operator and whoever may publish; return how many were asked.

    Asking again for the same version sends nothing. Raises ``IssueNotFound``, ``IssuePublished``,
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
        before = approval_requests_table.insert(connection, author, issue, len(addresses))
        if before is not None:
            return before
        if approval_requests_table.count_of_day(connection, author) > REQUESTS_A_DAY:
            raise errors.SpentApprovalRequests(REQUESTS_A_DAY)
    audience = subscribers_table.count_confirmed(connection)
    mail = approval_mail.render_approval_request(
        settings.newsletter(), author, issue, issue_url, audience
    )
    reached = _send(connection, author, issue, addresses, mail)
    logger.info("approval requested", issue_id=str(issue_id), mails=reached)
    return reached


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
) -> int:
    """Send to each address; return how many were reached. If none, the author may ask again."""
    give_up_at = time.monotonic() + settings.timings().test_mails
    reached, failure = 0, None
    for address in addresses:
        if time.monotonic() > give_up_at:
            break
        pacing.count_single_mail(connection)
        try:
            sending.send_approval_request(settings.newsletter(), address, mail)
            reached += 1
        except (MailNotTaken, MailRefused) as error:
            logger.warning("approval mail not sent", issue_id=str(issue.id), reached=reached)
            failure = error
    if reached:
        approval_requests_table.set_mails(connection, author, issue, reached)
        return reached
    approval_requests_table.delete(connection, author, issue)
    if isinstance(failure, MailRefused):
        raise errors.RefusedApprovalMail(str(failure)) from failure
    raise errors.DependencyUnavailable("SES took no mail") from failure
