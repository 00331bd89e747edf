"""How long a database is awake that pauses when nobody is connected."""

from collections.abc import Iterable
from math import exp

PAUSE_SECONDS = 300.0  # without any connection; Aurora's least (infra/database.yaml sets it)
DAY_SECONDS = 24 * 3600.0


def awake_seconds(sessions: Iterable[tuple[float, float]]) -> float:
    """Give the seconds awake for sessions, each from its begin to its end in seconds.

    Each keeps it awake until ``PAUSE_SECONDS`` after its end; what overlaps counts once.
    """
    total, awake_until = 0.0, float("-inf")
    for begin, end in sorted(sessions):
        until = end + PAUSE_SECONDS
        if until > awake_until:
            total += until - max(begin, awake_until)
            awake_until = until
    return total


def expected_share(sessions_a_day: float, seconds: float) -> float:
    """Give the expected part of a day awake, when sessions of so many seconds come at random.

    The part of a line that Poisson's points cover, each with so much after it: 1 - exp(-rate x
    length).
    """
    return 1 - exp(-sessions_a_day * (seconds + PAUSE_SECONDS) / DAY_SECONDS)
