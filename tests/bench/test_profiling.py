"""A sample belongs to the area of its innermost known frame."""

import pytest

from bench.profiling import AREAS, OTHER, area_of
from local.state import REPOSITORY


@pytest.mark.parametrize(
    ("stack", "area"),
    [
        (
            [
                "_deliver_claim (broadsheet/services/sending/delivery.py)",
                "sign (broadsheet/signing.py)",
            ],
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


def test_each_place_of_ours_that_an_area_names_is_there() -> None:
    layer = REPOSITORY / "layers" / "common"
    ours = [name for names in AREAS.values() for name in names if name.startswith("broadsheet/")]

    assert ours
    assert [name for name in ours if not (layer / name).exists()] == []
