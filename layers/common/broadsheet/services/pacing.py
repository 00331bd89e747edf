"""How fast mails may leave: the account's live rate, times our share, less a headroom."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from broadsheet import settings
from broadsheet.database import send_governor_table
from broadsheet.mail import ses_mailer
from broadsheet.telemetry import count, logger

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection


def issue_rate(connection: Connection) -> float | None:
    """Return how many mails of issues may leave a second; None while none may.

    None is when the 24-hour quota is spent, and until SES has told its quota for the first time.
    Once a minute, one caller asks SES. Raises ``DependencyUnavailable`` to that one.
    """
    waits = settings.waits()
    if send_governor_table.claim_refresh(connection, timedelta(seconds=waits.quota_refresh)):
        quota = ses_mailer.send_quota()
        send_governor_table.set_quota(
            connection,
            quota.max_per_second,
            settings.SLOWDOWN_RECOVERY,
            is_quota_spent=quota.is_spent,
        )
    return present_rate(connection)


def present_rate(connection: Connection) -> float | None:
    """Return as ``issue_rate`` does, from what is known, asking nobody."""
    pace = send_governor_table.read(connection)
    if pace.account_rate is None or pace.is_quota_spent:
        return None
    share = settings.send_rate_share() * (1 - settings.CONFIRMATION_HEADROOM)
    return pace.account_rate * share * pace.slowdown


def usual_rate(connection: Connection) -> float:
    """Return the rate at which issues leave when nothing is in the way; to size batches by.

    Raises ``DependencyUnavailable``.
    """
    rate = issue_rate(connection)
    return rate or ses_mailer.send_quota().max_per_second * settings.send_rate_share()


def call_size(rate: float) -> int:
    """Return how many entries one call to SES has: half a second's worth, 1 to 50."""
    return max(1, min(ses_mailer.BULK_LIMIT, int(rate / 2)))


def batch_size(rate: float) -> int:
    """Return how many recipients a batch has: two seconds' worth, 1 to 50."""
    return max(1, min(ses_mailer.BULK_LIMIT, int(rate * settings.waits().batch_seconds)))


def reserve(connection: Connection, mails: int, rate: float) -> timedelta | None:
    """Reserve the slots of mails that leave at this rate; return how long to wait for the first.

    None when none is free within the horizon: nothing is reserved then.
    """
    waits = settings.waits()
    # SES's bucket holds one second's worth; the call itself takes its part of it.
    tolerance = max(0.0, 1 - call_size(rate) / rate)
    return send_governor_table.reserve(
        connection,
        mails,
        rate,
        timedelta(seconds=tolerance),
        timedelta(seconds=waits.slot_horizon),
    )


def count_confirmation(connection: Connection) -> None:
    """Let the issues' mails make room for a confirmation mail, which waits for nobody."""
    rate = present_rate(connection)
    if rate is not None:
        send_governor_table.push(connection, timedelta(seconds=1 / rate))


def slow_down(connection: Connection) -> None:
    """Take SES's throttle as a sign that others send from this account, too."""
    waits = settings.waits()
    if send_governor_table.slow_down(
        connection, settings.SLOWDOWN, timedelta(seconds=waits.slowdown_pause)
    ):
        count("SlowedDown")
        logger.warning("SES throttles: sending more slowly")


def stop_for_the_day(connection: Connection) -> None:
    """Send nothing more until SES says that its 24-hour quota has room again."""
    send_governor_table.set_quota_spent(connection)
    logger.warning("SES's 24-hour quota is spent")
