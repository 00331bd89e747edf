"""Applies sets of sign-ups in a handful of statements.

The mark of the mail that answers a sign-up commits with the subscriber's state. The mail is sent
after that, and then the mark is cleared. When sending fails, the redelivered request finds the
mark and sends.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from broadsheet import settings
from broadsheet.database import sign_ups_table, subscribers_table
from broadsheet.database.sign_ups_table import AppliedSignUp, NewSignUp, Window
from broadsheet.database.subscribers_table import DueMark
from broadsheet.domain.subscribers import DueMail, SubscriberStatus
from broadsheet.services.subscribers import answering, departing
from broadsheet.services.subscribers.answering import OwedAnswer
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.database.subscribers_table import SignedUp
    from broadsheet.domain.requests import SubscribeRequest
    from broadsheet.queues.worker import Unfinished


class ReceivedSignUp(NamedTuple):
    """A sign-up, its position in the set of messages, and the request that it came from."""

    position: int
    request: SubscribeRequest
    correlation_id: str | None


def sign_up(
    connection: Connection, received: Sequence[ReceivedSignUp], deadline: datetime
) -> dict[int, Unfinished]:
    """Insert the subscribers who are new, and send the mails that answer the sign-ups.

    If the set fails as a whole, each sign-up is applied alone, so that only the bad ones fail.
    """
    if not received:
        return {}
    unfinished: dict[int, Unfinished] = {}
    try:
        owed = _apply(connection, received)
    except Exception as error:
        if connection.closed:  # then it is nothing about these sign-ups
            raise
        if len(received) == 1:
            return {received[0].position: error}
        for each in received:
            unfinished |= sign_up(connection, [each], deadline)
        return unfinished
    return answering.send(connection, owed, deadline)


def _apply(connection: Connection, received: Sequence[ReceivedSignUp]) -> list[OwedAnswer]:
    """Apply sign-ups in one transaction; return the mails that are owed after it."""
    owed: list[OwedAnswer] = []
    new = 0
    with connection.transaction():
        for each_once in _rounds(_not_left_since(connection, received)):
            subscribers = subscribers_table.sign_up(
                connection, [each.request for each in each_once]
            )
            known = sign_ups_table.find(connection, [each.request.id for each in each_once])
            fresh = [each for each in each_once if each.request.id not in known]
            if fresh:
                known |= _apply_new(connection, fresh, subscribers)
                new += len(fresh)
            owed += [
                OwedAnswer(
                    each.position,
                    each.request,
                    each.correlation_id,
                    subscriber.mark,
                    _language(each.request, subscriber.mark, subscriber),
                    known[each.request.id].mail_at,
                )
                for each in each_once
                if (subscriber := subscribers[str(each.request.email)]).mark
                and known[each.request.id].mail_granted
            ]
    if new:
        count("SignUps", new)
    return owed


def _language(request: SubscribeRequest, mark: DueMark, subscriber: SignedUp) -> str:
    """Return the language of an answer: whoever reads already has chosen theirs before."""
    return subscriber.language if mark.mail is DueMail.ALREADY_SUBSCRIBED else request.language


def _not_left_since(
    connection: Connection, received: Sequence[ReceivedSignUp]
) -> list[ReceivedSignUp]:
    """Leave out sign-ups of addresses whose owners have moved or been erased since."""
    left_at = departing.departures(connection, [each.request.email for each in received])
    return [
        each
        for each in received
        if (at := left_at.get(each.request.email)) is None or each.request.received_at > at
    ]


def _rounds(received: Sequence[ReceivedSignUp]) -> Iterator[list[ReceivedSignUp]]:
    """Yield sign-ups in sets with each address once; nearly always, it is one set."""
    of_address: dict[str, list[ReceivedSignUp]] = defaultdict(list)
    seen = set()
    for each in received:
        if each.request.id not in seen:
            seen.add(each.request.id)
            of_address[str(each.request.email)].append(each)
    for sign_ups in of_address.values():
        sign_ups.sort(key=lambda each: each.request.received_at)
    for number in range(max(map(len, of_address.values()), default=0)):
        yield [sign_ups[number] for sign_ups in of_address.values() if len(sign_ups) > number]


def _apply_new(
    connection: Connection, new: Sequence[ReceivedSignUp], subscribers: dict[str, SignedUp]
) -> dict[UUID, AppliedSignUp]:
    """Apply sign-ups for the first time. Updates ``subscribers`` with the marks of their mails."""
    granted = _Budgets(connection, new, subscribers)
    sign_ups, marks = [], []
    for each in new:
        request = each.request
        subscriber = subscribers[str(request.email)]
        mail = _mail_for(request, subscriber)
        is_granted = mail is not None and granted.grant(request, subscriber)
        sign_ups.append(NewSignUp(request, subscriber.id, is_granted, mail is DueMail.CONFIRMATION))
        if mail is not None and is_granted:
            marks.append(DueMark(subscriber.id, mail, request.received_at))
            subscribers[subscriber.email] = subscriber.owed(marks[-1])
        logger.info(
            "signed up",
            correlation_id=each.correlation_id,
            subscriber_id=str(subscriber.id),
            status=subscriber.status,
            mail=mail,
            within_budget=is_granted,
        )
    sign_ups_table.insert(connection, sign_ups)
    if marks:
        subscribers_table.owe_mails(connection, marks)
    return {each.request.id: AppliedSignUp(each.granted, None) for each in sign_ups}


def _mail_for(request: SubscribeRequest, subscriber: SignedUp) -> DueMail | None:
    """Return the mail that answers a sign-up; None after a newer request of the subscriber."""
    newer = [subscriber.confirmed_at, subscriber.unsubscribed_at]
    if any(at is not None and at >= request.received_at for at in newer):
        return None
    match subscriber.status:
        case SubscriberStatus.COMPLAINED:
            return None
        case SubscriberStatus.CONFIRMED:
            return DueMail.ALREADY_SUBSCRIBED
        case _:
            return DueMail.CONFIRMATION


class _Budgets:
    """What addresses and sources may still cause; sources are locked until the commit."""

    def __init__(
        self,
        connection: Connection,
        new: Sequence[ReceivedSignUp],
        subscribers: dict[str, SignedUp],
    ) -> None:
        timings = settings.timings()
        self._limits = settings.budgets()
        self._day = timedelta(seconds=timings.address_budget_window)
        self._hour = timedelta(seconds=timings.source_budget_window)
        oldest = min(each.request.received_at for each in new)
        networks = {each.request.origin.source_address.network for each in new}
        sign_ups_table.lock_sources(connection, networks)
        self._to_subscribers, self._to_sources = sign_ups_table.newest_granted(
            connection,
            {subscribers[str(each.request.email)].id for each in new},
            Window(oldest - self._day, self._limits.per_address_per_day),
            networks,
            Window(oldest - self._hour, self._limits.per_source_per_hour),
        )

    def grant(self, request: SubscribeRequest, subscriber: SignedUp) -> bool:
        """Grant a sign-up its mail, if both budgets have room in their window up to it."""
        to_source = self._to_sources[request.origin.source_address.network]
        to_subscriber = self._to_subscribers[subscriber.id]
        day, hour = request.received_at - self._day, request.received_at - self._hour
        if (
            sum(at > day for at in to_subscriber) >= self._limits.per_address_per_day
            or sum(at > hour for at in to_source) >= self._limits.per_source_per_hour
        ):
            return False
        to_source.append(request.received_at)
        return True
