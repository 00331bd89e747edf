"""A sample belongs to the area of its innermost known frame."""

import pytest

from bench.profiling import OTHER, area_of


@pytest.mark.parametrize(
    ("stack", "area"),
    [
        (
            ["_send (broadsheet/services/delivery.py)", "_sign (broadsheet/signed_tokens.py)"],
            "links: signing tokens",
        ),
        (
            [
                "send_issue (broadsheet/mail/ses/sending.py)",
                "serialize (botocore/serialize.py)",
                "dumps (json/__init__.py)",
            ],
            "SES: writing JSON",
        ),
        (["main (bench/worker.py)", "loads (json/__init__.py)"], OTHER),
    ],
)
def test_a_sample_belongs_to_the_area_of_its_innermost_known_frame(
    stack: list[str], area: str
) -> None:
    assert area_of(stack) == area
