"""Judges how an issue starts: a careful start's hold and a warm-up's days, by SES's own record."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from broadsheet.domain.warm_up import allowance

CLOCKS_APART = 0.01  # seconds: SES's record has milliseconds


class Mail(NamedTuple):
    """A mail that SES took; ``at`` by the wall clock."""

    at: float
    subscriber_id: str


@dataclass
class Start:
    """How the issue of a round started; all times by the wall clock.

    ``rest``: who is not of a careful start's sample. ``held_until``: until when they were held.
    ``resumed_at``: when somebody asked to resume the issue. ``first_day``, ``day_seconds``: of the
    warm-up, and how long a day of it lasts. ``slack``: how long after its claim a mail may leave.
    """

    is_careful: bool = False
    warms_up: bool = False
    rest: set[str] = field(default_factory=set)
    held_until: float | None = None
    resumed_at: list[float] = field(default_factory=list)
    first_day: int = 0
    day_seconds: float = 0.0
    slack: float = 0.0
    mails: Sequence[Mail] = ()

    @property
    def by_day(self) -> Counter[int]:
        """Return how many mails have their slots on each day, as far as their times show it."""
        days = [int(mail.at // self.day_seconds) for mail in self.mails]
        return Counter(
            day - self.first_day
            for day, mail in zip(days, self.mails, strict=True)
            if mail.at - self.slack >= day * self.day_seconds
        )

    def judge(self) -> list[str]:
        """Return what went wrong, in sentences."""
        return [
            *(self._held_wrongly() if self.is_careful else []),
            *(self._too_many_a_day() if self.warms_up else []),
        ]

    def _held_wrongly(self) -> list[str]:
        if not self.rest:
            return ["nobody was held behind the sample"]
        ends = [self.held_until] if self.held_until else self.resumed_at
        end = min(ends, default=float("inf"))
        early = [
            m for m in self.mails if m.subscriber_id in self.rest and m.at < end - CLOCKS_APART
        ]
        return [f"{len(early)} mailed while they were held: {early[:2]}"] if early else []

    def _too_many_a_day(self) -> list[str]:
        return [
            f"{mails} mails left on day {day}, of {allowed}"
            for day, mails in sorted(self.by_day.items())
            if (allowed := allowance(day)) is not None and mails > allowed
        ]
