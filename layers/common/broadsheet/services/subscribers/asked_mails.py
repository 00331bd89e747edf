"""Sends the mails that readers ask for while they manage a subscription.

They count for the budgets of confirmation mails. A mail is owed as those are: its mark commits with
the request, the mail is sent after that, and then the mark is cleared. When sending fails, or the
process dies, the redelivered request finds the mark and sends; two mails are better than none.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from broadsheet import i18n, settings
from broadsheet.database import asked_mails_table, sign_ups_table
from broadsheet.database.sign_ups_table import Window
from broadsheet.domain.subscribers import AskedMail
from broadsheet.mail.ses.results import MailRefused
from broadsheet.services.sending import pacing
from broadsheet.services.subscribers import budgets
from broadsheet.telemetry import log_failure, logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from broadsheet.database.connection import Connection
    from broadsheet.domain.requests import SubscriberRequest
    from broadsheet.domain.subscriber_state import Subscriber
    from broadsheet.i18n import Language


def grant(
    connection: Connection, request: SubscriberRequest, subscriber: Subscriber, kind: AskedMail
) -> bool:
    """Grant a request its mail, if the budgets allow it, and mark it as owed.

    Returns whether a mail was granted now; False for a request that was applied before.
    """
    if sign_ups_table.find(connection, [request.id]):
        return False
    source = budgets.source_of(request)
    granted = _is_within_budget(connection, request, subscriber, kind, source)
    asked_mails_table.insert(
        connection, request, subscriber.id, kind, source=source, granted=granted
    )
    logger.info(
        "mail asked for", subscriber_id=str(subscriber.id), mail=kind, within_budget=granted
    )
    return granted


def _is_within_budget(
    connection: Connection,
    request: SubscriberRequest,
    subscriber: Subscriber,
    kind: AskedMail,
    source: str,
) -> bool:
    """Return whether the mail fits into its source's budget and into that of its kind.

    A link may be asked for by anybody who knows the address, as a sign-up: both share one budget.
    The other mails need a link, so that no stranger uses up what a reader may ask for.
    """
    at_most, timings = settings.budgets(), settings.timings()
    day = timedelta(seconds=timings.address_budget_window)
    hour = timedelta(seconds=timings.source_budget_window)
    at = request.received_at
    sign_ups_table.lock_budgets(connection, [source])
    of_source = Window(at - hour, at_most.per_source_per_hour)
    granted = sign_ups_table.newest_granted(connection, [], of_source, [source], of_source)
    kinds = ("sign_up", kind) if kind is AskedMail.MANAGE_LINK else (kind,)
    of_kind = asked_mails_table.granted_to_subscriber(connection, subscriber.id, kinds, at - day)
    return (
        of_kind < at_most.per_address_per_day
        and len(granted.to_sources[source]) < at_most.per_source_per_hour
    )


def language_of(tag: str) -> Language:
    """Return the language of a reader's mails: the nearest to theirs, or the newsletter's."""
    return i18n.find(tag) or i18n.language(settings.newsletter().language)


def send_owed(
    connection: Connection, request: SubscriberRequest, kind: AskedMail, send: Callable[[], str]
) -> None:
    """Send the mail of a request if it is owed. Raises ``MailNotTaken``.

    ``send``: returns SES's message id. A mail that SES will never accept is given up.
    """
    if not asked_mails_table.is_owed(connection, request.id):
        return
    pacing.count_single_mail(connection)
    try:
        message_id = send()
        logger.info("mail sent", request_id=str(request.id), mail=kind, message_id=message_id)
    except MailRefused as error:
        log_failure("mail refused", error, request_id=str(request.id), mail=kind)
    asked_mails_table.clear(connection, request.id)
