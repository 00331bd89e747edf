"""Runs the operator's commands as a shell does, against moto for AWS."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from operations.__main__ import app

REGION = "eu-central-1"


def run(*arguments: str, given: str = "") -> Result:
    """Run ``python -m operations`` with these arguments; ``given`` is its standard input."""
    return CliRunner().invoke(app, arguments, input=given, prog_name="python -m operations")


def ran(*arguments: str, given: str = "") -> str:
    """Run it, and return what it printed; it must succeed."""
    result = run(*arguments, given=given)
    assert result.exit_code == 0, result.output
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
