"""The template as CloudFormation gets it: transformed by SAM, under an operator's parameters."""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SAM_PYTHON = ROOT / ".venv-sam" / "bin" / "python"

NO_VALUE = {"Ref": "AWS::NoValue"}

type Node = Any  # a piece of a template: mapping, list or scalar


def transformed() -> dict[str, Node]:
    """Transform template.yaml, once for all processes that test this version of it."""
    program, template = Path(__file__).with_name("transform.py"), ROOT / "template.yaml"
    digest = hashlib.sha256()
    for read in (template, program, ROOT / "requirements" / "sam.txt"):
        digest.update(read.read_bytes())
    file = ROOT / "build" / "transformed" / f"{digest.hexdigest()[:16]}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with (file.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            new = file.with_suffix(".new")
            subprocess.run(
                [SAM_PYTHON, program, template, new],
                check=True,
                capture_output=True,
                env={"AWS_DEFAULT_REGION": "us-east-1"},
            )
            for older in file.parent.glob("*.json"):
                older.unlink()
            new.rename(file)
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
