"""What an operator runs against a stack, run against the journeys' own."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import boto3
import pytest

from local import deployment
from local.isolation import ACCOUNT
from local.state import REPOSITORY
from operations import smoke, stack
from operations.smoke import Newsletter, SmokeFailed
from tests.journey.people import Town


def make(target: str, state_folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["/usr/bin/env", "make", *target.split()],
        cwd=REPOSITORY,
        env=os.environ | {"BROADSHEET_STATE": str(state_folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def operator(town: Town, monkeypatch: pytest.MonkeyPatch) -> Newsletter:
    """Whoever has the stack's credentials; SES's simulator confirmed nobody of theirs."""
    for name, value in ACCOUNT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", town.stack.state.emulator_url)
    monkeypatch.setattr(smoke, "POLL_SECONDS", 0.1)
    described = stack.describe(boto3.client("cloudformation"), deployment.STACK)
    return Newsletter(described, "test", town.stack.author_token)


def test_the_doctor_finds_nothing_in_the_way_of_a_stack_on_one_machine(
    town: Town, state_folder: Path
) -> None:
    ended = make("doctor LIST=10000 JSON=1", state_folder)

    findings = json.loads(ended.stdout)["findings"]
    verdicts = {finding["check"]: finding["verdict"] for finding in findings}
    of_this_machine = {"dkim", "spf", "dmarc", "links", "alarms"}
    assert {check for check in verdicts if verdicts[check] == "skipped"} <= of_this_machine
    # Other journeys leave dead letters, and an alarm may ring of what they did.
    assert {check for check in verdicts if verdicts[check] in {"bad", "unknown"}} <= {
        "alarms",
        "dead letters",
    }


def test_a_smoke_test_of_a_stack_with_readers_publishes_nothing(
    town: Town, state_folder: Path
) -> None:
    reader = town.subscriber("Reads On")
    before = _ids_of_issues(town)

    ended = make("smoke", state_folder)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Publishing is skipped" in ended.stdout
    assert "Everything works." in ended.stdout
    assert _ids_of_issues(town) == before
    assert [mail.subject for mail in reader.mails()][1:] == []


def _ids_of_issues(town: Town) -> list[str]:
    return [issue["id"] for issue in town.ask_as_author("GET", "/issues").json()["issues"]]


def test_authors_of_the_stack_on_one_machine_are_managed_as_on_aws(
    town: Town, state_folder: Path
) -> None:
    def with_jo() -> bool:
        kept = town.stack.state.secrets
        assert kept is not None
        return '"jo"' in kept.authors

    added = make("author NAME=jo", state_folder)
    assert "bs_" in added.stdout, added.stderr
    assert " jo " in make("authors", state_folder).stdout
    assert with_jo()  # or the next start of the stack would forget them

    make("revoke NAME=jo", state_folder)

    assert " jo " not in make("authors", state_folder).stdout
    assert not with_jo()


def test_an_issue_for_the_simulator_never_reaches_a_reader(
    town: Town, operator: Newsletter
) -> None:
    reader = town.subscriber("Reads On")

    with pytest.raises(SmokeFailed, match="canceled before anybody was mailed"):
        smoke.publish_to_none_but(operator, 0)

    town.await_length("DeliveryQueueUrl", 0)
    issue = town.ask_as_author("GET", "/issues?limit=1").json()["issues"][0]
    assert (issue["title"], issue["status"]) == ("Smoke test test", "canceled")
    assert [mail for mail in reader.mails() if mail.subject == issue["title"]] == []


def test_an_author_imports_readers_by_a_file(town: Town) -> None:
    email = town.reader().email
    answer = town.ask_as_author("POST", "/imports", json={"file_name": "people.csv"})
    assert answer.status == 201, answer.data
    created = answer.json()
    content = f"email,consented_at\n{email},2024-05-06T12:00:00+00:00\n"
    assert town.http.request("PUT", created["upload"]["url"], body=content).status == 200

    act(town, created["href"], "read", "ready")
    imported = act(town, created["href"], "apply", "applied")

    assert imported["outcomes"] == {"added": 1}
    found = town.ask_as_author("GET", f"/subscribers?query={email}").json()["subscribers"]
    assert [each["status"] for each in found] == ["confirmed"]


def act(town: Town, path: str, action: str, status: str) -> dict[str, Any]:
    """Have an import worked on, and wait for its status."""
    assert town.ask_as_author("POST", f"{path}/{action}").status == 202
    until = time.monotonic() + 30
    shown: dict[str, Any] = {}
    while shown.get("status") != status and time.monotonic() < until:
        time.sleep(0.1)
        shown = town.ask_as_author("GET", path).json()
    assert shown["status"] == status, shown
    return shown
