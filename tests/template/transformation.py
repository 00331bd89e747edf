"""The template as CloudFormation gets it: transformed by SAM, under an operator's parameters."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SAM_PYTHON = ROOT / ".venv-sam" / "bin" / "python"

NO_VALUE = {"Ref": "AWS::NoValue"}

type Node = Any  # a piece of a template: mapping, list or scalar


@cache
def transformed(folder: Path) -> dict[str, Node]:
    """Transform template.yaml, by way of a file in this folder."""
    file = folder / "transformed.json"
    subprocess.run(
        [SAM_PYTHON, Path(__file__).with_name("transform.py"), ROOT / "template.yaml", file],
        check=True,
        capture_output=True,
        env={"AWS_DEFAULT_REGION": "us-east-1"},
    )
    document: dict[str, Node] = json.loads(file.read_text())
    return document


def under(template: dict[str, Node], **parameters: str) -> dict[str, Node]:
    """Give the resources that these parameters lead to, with conditions decided.

    What the parameters don't decide, as a reference to a resource, stays as it is.
    """
    decision = _decision(template, parameters)
    return {
        name: decision.of(node)
        for name, node in template["Resources"].items()
        if decision.holds(node.get("Condition"))
    }


def refusals(template: dict[str, Node], **parameters: str) -> list[str]:
    """Give what CloudFormation says of these parameters instead of making anything."""
    decision = _decision(template, parameters)
    return [
        assertion["AssertDescription"]
        for rule in template["Rules"].values()
        if decision.holds(rule.get("RuleCondition"))
        for assertion in rule["Assertions"]
        if not decision.holds(assertion["Assert"])
    ]


def _decision(template: dict[str, Node], parameters: dict[str, str]) -> Decision:
    defaults = {name: node.get("Default", "given") for name, node in template["Parameters"].items()}
    values = {name: str(value) for name, value in (defaults | parameters).items()}
    return Decision(values, template["Conditions"])


@dataclass(frozen=True)
class Decision:
    """Some parameters' values, and the conditions that follow from them."""

    values: dict[str, str]
    conditions: dict[str, Node]

    def holds(self, condition: Node) -> bool:
        match condition:
            case None:
                return True
            case str(name) | {"Condition": str(name)}:
                return self.holds(self.conditions[name])
            case {"Fn::Not": [negated]}:
                return not self.holds(negated)
            case {"Fn::And": parts}:
                return all(map(self.holds, parts))
            case {"Fn::Or": alternatives}:
                return any(map(self.holds, alternatives))
            case {"Fn::Equals": [left, right]}:
                return bool(str(self.of(left)) == str(self.of(right)))
        raise ValueError(condition)

    def of(self, node: Node) -> Node:
        """Decide what can be decided in a piece of the template."""
        match node:
            case {"Ref": str(name)} if name in self.values:
                return self.values[name]
            case {"Fn::If": [name, yes, no]}:
                return self.of(yes if self.holds(name) else no)
            case {"Fn::Join": [_, {"Ref": str(name)}]} if name in self.values:
                return self.values[name]  # a list, which a parameter is given as one text
            case dict():
                children = {name: self.of(child) for name, child in node.items()}
                return {name: child for name, child in children.items() if child != NO_VALUE}
            case list():
                return [child for child in map(self.of, node) if child != NO_VALUE]
        return node
