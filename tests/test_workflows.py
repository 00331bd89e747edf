"""The workflows at GitHub run what anybody runs, and trust nobody's moving tag."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

WORKFLOWS = sorted(Path(__file__).parents[1].glob(".github/workflows/*.yml"))

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def jobs(path: Path) -> list[Any]:
    return list(yaml.safe_load(path.read_text())["jobs"].values())


def test_there_is_one_to_check_and_one_to_deploy() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "deploy"]


@each_workflow
def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text())

    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@each_workflow
def test_nothing_is_permitted_but_what_a_job_asks_for(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["permissions"] == {}
    for job in jobs(path):
        asked = {"contents": "read", "id-token": "write"}
        assert job["permissions"].items() <= asked.items()
        assert ("id-token" in job["permissions"]) == (path.stem == "deploy")


def test_ci_runs_the_same_command_as_everybody() -> None:
    ci, _ = WORKFLOWS

    assert ".ci/run" in [step.get("run") for step in jobs(ci)[0]["steps"]]


def test_a_deployment_waits_for_somebody_in_a_protected_environment() -> None:
    _, deploy = WORKFLOWS
    (job,) = jobs(deploy)

    assert job["environment"] == "production"
    assert "AWS_SECRET_ACCESS_KEY" not in deploy.read_text()
