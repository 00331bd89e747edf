"""The stack that is looked at, and what several checks need to know of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from operations import stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sesv2.type_defs import GetAccountResponseTypeDef
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

    from operations.doctor.dns import Dns
    from operations.stack import DeployedStack, Resource

REPORT = b'{"report": true}'  # of dispatch, which reads it from the database
_CALLS = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard"})
_WAKING = Config(read_timeout=60)  # dispatch gives a paused database 30 s to wake


class Identity(NamedTuple):
    """What SES knows under ``name``: the sender's address, its domain, or one above."""

    name: str
    answer: dict[str, Any]

    @property
    def is_domain(self) -> bool:
        return "@" not in self.name


def find_identity(ses: SESV2Client, sender: str) -> Identity | None:
    """Return the identity that lets a sender send: the most exact one that there is."""
    labels = sender.rpartition("@")[2].lower().split(".")
    parents = [".".join(labels[level:]) for level in range(len(labels) - 1)]
    for name in (*parents, sender):
        try:
            answer: Any = ses.get_email_identity(EmailIdentity=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NotFoundException":
                raise
        else:
            return Identity(name, answer)
    return None


@dataclass(frozen=True)
class StackUnderTest:
    """A stack, its account and its domain. ``list_size``: subscribers, if they are known."""

    stack: DeployedStack
    dns: Dns
    list_size: int | None = None

    @property
    def region(self) -> str:
        return self.ses.meta.region_name

    @property
    def sender(self) -> str:
        return self.stack.parameter("SenderAddress")

    @property
    def sender_domain(self) -> str:
        return self.sender.rpartition("@")[2].lower()

    @property
    def links(self) -> str:
        """The address that links in mails begin with."""
        return self.stack.output("SignUpUrl")

    @property
    def is_on_one_machine(self) -> bool:
        return urlsplit(self.links).hostname in {"localhost", "127.0.0.1"}

    @cached_property
    def identity(self) -> Identity | None:
        """The identity that lets the sender send: the most exact one that there is."""
        return find_identity(self.ses, self.sender)

    @property
    def signing_domain(self) -> str:
        """The domain that DNS records are about: the identity's, else the sender's."""
        found = self.identity
        return found.name if found and found.is_domain else self.sender_domain

    @cached_property
    def account(self) -> GetAccountResponseTypeDef:
        return self.ses.get_account()

    @cached_property
    def resources(self) -> list[Resource]:
        return list(stack.resources(self.cloudformation, self.stack.name))

    def resources_of(self, kind: str) -> list[Resource]:
        return [each for each in self.resources if each.kind == kind]

    @cached_property
    def report(self) -> dict[str, Any] | None:
        """What dispatch reports from the database; None if that did not answer."""
        answer = self.functions.invoke(
            FunctionName=self.stack.output("DispatchFunctionName"), Payload=REPORT
        )
        report: dict[str, Any] | None = json.loads(answer["Payload"].read())
        return None if "FunctionError" in answer else report

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        return boto3.client("cloudformation", config=_CALLS)

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        return boto3.client("cloudwatch", config=_CALLS)

    @cached_property
    def functions(self) -> LambdaClient:
        return boto3.client("lambda", config=_CALLS.merge(_WAKING))

    @cached_property
    def rds(self) -> RDSClient:
        return boto3.client("rds", config=_CALLS)

    @cached_property
    def secrets(self) -> SecretsManagerClient:
        return boto3.client("secretsmanager", config=_CALLS)

    @cached_property
    def ses(self) -> SESV2Client:
        return boto3.client("sesv2", config=_CALLS)

    @cached_property
    def sns(self) -> SNSClient:
        return boto3.client("sns", config=_CALLS)

    @cached_property
    def sqs(self) -> SQSClient:
        return boto3.client("sqs", config=_CALLS)
