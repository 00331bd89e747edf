"""How much of the rate that SES allows is used, and whether SES ever has to throttle.

The sink enforces the rate as SES does: with a bucket of one second's worth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from bench import wire
from bench.delivery import Cast
from bench.sink import Conditions
from bench.tables import table as table_of
from broadsheet.settings import CONFIRMATION_HEADROOM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.sink import Record
    from bench.stage import Stage

RATES = (14, 200, 2_000)  # mails a second: a new account's, and two that SES has raised
WORKERS = (1, 2, 8)
STARTING = 2.0  # seconds that are left out: the first claim's burst and what it has to catch up
TARGET = 0.98  # of the allowed rate
RATE_OF_STATEMENTS = 200  # from this rate on, 0.02 statements a mail


class Utilization(BaseModel):
    """What was used of an allowed rate. ``allowed``: mails a second, net of the headroom.

    ``…_statements``: for a mail, transaction control and ``SET`` not counted.
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
        """Whether it reaches the target."""
        return self.used >= TARGET and self.throttles == 0


def seconds(max_send_rate: float) -> float:
    """Return how long to send after the start.

    Of an issue of 10,000 mails at the rate of the target for statements: dispatch makes some
    thirty for an issue of any size.
    """
    return 50 if max_send_rate == RATE_OF_STATEMENTS else 20


def run(stage: Stage, max_send_rate: float, workers: int, seconds: float) -> Utilization:
    """Send at a rate for so many seconds after the start."""
    allowed = max_send_rate * (1 - CONFIRMATION_HEADROOM)  # the share is 1
    mails = int(allowed * (STARTING + seconds))
    with Cast(stage, workers, traced=True) as cast:
        stage.seed(mails)
        stage.sink.set(Conditions(max_send_rate=max_send_rate, enforces_rate=True))
        stage.forget_traces()
        record = cast.send(mails).record
        deliver, dispatch = (
            wire.read(stage.traces_of(environments)).statements / mails
            for environments in (cast.deliver, [cast.dispatch])
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
    """Return mails a second from a call to the last one, whose own mails are after that time."""
    calls = record.calls
    first = next(place for place, call in enumerate(calls) if call.at >= calls[0].at + STARTING)
    return sum(call.accepted for call in calls[first:-1]) / (calls[-1].at - calls[first].at)


def table(utilizations: Sequence[Utilization]) -> str:
    """Show runs, one a line."""
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
