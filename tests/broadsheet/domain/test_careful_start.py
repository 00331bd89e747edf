"""What an author may ask of a careful start, and when a sample is too bad for the rest."""

import json

import pytest
from pydantic import ValidationError

from broadsheet.domain.breaker import BreakerCounts
from broadsheet.domain.careful_start import CarefulStart

CAREFUL = {"sample": 0.01, "hold": "PT1H"}


@pytest.mark.parametrize(
    ("hold", "shown"),
    [
        ("PT1M", "PT1M"),
        ("PT60S", "PT1M"),
        ("PT90M", "PT1H30M"),
        ("P1DT12H", "P1DT12H"),
        ("P1W", "P7D"),
        ("P7D", "P7D"),
    ],
)
def test_a_hold_is_a_duration_of_iso_8601(hold: str, shown: str) -> None:
    careful = CarefulStart.model_validate(CAREFUL | {"hold": hold})

    document = json.loads(careful.model_dump_json())
    assert document == CAREFUL | {"hold": shown}
    assert CarefulStart.model_validate(document) == careful


@pytest.mark.parametrize(
    "hold",
    [
        *("PT59S", "P8D", "PT169H", "PT999999H", "PT9999999H", "P1Y", "P1M", "-PT1H", "+PT1H"),
        *("P", "PT", "P1DT", "PT1", "1H", "01:00:00", "3600", "", " PT1H", "PT1H\n"),
        *(3600, 3600.0, True, None, [], {}, "PT\N{ARABIC-INDIC DIGIT ONE}H"),
    ],
)
def test_an_invalid_hold_is_refused(hold: object) -> None:
    with pytest.raises(ValidationError):
        CarefulStart.model_validate(CAREFUL | {"hold": hold})


@pytest.mark.parametrize(
    "sample", [0, 1, -0.5, 2, "0.01", True, None, [], float("nan"), float("inf")]
)
def test_an_invalid_sample_is_refused(sample: object) -> None:
    with pytest.raises(ValidationError):
        CarefulStart.model_validate(CAREFUL | {"sample": sample})


@pytest.mark.parametrize("missing", CAREFUL)
def test_both_parts_are_needed(missing: str) -> None:
    with pytest.raises(ValidationError):
        CarefulStart.model_validate({k: v for k, v in CAREFUL.items() if k != missing})


@pytest.mark.parametrize(
    ("sample", "bounced", "complained", "is_bad"),
    [
        (50, 3, 1, False),
        (50, 4, 0, True),
        (50, 0, 2, True),
        (80, 4, 0, False),  # 5 %
        (80, 5, 0, True),
        (10_000, 500, 10, False),
        (10_000, 501, 0, True),
        (10_000, 0, 11, True),
        (None, 19, 2, False),  # the rest is on its way: the usual limits hold
    ],
)
def test_a_sample_is_bad_above_the_shares_at_which_ses_reviews_an_account(
    sample: int | None, bounced: int, complained: int, *, is_bad: bool
) -> None:
    assert BreakerCounts(bounced, complained, sample).is_bad_sample is is_bad
