"""The options that several commands have, and the stack that they name."""

import os
from math import isfinite
from typing import Annotated

import boto3
import typer

from operations.stack import DeployedStack, describe

# Python evaluates these when a command is declared: typer reads them.
Stack = Annotated[str, typer.Option("--stack", help="The CloudFormation stack's name.")]
Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        envvar=["AWS_REGION", "AWS_DEFAULT_REGION"],
        help="The stack's region; else the one of your AWS profile.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")]


def chosen(stack: str, region: str | None) -> DeployedStack:
    """Look up the stack that a command line names, and keep to its region from here on.

    Raises ``StackError``, and what boto3 raises.
    """
    if region:
        os.environ["AWS_DEFAULT_REGION"] = region  # AWS_REGION alone means nothing to boto3
    return describe(boto3.client("cloudformation"), stack)


def positive(value: float | None) -> float | None:
    """Refuse what is not above 0, or no number at all."""
    if value is not None and not (isfinite(value) and value > 0):
        raise typer.BadParameter("it must be above 0")
    return value


def not_negative(value: float | None) -> float | None:
    """Refuse what is below 0, or no number at all."""
    if value is not None and not (isfinite(value) and value >= 0):
        raise typer.BadParameter("it must be 0 or more")
    return value
