"""Sends the mails that answer sign-ups, at the rate that SES allows.

They form two lines, in which each has its turn: those with proof that a person signed up go before
all others. Whoever has their turn now, and finds free slots, is mailed at once. The message of any
other waits on the queue: that is no failure, and meanwhile confirmations are applied.
"""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, NamedTuple

from broadsheet import settings, signed_tokens
from broadsheet.database import (
    issues_table,
    sign_ups_table,
    subscribers_table,
    suspicious_sign_ups_table,
)
from broadsheet.database.suspicious_sign_ups_table import Suspicious
from broadsheet.domain.requests import ConfirmationToken
from broadsheet.domain.strict_mode import Withheld
from broadsheet.domain.subscribers import DueMail
from broadsheet.mail.ses import sending
from broadsheet.mail.ses.client import BULK_LIMIT
from broadsheet.mail.ses.results import (
    Accepted,
    MailNotTaken,
    MailRefused,
    MailUnknown,
    OutcomeUnknown,
    Refusal,
    Refused,
)
from broadsheet.mail.ses.sending import Answer
from broadsheet.services.sending import pacing
from broadsheet.services.subscribers import asked_mails, strictness
from broadsheet.telemetry import count, count_seconds, logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broadsheet.database.connection import Connection
    from broadsheet.database.sign_ups_table import AppliedSignUp
    from broadsheet.database.subscribers_table import DueMark
    from broadsheet.domain.newsletter import Newsletter
    from broadsheet.domain.requests import SubscribeRequest
    from broadsheet.i18n import Language
    from broadsheet.mail.content import MailContent
    from broadsheet.mail.ses.results import SendResult
    from broadsheet.queues.worker import Unfinished
    from broadsheet.services.sending.pacing import Allowed

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_TURNS_KEPT = 3  # which a mail may be late by, in a line of less than one in seconds


class OwedAnswer(NamedTuple):
    """A mail that is owed to a sign-up. ``language``: the mail's, as BCP 47 writes it."""

    position: int
    request: SubscribeRequest
    correlation_id: str | None
    mark: DueMark
    language: str
    sign_up: AppliedSignUp

    @property
    def turn(self) -> datetime:
        """When the mail leaves; long ago before it is in a line."""
        return self.sign_up.mail_at or _LONG_AGO

    def at(self, turn: datetime) -> OwedAnswer:
        """Return the mail with its turn."""
        return self._replace(sign_up=self.sign_up._replace(mail_at=turn))


def send(
    connection: Connection, owed: Sequence[OwedAnswer], deadline: datetime, *, is_strict: bool
) -> dict[int, Unfinished]:
    """Send the mails whose turn it is; return what is unfinished, by position.

    In strict mode, those without proof that still wait for their turns are withheld.
    """
    if is_strict:
        owed = _with_proof(connection, owed)
    if not owed:
        return {}
    at_most = pacing.allowed(connection)
    if at_most is None and pacing.present(connection)[1]:  # the 24-hour quota is spent
        oldest = min(each.request.received_at for each in owed)
        count_seconds("LineOfMails", (datetime.now(UTC) - oldest).total_seconds())
        return dict.fromkeys((each.position for each in owed), settings.timings().quota_wait)
    if at_most is None:  # SES has never reported its rate
        return _send_now(connection, owed, None, deadline)
    line = _Line(at_most, _rate_of_line(connection, at_most.rate))
    in_line = _in_line(connection, owed, line.rate)
    wait = timedelta(seconds=settings.timings().answer_wait)
    soon = datetime.now(UTC) + wait
    now = [each for each in in_line if each.turn <= soon]
    unfinished: dict[int, Unfinished] = {
        each.position: (each.turn - datetime.now(UTC)).total_seconds() + 1
        for each in in_line
        if each.turn > soon
    }
    if in_line[-1].turn > soon:
        count_seconds("LineOfMails", (in_line[-1].turn - soon).total_seconds())
    others = [each for each in now if not each.sign_up.is_proven]
    # Their turns were given before others with proof came.
    if others and not pacing.is_proven_line_within(connection, wait):
        left = _kept_or_moved(connection, others, line)
        _store_turns(connection, others, left)
        unfinished |= _back_in(left)
        now = [each for each in now if each.sign_up.is_proven]
    return unfinished | _send_now(connection, now, line, deadline)


class _Line(NamedTuple):
    """How fast mails may leave: ``rate`` a second, which is all or a part of ``at_most``."""

    at_most: Allowed
    rate: float


def _with_proof(connection: Connection, owed: Sequence[OwedAnswer]) -> list[OwedAnswer]:
    """Return the mails with proof; keep the others' sign-ups, and owe them nothing."""
    withheld = [each for each in owed if not each.sign_up.is_proven]
    if withheld:
        with connection.transaction():
            subscribers_table.clear_due_mails(connection, [each.mark for each in withheld])
            suspicious_sign_ups_table.withhold(
                connection,
                [
                    Suspicious(
                        each.request.id,
                        each.mark.subscriber_id,
                        Withheld.UNPROVEN,
                        each.request.received_at,
                    )
                    for each in withheld
                ],
            )
        count("SuspiciousSignUps", len(withheld))
        strictness.count_confirmations(connection, asked=len(withheld))
    return [each for each in owed if each.sign_up.is_proven]


def _rate_of_line(connection: Connection, rate: float) -> float:
    """Return the mails a second: all that SES takes, or half of it beside an issue."""
    per_hour = settings.budgets().per_hour
    share = rate / 2 if issues_table.is_any_sending(connection) else rate
    return min(share, per_hour / 3600) if per_hour else share


def _in_line(connection: Connection, owed: Sequence[OwedAnswer], rate: float) -> list[OwedAnswer]:
    """Return the mails in the order of their turns; new ones are put to the ends of the lines."""
    waiting = [each for each in owed if each.sign_up.mail_at is not None]
    new = [each for each in owed if each.sign_up.mail_at is None]
    if new:
        placed = _at_the_ends(connection, new, rate)
        later = datetime.now(UTC) + timedelta(seconds=settings.timings().answer_wait)
        _store_turns(connection, new, [each for each in placed if each.turn > later])
        new = placed
    return sorted([*waiting, *new], key=lambda each: each.turn)


def _at_the_ends(
    connection: Connection, owed: Sequence[OwedAnswer], rate: float
) -> list[OwedAnswer]:
    """Return the mails with turns at the ends of the two lines."""
    proven = [each for each in owed if each.sign_up.is_proven]
    others = [each for each in owed if not each.sign_up.is_proven]
    firsts = pacing.queue_single_mails(connection, len(proven), len(others), rate)
    begin = datetime.now(UTC)
    return [
        each.at(begin + timedelta(seconds=first + place / rate))
        for first, line in zip(firsts, (proven, others), strict=True)
        for place, each in enumerate(line)
    ]


def _kept_or_moved(
    connection: Connection, owed: Sequence[OwedAnswer], line: _Line
) -> list[OwedAnswer]:
    """Return mails that may not leave although it is their turn, with the turns that they have now.

    Whoever missed it by seconds, or by a few turns of a slow line, keeps it. Others get new ones:
    if many kept theirs, all mails after them would be late as well, and come again and again.
    """
    kept = max(settings.timings().answer_turn_kept, _TURNS_KEPT / line.rate)
    missed = datetime.now(UTC) - timedelta(seconds=kept)
    late = [each for each in owed if each.turn <= missed]
    moved = _at_the_ends(connection, late, line.rate) if late else []
    return [*(each for each in owed if each.turn > missed), *moved]


def _store_turns(
    connection: Connection, before: Sequence[OwedAnswer], after: Sequence[OwedAnswer]
) -> None:
    """Store the turns of mails, unless another invocation has claimed them since."""
    seen = {each.request.id: each.sign_up.mail_at for each in before}
    turns = {
        each.request.id: (seen[each.request.id], each.turn)
        for each in after
        if each.turn != seen[each.request.id]
    }
    if turns:
        sign_ups_table.set_turns(connection, turns)


def _back_in(owed: Sequence[OwedAnswer]) -> dict[int, Unfinished]:
    """Return in how many seconds the messages of mails that are left come back, by position."""
    now, soonest = datetime.now(UTC), settings.timings().left_message_retry
    return {each.position: max(soonest, (each.turn - now).total_seconds() + 1) for each in owed}


def _send_call(
    connection: Connection,
    newsletter: Newsletter,
    templates: MailContent,
    answers: Sequence[OwedAnswer],
    deadline: datetime,
) -> dict[int, Unfinished]:
    """Send one call, and clear the marks of what SES took; return what the others wait for."""
    results = sending.send_answers(
        newsletter, templates, [_answer(each) for each in answers], deadline
    )
    sent, unfinished = [], {}
    for each, result in zip(answers, results, strict=True):
        if isinstance(result, Accepted):
            sent.append(each.mark)
            _log_sent(each, result)
        else:
            unfinished[each.position] = _react(connection, result)
    if sent:
        _record_sent(connection, sent)
    return unfinished


def _send_now(
    connection: Connection, owed: Sequence[OwedAnswer], line: _Line | None, deadline: datetime
) -> dict[int, Unfinished]:
    """Send mails in calls, each at the turn of its first, and clear the marks of those sent.

    Each is claimed before, since its message may be there twice. Without a line, no rate is known.
    """
    # Only a sign-up renders: jinja2 and the CSS inliner take a fifth of enroll's import.
    from broadsheet.mail import confirmation_mail  # noqa: PLC0415
    from broadsheet.services import looks  # noqa: PLC0415

    newsletter = looks.newsletter(connection)
    claimed, unfinished = _claim(connection, owed, deadline)
    not_sent: list[OwedAnswer] = []
    call_size = pacing.call_size(line.rate) if line else BULK_LIMIT
    began = datetime.now(UTC)
    no_slots: list[OwedAnswer] = []
    for text, answers in _calls(claimed, call_size):
        if no_slots:  # then nobody after them finds one
            no_slots += answers
            continue
        _wait_until(answers[0].turn, deadline)
        if line and not _wait_for_slots(connection, text, len(answers), line, began, deadline):
            no_slots += answers
            continue
        if datetime.now(UTC) >= deadline:
            unfinished |= _back_in(answers)
            not_sent += answers
            continue
        templates = confirmation_mail.templates(
            newsletter, text.mail, text.language, has_code=text.has_code
        )
        refused = _send_call(connection, newsletter, templates, answers, deadline)
        unfinished |= refused
        not_sent += [each for each in answers if each.position in refused]
    if no_slots and line:
        left = _kept_or_moved(connection, no_slots, line)
        unfinished |= _back_in(left)
        not_sent += left
    if not_sent:
        _release(connection, not_sent, unfinished)
    return unfinished


def _wait_for_slots(  # noqa: PLR0913, PLR0917 - whose, how many, how fast, and until when
    connection: Connection,
    text: _Text,
    mails: int,
    line: _Line,
    began: datetime,
    deadline: datetime,
) -> bool:
    """Wait for free slots, and return True; return False at once if none is free soon.

    Mails that missed their turns come back together, and other invocations send as well. Those with
    proof may wait twice as long, so that they find slots when others leave none.
    """
    longest = timedelta(seconds=settings.timings().answer_slots_wait) * (1 + text.is_proven)
    within = max(began + longest - datetime.now(UTC), timedelta())
    delay = pacing.take_answer_slots(connection, mails, line.at_most, line.rate, within)
    if delay is None:
        return False
    _wait_until(datetime.now(UTC) + delay, deadline)
    return True


def _claim(
    connection: Connection, owed: Sequence[OwedAnswer], deadline: datetime
) -> tuple[list[OwedAnswer], dict[int, Unfinished]]:
    """Claim mails; return those that are ours, and when the messages of the others come back.

    A claim lasts as long as the invocation may run, and its mail's way to its turn: whoever takes
    over the mails of one that was killed keeps to SES's rate.
    """
    timings, now = settings.timings(), datetime.now(UTC)
    end = deadline + timedelta(seconds=timings.enroll_margin + timings.message_hold_margin)
    until = {each.request.id: end + max(timedelta(), each.turn - now) for each in owed}
    due = now + timedelta(seconds=timings.answer_wait)
    ours = sign_ups_table.claim(connection, until, due) if owed else set()
    others = [each for each in owed if each.request.id not in ours]
    if others:
        logger.info("mails are sent by another invocation", mails=len(others))
    return [each for each in owed if each.request.id in ours], {
        each.position: (until[each.request.id] - now).total_seconds() for each in others
    }


def _record_sent(connection: Connection, sent: Sequence[DueMark]) -> None:
    count("ConfirmationMails", len(sent))
    strictness.count_confirmations(
        connection, asked=sum(mark.mail is DueMail.CONFIRMATION for mark in sent)
    )
    subscribers_table.clear_due_mails(connection, sent)
    sign_ups_table.record_sent(connection, [mark.request_id for mark in sent])


def _release(
    connection: Connection, not_sent: Sequence[OwedAnswer], unfinished: dict[int, Unfinished]
) -> None:
    """Give up the claims of mails that were not sent, and report how long they have failed.

    A message that is put back is a new one, whose age says nothing of it.
    """
    failed = {
        each.request.id for each in not_sent if isinstance(unfinished[each.position], Exception)
    }
    since = sign_ups_table.release(
        connection, {each.request.id: each.sign_up.mail_at for each in not_sent}, failed
    )
    if since is not None:
        count_seconds("OldestFailure", (datetime.now(UTC) - since).total_seconds())


class _Text(NamedTuple):
    """What mails have in common that go into one call."""

    mail: DueMail
    language: Language
    has_code: bool
    is_proven: bool


def _calls(owed: Sequence[OwedAnswer], size: int) -> Iterator[tuple[_Text, Sequence[OwedAnswer]]]:
    """Yield what goes into one call: mails with one text, those with proof first, by turn."""
    of_text: dict[_Text, list[OwedAnswer]] = defaultdict(list)
    for each in owed:
        language = asked_mails.language_of(each.language)
        text = _Text(each.mark.mail, language, _has_code(each), each.sign_up.is_proven)
        of_text[text].append(each)
    calls = [
        (text, call)
        for text, answers in of_text.items()
        for call in batched(answers, size, strict=False)
    ]
    yield from sorted(calls, key=lambda call: (not call[0].is_proven, call[1][0].turn))


def _has_code(owed: OwedAnswer) -> bool:
    """Return whether the code still works when the mail leaves; its link works longer."""
    works_until = owed.request.received_at + timedelta(seconds=settings.timings().code_valid)
    return max(owed.turn, datetime.now(UTC)) < works_until


def _answer(owed: OwedAnswer) -> Answer:
    from broadsheet.mail import confirmation_mail  # noqa: PLC0415 - as above

    variables: dict[str, str] = {}
    if owed.mark.mail is DueMail.CONFIRMATION:
        token = signed_tokens.sign_confirmation(ConfirmationToken.of(owed.request))
        variables = confirmation_mail.variables_of(
            settings.confirmation_link(token), signed_tokens.confirmation_code(owed.request)
        )
    return Answer(owed.mark.subscriber_id, str(owed.request.email), variables)


def _wait_until(turn: datetime, deadline: datetime) -> None:
    time.sleep(max(0.0, (min(turn, deadline) - datetime.now(UTC)).total_seconds()))


def _react(connection: Connection, result: SendResult) -> Unfinished:
    """Return why a mail is still owed; slow down or stop if SES asks for it."""
    match result:
        case Refused(Refusal.THROTTLED):
            pacing.slow_down(connection)
            return settings.timings().left_message_retry
        case Refused(Refusal.QUOTA):
            pacing.stop_for_the_day(connection)
            return settings.timings().quota_wait
        case Refused(Refusal.NOT_BEGUN, "PAST_DEADLINE"):
            return settings.timings().left_message_retry
        case Refused(Refusal.RECIPIENT, reason):
            return MailRefused(f"SES refused the mail: {reason}")
        case OutcomeUnknown(reason):
            return MailUnknown(f"SES may have taken the mail: {reason}")
        case Refused(_, reason):
            return MailNotTaken(f"SES did not take the mail: {reason}")
        case Accepted():
            raise AssertionError("an accepted mail is no longer owed")


def _log_sent(owed: OwedAnswer, result: Accepted) -> None:
    logger.info(
        "mail sent",
        correlation_id=owed.correlation_id,
        subscriber_id=str(owed.mark.subscriber_id),
        mail=owed.mark.mail,
        message_id=result.message_id,
    )
