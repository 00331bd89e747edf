"""The account's limits, enforced as SES does: a sending rate and a quota for 24 hours."""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus

from ses_server import mails
from ses_server.account import Account
from ses_server.errors import SesError

UNLIMITED = -1  # SES's own value in Max24HourSend


class Limit(StrEnum):
    """A limit; its value is the status of an entry that it refuses."""

    RATE = "ACCOUNT_THROTTLED"
    QUOTA = "ACCOUNT_DAILY_QUOTA_EXCEEDED"

    @property
    def message(self) -> str:
        """SES's words, which alone show a refused SendEmail which limit it met."""
        return {
            Limit.RATE: "Maximum sending rate exceeded.",
            Limit.QUOTA: "Daily message quota exceeded.",
        }[self]

    def refusal(self) -> SesError:
        return SesError(
            "TooManyRequestsException", self.message, status=HTTPStatus.TOO_MANY_REQUESTS
        )


class Limits:
    """The account in force, and what it may still send.

    The rate is a bucket that holds the recipients of one second and starts full. The quota slides
    over the last 24 hours and survives a restart; the bucket and the count of refusals don't.
    """

    def __init__(
        self,
        account: Account,
        connection: sqlite3.Connection,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.account = account
        self.throttles: Counter[Limit] = Counter()  # refused messages, by limit
        self._connection = connection
        self._clock = clock
        self._tokens = self._capacity
        self._filled_at = clock()

    def change(self, account: Account) -> None:
        """Enforce another account's limits; the bucket keeps no more than the new rate."""
        self._fill()
        self.account = account
        self._tokens = min(self._tokens, self._capacity)

    def admit(self, sizes: Sequence[int]) -> list[Limit | None]:
        """Admit the messages of a call; ``sizes`` are their numbers of recipients.

        Return for each message None, or the limit that refuses it.
        """
        self._fill()
        quota_left = self._quota_left()
        reached = []
        for size in sizes:
            limit = self._limit_reached(size, quota_left)
            if limit is None:
                quota_left -= size
                self._tokens -= size
            else:
                self.throttles[limit] += 1
            reached.append(limit)
        return reached

    def _limit_reached(self, size: int, quota_left: float) -> Limit | None:
        if size > quota_left:
            return Limit.QUOTA
        if self.account.enforces_rate and self.account.max_send_rate == 0:
            return Limit.RATE
        # A full bucket admits a mail to more recipients than it holds, and is overdrawn.
        if self.account.enforces_rate and self._tokens < min(size, self._capacity):
            return Limit.RATE
        return None

    @property
    def _capacity(self) -> float:
        return max(1.0, self.account.max_send_rate)

    def _fill(self) -> None:
        now = self._clock()
        added = (now - self._filled_at) * self.account.max_send_rate
        self._tokens = min(self._capacity, self._tokens + added)
        self._filled_at = now

    def _quota_left(self) -> float:
        if self.account.max_24_hour_send == UNLIMITED:
            return float("inf")
        sent = mails.sent_last_24_hours(self._connection, datetime.now(UTC))
        return self.account.max_24_hour_send - sent
