"""Whatever the description of the API allows or forbids, the deployed stack does as it says.

Schemathesis makes the requests, right ones and wrong ones, from a fixed seed.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from tests.journey.people import Town
from tests.openapi.hooks import NEVER

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "tests" / "openapi" / "schemathesis.toml"
TEXT = {"title": "For schemathesis", "markdown": "Hello"}


def stored(town: Town, **more: object) -> str:
    """An issue that nobody gets."""
    answer = town.ask_as_author(
        "POST",
        "/issues",
        json=TEXT | {"publish_at": NEVER} | more,
        headers={"Idempotency-Key": str(uuid4())},
    )
    assert answer.status == 202, answer.data
    return str(answer.json()["id"])


def test_the_stack_does_what_its_description_says(town: Town, tmp_path: Path) -> None:
    issues = {
        "": stored(town),
        "/issues/{id}/publish": stored(town, draft=True),
        "/issues/{id}/cancel": stored(town),
    }

    ended = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "--config-file", CONFIG),
            *("run", f"{town.stack.public_url}/openapi.json"),
            *("--url", town.stack.public_url, "--no-color"),
            *("--header", f"Authorization: {town.as_author['Authorization']}"),
        ],
        cwd=tmp_path,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers" / "common")]),
            "SCHEMATHESIS_HOOKS": "tests.openapi.hooks",
            "ISSUES": json.dumps(issues),
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=900,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
