"""Who may publish: adds, lists and revokes authors in a stack's authors secret.

    python -m operations.authors add NAME --stack STACK
    python -m operations.authors list --stack STACK
    python -m operations.authors revoke NAME --stack STACK

Uses the operator's own AWS credentials and region. They need
``secretsmanager:GetSecretValue``, ``PutSecretValue`` and ``UpdateSecretVersionStage`` on the
secret, and ``cloudformation:DescribeStacks``. A revoked token is refused within a minute, which
is how long the authorizer keeps the secret.
"""

import argparse
import hashlib
import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3
import regex
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, field_validator

from operations.stack import StackError, describe

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

TOKEN_PREFIX = "bs_"  # noqa: S105 - makes a leaked token recognisable, to people and scanners
TOKEN_BYTES = 32
MAX_NAME_CHARACTERS = 64
PROPOSED = "BROADSHEET_PROPOSED"  # the staging label of a version that is not current yet
ATTEMPTS = 5


class AuthorError(Exception):
    """What was asked can't be done; the message says why."""


class Author(BaseModel):
    """One author, as the secret holds them: the token itself is nowhere."""

    model_config = ConfigDict(frozen=True)

    name: str
    token_sha256: str
    created_at: AwareDatetime


class Authors(BaseModel):
    """The whole secret."""

    model_config = ConfigDict(frozen=True)

    authors: tuple[Author, ...] = ()


class AuthorName(BaseModel):
    """A name that logs, issues and a terminal can show: one line, trimmed, not blank."""

    model_config = ConfigDict(frozen=True)

    text: str

    @field_validator("text")
    @classmethod
    def _parse(cls, text: str) -> str:
        text = text.strip()
        if not text:
            raise ValueError("an author needs a name")
        if len(text) > MAX_NAME_CHARACTERS:
            raise ValueError(f"a name has at most {MAX_NAME_CHARACTERS} characters")
        if not regex.fullmatch(r"[\p{L}\p{M}\p{N} ._@'-]+", text):
            raise ValueError("a name has letters, digits, spaces and . _ @ ' - only")
        return text


def add(client: "SecretsManagerClient", secret_arn: str, name: str) -> str:
    """Add an author and give their token, which can't be read again.

    Raises ``AuthorError`` when the name is taken or is none.
    """
    name = _parse_name(name)
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    author = Author(
        name=name,
        token_sha256=hashlib.sha256(token.encode()).hexdigest(),
        created_at=datetime.now(UTC),
    )

    def with_author(authors: tuple[Author, ...]) -> tuple[Author, ...]:
        if any(other.name == name for other in authors):
            raise AuthorError(
                f"There is an author {name} already. Revoke them first, or add another name."
            )
        return (*authors, author)

    _change(client, secret_arn, with_author)
    return token


def revoke(client: "SecretsManagerClient", secret_arn: str, name: str) -> None:
    """Take an author's right to publish away. Raises ``AuthorError`` when there is none."""
    name = _parse_name(name)

    def without_author(authors: tuple[Author, ...]) -> tuple[Author, ...]:
        kept = tuple(author for author in authors if author.name != name)
        if kept == authors:
            raise AuthorError(f"There is no author {name}.")
        return kept

    _change(client, secret_arn, without_author)


def listed(client: "SecretsManagerClient", secret_arn: str) -> tuple[Author, ...]:
    """Give all authors, oldest first."""
    return _current(client, secret_arn)[0]


def _change(
    client: "SecretsManagerClient",
    secret_arn: str,
    change: Callable[[tuple[Author, ...]], tuple[Author, ...]],
) -> None:
    """Replace the secret's value, unless somebody else did so meanwhile: then look again.

    A plain PutSecretValue would overwrite what another operator added in between. Moving
    AWSCURRENT from the very version that was read is refused when that is no longer current.
    """
    for _ in range(ATTEMPTS):
        authors, version = _current(client, secret_arn)
        proposed = client.put_secret_value(
            SecretId=secret_arn,
            SecretString=Authors(authors=change(authors)).model_dump_json(),
            VersionStages=[PROPOSED],
        )
        try:
            client.update_secret_version_stage(
                SecretId=secret_arn,
                VersionStage="AWSCURRENT",
                MoveToVersionId=proposed["VersionId"],
                RemoveFromVersionId=version,
            )
        except (
            client.exceptions.InvalidParameterException,
            client.exceptions.InvalidRequestException,
        ):
            continue
        return
    raise AuthorError("Others are changing the authors at the same time; try again.")


def _current(client: "SecretsManagerClient", secret_arn: str) -> tuple[tuple[Author, ...], str]:
    secret = client.get_secret_value(SecretId=secret_arn, VersionStage="AWSCURRENT")
    return Authors.model_validate_json(secret["SecretString"]).authors, secret["VersionId"]


def _parse_name(name: str) -> str:
    try:
        return AuthorName(text=name).text
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise AuthorError(f"{message[0].upper()}{message[1:]}.") from error


def carry_out(
    client: "SecretsManagerClient", secret_arn: str, action: str, name: str | None
) -> None:
    """Do what the command line says and print the outcome."""
    match action, name:
        case "add", str():
            token = add(client, secret_arn, name)
            print(f"{name} may publish with this token. Keep it: it is not shown again.\n\n{token}")
        case "revoke", str():
            revoke(client, secret_arn, name)
            print(f"{name} may publish no more, within a minute.")
        case "list", _:
            for author in listed(client, secret_arn):
                print(f"{author.created_at:%Y-%m-%d %H:%M}  {author.name}")
        case _:
            raise AuthorError("Whose? Give a name.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``carry_out`` needs; the local stack's command shares it."""
    parser.add_argument("action", choices=["add", "list", "revoke"])
    parser.add_argument("name", nargs="?")


def main() -> None:
    """Run the command against a stack on AWS."""
    parser = argparse.ArgumentParser(
        prog="python -m operations.authors", description="Who may publish."
    )
    add_arguments(parser)
    parser.add_argument("--stack", required=True, help="the CloudFormation stack's name")
    chosen = parser.parse_args()
    try:
        stack = describe(boto3.client("cloudformation"), chosen.stack)
        arn = stack.output("AuthorsSecretArn")
        carry_out(boto3.client("secretsmanager"), arn, chosen.action, chosen.name)
    except (AuthorError, StackError, BotoCoreError, ClientError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
