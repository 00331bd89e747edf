"""A deployed stack, as CloudFormation describes it: its parameters, its outputs, its resources."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict

from operations.errors import OperationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mypy_boto3_cloudformation import CloudFormationClient

NESTED = "AWS::CloudFormation::Stack"
CANCELED = "cancelled"  # "Resource creation cancelled", as CloudFormation spells it


class StackError(OperationFailed):
    """There is no such stack, or it isn't one of Broadsheet's; the message says which."""


class Resource(NamedTuple):
    """One thing that a stack made, or one of its nested stacks."""

    logical_id: str
    physical_id: str
    kind: str
    status: str


class Failure(NamedTuple):
    """A resource that could not be made or changed, and why."""

    logical_id: str
    kind: str
    reason: str


class DeployedStack(BaseModel):
    """What can be known of a stack without asking what is in it."""

    model_config = ConfigDict(frozen=True)

    name: str
    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]

    def parameter(self, name: str) -> str:
        """Return a parameter. Raises ``StackError`` when the stack has none of this name."""
        try:
            return self.parameters[name]
        except KeyError:
            raise self._lacks("parameter", name) from None

    def output(self, name: str) -> str:
        """Return an output. Raises ``StackError`` when the stack has none of this name."""
        try:
            return self.outputs[name]
        except KeyError:
            raise self._lacks("output", name) from None

    def _lacks(self, what: str, name: str) -> StackError:
        return StackError(
            f"The stack {self.name} has no {what} {name}: is it Broadsheet's? It is {self.status}."
        )


def describe(client: CloudFormationClient, name: str) -> DeployedStack:
    """Look a stack up. Raises ``StackError``."""
    try:
        described: Any = client.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":  # its way to say "none"
            raise
        raise StackError(
            f"There is no stack called {name} in {client.meta.region_name}, in this account. Its "
            "name is the one you gave `sam deploy`; `aws cloudformation list-stacks --region "
            f"{client.meta.region_name}` lists them."
        ) from error
    return DeployedStack(
        name=name,
        status=described["StackStatus"],
        parameters={
            each["ParameterKey"]: each.get("ParameterValue", "")
            for each in described.get("Parameters", [])
        },
        outputs={each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])},
    )


def resources(client: CloudFormationClient, name: str) -> Iterator[Resource]:
    """Return all resources of a stack, those of its nested stacks included."""
    for page in client.get_paginator("list_stack_resources").paginate(StackName=name):
        for each in page["StackResourceSummaries"]:
            resource = Resource(
                each["LogicalResourceId"],
                each.get("PhysicalResourceId", ""),
                each["ResourceType"],
                each["ResourceStatus"],
            )
            yield resource
            if resource.kind == NESTED and resource.physical_id:
                yield from resources(client, resource.physical_id)


def failures(client: CloudFormationClient, name: str, since: datetime) -> list[Failure]:
    """Return what failed in a stack and its nested ones, the first first.

    What was only canceled because another failed is left out. A stack that doesn't exist has none.
    """
    found: list[Failure] = []
    for event in _events(client, name, since):  # the newest first
        kind, reason = event["ResourceType"], event.get("ResourceStatusReason", "")
        nested = event.get("PhysicalResourceId", "") if kind == NESTED else ""
        if not event["ResourceStatus"].endswith("_FAILED") or CANCELED in reason.lower():
            continue
        if nested == event["StackId"]:  # the stack itself, of which its resources say more
            continue
        within = failures(client, nested, since) if nested else []
        found[:0] = within or [Failure(event["LogicalResourceId"], kind, reason)]
    return found


def _events(client: CloudFormationClient, name: str, since: datetime) -> Iterator[Any]:
    try:
        for page in client.get_paginator("describe_stack_events").paginate(StackName=name):
            for event in page["StackEvents"]:
                if event["Timestamp"] < since:
                    return
                yield event
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":  # as in ``describe``
            raise


def template(client: CloudFormationClient, name: str) -> dict[str, Any]:
    """Return the template of a stack as it was deployed, after SAM's transform."""
    body: Any = client.get_template(StackName=name, TemplateStage="Processed")["TemplateBody"]
    parsed: dict[str, Any] = json.loads(body) if isinstance(body, str) else body
    return parsed
