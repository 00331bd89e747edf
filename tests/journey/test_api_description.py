"""Whatever the description of the API allows or forbids, the deployed stack does as it says.

Schemathesis makes the requests, right ones and wrong ones, the same in each run.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import pytest

from tests.journey.people import Answer, Town, until
from tests.journey.test_operations import make
from tests.openapi.hooks import NEVER

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "tests" / "openapi" / "schemathesis.toml"
NAME = "schemathesis"
TEXT = {"title": "For schemathesis", "markdown": "Hello"}


@pytest.fixture
def token(town: Town, state_folder: Path) -> Iterator[str]:
    """The token of an author of its own, whose test mails are nobody else's.

    At the end nothing is left of what it published, all of which is due in decades.
    """
    added = make(f"author NAME={NAME}", state_folder)
    (token,) = [word for word in added.stdout.split() if word.startswith("bs_")]
    town.private.add(token)
    yield token
    for issue in town.ask_as_author("GET", "/issues?limit=100").json()["issues"]:
        if issue["author"] == NAME:
            town.ask_as_author("DELETE", issue["href"])
            town.ask_as_author("POST", f"{issue['href']}/cancel")
    make(f"revoke NAME={NAME}", state_folder)


def publish(town: Town, token: str, **more: object) -> Answer:
    body = json.dumps(TEXT | {"publish_at": NEVER} | more)
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": str(uuid4()),
    }
    return town.ask("POST", "/issues", body=body, headers=headers)


def test_the_stack_does_what_its_description_says(town: Town, token: str, tmp_path: Path) -> None:
    until(  # the authorizer keeps the authors for a while
        lambda: publish(town, token, draft=True).status != HTTPStatus.FORBIDDEN,
        what="the new author's token to work",
        seconds=70,
    )
    issues = {
        path: publish(town, token, draft=path.endswith("/publish")).json()["id"]
        for path in ("", "/issues/{id}/publish", "/issues/{id}/cancel", "/issues/{id}/ask")
    }

    ended = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "--config-file", CONFIG),
            *("run", f"{town.stack.public_url}/openapi.json"),
            *("--url", town.stack.public_url, "--no-color"),
            *("--header", f"Authorization: Bearer {token}"),
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
