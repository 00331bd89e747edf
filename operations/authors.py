"""Who may publish: adds, lists, renews and revokes authors in a stack's authors secret.

    python -m operations.authors add NAME --stack STACK
    python -m operations.authors list --stack STACK
    python -m operations.authors renew NAME --stack STACK
    python -m operations.authors revoke NAME --stack STACK
    python -m operations.authors revoke-old NAME --stack STACK

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

from operations import secret_value
from operations.secret_value import SecretBusy, Version
from operations.stack import StackError, describe

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

TOKEN_PREFIX = "bs_"  # noqa: S105 - makes a leaked token recognisable, to people and scanners
TOKEN_BYTES = 32
MAX_NAME_CHARACTERS = 64


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
    author, token = _with_token(_parse_name(name))

    def with_author(authors: tuple[Author, ...]) -> tuple[Author, ...]:
        if any(other.name == author.name for other in authors):
            raise AuthorError(
                f"There is an author {author.name} already. `make renew` gives them a new token."
            )
        return (*authors, author)

    _change(client, secret_arn, with_author)
    return token


def renew(client: "SecretsManagerClient", secret_arn: str, name: str) -> str:
    """Give an author another token beside the one they have, until ``revoke_old``.

    Raises ``AuthorError`` when there is no such author.
    """
    author, token = _with_token(_parse_name(name))

    def with_another(authors: tuple[Author, ...]) -> tuple[Author, ...]:
        if all(other.name != author.name for other in authors):
            raise AuthorError(f"There is no author {author.name}.")
        return (*authors, author)

    _change(client, secret_arn, with_another)
    return token


def revoke_old(client: "SecretsManagerClient", secret_arn: str, name: str) -> None:
    """Leave an author their newest token only. Raises ``AuthorError`` when they have just one."""
    name = _parse_name(name)

    def with_newest(authors: tuple[Author, ...]) -> tuple[Author, ...]:
        theirs = [author for author in authors if author.name == name]
        if len(theirs) < 2:  # noqa: PLR2004 - an old one and a new one
            raise AuthorError(f"{name} has no older token. Give them a new one first: make renew.")
        newest = max(theirs, key=lambda author: author.created_at)
        return tuple(author for author in authors if author.name != name or author is newest)

    _change(client, secret_arn, with_newest)


def _with_token(name: str) -> tuple[Author, str]:
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    digest = hashlib.sha256(token.encode()).hexdigest()
    return Author(name=name, token_sha256=digest, created_at=datetime.now(UTC)), token


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
    current = secret_value.current(client, secret_arn)
    return Authors.model_validate_json(current.value).authors


def _change(
    client: "SecretsManagerClient",
    secret_arn: str,
    change: Callable[[tuple[Author, ...]], tuple[Author, ...]],
) -> None:
    def changed(before: Version) -> str:
        authors = Authors.model_validate_json(before.value).authors
        return Authors(authors=change(authors)).model_dump_json()

    secret_value.change(client, secret_arn, changed)


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
        case "renew", str():
            token = renew(client, secret_arn, name)
            print(
                f"{name} may publish with this token, too. Keep it: it is not shown again.\n\n"
                f"{token}\n\nWhen it is in use everywhere: make revoke NAME='{name}' OLD=1"
            )
        case "revoke-old", str():
            revoke_old(client, secret_arn, name)
            print(f"{name}'s older tokens are worth nothing, within a minute.")
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
    parser.add_argument("action", choices=["add", "list", "renew", "revoke", "revoke-old"])
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
    except (AuthorError, SecretBusy, StackError, BotoCoreError, ClientError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
