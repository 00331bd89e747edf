"""What each function may do by the transformed template, with names for what has none before.

A resource stands as ``<RequestsQueue.Arn>``, whatever it is called where a function runs.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from operations import template_file
from tests.cloud import SENDER

type Node = Any  # a piece of a template: mapping, list or scalar

ACCOUNT, REGION = "123456789012", "eu-central-1"
OWN_DATABASE = {"SenderAddress": SENDER}
EXISTING = OWN_DATABASE | {
    "DatabaseUrlSecretArn": "<DatabaseUrlSecretArn>",
    "MigrationUrlSecretArn": "<MigrationUrlSecretArn>",
}
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "news",
    "AWS::URLSuffix": "amazonaws.com",
}


def resolved(node: Node) -> Node:
    """Resolve a piece of the template, resources to their names in pointed brackets."""
    match node:
        case {"Ref": str(name)}:
            return _PSEUDO.get(name, f"<{name}>")
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w:.]+)\}", lambda name: str(resolved({"Ref": name[1]})), text)
        case dict():
            return {name: resolved(child) for name, child in node.items()}
        case list():
            return [resolved(child) for child in node]
    return node


def functions(resources: Mapping[str, Node]) -> dict[str, Node]:
    """Return the functions' properties by their service's name, as in ``deliver``."""
    return {
        name.removesuffix("Function").lower(): node["Properties"]
        for name, node in resources.items()
        if node["Type"] == "AWS::Lambda::Function"
    }


def statements(resources: Mapping[str, Node], function: str) -> list[Node]:
    """Return the statements of a function's own role, resolved."""
    role = functions(resources)[function]["Role"]["Fn::GetAtt"][0]
    return [
        resolved(statement)
        for policy in resources[role]["Properties"].get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def documents(resources: Mapping[str, Node]) -> Iterator[tuple[str, Node]]:
    """Give every policy document of some resources, with a name that says where it is."""
    for name, node in resources.items():
        properties = node.get("Properties", {})
        for key in ("PolicyDocument", "AssumeRolePolicyDocument"):
            if key in properties:
                yield f"{name}.{key}", resolved(properties[key])
        for policy in properties.get("Policies", []):
            yield f"{name}.{policy['PolicyName']}", resolved(policy["PolicyDocument"])


def written(file: Path) -> dict[str, Node]:
    """Return the resources of a template that SAM doesn't transform, with conditions as met."""
    resources: dict[str, Node] = template_file.read(file)["Resources"]
    return {name: _as_met(node) for name, node in resources.items()}


def _as_met(node: Node) -> Node:
    match node:
        case {"Fn::If": [_, met, _]}:
            return _as_met(met)
        case dict():
            return {name: _as_met(child) for name, child in node.items()}
        case list():
            return [_as_met(child) for child in node]
    return node


def with_arns(document: Node, resources: Mapping[str, Node]) -> Node:
    """Put an ARN of its kind in the place of each resource's name."""

    def arn(found: re.Match[str]) -> str:
        name = found["name"]
        kind = resources.get(name, {}).get("Type", "AWS::SecretsManager::Secret")
        return _ARNS[kind].format(name=name)

    text = json.dumps(document)
    return json.loads(re.sub(r'(?<=")<(?P<name>\w+)(\.Arn)?>(?="|/\*")', arn, text))


_HERE = f"{REGION}:{ACCOUNT}"
_ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{_HERE}:{{name}}",
    "AWS::SNS::Topic": f"arn:aws:sns:{_HERE}:{{name}}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{name}}",
    "AWS::IAM::OIDCProvider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{{name}}",
    "AWS::IAM::ManagedPolicy": f"arn:aws:iam::{ACCOUNT}:policy/{{name}}",
    "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{_HERE}:secret:{{name}}",
}
