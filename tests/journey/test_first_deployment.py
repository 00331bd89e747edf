"""An operator answers the six questions at a terminal, and updates the stack afterwards."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import psycopg
import pytest
import urllib3

from local import deployment, isolation
from local.state import REPOSITORY
from operations.deploy import samconfig
from operations.stack import DeployedStack, describe
from tests.conftest import in_database
from tests.journey import readme
from tests.journey.people import Town
from tests.journey.terminal import converse

STACK = "news"
GUIDE = (REPOSITORY / "docs" / "operations.md").read_text()


class Account(NamedTuple):
    """What an operator has before: an account, a PostgreSQL, and a domain that SES knows."""

    town: Town
    folder: Path
    secret_arn: str
    environment: dict[str, str]

    @property
    def config_file(self) -> Path:
        return self.folder / "samconfig.toml"

    @property
    def flags(self) -> str:
        """What only a test asks for: no samconfig.toml in the repository, and a build for here."""
        template = self.town.stack.state.build / "template.yaml"
        return f"--config-file {self.config_file} --template-file {template}"

    def stack(self) -> DeployedStack:
        return describe(self.town.stack.aws.cloudformation, STACK)

    def make_deploy(
        self, *variables: str, arguments: str = "", typed: str = "", **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        ended = subprocess.run(
            ["/usr/bin/env", "make", "deploy", *variables, f"ARGS={self.flags} {arguments}"],
            check=False,
            capture_output=True,
            cwd=REPOSITORY,
            env=self.environment | environment,
            input=typed,
            text=True,
        )
        self.let_the_emulator_poll()
        return ended

    def let_the_emulator_poll(self) -> None:
        """Give it numbers for concurrencies: after a deployment it has texts, and polls nothing."""
        deployment._put_concurrencies(self.town.stack.aws)

    def client(self, service: str) -> Any:  # noqa: ANN401 - any of boto3's
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.town.stack.state.emulator_url,
            region_name=isolation.REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )


@pytest.fixture(scope="module")
def account(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Account:
    with psycopg.connect(town.stack.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE news")
    secret = town.stack.aws.secrets.create_secret(
        Name="news-database", SecretString=in_database(town.stack.database_url, "news")
    )
    environment = isolation.without_aws(dict(os.environ))
    environment |= {"AWS_ENDPOINT_URL": town.stack.state.emulator_url, "COLUMNS": "100"}
    account = Account(town, tmp_path_factory.mktemp("news"), secret["ARN"], environment)
    # The emulator makes no DNS records for an identity, which the stack's outputs would name.
    account.client("sesv2").create_email_identity(EmailIdentity="page.example")
    return account


@pytest.fixture(scope="module")
def transcript(account: Account) -> Iterator[str]:
    """What stands on the terminal after a first deployment."""
    answers = [
        ("What is it called? ", "The Page"),
        ("[The Page] ", "Ada at The Page"),
        ("Which address does the mail come from? ", "letters@page.example"),
        ("Which domain? [none] ", ""),
        ("Which region? [us-east-1] ", "ap-east-1"),
        ("Which region? [us-east-1] ", ""),
        ("Which address? ", "ada@page.example"),
        ("Which database? [new] ", account.secret_arn),
        ("now? [Y/n] ", "y"),
    ]
    # The emulator knows no budgets.
    command = ["make", "deploy", f"STACK={STACK}", f"ARGS={account.flags}", "SET=MonthlyBudget=0"]
    try:
        shown = converse(command, answers, cwd=REPOSITORY, environment=account.environment)
        account.let_the_emulator_poll()
        yield shown
    finally:
        cloudformation = account.town.stack.aws.cloudformation
        cloudformation.delete_stack(StackName=STACK)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=STACK, WaiterConfig={"Delay": deployment.DELETE_POLL_SECONDS}
        )


def test_the_six_questions_are_asked_as_the_guide_shows(transcript: str, account: Account) -> None:
    ((_, shown),) = re.findall(
        r"^```console\n\$ (make deploy STACK=news)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL
    )
    printed = iter(of_any_run(transcript))

    for line in of_any_run(shown):
        if line != "...":
            assert line in printed, f"not printed, or not in this place: {line}"


def of_any_run(output: str) -> list[str]:
    output = re.sub(r"news-database-\w+", "news-database-RANDOM", output)
    output = re.sub(r"\S*/samconfig\.toml", "samconfig.toml", output)
    output = re.sub(r"https://\w+\.execute-api|\b\w{8}\.execute-api", "API.execute-api", output)
    return readme.unvarying(output)


def test_what_was_deployed_is_what_was_answered(transcript: str, account: Account) -> None:
    stack = account.stack()

    answered = {
        "NewsletterName": "The Page",
        "SenderName": "Ada at The Page",
        "SenderAddress": "letters@page.example",
        "SenderDomain": "",
        "DomainName": "",
        "OperatorAddress": "ada@page.example",
        "DatabaseUrlSecretArn": account.secret_arn,
        "MonthlyBudget": "0",
    }
    assert answered.items() <= stack.parameters.items()
    page = urllib3.request(
        "GET",
        f"{account.town.stack.state.emulator_url}/_aws/execute-api/{stack.outputs['ApiId']}/prod/",
        retries=False,
        timeout=40,  # a function's first call takes a while on a busy machine
    )
    assert page.status == 200
    assert "The Page" in page.data.decode()


def test_an_update_asks_nothing_and_changes_only_what_it_is_given(
    transcript: str, account: Account
) -> None:
    before = account.stack().parameters

    ended = account.make_deploy(f"STACK={STACK}", "SET=SenderName='Jo at The Page'")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "?" not in ended.stdout.partition("sam")[0]
    assert account.stack().parameters == before | {"SenderName": "Jo at The Page"}


def test_what_credentials_may_not_is_said_before_anything_is_made(
    transcript: str, account: Account
) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="reader")
    allowed = ["sts:*", "route53:List*", "ses:Get*", "secretsmanager:Describe*"]
    allowed += ["cloudformation:*", "iam:Simulate*"]
    statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
    iam.put_user_policy(
        UserName="reader",
        PolicyName="reads",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    answers = "--newsletter-name Other --sender-name Other --sender-address a@page.example"
    answers += " --domain none --operator-address '' --database new --region us-east-1"

    ended = account.make_deploy(
        "STACK=other",
        arguments=answers,
        typed="n\n",
        AWS_ACCESS_KEY_ID=key["AccessKeyId"],
        AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"],
    )

    assert ended.returncode != 0
    assert "user/reader" in ended.stdout
    denied = ended.stdout.partition("may not: ")[2]
    assert "iam:CreateRole" in denied
    assert "cloudformation:CreateChangeSet" not in denied
    assert samconfig.recall(account.config_file, "other").parameters["SenderName"] == "Other"
