"""Each part of the benchmarks is named, and one with a limit says when it isn't kept."""

import re

import pytest

from bench.__main__ import PARTS
from bench.previewing import LIMITED, PreviewResult, table
from bench.tables import NOT_MEASURED
from local.state import REPOSITORY


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_in_the_list_of_the_documentation(part: str) -> None:
    _, commands, _ = (REPOSITORY / "docs" / "performance.md").read_text().split("```\n", 2)

    assert re.search(rf"(?<![\w-]){part}(?![\w-])", commands)


@pytest.mark.parametrize(
    ("characters", "cpu", "says"),
    [(LIMITED, 0.1, "kept"), (LIMITED, 0.101, "MISSED"), (10 * LIMITED, 0.5, NOT_MEASURED)],
)
def test_a_preview_of_ten_kilobytes_has_a_limit(characters: int, cpu: float, says: str) -> None:
    result = PreviewResult(form="HTML", characters=characters, p50=0.1, p99=0.1, cpu=cpu)

    assert result.is_good == (says != "MISSED")
    assert table([result]).splitlines()[-1].endswith(f"{says} |")
