"""What a function costs when it starts, and which packages it may load for that."""

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
RUNS = 3

# What every function of ours needs: AWS's client, types, logs and metrics.
EVERYWHERE = {
    *("botocore", "certifi", "dateutil", "jmespath", "six", "urllib3"),
    *("annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"),
    "aws_lambda_powertools",
}
DATABASE = {"psycopg", "psycopg_binary", "cython_runtime"}
SIGNATURES = {"itsdangerous"}
TEMPLATES = {"jinja2", "markupsafe"}
RENDERING = TEMPLATES | {"css_inline", "markdown_it", "mdurl"}
# By function: the packages that it may load beside those, and by how much its import may take
# longer than boto3's own.
ALLOWED = {
    "authorize": (set[str](), 2.0),
    "subscribe": (SIGNATURES | TEMPLATES, 2.0),
    "confirm": (SIGNATURES | TEMPLATES, 2.0),
    "unsubscribe": (SIGNATURES | TEMPLATES, 2.0),
    "migrate": (DATABASE, 2.3),
    "feedback": (DATABASE, 2.3),
    "dispatch": (DATABASE, 2.3),
    "deliver": (DATABASE | SIGNATURES, 2.3),
    "enroll": (DATABASE | SIGNATURES, 2.3),
    "publish": (DATABASE | RENDERING, 3.0),
}
EDGE = ("subscribe", "confirm", "unsubscribe", "authorize")
# What only some mails, pages or endpoints use is imported by them.
NOBODY = {"boto3", "s3transfer", "aws_xray_sdk", "email_validator", "regex"}

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
        env=environment
        | {"PYTHONPATH": os.pathsep.join(path), "PYDANTIC_DISABLE_PLUGINS": "__all__"},
        capture_output=True,
        check=True,
        text=True,
    ).stdout


def imported_by(function: str) -> set[str]:
    return set(run(MODULES_AFTER_IMPORT, function).split())


def times_boto3s_own() -> dict[str, float]:
    """Return how long each function's import takes at best, boto3's own being 1.

    The best run is the one that other programs disturbed least, in the caches they share.
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(RUNS):  # by turns, so that a slow moment of the machine slows all
        seconds["boto3"].append(float(run(SECONDS_OF_IMPORT.format(module="boto3"), EDGE[0])))
        for function in ALLOWED:
            seconds[function].append(float(run(SECONDS_OF_IMPORT.format(module="app"), function)))
    return {function: min(seconds[function]) / min(seconds["boto3"]) for function in ALLOWED}


def test_every_function_has_its_list() -> None:
    assert set(ALLOWED) == {path.parent.name for path in ROOT.glob("functions/*/app.py")}


@pytest.mark.parametrize("function", ALLOWED)
def test_a_function_loads_only_the_packages_of_its_list(function: str) -> None:
    at_start = set(run("import sys; print(*sys.modules)", function).split())
    packages = {name.partition(".")[0] for name in imported_by(function) - at_start}
    ours = {"app", "broadsheet"}

    extra = packages - sys.stdlib_module_names - ours - EVERYWHERE - ALLOWED[function][0]

    assert not {name for name in extra if re.fullmatch(r"[a-z]\w*", name)}
    assert not packages & NOBODY


@pytest.mark.parametrize("function", EDGE)
def test_an_edge_function_reaches_no_database_and_sends_no_mail(function: str) -> None:
    imported = imported_by(function)

    assert "broadsheet.settings" in imported
    assert not [
        name for name in imported if name.startswith(("broadsheet.database", "broadsheet.mail"))
    ]
    assert "broadsheet.issue_clock" not in imported


def test_feedback_reaches_no_mail_and_no_clock() -> None:
    imported = imported_by("feedback")

    assert "broadsheet.services.feedback.recording" in imported
    assert not [name for name in imported if name.startswith("broadsheet.mail")]
    assert not imported & {"broadsheet.issue_clock", "broadsheet.dispatch_kick"}


def test_a_functions_cold_import_takes_no_longer_than_allowed() -> None:
    for function in ALLOWED:
        run("import app, boto3", function)  # writes the bytecode

    first = times_boto3s_own()
    too_long = {function for function in ALLOWED if first[function] > ALLOWED[function][1]}
    again = times_boto3s_own() if too_long else first

    assert not {
        function: (first[function], again[function])
        for function in too_long
        if again[function] > ALLOWED[function][1]
    }
