"""How long a database is awake that pauses when nobody is connected."""

from math import exp

PAUSE_SECONDS = 300.0  # without any connection; Aurora's least (infra/database.yaml sets it)
DAY_SECONDS = 24 * 3600.0


def expected_share(sessions_a_day: float, seconds: float) -> float:
    """Return the expected share of a day awake, if sessions of so many seconds come at random.

    The part of a line that Poisson's points cover, each with so much after it: 1 - exp(-rate x
    length).
    """
    return 1 - exp(-sessions_a_day * (seconds + PAUSE_SECONDS) / DAY_SECONDS)
