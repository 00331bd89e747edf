"""Evaluate identity-based policies as IAM does: an explicit deny wins, silence denies.

Source: IAM's user guide, "Policy evaluation logic" and "IAM JSON policy elements".
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

type Statement = Mapping[str, Any]

ELEMENTS = frozenset({"Sid", "Effect", "Action", "Resource", "Condition"})


class Decision(StrEnum):
    """What a policy decides about a request."""

    ALLOW = "allow"
    DENY = "explicit deny"
    SILENCE = "implicit deny"


class UnknownElementError(Exception):
    """A policy uses an element or operator that this evaluator doesn't know."""


@dataclass(frozen=True)
class Request:
    """One action on one resource, with the values of its condition keys."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def decide(statements: Iterable[Statement], request: Request) -> Decision:
    """Return the decision of all statements. Raises ``UnknownElementError``."""
    effects = {one["Effect"] for one in statements if _applies(one, request)}
    if "Deny" in effects:
        return Decision.DENY
    return Decision.ALLOW if "Allow" in effects else Decision.SILENCE


def as_list(value: Any) -> list[Any]:  # noqa: ANN401 - one value or a list of them, as in JSON
    """Return a policy's value as a list."""
    return value if isinstance(value, list) else [value]


def matches(pattern: str, text: str) -> bool:
    """Return whether a text fits a pattern, in which ``*`` and ``?`` are wildcards."""
    return _compiled(pattern).fullmatch(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (
        {"*": ".*", "?": "."}.get(part, re.escape(part)) for part in re.split(r"([*?])", pattern)
    )
    return re.compile("".join(parts), re.DOTALL)


def _applies(statement: Statement, request: Request) -> bool:
    if unknown := statement.keys() - ELEMENTS:
        raise UnknownElementError(f"unknown in a statement: {', '.join(sorted(unknown))}")
    conditions = [  # evaluate all, so that an unknown operator is always noticed
        _holds(operator, key, as_list(values), request.context)
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    ]
    return (
        any(matches(one.lower(), request.action.lower()) for one in as_list(statement["Action"]))
        and any(matches(one, request.resource) for one in as_list(statement["Resource"]))
        and all(conditions)
    )


def _holds(operator: str, key: str, values: list[str], context: Mapping[str, str]) -> bool:
    """Return whether a condition holds; it fails if the request doesn't have the key."""
    name, _, optional = operator.partition("IfExists")
    if name not in _OPERATORS or (optional and operator != f"{name}IfExists"):
        raise UnknownElementError(f"unknown condition operator: {operator}")
    known = {name.lower(): value for name, value in context.items()}
    if key.lower() not in known:
        return operator.endswith("IfExists")
    return any(_OPERATORS[name](str(value), known[key.lower()]) for value in values)


def _ignoring_case(expected: str, actual: str) -> bool:
    return expected.lower() == actual.lower()


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "StringEqualsIgnoreCase": _ignoring_case,
    "StringLike": matches,
    "ArnEquals": matches,  # the same as ArnLike: IAM's guide, "Condition operators"
    "ArnLike": matches,
    "Bool": _ignoring_case,
}
