"""Authors, who may publish: lists, adds, renews and revokes them in a stack's authors secret.

Uses the operator's own AWS credentials. They need ``secretsmanager:GetSecretValue``,
``PutSecretValue`` and ``UpdateSecretVersionStage`` on the secret, and
``cloudformation:DescribeStacks``. A revoked token is refused within a minute, which is how long
the authorizer keeps the secret.
"""

import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import boto3
import typer
from pydantic import BaseModel, ConfigDict, ValidationError

from broadsheet.domain.authors import Author, AuthorName
from operations import options, secret_value
from operations.console import console, print_json, say, table
from operations.errors import OperationFailed
from operations.options import Json, Region, Stack
from operations.secret_value import Version

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

TOKEN_PREFIX = "bs_"  # noqa: S105 - makes a leaked token recognisable, to people and scanners
TOKEN_BYTES = 32


class AuthorError(OperationFailed):
    """An author can't be added, renewed or revoked; the message says why."""


class Authors(BaseModel):
    """The whole secret."""

    model_config = ConfigDict(frozen=True)

    authors: tuple[Author, ...] = ()


def add(client: "SecretsManagerClient", secret_arn: str, name: str) -> str:
    """Add an author and return their token, which can't be read again.

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
    """Add a second token for an author; the first works until ``revoke_old``.

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
    parsed = _parse_name(name)

    def with_newest(authors: tuple[Author, ...]) -> tuple[Author, ...]:
        theirs = [author for author in authors if author.name == parsed]
        if len(theirs) < 2:  # noqa: PLR2004 - an old one and a new one
            raise AuthorError(f"{parsed} has no older token. Give them a new one: make renew.")
        newest = max(theirs, key=lambda author: author.created_at)
        return tuple(author for author in authors if author.name != parsed or author is newest)

    _change(client, secret_arn, with_newest)


def _with_token(name: AuthorName) -> tuple[Author, str]:
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    digest = hashlib.sha256(token.encode()).hexdigest()
    return Author(name=name, token_sha256=digest, created_at=datetime.now(UTC)), token


def revoke(client: "SecretsManagerClient", secret_arn: str, name: str) -> None:
    """Take an author's right to publish away. Raises ``AuthorError`` when there is none."""
    parsed = _parse_name(name)

    def without_author(authors: tuple[Author, ...]) -> tuple[Author, ...]:
        kept = tuple(author for author in authors if author.name != parsed)
        if kept == authors:
            raise AuthorError(f"There is no author {parsed}.")
        return kept

    _change(client, secret_arn, without_author)


def listed(client: "SecretsManagerClient", secret_arn: str) -> tuple[Author, ...]:
    """Return all authors, oldest first."""
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


def _parse_name(name: str) -> AuthorName:
    try:
        return AuthorName(name)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise AuthorError(f"{message[0].upper()}{message[1:]}.") from error


# Commands

app = typer.Typer(no_args_is_help=True, help="List, add, renew and revoke authors.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The author's name.", show_default=False)]


@app.command("list")
def list_command(stack: Stack, region: Region = None, *, as_json: Json = False) -> None:
    """List who may publish."""
    client, arn = _secret_of(stack, region)
    found = listed(client, arn)
    if as_json:
        print_json([author.model_dump(mode="json", exclude={"token_sha256"}) for author in found])
    elif found:
        rows = table("Author", "Token since (UTC)")
        for author in found:
            rows.add_row(str(author.name), f"{author.created_at:%Y-%m-%d %H:%M}")
        console().print(rows)
    else:
        say("Nobody may publish yet. `make author NAME=jo` adds an author.")


@app.command("add")
def add_command(name: Name, stack: Stack, region: Region = None, *, as_json: Json = False) -> None:
    """Add an author and print their token, which is shown once."""
    client, arn = _secret_of(stack, region)
    _print_token(name, add(client, arn, name), "this token", as_json=as_json)


@app.command("renew")
def renew_command(
    name: Name, stack: Stack, region: Region = None, *, as_json: Json = False
) -> None:
    """Print a second token for an author; the first works until you revoke it."""
    client, arn = _secret_of(stack, region)
    _print_token(name, renew(client, arn, name), "this token too", as_json=as_json)
    if not as_json:
        say(f"\nWhen it is in use everywhere: make revoke NAME='{name}' OLD=1")


@app.command("revoke")
def revoke_command(
    name: Name,
    stack: Stack,
    region: Region = None,
    *,
    old: Annotated[bool, typer.Option("--old", help="Leave the newest token valid.")] = False,
) -> None:
    """Revoke an author's tokens."""
    client, arn = _secret_of(stack, region)
    if old:
        revoke_old(client, arn, name)
        say(f"{name}'s older tokens stop working within a minute.")
    else:
        revoke(client, arn, name)
        say(f"{name}'s tokens stop working within a minute.")


def _print_token(name: str, token: str, which: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "token": token})
    else:
        say(f"{name} may publish with {which}. Keep it: it is shown only once.\n")
        say(token)


def _secret_of(stack: str, region: str | None) -> tuple["SecretsManagerClient", str]:
    arn = options.chosen(stack, region).output("AuthorsSecretArn")
    return boto3.client("secretsmanager"), arn
