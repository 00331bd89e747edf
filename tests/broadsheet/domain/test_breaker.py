"""When an issue's breaker trips, one bounce or complaint more or less."""

import pytest

from broadsheet.domain.breaker import BREAKER, BreakerCounts


@pytest.mark.parametrize(
    ("bounced", "complained", "accepted", "trips"),
    [
        (0, 0, 0, False),
        # Bounces: more than 5 % of what was accepted, and 20 at least.
        (19, 0, 100, False),
        (20, 0, 100, True),
        (20, 0, 399, True),
        (20, 0, 400, False),
        (21, 0, 400, True),
        (500, 0, 10_000, False),
        (501, 0, 10_000, True),
        # Complaints: more than 0.1 %, and 3 at least.
        (0, 2, 100, False),
        (0, 3, 100, True),
        (0, 3, 2_999, True),
        (0, 3, 3_000, False),
        (0, 4, 3_000, True),
        (0, 10, 10_000, False),
        (0, 11, 10_000, True),
        # Either is enough, and one does not count for the other.
        (20, 3, 100, True),
        (19, 2, 100, False),
        (1, 3, 100, True),
        (20, 1, 100, True),
    ],
)
def test_the_breaker_trips_by_the_number_and_the_share(
    *, bounced: int, complained: int, accepted: int, trips: bool
) -> None:
    assert BREAKER.trips(BreakerCounts(bounced, complained), accepted) is trips


@pytest.mark.parametrize(
    ("bounced", "complained", "may_trip"),
    [(19, 2, False), (20, 0, True), (0, 3, True), (0, 0, False)],
)
def test_the_breaker_can_trip_only_from_the_least_numbers_on(
    *, bounced: int, complained: int, may_trip: bool
) -> None:
    assert BREAKER.may_trip(BreakerCounts(bounced, complained)) is may_trip
