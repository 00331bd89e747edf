"""Sends authors their issues as test mails: in no ledger, and at most so many a day."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from broadsheet import authors_secret, settings
from broadsheet.database import daily_budgets_table, subscribers_table
from broadsheet.domain import errors
from broadsheet.domain.authors import Role
from broadsheet.domain.previews import TEST_MAILS_A_DAY
from broadsheet.mail import sample_mail
from broadsheet.mail.ses import single_mails
from broadsheet.mail.ses.results import MailNotTaken, MailRefused, MailUnknown
from broadsheet.services import looks
from broadsheet.services.issues import checking
from broadsheet.services.sending import pacing
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.findings import Finding
    from broadsheet.domain.issue_requests import IssueDraft
    from broadsheet.domain.subscribers import EmailAddress, SubscriberName
    from broadsheet.mail.content import MailContent

SUBJECT_PREFIX = "[Test] "


def require_allowed_addresses(
    author: AuthorName, role: Role | None, to: Sequence[EmailAddress]
) -> None:
    """Raise ``NotATestAddress`` for an address that this author may not send tests to.

    Who may publish may send a test anywhere. Who may only write sends to the addresses that the
    operator allowed. Raises ``DependencyUnavailable``.
    """
    if role is not None and role.includes(Role.PUBLISH):
        return
    allowed = {
        str(address)
        for entry in authors_secret.authors().entries
        if entry.name == author
        for address in (*entry.test_addresses, *([entry.email] if entry.email else []))
    }
    for number, address in enumerate(to, 1):
        if str(address) not in allowed:
            raise errors.NotATestAddress(number)


def send(
    connection: Connection,
    author: AuthorName,
    draft: IssueDraft,
    to: Sequence[EmailAddress],
    name: SubscriberName | None,
) -> Sequence[Finding]:
    """Send an issue as a test, and return what its author is warned of.

    The mails are counted before they are sent: a request whose answer was lost has used up its
    part of the day. Raises ``UnsendableIssue`` for what no mail can carry,
    ``SuppressedTestAddress``, ``SpentTestMails``, ``RefusedTestMail``, ``UnknownTestMail`` once a
    mail was or may have been sent, and ``DependencyUnavailable`` when surely none was.
    """
    newsletter = looks.newsletter(connection)
    checked = checking.check(draft, newsletter)
    checking.refuse_errors(checked.findings, {each.code for each in checked.findings})
    _refuse_suppressed(connection, to)
    _count(connection, author, len(to))
    mail = sample_mail.sample(checked.rendered, name, newsletter)
    mail = mail.model_copy(update={"subject": f"{SUBJECT_PREFIX}{mail.subject}"})
    _send_each(connection, to, mail)
    count("TestMails", len(to))
    logger.info("test mails sent", mails=len(to))
    return checked.findings


def _count(connection: Connection, author: AuthorName, mails: int) -> None:
    resets_at = daily_budgets_table.take(
        connection, author, daily_budgets_table.Kind.TEST_MAILS, mails, TEST_MAILS_A_DAY
    )
    if resets_at is not None:
        raise errors.SpentTestMails.until(resets_at, TEST_MAILS_A_DAY)


def _send_each(connection: Connection, to: Sequence[EmailAddress], mail: MailContent) -> None:
    """Send to each address. Clients repeat a 503, so it is only for what surely sent nothing."""
    give_up_at = time.monotonic() + settings.timings().test_mails
    for sent, address in enumerate(to):
        if time.monotonic() > give_up_at:
            raise errors.UnknownTestMail(sent + 1, sent) if sent else MailNotTaken("too slow")
        pacing.count_single_mail(connection)
        try:
            single_mails.send_test(settings.newsletter(), address, mail)
        except MailRefused as error:
            logger.warning("test mail refused", sent=sent)
            raise errors.RefusedTestMail(sent + 1, sent, str(error)) from error
        except MailNotTaken as error:
            if not sent and not isinstance(error, MailUnknown):
                raise
            logger.warning("test mail unknown", sent=sent)
            raise errors.UnknownTestMail(sent + 1, sent) from error


def _refuse_suppressed(connection: Connection, to: Sequence[EmailAddress]) -> None:
    suppressed = subscribers_table.find_suppressed(connection, to)
    for number, address in enumerate(to, 1):
        if address in suppressed:
            raise errors.SuppressedTestAddress(number)
