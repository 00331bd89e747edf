"""Applies sets of sign-ups in a handful of statements.

The mark of the mail that answers a sign-up commits with the subscriber's state. The mail is sent
after that, and then the mark is cleared. When sending fails, the redelivered request finds the
mark and sends.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal, NamedTuple

from broadsheet.database import sign_ups_table, subscribers_table, suspicious_sign_ups_table
from broadsheet.database.sign_ups_table import AppliedSignUp, NewSignUp
from broadsheet.database.subscribers_table import DueMark
from broadsheet.database.suspicious_sign_ups_table import Suspicious
from broadsheet.domain.strict_mode import Withheld
from broadsheet.domain.subscribers import DueMail, SubscriberId, SubscriberStatus
from broadsheet.services.subscribers import answering, budgets, departing, strictness, tagging
from broadsheet.services.subscribers.answering import OwedAnswer
from broadsheet.services.subscribers.budgets import Budgets
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


class _LeftMeanwhile(Exception):
    """An address was erased, or moved away from, while its sign-up was applied."""


def sign_up(
    connection: Connection, received: Sequence[ReceivedSignUp], deadline: datetime
) -> dict[int, Unfinished]:
    """Insert the subscribers who are new, and send the mails that answer the sign-ups.

    If the set fails as a whole, each sign-up is applied alone, so that only the bad ones fail.
    """
    if not received:
        return {}
    unfinished: dict[int, Unfinished] = {}
    is_strict = strictness.is_on(connection)
    try:
        owed = _apply(connection, received, is_strict=is_strict)
    except Exception as error:
        if connection.closed:  # then it is nothing about these sign-ups
            raise
        if len(received) == 1:
            return {received[0].position: error}
        for each in received:
            unfinished |= sign_up(connection, [each], deadline)
        return unfinished
    return answering.send(connection, owed, deadline, is_strict=is_strict)


def apply(connection: Connection, request: SubscribeRequest, correlation_id: str) -> bool:
    """Apply one sign-up that is on the queue as well, whose message sends its mail.

    Returns whether a mail is granted.
    """
    is_strict = strictness.is_on(connection)
    received = ReceivedSignUp(0, request, correlation_id)
    _apply(connection, [received], is_strict=is_strict)
    known = sign_ups_table.find(connection, [request.id])
    return request.id in known and known[request.id].mail_granted


def _apply(
    connection: Connection, received: Sequence[ReceivedSignUp], *, is_strict: bool
) -> list[OwedAnswer]:
    """Apply sign-ups in one transaction; return the mails that are owed after it."""
    owed: list[OwedAnswer] = []
    rounds = list(_rounds(_not_left_since(connection, received)))
    if not rounds:
        return owed
    with connection.transaction():
        # Each address is in the first round, so that its locks serve all rounds.
        subscribers = subscribers_table.sign_up(connection, [each.request for each in rounds[0]])
        everything = [each for each_once in rounds for each in each_once]
        # Again under their locks, since somebody may have been erased until just now.
        if len(_not_left_since(connection, everything)) < len(everything):
            raise _LeftMeanwhile
        known = sign_ups_table.find(connection, [each.request.id for each in everything])
        new = [each.request for each in everything if each.request.id not in known]
        budgets.lock(connection, new)
        for each_once in rounds:
            fresh = [each for each in each_once if each.request.id not in known]
            if fresh:
                known |= _apply_new(connection, fresh, subscribers, is_strict=is_strict)
            owed += _owed(each_once, subscribers, known)
        still_owed = {each.request.id for each in owed}
        needless = [id_ for id_, each in known.items() if each.mail_owed and id_ not in still_owed]
        if needless:  # they have confirmed, left or moved since
            sign_ups_table.clear_owed(connection, needless)
    if new:
        count("SignUps", len(new))
    return owed


def _owed(
    sign_ups: Sequence[ReceivedSignUp],
    subscribers: dict[str, SignedUp],
    known: dict[UUID, AppliedSignUp],
) -> list[OwedAnswer]:
    """Return the mails that some sign-ups are owed: each its own, not another's of its address."""
    owed = []
    for each in sign_ups:
        subscriber, sign_up = subscribers[str(each.request.email)], known[each.request.id]
        mark = _mark_of(each.request, subscriber, sign_up)
        if mark is not None:
            language = _language(each.request, mark, subscriber)
            owed.append(
                OwedAnswer(
                    each.position, each.request, each.correlation_id, mark, language, sign_up
                )
            )
    return owed


def _mark_of(
    request: SubscribeRequest, subscriber: SignedUp, sign_up: AppliedSignUp
) -> DueMark | None:
    """Return the mark of the mail that a sign-up is owed, if any.

    A mark of the subscriber says that a mail is due, since the newest sign-up. An older release
    marks no sign-up.
    """
    if subscriber.due_mail is None or _mail_for(request, subscriber) is None:
        return None
    is_newest = subscriber.due_mail_since == request.received_at
    if not sign_up.mail_granted or not (sign_up.mail_owed or is_newest):
        return None
    return DueMark(subscriber.id, subscriber.due_mail, request.received_at, request.id)


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
    connection: Connection,
    new: Sequence[ReceivedSignUp],
    subscribers: dict[str, SignedUp],
    *,
    is_strict: bool,
) -> dict[UUID, AppliedSignUp]:
    """Apply sign-ups for the first time. Updates ``subscribers`` with the marks of their mails."""
    room = Budgets(
        connection, [(each.request, subscribers[str(each.request.email)].id) for each in new]
    )
    proven = _proven(connection, new)
    sign_ups, marks, kept = [], [], []
    for each in new:
        request = each.request
        subscriber = subscribers[str(request.email)]
        is_proven = request.id in proven
        mail, withheld = _granted(each, subscriber, room, needs_proof=is_strict and not is_proven)
        is_granted = mail is not None and withheld is None
        is_consent = mail is DueMail.CONFIRMATION
        # An import's people have not come from where its author is.
        source = "" if request.import_id else budgets.source_of(request)
        sign_ups.append(
            NewSignUp(request, subscriber.id, source, is_granted, is_proven, is_consent)
        )
        if mail is not None and is_granted:
            marks.append(DueMark(subscriber.id, mail, request.received_at, request.id))
            subscribers[subscriber.email] = subscriber.owed(marks[-1])
        if is_consent and isinstance(withheld, Withheld):
            kept.append(Suspicious(request.id, subscriber.id, withheld, request.received_at))
    sign_ups_table.insert(connection, sign_ups)
    for each in new:
        if (author := each.request.author) is not None:
            whose = SubscriberId(subscribers[str(each.request.email)].id)
            tagging.add(connection, whose, each.request.author_tags, author)
    room.store()
    if marks:
        subscribers_table.owe_mails(connection, marks)
        suspicious_sign_ups_table.forget(connection, [mark.subscriber_id for mark in marks])
    if kept:
        _keep(connection, kept)
    return {
        each.request.id: AppliedSignUp(each.granted, each.is_proven, None, mail_owed=each.granted)
        for each in sign_ups
    }


def _granted(
    new: ReceivedSignUp, subscriber: SignedUp, room: Budgets, *, needs_proof: bool
) -> tuple[DueMail | None, Withheld | Literal["address"] | None]:
    """Return which mail a sign-up asks for, and why it is withheld, if it is."""
    mail = _mail_for(new.request, subscriber)
    withheld: Withheld | Literal["address"] | None = None
    if mail is not None:
        withheld = Withheld.UNPROVEN if needs_proof else room.spend(new.request, subscriber.id)
    logger.info(
        "signed up",
        correlation_id=new.correlation_id,
        subscriber_id=str(subscriber.id),
        status=subscriber.status,
        mail=mail,
        withheld=withheld,
    )
    return mail, withheld


def _keep(connection: Connection, suspicious: Sequence[Suspicious]) -> None:
    """Keep sign-ups that got no mail, until somebody looks at them."""
    suspicious_sign_ups_table.insert(connection, suspicious)
    count("SuspiciousSignUps", len(suspicious))
    strictness.count_confirmations(
        connection, asked=sum(each.reason is Withheld.UNPROVEN for each in suspicious)
    )


def _proven(connection: Connection, new: Sequence[ReceivedSignUp]) -> set[UUID]:
    """Return the ids of the sign-ups that have proof. A form's counts once."""
    by_form = {each.request.nonce: each.request.id for each in reversed(new) if each.request.nonce}
    proven = sign_ups_table.use_nonces(connection, by_form) if by_form else set()
    return proven | {each.request.id for each in new if each.request.proof == "author"}


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
