"""A careful start: a sample of an issue's audience goes first, and the rest is held for a while."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

LEAST_SAMPLE = 50  # recipients; the shares that stop an issue mean little in fewer
SHORTEST_HOLD = timedelta(minutes=1)  # a clock's interval
LONGEST_HOLD = timedelta(days=7)  # a sample tells no more after that
# ISO 8601 without years and months, whose length varies.
_DURATION = re.compile(
    r"P(?!$)(\d{1,6}W)?(\d{1,6}D)?(T(?=\d)(\d{1,6}H)?(\d{1,6}M)?(\d{1,6}S)?)?", re.ASCII
)


def _iso_8601(value: object) -> object:
    if isinstance(value, timedelta) or (isinstance(value, str) and _DURATION.fullmatch(value)):
        return value
    raise ValueError("give a duration as in PT1H or PT90M")


def _in_range(hold: timedelta) -> timedelta:
    if not SHORTEST_HOLD <= hold <= LONGEST_HOLD:
        raise ValueError("give a duration from PT1M to P7D")
    return hold


class CarefulStart(BaseModel):
    """How an author wants an issue to start: ``{"sample": 0.01, "hold": "PT1H"}``.

    ``sample``: the share of the audience that gets the issue first, but at least ``LEAST_SAMPLE``
    recipients. ``hold``: how long the rest waits once each mail of the sample has an outcome.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: Annotated[float, Field(gt=0, lt=1, strict=True)]
    hold: Annotated[timedelta, BeforeValidator(_iso_8601), AfterValidator(_in_range)]
