"""Runs the operator's commands as a shell does, against moto for AWS."""

import json
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from operations.__main__ import app

REGION = "eu-central-1"


class Ended(NamedTuple):
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str


def run(*arguments: str, given: str = "") -> Ended:
    """Run ``python -m operations`` with these arguments; ``given`` is its standard input."""
    result = CliRunner().invoke(app, arguments, input=given, prog_name="python -m operations")
    # Where GITHUB_ACTIONS is set, typer colours its help whatever it is written to.
    plain = [re.sub(r"\x1b\[[\d;]*m", "", text) for text in (result.stdout, result.stderr)]
    return Ended(result.exit_code, *plain)


def ran(*arguments: str, given: str = "") -> str:
    """Run it, and return what it printed; it must succeed."""
    result = run(*arguments, given=given)
    assert result.exit_code == 0, result.stdout + result.stderr
    return result.stdout


def documented(*arguments: str) -> Any:  # noqa: ANN401 - whatever it printed
    """Run it with --json, and return the document."""
    return json.loads(ran(*arguments, "--json"))


def deploy(
    monkeypatch: pytest.MonkeyPatch,
    outputs: dict[str, str],
    *,
    name: str = "news",
    parameters: dict[str, str] | None = None,
) -> None:
    """Let CloudFormation know one stack, in one region: moto's needs more than is installed."""
    monkeypatch.delenv("AWS_REGION", raising=False)  # the developer's own
    real = BaseClient._make_api_call  # type: ignore[attr-defined]
    stack = {
        "StackName": name,
        "StackStatus": "CREATE_COMPLETE",
        "CreationTime": datetime.now(UTC),
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in (parameters or {}).items()
        ],
    }

    def answer(client: Any, operation: str, asked: dict[str, Any]) -> Any:  # noqa: ANN401
        if operation != "DescribeStacks":
            return real(client, operation, asked)
        if (asked["StackName"], client.meta.region_name) == (name, REGION):
            return {"Stacks": [stack]}
        message = f"Stack with id {asked['StackName']} does not exist"
        raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
