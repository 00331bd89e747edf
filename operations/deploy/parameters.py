"""The template's parameters: which values each takes, and how sam is given them."""

import re
import shlex
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from operations import template_file
from operations.errors import OperationFailed

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATE = REPOSITORY / "template.yaml"


class Refused(OperationFailed):
    """An answer that can't be right; the text says why, or what to give instead."""


@cache
def declared() -> dict[str, Any]:
    """Return the template's parameters by their names."""
    parameters: dict[str, Any] = template_file.read(TEMPLATE)["Parameters"]
    return parameters


def checked(name: str, value: str) -> str:
    """Return a parameter's value as CloudFormation would take it.

    The template's own constraints decide. Raises ``Refused`` in the template's words.
    """
    parameter = declared().get(name)
    if parameter is None:
        close = get_close_matches(name, declared(), n=1)
        raise Refused(
            f"the template has no parameter {name}" + (f"; is it {close[0]}?" if close else "")
        )
    if "\\" in value:
        raise Refused("sam passes no backslash on")
    each = value.split(",") if parameter["Type"] == "CommaDelimitedList" else [value]
    if not all(_is_taken(parameter, part) for part in each):
        raise Refused(_constraint(parameter))
    return value


def override(name: str, value: str) -> str:
    """Return a parameter as ``sam deploy --parameter-overrides`` reads it."""
    quoted = value.replace('"', '\\"')
    return f'{name}="{quoted}"'


def parsed(text: str) -> dict[str, str]:
    """Parse ``Name=value Other="two words"``. Raises ``Refused``."""
    try:
        pairs = [word.partition("=") for word in shlex.split(text)]
    except ValueError as error:
        raise Refused(f"A quotation mark is left open in {text}") from error
    for name, equals, _ in pairs:
        if not equals:
            raise Refused(f'{name} has no value: write Name=value, or Name="two words".')
    return {name: value for name, _, value in pairs}


def changes(text: str) -> dict[str, str]:
    """Parse what an operator sets by name, and check each. Raises ``Refused``."""
    given = parsed(text)
    for name, value in given.items():
        try:
            checked(name, value)
        except Refused as error:
            raise Refused(f"{name}: {error}.") from error
    return given


def _is_taken(parameter: dict[str, Any], value: str) -> bool:
    if parameter["Type"] == "Number" and not _is_number_between(parameter, value):
        return False
    if "AllowedValues" in parameter and value not in map(str, parameter["AllowedValues"]):
        return False
    if not parameter.get("MinLength", 0) <= len(value) <= parameter.get("MaxLength", len(value)):
        return False
    # CloudFormation matches the whole value.
    return bool(re.fullmatch(parameter.get("AllowedPattern", "(?s:.*)"), value))


def _is_number_between(parameter: dict[str, Any], value: str) -> bool:
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return False
    number = float(value)
    least, most = parameter.get("MinValue", number), parameter.get("MaxValue", number)
    return bool(float(least) <= number <= float(most))


def _constraint(parameter: dict[str, Any]) -> str:
    if words := parameter.get("ConstraintDescription"):
        return f"give {words}"
    if values := parameter.get("AllowedValues"):
        return f"give one of {', '.join(map(str, values))}"
    if parameter["Type"] == "Number":
        least, most = parameter.get("MinValue"), parameter.get("MaxValue")
        bounds = [f"{least} or more"] if least is not None else []
        bounds += [f"{most} at most"] if most is not None else []
        return f"give a number, {', '.join(bounds)}" if bounds else "give a number"
    return f"give what matches {parameter.get('AllowedPattern', 'the template')}"
