"""What is done on somebody's behalf: each act is recorded with its author.

None of it revives anybody who has left: whoever unsubscribed, bounced or complained comes back by
their own confirmation, or is forgiven first; whoever was erased, by a sign-up of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from broadsheet import settings
from broadsheet.database import consents_table, personal_data, subscribers_table
from broadsheet.database.consents_table import Recorded
from broadsheet.domain import errors
from broadsheet.domain.requests import SignUp, SubscribeRequest, now
from broadsheet.domain.subscribers import SubscriberStatus
from broadsheet.mail.ses import account
from broadsheet.queues import requests_queue
from broadsheet.services.subscribers import departing, signing_up, tagging
from broadsheet.services.webhooks import outbox
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from datetime import datetime

    from broadsheet.database.connection import Connection
    from broadsheet.domain.authors import AuthorName
    from broadsheet.domain.on_behalf import AddRequest, StatedConsent
    from broadsheet.domain.requests import Origin
    from broadsheet.domain.subscriber_state import Subscriber
    from broadsheet.domain.subscribers import EmailAddress, SubscriberId
    from broadsheet.domain.tags import Tags

_GONE: dict[SubscriberStatus, type[errors.WrongStanding]] = {
    SubscriberStatus.UNSUBSCRIBED: errors.HasUnsubscribed,
    SubscriberStatus.BOUNCED: errors.HasBounced,
    SubscriberStatus.COMPLAINED: errors.HasComplained,
}


class Added(NamedTuple):
    """Somebody who was added. ``mail``: what becomes of the mail that asks them to confirm."""

    id: SubscriberId
    is_new: bool
    mail: str | None


def add(
    connection: Connection,
    request: AddRequest,
    author: AuthorName,
    origin: Origin,
    correlation_id: str,
) -> Added:
    """Add a subscriber, to confirm or with a consent that was given elsewhere.

    Raises ``WrongStanding`` for whom that must not be done, and ``DependencyUnavailable``.
    """
    if request.confirmed is not None:
        return _add_confirmed(connection, request, request.confirmed, author)
    wanted = SubscribeRequest(
        email=request.email,
        name=request.name,
        language=request.language or settings.newsletter_language(),
        origin=origin,
        proof="author",
        author=author,
        author_tags=request.tags,
    )
    with connection.transaction():
        known = subscribers_table.find_by_email(connection, request.email)
        _refuse_departed(connection, request.email, known)
        if known is not None and known.status is SubscriberStatus.CONFIRMED:
            raise errors.AlreadySubscribed(str(known.id))
        if known is not None and known.status is SubscriberStatus.COMPLAINED:
            raise errors.HasComplained(str(known.id))
    # The mail is sent by its message, which also applies it if this process ends here.
    requests_queue.send(wanted, correlation_id)
    is_granted = signing_up.apply(connection, wanted, correlation_id)
    with connection.transaction():
        subscriber = subscribers_table.lock_by_email(connection, request.email)
    return Added(subscriber.id, known is None, "queued" if is_granted else "withheld")


def _add_confirmed(
    connection: Connection, request: AddRequest, consent: StatedConsent, author: AuthorName
) -> Added:
    if consent.at > now():
        raise errors.ConsentInFuture
    with connection.transaction():
        known = subscribers_table.find_by_email(connection, request.email)
        if known is not None and known.status in _GONE:
            raise _GONE[known.status](str(known.id))
        if known is not None and known.status is SubscriberStatus.CONFIRMED:
            return Added(known.id, is_new=False, mail=None)
        _refuse_departed(connection, request.email, known, consent.at)
        sign_up = SignUp(
            email=request.email,
            name=request.name,
            language=request.language or settings.newsletter_language(),
        )
        subscribers_table.insert_pending(connection, sign_up, consent.at)
        subscriber = subscribers_table.lock_by_email(connection, request.email)
        subscribers_table.state_consent(connection, subscriber.id, consent.at)
        recorded = Recorded("confirmed", consent.at, author, consent.source)
        consents_table.record(connection, subscriber.id, recorded)
        tagging.add(connection, subscriber.id, request.tags, author)
    count("Confirmations")
    outbox.kick(connection)
    logger.info("consent stated", subscriber_id=str(subscriber.id))
    return Added(subscriber.id, known is None, mail=None)


def _refuse_departed(
    connection: Connection,
    email: EmailAddress,
    known: Subscriber | None,
    consented_at: datetime | None = None,
) -> None:
    """Refuse an address that was left, unless its owner has come back since.

    ``consented_at``: of a consent that is stated. Anybody may have typed the address since, so that
    a consent from before somebody left counts no more.
    """
    left = departing.departure(connection, email)
    if left is not None and (
        known is None or (consented_at is not None and consented_at <= left.at)
    ):
        raise _DEPARTED[left.because]


_DEPARTED: dict[str, type[errors.HasLeft]] = {
    "erased": errors.HasBeenErased,
    "expired": errors.HasExpired,
    "moved": errors.HasMoved,
}


def _locked(connection: Connection, subscriber_id: SubscriberId) -> Subscriber:
    subscriber = subscribers_table.lock_by_id(connection, subscriber_id)
    # An id that a move has replaced means its successor in readers' links alone.
    if subscriber is None or subscriber.id != subscriber_id:
        raise errors.SubscriberNotFound
    return subscriber


def unsubscribe(
    connection: Connection, subscriber_id: SubscriberId, author: AuthorName, reason: str | None
) -> None:
    """Unsubscribe somebody; whoever has left already stays as they are."""
    at = now()
    with connection.transaction():
        before = _locked(connection, subscriber_id)
        left, came = before.unsubscribed_at, before.confirmation_issued_at
        if left is not None and (came is None or left >= came):
            return
        status = subscribers_table.merge_unsubscribe(connection, subscriber_id, at)
        recorded = Recorded("unsubscribed", at, author, reason)
        consents_table.record(connection, subscriber_id, recorded)
    count("Unsubscribes")
    outbox.kick(connection)
    logger.info("unsubscribed on behalf", subscriber_id=str(subscriber_id), status=status)


def erase(connection: Connection, subscriber_id: SubscriberId, author: AuthorName) -> None:
    """Erase somebody: a digest of their address remains, with its author."""
    with connection.transaction():
        subscriber = _locked(connection, subscriber_id)
        departing.depart(connection, subscriber.email, now(), "erased", author)
        personal_data.delete(connection, subscriber_id)
    outbox.kick(connection)
    logger.info("erased on behalf", subscriber_id=str(subscriber_id))


def forgive(
    connection: Connection, subscriber_id: SubscriberId, author: AuthorName, reason: str
) -> None:
    """Make a bounce or a complaint count no more, after the subscriber asked for it.

    The address is taken off SES's suppression list first: when SES does not answer, nothing is
    changed. What happens meanwhile is not forgiven. Raises ``NothingToForgive`` and
    ``DependencyUnavailable``.
    """
    at = now()
    with connection.transaction():
        before = _locked(connection, subscriber_id)
    if not _is_to_forgive(before):
        return
    account.lift_suppression(before.email)
    with connection.transaction():
        subscriber = _locked(connection, subscriber_id)
        if subscriber.email != before.email:
            raise errors.HasMoved(str(subscriber_id))  # SES suppresses the other address still
        if not _is_to_forgive(subscriber):
            return
        status = subscribers_table.forgive(connection, subscriber_id, at)
        recorded = Recorded("forgiven", at, author, reason)
        consents_table.record(connection, subscriber_id, recorded)
    count("Forgiven")
    outbox.kick(connection)
    logger.info("forgiven", subscriber_id=str(subscriber_id), status=status)


def _is_to_forgive(subscriber: Subscriber) -> bool:
    """Return whether there is something to forgive, or False if it is forgiven already.

    Raises ``NothingToForgive``.
    """
    if subscriber.status in {SubscriberStatus.BOUNCED, SubscriberStatus.COMPLAINED}:
        return True
    if subscriber.forgiven_at is None:
        raise errors.NothingToForgive(str(subscriber.id))
    return False


def change_tags(
    connection: Connection, subscriber_id: SubscriberId, author: AuthorName, tags: Tags
) -> None:
    """Store all tags that somebody has from now on."""
    with connection.transaction():
        _locked(connection, subscriber_id)
        if set(subscribers_table.tags_of(connection, subscriber_id)) != set(tags):
            tagging.store(connection, subscriber_id, tags, author)
    logger.info("tags changed on behalf", subscriber_id=str(subscriber_id))
