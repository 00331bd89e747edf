"""When a message that failed is tried again."""

from datetime import timedelta

import pytest

from broadsheet.domain.webhooks import DELAYS, delay_after


@pytest.mark.parametrize("failures", range(1, len(DELAYS) + 1))
def test_what_failed_together_does_not_come_back_together(failures: int) -> None:
    usual = DELAYS[failures - 1]
    drawn = [delay_after(failures) or timedelta() for _ in range(100)]

    assert len(set(drawn)) > 1
    assert max(drawn) - min(drawn) > usual * 0.05  # of the 0.2 between the bounds
    assert all(usual * 0.9 <= delay <= usual * 1.1 for delay in drawn)


def test_the_tries_go_on_over_a_day_and_end() -> None:
    assert timedelta(days=1) < sum(DELAYS, timedelta()) < timedelta(days=2)
    assert delay_after(len(DELAYS) + 1) is None
