"""The operator's commands are one program: it explains itself, and says what to do on an error."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore import exceptions
from botocore.exceptions import ClientError
from moto import mock_aws
from typer.main import get_command
from urllib3.exceptions import HTTPError

from broadsheet import secret_versions
from broadsheet.domain.errors import SecretBusy, SecretChangeUnknown
from operations import errors
from operations.__main__ import app
from tests.operations.command_line import REGION, deploy, documented, ran, run

ROOT = Path(__file__).parents[2]
COMMANDS = (
    *("doctor", "smoke", "bill", "authors", "keys", "dead-letters"),
    *("sign-ups", "unsubscribe"),
)


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_REGION", raising=False)
    with mock_aws():
        yield


@pytest.fixture
def authors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack whose authors can be listed."""
    secret = boto3.client("secretsmanager").create_secret(
        Name="authors", SecretString='{"authors": []}'
    )
    url = "https://news.page.press/"
    deploy(monkeypatch, {"AuthorsSecretArn": secret["ARN"], "SignUpUrl": url})


def failed(*arguments: str) -> tuple[int, str]:
    result = run(*arguments)
    assert result.exit_code != 0
    assert "Traceback" not in result.stdout + result.stderr
    return result.exit_code, " ".join(result.stderr.split())


def test_one_program_has_all_commands_and_says_how_it_ends() -> None:
    shown = ran("--help")

    for name in COMMANDS:
        assert f" {name} " in shown
    assert "Exit status: 0 done" in shown


def test_every_command_and_option_is_explained() -> None:
    def walk(name: str, command: object) -> Iterator[tuple[str, object]]:
        yield name, command
        for child, inner in getattr(command, "commands", {}).items():
            yield from walk(f"{name} {child}", inner)

    for name, command in walk("operations", get_command(app)):
        assert command.help, name  # type: ignore[attr-defined]
        for option in command.params:  # type: ignore[attr-defined]
            if option.name != "help":
                assert option.help, (name, option.name)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "bill"])
def test_every_command_wants_to_know_its_stack(name: str) -> None:
    leaf = {"authors": ["list"], "keys": ["list"], "dead-letters": ["show"]}.get(name, [])

    status, said = failed(name, *leaf)

    assert status == 2
    assert "Missing option '--stack'" in said


@pytest.mark.usefixtures("authors")
def test_the_workflows_of_a_repository_are_an_author() -> None:
    bound = ("authors", "add", "letters", "--github", "jo/letters@main", "--stack", "news")

    said = ran(*bound)

    assert "a push to main may publish, a pull request for it may only write." in said
    assert "gh api repos/jo/letters --jq .id" in said
    assert "jo/letters@main" in ran("authors", "list", "--stack", "news")
    (author,) = documented("authors", "list", "--stack", "news")
    assert (author["role"], author["oidc"]["branch"]) == ("publish", "main")


@pytest.mark.usefixtures("authors")
def test_authors_are_added_listed_renewed_and_revoked() -> None:
    assert "make author NAME=jo" in ran("authors", "list", "--stack", "news")

    token = documented("authors", "add", "Jo", "--stack", "news")["token"]
    assert token.startswith("bs_")
    assert token not in ran("authors", "list", "--stack", "news")
    assert documented("authors", "renew", "Jo", "--stack", "news")["name"] == "Jo"
    assert "make revoke NAME='Jo' OLD=1" in ran("authors", "renew", "Jo", "--stack", "news")
    assert [each["name"] for each in documented("authors", "list", "--stack", "news")] == ["Jo"] * 3
    assert "older tokens stop" in ran("authors", "revoke", "Jo", "--old", "--stack", "news")
    ran("authors", "revoke", "Jo", "--stack", "news")

    assert documented("authors", "list", "--stack", "news") == []


@pytest.mark.usefixtures("authors")
def test_an_author_has_a_role_and_addresses_that_can_be_changed() -> None:
    stack = ("--stack", "news")
    given = ("--role", "write", "--email", "jo@example.com", "--test-address", "a@example.com")
    said = ran("authors", "add", "Jo", *given, *stack)
    assert "publish nothing" in said
    assert "broadsheet login https://news.page.press\n" in said

    shown = ran("authors", "list", *stack)
    assert all(word in shown for word in ("write", "jo@example.com", "a@example.com"))

    ran("authors", "change", "Jo", "--role", "publish", "--test-address", "", *stack)
    (author,) = documented("authors", "list", *stack)
    assert author["role"] == "publish"
    assert author["email"] == "jo@example.com"
    assert author["test_addresses"] == []

    ran("authors", "change", "Jo", "--email", "", *stack)
    assert documented("authors", "list", *stack)[0]["email"] is None
    assert failed("authors", "change", "Jo", *stack) == (
        1,
        "Say what to change: --role, --email or --test-address.",
    )
    assert failed("authors", "add", "Ann", "--email", "ann", *stack)[0] == 1
    assert failed("authors", "add", "Ann", "--role", "owner", *stack)[0] == 2


@pytest.mark.usefixtures("authors")
def test_entries_that_can_not_be_read_are_counted_in_the_list() -> None:
    client = boto3.client("secretsmanager")
    client.put_secret_value(SecretId="authors", SecretString='{"authors": [{"name": "Canary"}]}')

    shown = ran("authors", "list", "--stack", "news")

    assert "1 of the secret's entries can't be read" in shown
    assert "Canary" not in shown


@pytest.mark.usefixtures("authors")
@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (SecretBusy, 1, "Others are changing the same secret at the same time; try again."),
        (
            SecretChangeUnknown,
            3,
            "AWS gave no answer, and the change may have been made. Look before you retry.",
        ),
    ],
)
def test_a_change_of_authors_that_was_not_made_for_sure_is_said(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception], status: int, said: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(secret_versions, "change", fail)
    assert failed("authors", "add", "Jo", "--stack", "news") == (status, said)


@pytest.mark.usefixtures("authors")
def test_the_region_can_be_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")

    status, said = failed("authors", "list", "--stack", "news")
    assert status == 1
    assert "There is no stack called news in us-west-2" in said

    ran("authors", "list", "--stack", "news", "--region", REGION)


@pytest.mark.usefixtures("authors")
def test_aws_region_means_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    monkeypatch.setenv("AWS_REGION", REGION)

    ran("authors", "list", "--stack", "news")


@pytest.mark.usefixtures("authors")
def test_a_stack_that_is_not_there_is_said_with_where_to_look() -> None:
    status, said = failed("doctor", "--stack", "newz")

    assert status == 1
    assert "There is no stack called newz in eu-central-1" in said
    assert "`aws cloudformation list-stacks --region eu-central-1` lists them" in said


def test_a_missing_region_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)

    status, said = failed("doctor", "--stack", "news")

    assert status == 3
    assert "Set AWS_DEFAULT_REGION, or name one: REGION=eu-central-1" in said


def test_missing_credentials_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    without = os.environ | {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    ended = subprocess.run(
        [sys.executable, "-m", "operations", "authors", "list", "--stack", "news"],
        cwd=ROOT,
        env=without,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 3
    assert "No AWS credentials were found. Sign in with `aws sso login`" in ended.stderr
    assert "Traceback" not in ended.stderr


def refusal(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (refusal("ExpiredToken"), "Your credentials have expired"),
        (refusal("InvalidClientTokenId"), "AWS doesn't accept these credentials"),
        (
            refusal(
                "AccessDenied",
                "User: arn:aws:iam::1:user/jo is not authorized to perform: "
                "cloudformation:DescribeStacks on resource: *",
            ),
            "may not call cloudformation:DescribeStacks",
        ),
        (refusal("AccessDeniedException"), "may not call DescribeStacks"),
        (refusal("Throttling"), "Try again in a minute"),
        (refusal("InternalFailure", "Oops"), "AWS refused DescribeStacks: InternalFailure: Oops"),
        (exceptions.UnauthorizedSSOTokenError(), "`aws sso login`"),
        (exceptions.TokenRetrievalError(provider="sso", error_msg="no"), "`aws sso login`"),
        (exceptions.ProfileNotFound(profile="news"), "`aws configure list-profiles`"),
        (
            exceptions.EndpointConnectionError(endpoint_url="https://sqs.eu-nowhere-1.example"),
            "Check the network, and that the region exists",
        ),
        (HTTPError("https://news.example.com"), "Check the network"),
        (exceptions.BotoCoreError(), "AWS could not be asked"),
    ],
    ids=lambda value: getattr(value, "operation_name", None) and value.response["Error"]["Code"],
)
def test_what_aws_says_becomes_a_sentence(error: errors.AwsError, says: str) -> None:
    assert says in errors.explain(error)


def test_a_pipe_gets_neither_colours_nor_broken_lines() -> None:
    without_force = {name: os.environ[name] for name in os.environ if name != "FORCE_COLOR"}
    ended = subprocess.run(
        [sys.executable, "-m", "operations", "bill", "--region", "us-east-1"],
        cwd=ROOT,
        env=without_force | {"TERM": "xterm-256color", "COLUMNS": "40"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "\x1b" not in ended.stdout
    assert [line for line in ended.stdout.splitlines() if "SQS, requests (polling too)" in line]


def test_makefile_targets_are_short_for_it(tmp_path: Path) -> None:
    installed = tmp_path / ".venv"
    (installed / "bin").mkdir(parents=True)
    python = installed / "bin" / "python"
    python.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    python.chmod(0o755)

    def made(*arguments: str) -> str:
        command = ["make", "-f", str(ROOT / "Makefile"), "-o.venv/.installed", *arguments]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return ran.stdout

    news = "--stack|news|--region|eu-west-2|"
    on_aws = ("STACK=news", "REGION=eu-west-2")
    assert made("author", "NAME=Zoë O'Brien", *on_aws) == (
        f"-m|operations|authors|add|Zoë O'Brien|{news}"
    )
    wanted = ("ROLE=write", "EMAIL=jo@example.com", "TEST=a@example.com b@example.com")
    options = "--role|write|--email|jo@example.com|--test-address|a@example.com|--test-address|"
    assert made("author", "NAME=jo", *wanted) == f"-m|local|authors|add|jo|{options}b@example.com|"
    assert made("change-author", "NAME=jo", "ROLE=publish", *on_aws) == (
        f"-m|operations|authors|change|jo|--role|publish|{news}"
    )
    assert made("revoke", "NAME=jo", "OLD=1") == "-m|local|authors|revoke|jo|--old|"
    assert made("dead-letters", "BACK=requests") == "-m|local|dead-letters|back|requests|"
    assert made("dead-letters", "BODIES=1", *on_aws) == (
        f"-m|operations|dead-letters|show|--bodies|{news}"
    )
    assert made("doctor", "LIST=10", "JSON=1", *on_aws) == (
        f"-m|operations|doctor|--list|10|--json|{news}"
    )
    assert made("sign-ups", "RELEASE=1", "REASON=domain", *on_aws) == (
        f"-m|operations|sign-ups|--release|--reason|domain|{news}"
    )
    assert made("bill", "REGION=eu-west-2") == "-m|operations|bill|--region|eu-west-2|"
    assert made("rotate-keys", "RETIRE=1") == "-m|local|keys|retire|1|"


def test_json_is_all_that_is_printed_when_asked_for() -> None:
    printed = ran("bill", "--json", "--region", "eu-central-1")

    assert json.loads(printed)["region"] == "eu-central-1"
