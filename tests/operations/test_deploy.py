"""A newsletter is deployed by six answers, each checked, and updated without a question.

AWS is moto. sam is a stand-in that writes down what it is asked for, except where it is the real
one, which prints what it reads and then finds no AWS.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import typer
from moto import mock_aws
from moto.acm import models as acm
from moto.route53 import models as route53
from typer.testing import CliRunner, Result

from operations import stack as stacks
from operations import template_file
from operations.__main__ import app
from operations.deploy import account, aftermath, parameters, sam, samconfig
from operations.deploy.answers import QUESTIONED
from operations.doctor.findings import Finding, Verdict
from operations.stack import DeployedStack, Failure, StackError

REGION = "eu-central-1"
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:database-AbCdEf"
ROOT = Path(__file__).parents[2]
FAILED_FIRST = "aws cloudformation delete-stack --stack-name news"
TEMPLATE = template_file.read(ROOT / "template.yaml")["Parameters"]

# The answers in the order of the questions, by the flags that give them too.
ANSWERS = {
    "--newsletter-name": "The Page",
    "--sender-name": "Ada at The Page",
    "--sender-address": "letters@page.press",
    "--domain": "none",
    "--region": REGION,
    "--operator-address": "ada@page.press",
    "--database": "new",
}
GIVEN = {
    "NewsletterName": "The Page",
    "SenderName": "Ada at The Page",
    "SenderAddress": "letters@page.press",
    "SenderDomain": "page.press",
    "OperatorAddress": "ada@page.press",
}
SAM = """#!/usr/bin/env python3
import json, os, sys, tempfile
tempfile.mkdtemp()  # as sam does
with open({calls!r}, "a") as calls:
    calls.write(json.dumps([*sys.argv[1:], os.environ["AWS_DEFAULT_REGION"]]) + "\\n")
sys.exit({status})
"""


@dataclass
class Operator:
    """Somebody who deploys, in a folder of their own."""

    folder: Path
    calls: Path
    stacks: dict[str, DeployedStack] = field(default_factory=dict)

    @property
    def config_file(self) -> Path:
        return self.folder / "samconfig.toml"

    def deploy(self, *arguments: str, typed: str = "", stack: str = "news") -> Result:
        ours = ["deploy", "--stack", stack, "--config-file", str(self.config_file)]
        return CliRunner().invoke(app, [*ours, *arguments], input=typed)

    def deploy_by_flags(self, *arguments: str, **changed: str) -> Result:
        flags = ANSWERS | {f"--{name.replace('_', '-')}": text for name, text in changed.items()}
        return self.deploy(*(part for flag in flags.items() for part in flag), "--yes", *arguments)

    def install_sam(self, *, status: int = 0) -> None:
        script = self.folder / "sam"
        script.write_text(SAM.format(calls=str(self.calls), status=status))
        script.chmod(0o755)

    def asked_of_sam(self) -> list[list[str]]:
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [json.loads(line) for line in lines]

    def remembered(self, stack: str = "news") -> dict[str, str]:
        return samconfig.recall(self.config_file, stack).parameters

    def described(self, stack: str) -> DeployedStack:
        if stack not in self.stacks:
            raise StackError(stack)
        return self.stacks[stack]

    def has(self, stack: str, status: str = "CREATE_COMPLETE") -> None:
        self.stacks[stack] = DeployedStack(
            name=stack,
            status=status,
            parameters={"NewsletterName": "The Page"},
            outputs={"SignUpUrl": "https://news.page.press/"},
        )


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,  # put back at the end: the command sets both
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "TMPDIR": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    operator = Operator(tmp_path, tmp_path / "calls")
    operator.install_sam()
    monkeypatch.setattr(sam, "SAM", tmp_path / "sam")
    # moto's CloudFormation wants packages that nothing else here does.
    monkeypatch.setattr(stacks, "describe", lambda _, name: operator.described(name))
    monkeypatch.setattr(stacks, "failures", lambda _client, _name, _since: [])
    monkeypatch.setattr(aftermath, "show", lambda stack, **_: typer.echo(f"{stack}: to do"))
    with mock_aws():
        boto3.setup_default_session()
        simulate(simulation(denied=[]), is_last=True)
        yield operator
        boto3.DEFAULT_SESSION = None


def simulate(answer: Any, *, is_last: bool = False) -> None:  # noqa: ANN401 - botocore's hook
    """Let IAM's simulation be answered this way."""
    assert boto3.DEFAULT_SESSION
    events = boto3.DEFAULT_SESSION.events
    register = events.register_last if is_last else events.register_first
    register("before-call.iam.SimulatePrincipalPolicy", answer)


def simulation(denied: list[str], missing: list[str] | None = None) -> Any:  # noqa: ANN401
    """Answer as IAM's simulation, of which moto has none."""

    def answer(params: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]]:
        action = params["body"]["ActionNames.member.1"]
        decision = "implicitDeny" if action in denied else "allowed"
        result = {"EvalActionName": action, "EvalDecision": decision}
        return (
            SimpleNamespace(status_code=200),
            {"EvaluationResults": [result | {"MissingContextValues": missing or []}]},
        )

    return answer


def typed(**changed: str) -> str:
    """What somebody types who answers every question, and agrees."""
    flags = ANSWERS | {f"--{name.replace('_', '-')}": text for name, text in changed.items()}
    return "".join(f"{text}\n" for text in flags.values()) + "y\n"


# The first time


def test_a_first_deployment_asks_six_questions_and_deploys_by_their_answers(
    operator: Operator,
) -> None:
    said = operator.deploy(typed=typed())

    assert said.exit_code == 0, said.output
    for number in range(1, 7):
        assert f"\n{number}/6  " in said.output
    assert operator.remembered() == GIVEN
    build, deployed = operator.asked_of_sam()
    assert build == ["build", "--cached", REGION]
    assert deployed[0] == "deploy"
    assert deployed[-3:] == ["--config-env", "news", REGION]
    assert said.output.endswith("news: to do\n")


def test_every_question_has_a_flag_so_that_it_runs_without_asking(operator: Operator) -> None:
    said = operator.deploy_by_flags()

    assert said.exit_code == 0, said.output
    assert operator.remembered() == GIVEN
    assert len(operator.asked_of_sam()) == 2


@pytest.mark.parametrize("flag", sorted(ANSWERS))
def test_a_question_that_nobody_answers_names_its_flag_and_makes_nothing(
    operator: Operator, flag: str
) -> None:
    others = [part for each in ANSWERS.items() if each[0] != flag for part in each]

    said = operator.deploy(*others, "--yes")

    assert said.exit_code == 1
    assert f"{flag} answers it without asking" in said.output
    assert operator.asked_of_sam() == []
    assert not operator.config_file.exists()


WRONG = {
    "--newsletter-name": "",
    "--sender-name": "x" * 101,
    "--sender-address": "letters@pâge.press",
    "--domain": "https://page.press",
    "--region": "ap-east-1",  # AWS has it, without SES
    "--operator-address": "ada",
    "--database": "postgresql://localhost/news",
}


@pytest.mark.parametrize(("flag", "wrong"), WRONG.items())
def test_a_wrong_answer_is_asked_for_again(operator: Operator, flag: str, wrong: str) -> None:
    lines = [f"{wrong}\n{answer}" if each == flag else answer for each, answer in ANSWERS.items()]
    typed = "\n".join([*lines, "y", ""])
    if not wrong:  # Enter takes a default, and this one has none
        typed = "\n" + typed.removeprefix("\n")

    said = operator.deploy(typed=typed)

    assert said.exit_code == 0, said.output
    assert said.output.count("Not so: ") == 1
    assert operator.remembered() == GIVEN


@pytest.mark.parametrize(("flag", "wrong"), WRONG.items())
def test_a_wrong_flag_is_refused_by_its_name(operator: Operator, flag: str, wrong: str) -> None:
    said = operator.deploy_by_flags(flag, wrong)

    assert said.exit_code == 1
    assert f"{flag} {wrong!r}: " in said.output
    assert operator.asked_of_sam() == []


def test_the_bill_is_shown_before_anything_is_made(operator: Operator) -> None:
    said = operator.deploy("--list", "10000", typed=typed().removesuffix("y\n") + "n\n")

    assert said.exit_code == 1
    assert "A month with 10,000 readers and 4 issues" in said.output
    assert "nothing was made" in said.output
    assert operator.asked_of_sam() == []


def test_the_answers_of_somebody_who_declines_are_the_next_time_s_defaults(
    operator: Operator,
) -> None:
    declined = operator.deploy(typed=typed(region="eu-west-1").removesuffix("y\n") + "n\n")

    said = operator.deploy(typed="\n" * 8)

    assert declined.exit_code == 1
    assert said.exit_code == 0, said.output
    assert operator.remembered() == GIVEN
    assert operator.asked_of_sam()[-1][-1] == "eu-west-1"


def test_the_bill_of_an_existing_database_leaves_aurora_out(operator: Operator) -> None:
    arn = boto3.client("secretsmanager").create_secret(Name="db", SecretString="x")["ARN"]

    assert "Aurora" in operator.deploy_by_flags().output
    operator.config_file.unlink()
    said = operator.deploy_by_flags(database=arn)

    assert "Aurora," not in said.output.partition("What it will cost")[2]
    assert operator.remembered() == GIVEN | {"DatabaseUrlSecretArn": arn}


def test_a_secret_that_is_not_there_is_refused(operator: Operator) -> None:
    said = operator.deploy_by_flags(database=SECRET)

    assert said.exit_code == 1
    assert "there is no such secret in eu-central-1" in said.output


def test_a_new_database_needs_its_region_s_certificates(operator: Operator) -> None:
    said = operator.deploy_by_flags(region="mx-central-1")

    assert said.exit_code == 1
    assert "In a new region" in said.output


def test_other_parameters_go_with_it(operator: Operator) -> None:
    said = operator.deploy_by_flags("--set", "MonthlyBudget=25 ReplyToAddress=jo@page.press")

    assert said.exit_code == 0, said.output
    assert operator.remembered() == GIVEN | {
        "MonthlyBudget": "25",
        "ReplyToAddress": "jo@page.press",
    }


def test_the_answers_of_a_deployment_that_failed_are_the_next_one_s_defaults(
    operator: Operator,
) -> None:
    operator.install_sam(status=1)
    failed = operator.deploy_by_flags("--set", "MonthlyBudget=25")
    operator.install_sam()

    said = operator.deploy(typed="\n" * 8)

    assert failed.exit_code == 1
    assert f"\n  {FAILED_FIRST} --region {REGION}\n" in failed.output
    guide = (ROOT / "docs" / "operations.md").read_text()
    assert (
        guide.partition("### A deployment failed")[2].partition("\n##")[0].count(FAILED_FIRST) == 2
    )
    assert said.exit_code == 0, said.output
    assert operator.remembered() == GIVEN | {"MonthlyBudget": "25"}


@pytest.mark.parametrize("exists", [False, True])
def test_a_deployment_that_failed_ends_with_the_first_reasons(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, *, exists: bool
) -> None:
    failed = [Failure(f"Queue{number}", "AWS::SQS::Queue", f"No {number}") for number in range(9)]
    monkeypatch.setattr(stacks, "failures", lambda _client, _name, _since: failed)
    operator.install_sam(status=1)
    if exists:
        operator.has("news")

    said = operator.deploy() if exists else operator.deploy_by_flags()

    assert said.exit_code == 1
    reasons = said.output.partition("sam build failed")[2]
    assert "\n  Queue0 (AWS::SQS::Queue): No 0\n" in reasons
    assert "No 2" in reasons
    assert "No 3" not in reasons


# What is known of the account


def test_without_credentials_it_says_how_to_get_some(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    boto3.setup_default_session()

    said = operator.deploy()

    assert said.exit_code == 3
    assert "`aws configure`" in said.output
    assert "1/6" not in said.output


def test_without_a_region_it_says_where_to_name_one(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    said = operator.deploy()

    assert said.exit_code == 3
    assert "Set AWS_DEFAULT_REGION, or name one: REGION=eu-central-1" in said.output


def test_the_region_at_hand_comes_first_and_is_the_default(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-north-1")

    said = operator.deploy(typed=typed(region=""))

    regions = said.output.partition("4/6")[2]
    assert regions.index("eu-north-1") < regions.index("eu-central-1") < regions.index("us-east-1")
    assert samconfig.recall(operator.config_file, "news").region == "eu-north-1"
    assert operator.asked_of_sam()[-1][-1] == "eu-north-1"


def test_what_the_credentials_may_not_is_named_before_anything_is_made(operator: Operator) -> None:
    simulate(simulation(["rds:CreateDBCluster"]))

    said = operator.deploy(typed=typed())  # the first confirmation is whether to try

    assert "may not: rds:CreateDBCluster" in said.output
    refused = operator.deploy(typed=typed().removesuffix("y\n") + "\n")
    assert refused.exit_code == 1
    assert "nothing was made" in refused.output


@pytest.mark.parametrize(("dollars", "is_asked"), [("25", True), ("0", False)])
def test_a_budget_that_is_not_made_needs_no_permission(
    operator: Operator, dollars: str, *, is_asked: bool
) -> None:
    simulate(simulation(["budgets:ModifyBudget"]))

    said = operator.deploy_by_flags("--set", f"MonthlyBudget={dollars}")

    assert ("budgets:ModifyBudget" in said.output) is is_asked


def test_a_budget_that_an_earlier_attempt_turned_off_needs_no_permission(
    operator: Operator,
) -> None:
    simulate(simulation(["budgets:ModifyBudget"]))
    samconfig.remember(operator.config_file, "news", REGION, GIVEN | {"MonthlyBudget": "0"})

    said = operator.deploy_by_flags()

    assert said.exit_code == 0, said.output
    assert "budgets:ModifyBudget" not in said.output


def test_a_denial_for_want_of_context_in_iams_simulation_does_not_count(
    operator: Operator,
) -> None:
    simulate(simulation(["iam:PassRole"], missing=["iam:PassedToService"]))

    assert "IAM says that these credentials may deploy" in operator.deploy_by_flags().output


def test_what_could_not_be_checked_is_said(operator: Operator) -> None:
    def refuse(**_: object) -> tuple[Any, dict[str, Any]]:
        reply = SimpleNamespace(status_code=403)
        return reply, {"Error": {"Code": "AccessDenied", "Message": ""}}

    simulate(refuse)

    said = operator.deploy_by_flags()

    assert said.exit_code == 0
    assert "could not be checked: SimulatePrincipalPolicy was refused: AccessDenied" in said.output


@pytest.mark.parametrize("arn", ["arn:aws:sts::123456789012:assumed-role/deployer/jo"])
def test_an_assumed_role_is_simulated_by_the_role_itself(operator: Operator, arn: str) -> None:
    role = boto3.client("iam").create_role(
        RoleName="deployer", Path="/teams/", AssumeRolePolicyDocument="{}"
    )

    assert account.Caller("123456789012", arn).policy_source == role["Role"]["Arn"]


# The domain


@pytest.fixture(autouse=True)
def ids_of_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moto's zones have ids as Route 53's are."""
    ids = (f"Z{number:020}" for number in count())
    monkeypatch.setattr(route53, "create_route53_zone_id", lambda **_: next(ids))


def make_zone(name: str) -> str:
    zone = boto3.client("route53").create_hosted_zone(Name=name, CallerReference=name)
    zone_id: str = zone["HostedZone"]["Id"].rpartition("/")[2]
    return zone_id


def test_a_zone_of_this_account_holds_the_domain(operator: Operator) -> None:
    make_zone("press")
    zone = make_zone("page.press")
    make_zone("age.press")

    said = operator.deploy_by_flags(domain="news.page.press")

    assert said.exit_code == 0, said.output
    domain = {"DomainName": "news.page.press", "HostedZoneId": zone}
    assert operator.remembered() == GIVEN | domain


def test_where_a_zone_holds_the_sender_s_domain_a_name_in_it_is_offered(
    operator: Operator,
) -> None:
    make_zone("page.press")

    said = operator.deploy(typed=typed(domain=""))

    assert "[news.page.press]" in said.output
    assert operator.remembered()["DomainName"] == "news.page.press"


def make_certificate(domain: str, *, status: str = "ISSUED") -> str:
    arn: str = boto3.client("acm").request_certificate(DomainName=domain)["CertificateArn"]
    acm.acm_backends["123456789012"][REGION]._certificates[arn].status = status
    return arn


def refuse(call: str) -> None:
    """Let AWS deny this call."""
    assert boto3.DEFAULT_SESSION
    reply = SimpleNamespace(status_code=403), {"Error": {"Code": "AccessDenied", "Message": ""}}
    hook: Any = lambda **_: reply  # noqa: E731 - a hook of botocore's
    boto3.DEFAULT_SESSION.events.register_first(f"before-call.{call}", hook)


@pytest.mark.parametrize("name", ["news.page.press", "*.page.press"])
def test_a_domain_without_a_zone_asks_for_its_certificate(operator: Operator, name: str) -> None:
    certificate = make_certificate(name)
    answers = typed().replace("none\n", f"news.page.press\n{certificate}\n")

    said = operator.deploy(typed=answers)

    assert said.exit_code == 0, said.output
    domain = {"DomainName": "news.page.press", "CertificateArn": certificate}
    assert operator.remembered() == GIVEN | domain


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("news.page.press", "PENDING_VALIDATION", "it is PENDING_VALIDATION"),
        ("news.page.press", "EXPIRED", "it is EXPIRED"),
        ("page.press", "ISSUED", "it is for page.press, not for news.page.press"),
        ("*.press", "ISSUED", "not for news.page.press"),
    ],
)
def test_a_certificate_that_can_t_serve_the_domain_is_refused(
    operator: Operator, name: str, status: str, words: str
) -> None:
    certificate = make_certificate(name, status=status)

    said = operator.deploy_by_flags(domain="news.page.press", certificate_arn=certificate)

    assert said.exit_code == 1
    assert words in said.output
    assert operator.asked_of_sam() == []


def test_a_certificate_that_is_not_there_is_refused(operator: Operator) -> None:
    arn = "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b"

    said = operator.deploy_by_flags(domain="news.page.press", certificate_arn=arn)

    assert said.exit_code == 1
    assert "there is no such certificate in eu-central-1" in said.output


def test_a_certificate_that_can_t_be_looked_at_is_taken_and_that_is_said(
    operator: Operator,
) -> None:
    certificate = make_certificate("news.page.press")
    refuse("acm.DescribeCertificate")

    said = operator.deploy_by_flags(domain="news.page.press", certificate_arn=certificate)

    assert said.exit_code == 0, said.output
    assert "could not be looked at: DescribeCertificate was refused: AccessDenied" in said.output
    assert operator.remembered()["CertificateArn"] == certificate


def test_a_certificate_of_another_region_is_refused(operator: Operator) -> None:
    certificate = make_certificate("news.page.press")

    said = operator.deploy_by_flags(
        domain="news.page.press", certificate_arn=certificate, region="eu-west-1"
    )

    assert said.exit_code == 1
    assert "the certificate is in eu-central-1" in said.output


def test_a_zone_that_can_t_be_looked_for_can_be_given(operator: Operator) -> None:
    refuse("route53.ListHostedZones")

    said = operator.deploy_by_flags(domain="news.page.press", hosted_zone_id="Z0123456789")

    assert said.exit_code == 0, said.output
    assert "ListHostedZones was refused: AccessDenied" in said.output
    domain = {"DomainName": "news.page.press", "HostedZoneId": "Z0123456789"}
    assert operator.remembered() == GIVEN | domain


def test_a_zone_that_is_given_must_be_one_of_those_found(operator: Operator) -> None:
    found = make_zone("page.press")

    said = operator.deploy_by_flags(domain="news.page.press", hosted_zone_id="Z0123456789")
    taken = operator.deploy_by_flags(domain="news.page.press", hosted_zone_id=found)

    assert said.exit_code == 1
    assert f"no public zone of this account, which has {found} (page.press)" in said.output
    assert taken.exit_code == 0, taken.output


def test_a_zone_that_is_given_must_hold_the_domain(operator: Operator) -> None:
    other = make_zone("paper.press")

    said = operator.deploy_by_flags(domain="news.page.press", hosted_zone_id=other)

    assert said.exit_code == 1
    assert f"the zone {other} holds paper.press, not news.page.press" in said.output


# The sender


@pytest.mark.parametrize("domain", ["page.press", "mail.page.press"])
def test_an_identity_that_ses_knows_is_left_as_it_is(operator: Operator, domain: str) -> None:
    boto3.client("sesv2").create_email_identity(EmailIdentity="page.press")

    said = operator.deploy_by_flags(sender_address=f"letters@{domain}")

    assert "knows page.press already" in said.output
    assert "SenderDomain" not in operator.remembered()


def test_a_domain_becomes_an_identity_although_ses_knows_an_address_in_it(
    operator: Operator,
) -> None:
    boto3.client("sesv2").create_email_identity(EmailIdentity="letters@page.press")

    said = operator.deploy_by_flags()

    assert "knows only the address" in said.output
    assert operator.remembered()["SenderDomain"] == "page.press"


LONG_NAME = "é" * 100  # the template takes it; encoded it is longer than SES's 320 characters


def test_a_sender_too_long_when_encoded_is_refused_before_anything_is_made(
    operator: Operator,
) -> None:
    said = operator.deploy_by_flags(sender_name=LONG_NAME)

    assert said.exit_code == 1
    assert "choose a shorter SenderName" in said.output
    assert "--sender-name" in said.output
    assert operator.asked_of_sam() == []


def test_a_sender_too_long_when_encoded_is_asked_for_again(operator: Operator) -> None:
    answers = typed(sender_name=LONG_NAME)
    address = ANSWERS["--sender-address"]

    said = operator.deploy(typed=answers.replace(address, f"{address}\nAda at The Page"))

    assert said.exit_code == 0, said.output
    assert "choose a shorter SenderName" in said.output
    assert operator.remembered() == GIVEN


def test_an_address_that_no_mail_can_come_from_is_refused(operator: Operator) -> None:
    said = operator.deploy_by_flags(sender_address="letters..ada@page.press")

    assert said.exit_code == 1
    assert "two periods in a row" in said.output
    assert operator.asked_of_sam() == []


# Later


def test_a_stack_that_exists_is_updated_without_a_question_or_a_parameter(
    operator: Operator,
) -> None:
    operator.has("news")

    said = operator.deploy()

    assert said.exit_code == 0, said.output
    assert "/6" not in said.output
    _, update = operator.asked_of_sam()
    assert update[update.index("--stack-name") + 1] == "news"
    assert update[update.index("--config-env") + 1] == "none"
    assert "--parameter-overrides" not in update


def test_an_update_is_where_the_first_deployment_was(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.deploy_by_flags(region="eu-west-1")
    operator.has("news")
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    operator.deploy()

    assert operator.asked_of_sam()[-1][-1] == "eu-west-1"


def test_an_update_leaves_what_samconfig_says(operator: Operator) -> None:
    operator.deploy_by_flags()
    before = operator.config_file.read_text()
    operator.has("news")

    operator.deploy("--set", "SenderName=Jo")

    assert operator.config_file.read_text() == before


def test_an_answer_for_a_stack_that_exists_names_the_way_to_change_it(operator: Operator) -> None:
    operator.has("news")

    said = operator.deploy("--sender-name", "Jo")

    assert said.exit_code == 1
    assert 'make deploy STACK=news SET="SenderName=' in said.output


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("ROLLBACK_COMPLETE", "aws cloudformation delete-stack"),
        ("ROLLBACK_FAILED", "A deployment failed"),
        ("UPDATE_IN_PROGRESS", "run this again when that has ended"),
    ],
)
def test_a_stack_that_can_t_be_deployed_to_says_what_to_do(
    operator: Operator, status: str, words: str
) -> None:
    operator.has("news", status)

    said = operator.deploy()

    assert said.exit_code == 1
    assert words in " ".join(said.output.split())
    assert operator.asked_of_sam() == []


def test_a_change_set_that_was_never_carried_out_is_no_stack_yet(operator: Operator) -> None:
    operator.has("news", "REVIEW_IN_PROGRESS")

    assert "1/6" in operator.deploy(typed=typed()).output


def test_another_s_stack_is_left_alone(operator: Operator) -> None:
    operator.stacks["news"] = DeployedStack(
        name="news", status="CREATE_COMPLETE", parameters={}, outputs={}
    )

    said = operator.deploy()

    assert said.exit_code == 1
    assert "is it Broadsheet's?" in said.output


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ("SendrName=Jo", "is it SenderName?"),
        ("SendRateShare=2", "SendRateShare: give a number, 0.01 or more, 1 at most"),
        ("StageName", "write Name=value"),
        ('SenderName="Jo', "A quotation mark is left open"),
        ("SubnetsAreDualStack=yes", "give one of true, false"),
        ("AvailabilityZones=eu-central-1a,b", "give two zones of the region"),
        ("AvailabilityZones=eu-central-1a", "give two zones of the region"),
        ("MonthlyBudget=0.5", "give 0 for no budget, or 1 or more dollars"),
        ("MonthlyBudget=0.0", "give 0 for no budget, or 1 or more dollars"),
        ("Theme=nowhere", "there is no theme 'nowhere': the themes are default"),
        ("Theme=../tide", "Theme: give the name of a folder in themes/"),
    ],
)
def test_a_change_that_the_template_refuses_is_refused_before_anything_is_built(
    operator: Operator, changes: str, words: str
) -> None:
    operator.has("news")

    said = operator.deploy("--set", changes)

    assert said.exit_code == 1
    assert words in said.output
    assert operator.asked_of_sam() == []


def test_an_update_needs_the_folder_of_the_theme_that_the_stack_has(operator: Operator) -> None:
    operator.has("news")
    operator.stacks["news"].parameters["Theme"] = "left-on-another-machine"

    said = operator.deploy()

    assert said.exit_code == 1
    assert "there is no theme 'left-on-another-machine'" in said.output
    assert operator.asked_of_sam() == []


@pytest.mark.parametrize("stack", ["", "1st", "the_news", "n" * 53])
def test_a_name_that_no_stack_can_have_is_refused(operator: Operator, stack: str) -> None:
    said = operator.deploy(stack=stack)

    assert said.exit_code == 1
    assert "stack" in said.output


def make(*arguments: str) -> "subprocess.CompletedProcess[str]":
    installed = [f"-o{name}/.installed" for name in (".venv", ".venv-sam")]
    return subprocess.run(
        ["/usr/bin/env", "make", *installed, *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def test_make_deploy_asks_for_the_stack_and_names_the_local_one_s_command() -> None:
    said = make("deploy", "STACK=").stderr

    assert "make deploy STACK=news" in said
    assert "`make reload`" in said


def test_make_tools_prints_what_puts_sam_on_the_path() -> None:
    (line,) = make("tools").stdout.splitlines()

    shown = subprocess.run(
        ["/bin/bash", "-c", f"{line}; command -v sam python3.13"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert shown.stdout.splitlines() == [
        str(ROOT / ".venv-sam" / "bin" / "sam"),
        str(ROOT / ".venv" / "bin" / "python3.13"),
    ]


def test_it_leaves_nothing_among_the_temporary_files(operator: Operator) -> None:
    operator.deploy_by_flags()

    assert len(operator.asked_of_sam()) == 2
    assert {file.name for file in operator.folder.iterdir()} == {"calls", "sam", "samconfig.toml"}


# samconfig.toml, and the template


def test_other_sections_of_samconfig_stay_as_they_are(operator: Operator) -> None:
    others = '# ours\nversion = 0.1\n\n[default.deploy.parameters]\nstack_name = "other"  # that\n'
    operator.config_file.write_text(others)

    operator.deploy_by_flags()

    assert operator.config_file.read_text().startswith(others)
    assert operator.remembered() == GIVEN


@pytest.mark.parametrize("stack", ["default", "version"])
def test_a_section_of_another_stack_s_is_never_written_over(operator: Operator, stack: str) -> None:
    others = 'version = 0.1\n\n[default.deploy.parameters]\nstack_name = "other"\n'
    operator.config_file.write_text(others)

    said = operator.deploy(stack=stack, typed=typed())

    assert said.exit_code == 1
    assert "is not this stack's" in said.output
    assert operator.config_file.read_text() == others


def sam_says(operator: Operator, *arguments: str, template: Path | None = None) -> str:
    """What the real sam prints that it was given, before it finds no AWS."""
    if template is None:
        template = operator.folder / "template.yaml"
        of_the_template = {name: {"Type": "String"} for name in TEMPLATE}
        topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
        template.write_text(json.dumps({"Parameters": of_the_template, "Resources": topic}))
    command: list[str | Path] = [ROOT / ".venv-sam" / "bin" / "sam", "deploy"]
    command += ["--template-file", template]
    ended = subprocess.run(
        [*command, "--config-file", operator.config_file, *arguments],
        check=False,
        capture_output=True,
        input="\n" * (len(TEMPLATE) + 20),  # to whatever it asks
        text=True,
        cwd=operator.folder,
        env=os.environ
        | {
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_MAX_ATTEMPTS": "1",
            "SAM_CLI_TELEMETRY": "0",
        },
    )
    return ended.stdout


BUCKET = ("--no-resolve-s3", "--s3-bucket", "bucket")  # else it first asks AWS for one


def test_sam_s_own_guide_offers_what_was_answered_and_the_template_s_defaults(
    operator: Operator,
) -> None:
    operator.deploy_by_flags("--set", "MonthlyBudget=25")

    said = sam_says(operator, "--guided", "--config-env", "news", template=ROOT / "template.yaml")

    offered = dict(re.findall(r"Parameter (\w+) \[(.*?)\]: ", said))
    defaults = {name: str(each.get("Default", "")) for name, each in TEMPLATE.items()}
    assert offered == defaults | GIVEN | {"MonthlyBudget": "25"}
    assert "Stack Name [news]: " in said
    assert f"AWS Region [{REGION}]: " in said


def test_sam_reads_what_samconfig_says_and_so_does_the_next_run(operator: Operator) -> None:
    hard = GIVEN | {
        "NewsletterName": 'Ada\'s "Page" = 1, two',
        "SenderName": "“Äda”  & $HOME %s",
        "SubnetIds": "subnet-1,subnet-2",
    }
    samconfig.remember(operator.config_file, "news", REGION, hard)

    said = sam_says(operator, "--config-env", "news", *BUCKET)

    assert "Stack name                   : news" in said
    assert f"Region                       : {REGION}" in said
    assert '["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]' in said
    (line,) = [line for line in said.splitlines() if "Parameter overrides" in line]
    assert json.loads(line.partition(":")[2]) == hard
    assert operator.remembered() == hard


def test_an_update_gives_sam_the_changes_and_nothing_that_samconfig_says(
    operator: Operator,
) -> None:
    operator.deploy_by_flags()
    operator.has("news")
    operator.deploy("--set", "SenderName='Jo \"the\" Press' MonthlyBudget=25")
    update = operator.asked_of_sam()[-1][1:-1]
    ours = [each for each in update if each != "--resolve-s3"]
    at = ours.index("--template-file")

    said = sam_says(operator, *ours[:at], *ours[at + 2 :], *BUCKET)

    assert "Stack name                   : news" in said
    changes = '{"SenderName": "Jo \\"the\\" Press", "MonthlyBudget": "25"}'
    assert f"Parameter overrides          : {changes}" in said


def test_every_parameter_that_is_asked_for_is_the_template_s(operator: Operator) -> None:
    assert QUESTIONED.keys() <= TEMPLATE.keys()


def test_every_parameter_without_a_default_is_asked_for_as_sam_s_guide_does() -> None:
    without = {name for name, each in TEMPLATE.items() if "Default" not in each}

    assert without <= {"NewsletterName", "SenderName", "SenderAddress"}
    assert without <= QUESTIONED.keys()


@pytest.mark.parametrize("name", sorted(TEMPLATE))
def test_every_default_of_the_template_is_taken(name: str) -> None:
    default = str(TEMPLATE[name].get("Default", "page@page.press"))

    assert parameters.checked(name, default) == default


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SenderAddress", "a@b\n"),  # re.match would take it: $ matches before a last newline
        ("HostedZoneId", "z1"),
        ("PublicUrl", "https://news.page.press/"),
        ("DatabaseBackupDays", "36"),
        ("DatabaseBackupDays", "many"),
        ("LogRetentionDays", "2"),
        ("NewsletterName", ""),
        ("SenderName", "a\\b"),
    ],
)
def test_what_cloudformation_refuses_is_refused(name: str, value: str) -> None:
    with pytest.raises(parameters.Refused):
        parameters.checked(name, value)


def test_what_samconfig_kept_is_no_reason_to_refuse_an_update(operator: Operator) -> None:
    samconfig.remember(operator.config_file, "news", REGION, {"GoneSince": "1"})
    operator.has("news")

    assert operator.deploy().exit_code == 0


# What is left to do


def finding(check: str, verdict: Verdict, says: str, *fix: str) -> Finding:
    return Finding(check=check, verdict=verdict, says=says, fix=fix)


def to_do(*findings: Finding) -> dict[str, list[str]]:
    """What is printed, by the day."""
    stack = DeployedStack(
        name="news",
        status="CREATE_COMPLETE",
        parameters={},
        outputs={"SignUpUrl": "https://news.page.press/", "DashboardUrl": "https://dashboard"},
    )
    days: dict[str, list[str]] = {}
    for line in aftermath.lines(stack, list(findings))[1:]:
        if line.startswith("\n"):
            lines = days.setdefault(line.strip(), [])
        else:
            lines.append(line.strip())
    return days


def test_what_doctor_still_wants_is_for_today_with_its_values() -> None:
    record = "  a._domainkey.page.press.  CNAME  a.dkim.amazonses.com."
    days = to_do(
        finding("dkim", Verdict.BAD, "3 of 3 DKIM records are not in DNS.", "Add to DNS:", record),
        finding("review", Verdict.GOOD, "SES finds the account healthy."),
        finding("alarms", Verdict.BAD, "The alarms go to an address that has not agreed to it."),
        finding("spf", Verdict.SKIPPED, "There is nothing of it here."),
    )

    assert days["Today"] == [
        "[ ] 3 of 3 DKIM records are not in DNS.",
        "Add to DNS:",
        record.strip(),
        "[ ] The alarms go to an address that has not agreed to it.",
    ]


def test_steps_that_others_take_a_day_for_are_listed_under_tomorrow() -> None:
    asked = to_do(
        finding("sandbox", Verdict.BAD, "The account is in SES's sandbox."),
        finding("dkim", Verdict.BAD, "SES has not seen the DKIM records."),
    )

    assert "production access" in " ".join(asked["Tomorrow"])
    assert "SES has seen your DNS records" in " ".join(asked["Tomorrow"])
    assert "production access" not in " ".join(to_do()["Tomorrow"])


def test_in_two_days_the_whole_path_is_walked_and_the_first_issue_published() -> None:
    (last,) = [day for day in to_do() if day.startswith("In two days")]

    assert to_do()["Today"] == ["Nothing: doctor finds nothing in the way."]
    assert "make smoke STACK=news" in " ".join(to_do()[last])
    assert "https://dashboard" in to_do()[last]
