"""The command: a first deployment with its six questions, or an update without any."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import boto3
import typer
from botocore.exceptions import NoRegionError, ProfileNotFound

from operations import errors, themes
from operations import stack as stacks
from operations.deploy import (
    account,
    aftermath,
    expected_bill,
    parameters,
    regions,
    sam,
    samconfig,
)
from operations.deploy.account import Unchecked
from operations.deploy.answers import QUESTIONED
from operations.deploy.interview import Given, interview
from operations.deploy.parameters import Refused
from operations.deploy.questions import Question, ask, confirm
from operations.doctor.dns import Dns
from operations.stack import StackError

if TYPE_CHECKING:
    from operations.deploy.answers import Answers
    from operations.stack import DeployedStack

UNMADE = {"REVIEW_IN_PROGRESS"}  # a change set was made, and nothing of it yet
DEAD = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}
FIRST_FAILURES = 3  # most that follow are the same, or follow from these
LONGEST_NAME = 52  # Lambda's 64, less the longest function's: -unsubscribe


def deploy(  # noqa: PLR0913 - a flag for each question
    *,
    stack: Annotated[str, typer.Option(help="The stack's name, a short word.")] = "",
    newsletter_name: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    sender_name: Annotated[
        str | None, typer.Option(help="The name that inboxes show beside the address.")
    ] = None,
    sender_address: Annotated[str | None, typer.Option(help="Where mail comes from.")] = None,
    domain: Annotated[
        str | None, typer.Option(help="The domain of pages and links, or “none”.")
    ] = None,
    hosted_zone_id: Annotated[
        str | None, typer.Option(help="The domain's zone, where Route 53 can't be looked into.")
    ] = None,
    certificate_arn: Annotated[
        str | None, typer.Option(help="The domain's certificate, unless Route 53 holds it.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="The AWS region.")] = None,
    operator_address: Annotated[
        str | None, typer.Option(help="Where alarms and the budget's warnings go, or “”.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="“new”, or the ARN of a secret with a database's address.")
    ] = None,
    changes: Annotated[
        str, typer.Option("--set", help='Other parameters: "Name=value Other=value".')
    ] = "",
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Agree without asking: to the bill, and to trying what IAM would refuse."
        ),
    ] = False,
    readers: Annotated[
        int, typer.Option("--list", min=0, help="Readers, for the bill that is shown.")
    ] = 2_000,
    config_file: Annotated[Path, typer.Option(help="sam's file.")] = Path("samconfig.toml"),
    template_file: Annotated[
        Path | None, typer.Option(help="A template that `sam build` has built already.")
    ] = None,
) -> None:
    """Deploy a newsletter to AWS: six questions the first time, later an update without any.

    Each question's flag answers it. An update keeps the parameters that the stack has, except those
    of --set.
    """
    given = Given(
        newsletter_name=newsletter_name,
        sender_name=sender_name,
        sender_address=sender_address,
        domain=domain,
        hosted_zone_id=hosted_zone_id,
        certificate_arn=certificate_arn,
        region=region,
        operator_address=operator_address,
        database=database,
    )
    order = _Order(
        _checked_name(stack), given, parameters.changes(changes), config_file, template_file
    )
    existing, region = _look_up(order)
    if existing:
        _update(order, existing)
    else:
        _create(order, region, readers, agreed=yes)


class _Order(NamedTuple):
    """What the command line asks for."""

    stack: str
    given: Given
    changes: dict[str, str]
    config_file: Path
    template: Path | None

    def built(self) -> Path:
        return self.template or sam.build()


def _checked_name(stack: str) -> str:
    if not stack:
        raise Refused(
            "Say which stack: make deploy STACK=news\n"
            "`make reload` brings a change into the stack on this machine."
        )
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", stack) or len(stack) > LONGEST_NAME:
        raise Refused(
            f"{stack} can't name a stack: letters, digits and hyphens, {LONGEST_NAME} at most, "
            "a letter first."
        )
    return stack


def _look_up(order: _Order) -> tuple[DeployedStack | None, str | None]:
    """Return the stack, if there is one, and the region, if it is known.

    Raises ``Refused``, and ``NoRegionError`` where nobody can be asked for a region.
    """
    kept = samconfig.recall(order.config_file, order.stack)
    if order.given.region is not None:
        ask(Question("", "--region", regions.checked), order.given.region)
    region = order.given.region or kept.region or _region_of_environment()
    if region is None and not sys.stdin.isatty():
        raise NoRegionError
    who = account.caller(region)
    typer.echo(f"Account {who.account}, as {who.arn}{f', in {region}' if region else ''}.")
    if region is None:
        return None, None
    return _existing(order.stack, region), region


def _region_of_environment() -> str | None:
    try:
        return os.environ.get("AWS_REGION") or boto3.Session().region_name
    except ProfileNotFound:
        return None  # the credentials' check says so


def _existing(stack: str, region: str) -> DeployedStack | None:
    """Return the stack in this region. Raises ``Refused`` when it can't be deployed to."""
    # doctor's clients and sam take the region from here; sam reads the second name only.
    os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = region
    try:
        found = stacks.describe(boto3.client("cloudformation", region_name=region), stack)
    except StackError:
        return None
    if found.status in UNMADE:
        return None
    if found.status in DEAD:
        raise Refused(f"{stack} is {found.status}.\n{_start_over(stack, region)}")
    if found.status.endswith("_IN_PROGRESS") and "CLEANUP" not in found.status:
        raise Refused(f"{stack} is {found.status}: run this again when that has ended.")
    found.parameter("NewsletterName")  # else it is another's stack
    return found


def _start_over(stack: str, region: str) -> str:
    return (
        "Correct the cause, delete what the first deployment left (docs/operations.md, “A "
        "deployment failed”), and run this again:\n"
        f"  aws cloudformation delete-stack --stack-name {stack} --region {region}"
    )


def _update(order: _Order, existing: DeployedStack) -> None:
    answered = [
        f"--{name.replace('_', '-')}"
        for name, value in vars(order.given).items()
        if value is not None and name != "region"
    ]
    if answered:
        raise Refused(
            f"{existing.name} exists, so that {' and '.join(answered)} can't answer a question.\n"
            f'Change its parameters by name: make deploy STACK={existing.name} SET="SenderName=Ada"'
        )
    _check_theme(existing.parameters | order.changes)
    began = datetime.now(UTC)
    try:
        sam.update(order.built(), order.config_file, existing.name, order.changes)
    except sam.SamFailed as error:
        raise Refused(f"{error}{_why(existing.name, began)}") from error
    typer.echo(f"\n{existing.name} is updated. Next: make doctor STACK={existing.name}")


def _create(order: _Order, region: str | None, readers: int, *, agreed: bool) -> None:
    stack = order.stack
    before = samconfig.recall(order.config_file, stack).parameters
    answers = interview(order.given, before, region, readers)
    if _existing(stack, answers.region):
        raise Refused(
            f"There is a stack {stack} in {answers.region} already. To update it:\n"
            f'  make deploy STACK={stack} ARGS="--region {answers.region}"'
        )
    beside = {name: before[name] for name in before if name not in QUESTIONED}
    values = beside | answers.parameters() | order.changes
    _check_theme(values)
    # Before anything can end this: nobody types six answers twice.
    samconfig.remember(order.config_file, stack, answers.region, values)
    typer.echo(f"\nThe answers are in {order.config_file}: the next run offers them.")
    has_budget = values.get("MonthlyBudget") != "0"  # the template takes no other zero
    _check_permissions(stack, answers, has_budget=has_budget, agreed=agreed)
    expected_bill.show(
        readers,
        answers.region,
        makes_database=answers.makes_database,
        has_zone=bool(answers.hosted_zone_id),
    )
    if not agreed:
        confirm(f"\nDeploy {stack} to {answers.region} now?", default=True)
    began = datetime.now(UTC)
    try:
        sam.create(order.built(), order.config_file, stack)
    except sam.SamFailed as error:
        raise Refused(
            f"{error}{_why(stack, began)}\nThe answers are kept in {order.config_file}. "
            f"{_start_over(stack, answers.region)}"
        ) from error
    aftermath.show(stack, dns=Dns())


def _check_theme(values: dict[str, str]) -> None:
    """Raise ``UnusableTheme`` if this checkout hasn't the theme, or mails can't have one of its."""
    themes.check_all(values.get("Theme", themes.DEFAULT))  # a stack of an older version has none


def _why(stack: str, since: datetime) -> str:
    """Return lines with the first failures of a deployment, if CloudFormation has any."""
    try:
        failures = stacks.failures(boto3.client("cloudformation"), stack, since)
    except errors.AWS_ERRORS as error:
        return f"\nCloudFormation's reasons could not be read: {errors.explain(error)}"
    return "".join(
        f"\n  {each.logical_id} ({each.kind}): {each.reason}" for each in failures[:FIRST_FAILURES]
    )


def _check_permissions(stack: str, answers: Answers, *, has_budget: bool, agreed: bool) -> None:
    """Print whether the credentials may deploy. Raises ``Refused`` when nobody agrees to try."""
    who = account.caller(answers.region)
    if who.is_root:
        typer.echo("\nThe credentials are the account's root user's, who may do everything.")
        return
    try:
        denied = account.denied(who, stack, answers, has_budget=has_budget)
    except Unchecked as error:
        typer.echo(f"\nWhether these credentials may deploy could not be checked: {error}.")
        return
    if not denied:
        typer.echo("\nIAM says that these credentials may deploy.")
        return
    typer.echo(
        f"\nIAM says that these credentials may not: {', '.join(denied)}.\n"
        "Ask whoever runs the account, or set AWS_PROFILE to another profile."
    )
    if not agreed:
        confirm("Try all the same?", default=False)
