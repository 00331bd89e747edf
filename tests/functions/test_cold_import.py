"""What a function at the edge costs when it starts, and what it must not bring along."""

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EDGE = ("subscribe", "confirm", "unsubscribe", "authorize")
RUNS = 3
ALLOWED = 2.0  # times boto3's own import

every_edge_function = pytest.mark.parametrize("function", EDGE)

MODULES_AFTER_IMPORT = "import sys, app; print(*sys.modules)"
# Processor time, which other programs on the machine take nothing of.
SECONDS_OF_IMPORT = """
import time
start = time.process_time()
import {module}
print(time.process_time() - start)
"""


def run(code: str, function: str) -> str:
    """Run code in an interpreter of its own that starts as the function does in Lambda."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = [str(ROOT / "functions" / function), str(ROOT / "layers" / "common")]
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        check=True,
        text=True,
    ).stdout


def times_boto3s_own() -> dict[str, float]:
    """Return how long each function's import takes at best, boto3's own being 1.

    The best run is the one that other programs disturbed least, in the caches they share.
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(RUNS):  # by turns, so that a slow moment of the machine slows all
        seconds["boto3"].append(float(run(SECONDS_OF_IMPORT.format(module="boto3"), EDGE[0])))
        for function in EDGE:
            seconds[function].append(float(run(SECONDS_OF_IMPORT.format(module="app"), function)))
    return {function: min(seconds[function]) / min(seconds["boto3"]) for function in EDGE}


@every_edge_function
def test_an_edge_function_reaches_no_database_and_sends_no_mail(function: str) -> None:
    imported = set(run(MODULES_AFTER_IMPORT, function).split())

    assert "broadsheet.settings" in imported
    assert not [name for name in imported if name.partition(".")[0].startswith("psycopg")]
    assert not [
        name for name in imported if name.startswith(("broadsheet.database", "broadsheet.mail"))
    ]
    assert not imported & {"css_inline", "markdown_it", "aws_xray_sdk", "broadsheet.issue_clock"}


def test_an_edge_functions_cold_import_takes_at_most_twice_boto3s_own() -> None:
    for function in EDGE:
        run("import app, boto3", function)  # writes the bytecode

    first = times_boto3s_own()
    again = first if max(first.values()) <= ALLOWED else times_boto3s_own()

    assert not {
        function: (first[function], again[function])
        for function in EDGE
        if min(first[function], again[function]) > ALLOWED
    }
