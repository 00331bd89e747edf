"""Sends authors their issues as test mails: in no ledger, and at most so many a day."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from broadsheet import authors_secret, settings
from broadsheet.database import subscribers_table, test_mail_budgets_table
from broadsheet.domain import errors
from broadsheet.domain.authors import Role
from broadsheet.domain.previews import TEST_MAILS_A_DAY
from broadsheet.mail import sample_mail
from broadsheet.mail.ses import sending
from broadsheet.mail.ses.results import MailNotTaken, MailRefused
from broadsheet.services.issues import checking
from broadsheet.services.sending import pacing
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.findings import Finding
    from broadsheet.domain.issues import IssueDraft
    from broadsheet.domain.subscribers import EmailAddress, SubscriberName

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
    ``SuppressedTestAddress``, ``SpentTestMails``, ``RefusedTestMail`` and
    ``DependencyUnavailable``.
    """
    checked = checking.check(draft)
    checking.refuse_errors(checked.findings, {each.code for each in checked.findings})
    _refuse_suppressed(connection, to)
    resets_at = test_mail_budgets_table.take(connection, author, len(to), TEST_MAILS_A_DAY)
    if resets_at is not None:
        raise errors.SpentTestMails(TEST_MAILS_A_DAY, f"{resets_at:%Y-%m-%dT%H:%M:%SZ}")
    mail = sample_mail.sample(checked.rendered, name)
    mail = mail.model_copy(update={"subject": f"{SUBJECT_PREFIX}{mail.subject}"})
    give_up_at = time.monotonic() + settings.timings().test_mails
    for sent, address in enumerate(to):
        if time.monotonic() > give_up_at:
            raise MailNotTaken("SES answers too slowly")
        pacing.count_single_mail(connection)
        try:
            sending.send_test(settings.newsletter(), address, mail)
        except MailRefused as error:
            logger.warning("test mail refused", sent=sent)
            raise errors.RefusedTestMail(sent + 1, sent, str(error)) from error
    count("TestMails", len(to))
    logger.info("test mails sent", mails=len(to))
    return checked.findings


def _refuse_suppressed(connection: Connection, to: Sequence[EmailAddress]) -> None:
    suppressed = subscribers_table.find_suppressed(connection, to)
    for number, address in enumerate(to, 1):
        if address in suppressed:
            raise errors.SuppressedTestAddress(number)
