"""Measures how much of the rate allowed by SES is used, and whether SES throttles.

The sink enforces the rate as SES does, with a bucket of one second's worth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from bench import wire
from bench.delivery import Fleet
from bench.sink import Conditions
from bench.tables import table as table_of
from broadsheet.domain.rates import ISSUES_SHARE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.sink import Record
    from bench.stage import Stage

RATES = (14, 200, 2_000)  # mails a second: a new account's, and two that SES has raised
WORKERS = (1, 2, 8)
STARTING = 2.0  # seconds left out: the first claim's burst and its catching up
TARGET = 0.98  # of the allowed rate
RATE_OF_STATEMENTS = 200  # at this rate the target is 0.02 statements a mail


class Utilization(BaseModel):
    """The used share of an allowed rate. ``allowed``: mails a second, net of the headroom.

    ``…_statements``: statements per mail, without transaction control and ``SET``.
    """

    model_config = ConfigDict(frozen=True)

    max_send_rate: float
    workers: int
    allowed: float
    mails: int
    seconds: float
    used: float
    throttles: int
    deliver_statements: float
    dispatch_statements: float

    @property
    def is_good(self) -> bool:
        """Whether the run reaches the target without a throttle."""
        return self.used >= TARGET and self.throttles == 0


def seconds(max_send_rate: float) -> float:
    """Return how many seconds to send after the start.

    At the rate with a target for statements, long enough for 10,000 mails: dispatch makes some
    thirty statements for an issue of any size.
    """
    return 50 if max_send_rate == RATE_OF_STATEMENTS else 20


def run(stage: Stage, max_send_rate: float, workers: int, seconds: float) -> Utilization:
    """Send at a rate for ``seconds`` after the start, and return the used share."""
    allowed = max_send_rate * ISSUES_SHARE  # the share is 1
    mails = int(allowed * (STARTING + seconds))
    with Fleet(stage, workers, traced=True) as fleet:
        stage.seed(mails)
        stage.sink.set(Conditions(max_send_rate=max_send_rate, enforces_rate=True))
        stage.forget_traces()
        record = fleet.send(mails).record
        deliver, dispatch = (
            wire.read(stage.traces_of(environments)).statements / mails
            for environments in (fleet.deliver, [fleet.dispatch])
        )
    return Utilization(
        max_send_rate=max_send_rate,
        workers=workers,
        allowed=allowed,
        mails=mails,
        seconds=record.seconds,
        used=_rate_after_start(record) / allowed,
        throttles=record.throttled,
        deliver_statements=deliver,
        dispatch_statements=dispatch,
    )


def _rate_after_start(record: Record) -> float:
    """Return mails a second after the start, without the last call's mails, which need time too."""
    calls = record.calls
    first = next(place for place, call in enumerate(calls) if call.at >= calls[0].at + STARTING)
    return sum(call.accepted for call in calls[first:-1]) / (calls[-1].at - calls[first].at)


def table(utilizations: Sequence[Utilization]) -> str:
    """Return a table, one run a line."""
    return table_of(
        (
            *("MaxSendRate", "workers", "allowed/s", "mails", "used", "throttles"),
            *("statements/mail: deliver", "dispatch", "both"),
        ),
        [
            (
                int(one.max_send_rate),
                one.workers,
                one.allowed,
                one.mails,
                f"{one.used:.3f}",
                one.throttles,
                one.deliver_statements,
                one.dispatch_statements,
                one.deliver_statements + one.dispatch_statements,
            )
            for one in utilizations
        ],
    )
