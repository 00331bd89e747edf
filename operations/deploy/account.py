"""The AWS account: whose credentials these are, what they may do, and what it has already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from operations.deploy.parameters import Refused
from operations.doctor.stack_under_test import find_identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from operations.deploy.answers import Answers
    from operations.doctor.stack_under_test import Identity

ANY_REGION = "us-east-1"  # STS and Route 53 answer alike in all of a partition's
_CALLS = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard"})


class Unchecked(Exception):
    """AWS doesn't let these credentials look; the text names the call."""


class Caller(NamedTuple):
    """Who the credentials are."""

    account: str
    arn: str

    @property
    def partition(self) -> str:
        return self.arn.split(":")[1]

    @property
    def is_root(self) -> bool:
        return self.arn.endswith(":root")

    @property
    def policy_source(self) -> str:
        """The user or role whose policies decide; an assumed role is named by its session."""
        parts = self.arn.split(":")
        kind, _, name = parts[5].partition("/")
        if kind != "assumed-role":
            return self.arn
        role = boto3.client("iam", region_name=ANY_REGION, config=_CALLS).get_role(
            RoleName=name.partition("/")[0]
        )
        return role["Role"]["Arn"]  # with its path, which the session's ARN leaves out


class Zone(NamedTuple):
    """A public zone in Route 53."""

    zone_id: str
    name: str


def caller(region: str | None) -> Caller:
    """Return who the credentials are. Raises what boto3 raises."""
    client = boto3.client("sts", region_name=region or ANY_REGION, config=_CALLS)
    identity = client.get_caller_identity()
    return Caller(identity["Account"], identity["Arn"])


def zones() -> list[Zone]:
    """Return the account's public zones. Raises ``Unchecked``."""
    client = boto3.client("route53", region_name=ANY_REGION, config=_CALLS)
    try:
        return [
            Zone(each["Id"].rpartition("/")[2], each["Name"].rstrip("."))
            for page in client.get_paginator("list_hosted_zones").paginate()
            for each in page["HostedZones"]
            if not each.get("Config", {}).get("PrivateZone")
        ]
    except ClientError as error:
        raise _unchecked(error) from error


def most_exact(zones: list[Zone], domain: str) -> Zone | None:
    """Return the zone that holds a domain."""
    holding = [each for each in zones if f".{domain}".endswith(f".{each.name}")]
    return max(holding, key=lambda zone: len(zone.name), default=None)


def require_zone(zones: list[Zone], zone_id: str, domain: str) -> None:
    """Raise ``Refused`` unless the id is of one of these zones, and that one holds the domain."""
    found = next((each for each in zones if each.zone_id == zone_id), None)
    if found is None:
        names = ", ".join(f"{each.zone_id} ({each.name})" for each in zones) or "none"
        raise Refused(f"it is no public zone of this account, which has {names}")
    if not most_exact([found], domain):
        raise Refused(f"the zone {zone_id} holds {found.name}, not {domain}")


def require_certificate(arn: str, domain: str) -> None:
    """Raise ``Refused`` unless the certificate is issued and covers the domain.

    Raises ``Unchecked`` when it may not be looked at.
    """
    region = arn.split(":")[3]
    client = boto3.client("acm", region_name=region, config=_CALLS)
    try:
        found = client.describe_certificate(CertificateArn=arn)["Certificate"]
    except client.exceptions.ResourceNotFoundException as error:
        raise Refused(f"there is no such certificate in {region} and this account") from error
    except ClientError as error:
        raise _unchecked(error) from error
    if found["Status"] != "ISSUED":
        raise Refused(f"ACM says that it is {found['Status']}, and only ISSUED will do")
    names = found["SubjectAlternativeNames"]
    if not {domain, f"*.{domain.partition('.')[2]}"} & set(names):  # a star is one label
        raise Refused(f"it is for {', '.join(names)}, not for {domain}")


def identity_of(address: str, region: str) -> Identity | None:
    """Return the identity that SES has for a sender. Raises ``Unchecked``."""
    try:
        return find_identity(boto3.client("sesv2", region_name=region, config=_CALLS), address)
    except ClientError as error:
        raise _unchecked(error) from error


def require_secret(arn: str, region: str) -> None:
    """Raise ``Refused`` when no secret has this ARN, ``Unchecked`` when none may be looked at."""
    client = boto3.client("secretsmanager", region_name=region, config=_CALLS)
    try:
        client.describe_secret(SecretId=arn)
    except client.exceptions.ResourceNotFoundException as error:
        raise Refused(f"there is no such secret in {region} and this account") from error
    except ClientError as error:
        raise _unchecked(error) from error


def denied(who: Caller, stack: str, answers: Answers, *, has_budget: bool) -> list[str]:
    """Return the actions of a deployment that IAM's simulation denies. Raises ``Unchecked``.

    What depends on more than the simulation knows, such as the calling service, is left out.
    """
    client = boto3.client("iam", region_name=ANY_REGION, config=_CALLS)
    refused = []
    calls = [*_calls_of_a_deployment(who, stack, answers)]
    if has_budget and answers.operator_address:
        budget = f"arn:{who.partition}:budgets::{who.account}:budget/{stack}-{answers.region}"
        calls.append(("budgets:ModifyBudget", budget))
    try:
        source = who.policy_source
        for action, resource in calls:
            simulated: Any = client.simulate_principal_policy(
                PolicySourceArn=source, ActionNames=[action], ResourceArns=[resource]
            )
            refused += [
                action
                for each in simulated["EvaluationResults"]
                if each["EvalDecision"] != "allowed" and not each.get("MissingContextValues")
            ]
    except ClientError as error:
        raise _unchecked(error) from error
    return refused


def _calls_of_a_deployment(who: Caller, stack: str, answers: Answers) -> Iterator[tuple[str, str]]:
    """Yield an action of each service with a resource as the stack would make it."""

    def arn(service: str, resource: str, *, region: str = answers.region) -> str:
        return f"arn:{who.partition}:{service}:{region}:{who.account}:{resource}"

    role = arn("iam", f"role/{stack}-SubscribeFunctionRole-example", region="")
    yield "cloudformation:CreateChangeSet", arn("cloudformation", f"stack/{stack}/example")
    yield "cloudformation:ExecuteChangeSet", arn("cloudformation", f"stack/{stack}/example")
    yield "iam:CreateRole", role
    yield "iam:PassRole", role
    yield "lambda:CreateFunction", arn("lambda", f"function:{stack}-subscribe")
    yield "lambda:PublishLayerVersion", arn("lambda", f"layer:{stack}-common")
    yield "apigateway:POST", f"arn:{who.partition}:apigateway:{answers.region}::/restapis"
    yield "sqs:CreateQueue", arn("sqs", f"{stack}-RequestsQueue-example")
    yield "sns:CreateTopic", arn("sns", f"{stack}-Alarms-example")
    yield "secretsmanager:CreateSecret", arn("secretsmanager", "secret:SigningKeys-example")
    yield "scheduler:CreateScheduleGroup", arn("scheduler", f"schedule-group/{stack}")
    yield "logs:CreateLogGroup", arn("logs", f"log-group:/aws/lambda/{stack}-subscribe")
    yield (
        "cloudwatch:PutMetricAlarm",
        arn("cloudwatch", f"alarm:{stack}-requests-dead-letters"),
    )
    yield "cloudwatch:PutDashboard", arn("cloudwatch", f"dashboard/{stack}", region="")
    if answers.sender_domain:
        yield "ses:CreateEmailIdentity", arn("ses", f"identity/{answers.sender_domain}")
    if answers.makes_database:
        yield "rds:CreateDBCluster", arn("rds", "cluster:broadsheet-example")
        yield "ec2:CreateVpc", arn("ec2", "vpc/vpc-example")
    if answers.domain_name:
        zone = answers.hosted_zone_id
        yield "apigateway:POST", f"arn:{who.partition}:apigateway:{answers.region}::/domainnames"
        if zone:
            yield (
                "route53:ChangeResourceRecordSets",
                f"arn:{who.partition}:route53:::hostedzone/{zone}",
            )


def _unchecked(error: ClientError) -> Unchecked:
    return Unchecked(f"{error.operation_name} was refused: {error.response['Error']['Code']}")
