"""Welcomes new subscribers, once, after they have confirmed for the first time.

The mail is owed as the confirmation mail is: its mark commits with the confirmation, the mail is
sent after that, and then the mark moves on. When sending fails, or the process dies, the
redelivered request finds the mark and sends; two mails are better than none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broadsheet import settings, signed_tokens
from broadsheet.database import (
    issues_table,
    rendered_versions,
    subscribers_table,
    welcome_mail_table,
)
from broadsheet.domain.issues import NO_ISSUE
from broadsheet.domain.requests import ManageToken, UnsubscribeToken
from broadsheet.domain.subscribers import DueWelcome
from broadsheet.mail import footer, substitutions
from broadsheet.mail.links import links_to
from broadsheet.mail.ses import single_mails
from broadsheet.mail.ses.results import MailRefused
from broadsheet.mail.substitutions import Reader, Tokens
from broadsheet.services.sending import pacing
from broadsheet.services.subscribers import asked_mails
from broadsheet.telemetry import count, log_failure, logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issues import IssueId, RenderedIssue
    from broadsheet.domain.requests import SignUp
    from broadsheet.domain.subscriber_state import Subscriber
    from broadsheet.mail.content import MailContent


def owe(connection: Connection, before: Subscriber) -> DueWelcome | None:
    """Mark the welcome mail as due to somebody who has confirmed; return what is due.

    ``before``: the subscriber before that. Somebody who confirmed earlier is owed no new welcome,
    even if they never had one.
    """
    if not settings.sends_welcome_mail():
        return None
    if before.confirmed_at is not None:
        return before.due_welcome
    return DueWelcome.WELCOME if subscribers_table.owe_welcome(connection, before.id) else None


def send_due(
    connection: Connection, subscriber: Subscriber, sign_up: SignUp, due: DueWelcome
) -> None:
    """Send what a subscriber is owed, as their ``sign_up`` addresses them.

    Raises ``MailNotTaken``.
    """
    welcome = welcome_mail_table.find_rendered(connection)
    if welcome is None:
        return
    if due is DueWelcome.WELCOME:
        after = DueWelcome.NEWEST_ISSUE if welcome.with_newest_issue else None
        mail = _mail_to(subscriber, sign_up, welcome, NO_ISSUE)
        _send_once(connection, subscriber, mail, {"mail": due}, after)
    newest = None
    if welcome.with_newest_issue:
        newest = issues_table.find_newest_finished(connection, but_for=subscriber.id)
    if newest is not None:
        issue = rendered_versions.find(connection, newest.id, newest.version)
        mail = _mail_to(subscriber, sign_up, issue, newest.id, issue.slug)
        is_of = {"issue_id": str(newest.id), "version": newest.version}
        _send_once(connection, subscriber, mail, {"mail": DueWelcome.NEWEST_ISSUE} | is_of, None)
    else:
        subscribers_table.set_due_welcome(connection, subscriber.id, None)


def _mail_to(
    subscriber: Subscriber,
    sign_up: SignUp,
    templates: RenderedIssue,
    issue_id: IssueId,
    slug: str | None = None,
) -> MailContent:
    newsletter, to = settings.newsletter(), subscriber.id
    language = asked_mails.language_of(sign_up.language)
    tokens = Tokens(
        signed_tokens.sign_unsubscribe(UnsubscribeToken(subscriber_id=to, issue_id=issue_id)),
        signed_tokens.sign_manage(ManageToken(subscriber_id=to, issue_id=issue_id)),
    )
    reader = Reader(sign_up.name or "", tokens, footer.texts(newsletter, language))
    return substitutions.mail_to(templates, reader, links_to(slug, issue_id))


def _send_once(
    connection: Connection,
    subscriber: Subscriber,
    mail: MailContent,
    welcome: dict[str, Any],
    after: DueWelcome | None,
) -> None:
    """Send a mail if it is still due, and store that, and what is due after it.

    ``welcome``: which mail it is, and of which issue, as it is stored.

    The subscriber is locked meanwhile: a second delivery of the same request waits, and then finds
    it sent. A mail that SES will never accept is given up: the confirmation itself was applied.
    """
    pacing.count_single_mail(connection)  # before, or all senders would wait for the lock as well
    with connection.transaction():
        due = subscribers_table.lock_due_welcome(connection, subscriber.id)
        if due is not welcome["mail"]:
            return
        subscribers_table.set_due_welcome(connection, subscriber.id, after)
        try:
            message_id = single_mails.send_to_subscriber(
                settings.newsletter(), subscriber.id, subscriber.email, mail
            )
        except MailRefused as error:
            count("WelcomeMailsRefused")
            log_failure("welcome mail refused", error, subscriber_id=str(subscriber.id), mail=due)
            refused = {"refused": str(error).removeprefix("SES refused the mail: ")}
            subscribers_table.note_welcome(connection, subscriber.id, welcome | refused)
            return
        taken = {"message_id": message_id}
        subscribers_table.note_welcome(connection, subscriber.id, welcome | taken)
    logger.info(
        "welcome mail sent", subscriber_id=str(subscriber.id), mail=due, message_id=message_id
    )
