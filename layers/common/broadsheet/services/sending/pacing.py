"""The rate of issues: the account's live rate, times the stack's share, less a headroom.

Called by deliver and dispatch; by what sends single mails, such as confirmations and test mails;
and by what shows an author the rate.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from broadsheet import settings
from broadsheet.database import send_governor_table
from broadsheet.domain import warm_up
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.domain.rates import ISSUES_SHARE, SLOWDOWN, SLOWDOWN_RECOVERY
from broadsheet.mail.ses import account
from broadsheet.mail.ses.client import BULK_LIMIT
from broadsheet.telemetry import count, count_percent, log_failure, logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.database.send_governor_table import Pace


class Allowed(NamedTuple):
    """How many mails of issues may leave: ``rate`` a second, and ``per_day`` while warming up.

    ``today``: how many of them have their slots already. ``day_ends``: when others are allowed.
    """

    rate: float
    per_day: int | None
    today: int
    day_ends: datetime

    @property
    def left(self) -> int | None:
        """How many more may leave today; None for as many as there are."""
        return None if self.per_day is None else max(0, self.per_day - self.today)

    @property
    def is_day_over(self) -> bool:
        """Whether today's room is less than one full batch."""
        return self.left is not None and self.left < BULK_LIMIT


def allowed(connection: Connection) -> Allowed | None:
    """Return how many mails of issues may leave; None while none may.

    None may leave when the 24-hour quota is spent, when SES's rate is 0, and before SES has
    reported its quota for the first time. Once a minute, one caller asks SES for it. When SES does
    not answer, the last quota stays in force.
    """
    every = settings.timings().quota_refresh
    pace = _read(connection)
    if pace.age > every and send_governor_table.claim_refresh(connection, timedelta(seconds=every)):
        _refresh(connection)
        pace = _read(connection)
    return _allowed_at(pace)


def present(connection: Connection) -> tuple[Allowed | None, bool]:
    """Return what ``allowed`` does, without asking SES, and whether SES's quota is spent."""
    pace = _read(connection)
    return _allowed_at(pace), pace.is_quota_spent


def _read(connection: Connection) -> Pace:
    return send_governor_table.read(connection, settings.timings().warm_up_day)


def _allowed_at(pace: Pace) -> Allowed | None:
    if pace.account_rate is None or pace.is_quota_spent:
        return None
    per_day = None
    if settings.warms_up():
        begun = pace.day if pace.first_day is None else pace.first_day
        per_day = warm_up.allowance(pace.day - begun)
    day_ends = datetime.fromtimestamp((pace.day + 1) * settings.timings().warm_up_day, UTC)
    return Allowed(_ours(pace.account_rate) * pace.slowdown, per_day, pace.mails_today, day_ends)


def _refresh(connection: Connection) -> None:
    try:
        quota = account.send_quota()
    except DependencyUnavailable as error:
        log_failure("SES did not report its quota: the last one stays in force", error)
        return
    if quota.is_spent:
        logger.warning("SES accepts no mail now", **quota.model_dump())
    if quota.max_per_day:
        count_percent("DailyQuotaUsed", quota.sent_last_day / quota.max_per_day)
    send_governor_table.set_quota(
        connection,
        quota.max_per_second,
        SLOWDOWN_RECOVERY,
        is_quota_spent=quota.is_spent,
    )


def usual_rate(connection: Connection) -> float:
    """Return the rate of issues when nothing slows them down; batches are sized by it.

    Raises ``DependencyUnavailable`` when SES has never reported it and does not now.
    """
    allowed(connection)
    return (
        known_rate(connection)
        or _ours(account.send_quota().max_per_second)
        or BULK_LIMIT  # SES's rate has always been 0: batches of any size will do
    )


def known_rate(connection: Connection) -> float | None:
    """Return the last rate, as in ``usual_rate``; None before SES has reported one."""
    account_rate = _read(connection).account_rate
    return _ours(account_rate) if account_rate is not None else None


def _ours(account_rate: float) -> float:
    return account_rate * settings.send_rate_share() * ISSUES_SHARE


def call_size(rate: float) -> int:
    """Return how many entries a call to SES has: half a second's worth, 1 to 50."""
    return max(1, min(BULK_LIMIT, int(rate / 2)))


def batch_size(rate: float) -> int:
    """Return how many recipients a batch has: two seconds' worth, 1 to 50."""
    return max(1, min(BULK_LIMIT, int(rate * settings.timings().batch_seconds)))


def batches_in_a_claim(at_most: Allowed) -> int:
    """Return how many batches are about two seconds of sending, 1 to 50, and fit into today."""
    size = batch_size(at_most.rate)
    batches = round(at_most.rate * settings.timings().batch_seconds / size)
    if at_most.left is not None:
        batches = min(batches, at_most.left // BULK_LIMIT)
    return max(1, min(settings.BATCHES_IN_A_CLAIM, batches))


def batches_to_release(at_most: Allowed) -> int:
    """Return how many batches may be on DeliveryQueue: some minutes' worth, at most today's."""
    size = batch_size(at_most.rate)
    batches = max(1, int(settings.timings().release_window * at_most.rate / size))
    return batches if at_most.left is None else min(batches, at_most.left // size)


def reserve(connection: Connection, mails: int, at_most: Allowed) -> timedelta | None:
    """Reserve the slots of mails that leave at this rate; return the delay until the first.

    It is negative if the first slot has passed. None when no slot is free within the horizon, or
    the day's mails are all reserved, and then nothing is reserved.
    """
    timings = settings.timings()
    rate = at_most.rate
    return send_governor_table.reserve(
        connection,
        send_governor_table.Request(
            mails,
            rate,
            _tolerance(rate),
            timedelta(seconds=timings.slot_horizon),
            timings.warm_up_day,
            at_most.per_day,
        ),
    )


def _tolerance(rate: float) -> timedelta:
    """Return how late a sender may be and still use its slots.

    SES's bucket holds one second's worth. The call itself takes a part of it, and a late call
    takes one together with the next.
    """
    return timedelta(seconds=max(0.0, 1 - call_size(rate) / rate - settings.timings().slot_jitter))


def count_single_mail(connection: Connection) -> None:
    """Move the issues' slots for a single mail, such as a test mail, which waits for no slot."""
    at_most, _ = present(connection)
    if at_most is not None:
        send_governor_table.push(connection, timedelta(seconds=1 / at_most.rate))


def queue_single_mails(
    connection: Connection, proven: int, others: int, rate: float
) -> tuple[float, float]:
    """Add mails to the lines of single mails; return the seconds until each one's first turn."""
    first, first_other = send_governor_table.queue_single_mails(
        connection,
        timedelta(seconds=proven / rate),
        timedelta(seconds=others / rate),
        _tolerance(rate),
    )
    return first.total_seconds(), first_other.total_seconds()


def is_proven_line_within(connection: Connection, within: timedelta) -> bool:
    """Return whether the line of what is proven is no longer than this."""
    return send_governor_table.is_proven_line_within(connection, within)


def take_answer_slots(
    connection: Connection, mails: int, at_most: Allowed, share: float, within: timedelta
) -> timedelta | None:
    """Take slots for answers that leave now; return the delay until the first.

    ``share``: mails a second, of all that SES allows. None when no slot is free within this time.
    """
    return send_governor_table.take_answer_slots(
        connection,
        timedelta(seconds=mails / share),
        _tolerance(share),
        within,
        timedelta(seconds=mails / at_most.rate),
    )


def slow_down(connection: Connection) -> None:
    """Lower the rate: SES throttled, so others send from this account, too."""
    timings = settings.timings()
    if send_governor_table.slow_down(
        connection, SLOWDOWN, timedelta(seconds=timings.slowdown_pause)
    ):
        count("SlowedDown")
        logger.warning("SES throttled: sending more slowly")


def stop_for_the_day(connection: Connection) -> None:
    """Stop sending until SES reports that its 24-hour quota has room."""
    send_governor_table.set_quota_spent(connection)
    logger.warning("SES's 24-hour quota is spent")
