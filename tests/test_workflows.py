"""The workflows at GitHub run what anybody runs, and trust nobody's moving tag."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

WORKFLOWS = sorted(Path(__file__).parents[1].glob(".github/workflows/*.yml"))

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def jobs(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())["jobs"]
    return found


def commands(job: Any) -> list[str]:  # noqa: ANN401 - as YAML has it
    return [step["run"] for step in job["steps"] if "run" in step]


NEWSROOM = Path(__file__).parents[1] / "newsroom"


def test_the_action_is_pinned_and_no_input_is_read_as_code() -> None:
    action = NEWSROOM / "action.yml"
    steps = yaml.safe_load(action.read_text())["runs"]["steps"]

    for used in re.findall(r"uses: (.+)", action.read_text()):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used
    assert not [step for step in steps if "${{" in step.get("run", "")]


def test_the_workflow_to_copy_asks_for_an_identity_and_for_nothing_else() -> None:
    workflow = yaml.safe_load((NEWSROOM / "workflow.yml").read_text())
    job = workflow["jobs"]["newsroom"]
    action = yaml.safe_load((NEWSROOM / "action.yml").read_text())

    assert workflow[True].keys() == {"pull_request", "push"}  # YAML 1.1 reads `on` as true
    assert workflow["permissions"] == {}
    assert job["permissions"] == {"contents": "read", "id-token": "write"}
    assert "secrets" not in (NEWSROOM / "workflow.yml").read_text()
    (step,) = job["steps"]
    assert step["with"].keys() <= action["inputs"].keys()


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
    for name, job in jobs(path).items():
        asked = {"contents": "read"} | ({"id-token": "write"} if name == "deploy" else {})
        assert job["permissions"] == asked


def test_ci_runs_the_same_command_as_everybody() -> None:
    ci, _ = WORKFLOWS

    assert [commands(job) for job in jobs(ci).values()] == [[".ci/run"]]


def test_a_deployment_waits_for_that_command_and_then_for_somebody() -> None:
    _, deploy = WORKFLOWS
    job = jobs(deploy)["deploy"]

    assert commands(jobs(deploy)[job["needs"]]) == [".ci/run"]
    assert "if" not in job  # as ``always()`` would be: then a failure is no hindrance
    assert job["environment"] == "production"
    assert "AWS_SECRET_ACCESS_KEY" not in deploy.read_text()
