"""Authors: lists, adds, changes, renews and revokes them in a stack's authors secret.

Uses the operator's own AWS credentials. They need ``secretsmanager:GetSecretValue``,
``PutSecretValue`` and ``UpdateSecretVersionStage`` on the secret, and
``cloudformation:DescribeStacks``. A revoked token is refused within a minute, which is how long
the authorizer keeps the secret.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import boto3
import typer
from pydantic import ValidationError

from broadsheet import secret_versions
from broadsheet.domain import errors
from broadsheet.domain.all_authors import AllAuthors, NewToken, Rights
from broadsheet.domain.authors import AuthorName, Role
from broadsheet.domain.authors_secret import Author
from broadsheet.domain.subscribers import EmailAddress, StoredAddress
from broadsheet.domain.workflows import GITHUB, WorkflowBinding
from broadsheet.web import sentences
from broadsheet.web.body import invalid_fields
from operations import options
from operations.console import console, print_json, say, table
from operations.errors import OperationFailed
from operations.options import Json, Region, Stack
from operations.stack import DeployedStack

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from broadsheet.secret_versions import Version

_REFUSALS: dict[type[errors.BroadsheetError], str] = {
    errors.AuthorExists: "There is an author {name} already, perhaps in other capitals: `make "
    "authors` lists them, and `make renew` gives them a new token.",
    errors.AuthorNotFound: "There is no author {name}.",
    errors.AuthorsAddressTaken: "Another author has this address.",
    errors.NoOlderToken: "{name} has no older token. Give them a new one: make renew.",
    errors.WorkflowHasNoToken: "{name} signs in by GitHub, and has no token.",
    errors.WorkflowNeverManages: "A workflow never manages readers: give it the role publish, or "
    "write.",
    errors.TooManyAuthors: "There are as many authors as the secret can hold: revoke somebody "
    "first.",
}


class AuthorError(OperationFailed):
    """The authors can't be changed so; the message says why."""


def add(
    client: "SecretsManagerClient", secret_arn: str, name: str, rights: Rights | None = None
) -> str:
    """Add an author and return their token, which can't be read again.

    Raises ``AuthorError`` when the name is taken or is none, or another author has the address.
    """
    made = NewToken.make()
    author = made.entry(_parse_name(name), rights or Rights(role=Role.MANAGE))
    _change(client, secret_arn, name, lambda before: before.with_author(author))
    return made.token


def add_workflows(
    client: "SecretsManagerClient",
    secret_arn: str,
    name: str,
    rights: Rights,
    binding: WorkflowBinding,
) -> None:
    """Add a repository's workflows as an author, who has no token.

    Raises ``AuthorError`` when the name is taken or is none, or the role is ``manage``.
    """
    author = Author(
        name=_parse_name(name), created_at=datetime.now(UTC), oidc=binding, **dict(rights)
    )
    _change(client, secret_arn, name, lambda before: before.with_author(author))


def change(client: "SecretsManagerClient", secret_arn: str, name: str, **fields: object) -> None:
    """Change what all tokens of an author allow: ``role``, ``email`` or ``test_addresses``.

    Raises ``AuthorError`` when there is no such author, or another one has the address.
    """
    parsed = _parse_name(name)
    _change(client, secret_arn, name, lambda before: before.changed(parsed, **fields))


def renew(client: "SecretsManagerClient", secret_arn: str, name: str) -> str:
    """Add a second token for an author, as the first; that one works until ``revoke_old``.

    Raises ``AuthorError`` when there is no such author.
    """
    parsed, made = _parse_name(name), NewToken.make()
    _change(client, secret_arn, name, lambda before: before.with_token(parsed, made))
    return made.token


def revoke_old(client: "SecretsManagerClient", secret_arn: str, name: str) -> None:
    """Leave an author their newest token only. Raises ``AuthorError`` when they have just one."""
    parsed = _parse_name(name)
    _change(client, secret_arn, name, lambda before: before.without_older(parsed))


def revoke(client: "SecretsManagerClient", secret_arn: str, name: str) -> None:
    """Revoke all of an author's tokens. Raises ``AuthorError`` when there is none."""
    parsed = _parse_name(name)
    _change(client, secret_arn, name, lambda before: before.without(parsed))


def read(client: "SecretsManagerClient", secret_arn: str) -> AllAuthors:
    """Return all authors, oldest first."""
    return AllAuthors.parse(secret_versions.current(client, secret_arn).value)


def listed(client: "SecretsManagerClient", secret_arn: str) -> tuple[Author, ...]:
    """Return the authors whose entries can be read, oldest first."""
    return read(client, secret_arn).readable


def _change(
    client: "SecretsManagerClient",
    secret_arn: str,
    name: str,
    changed: Callable[[AllAuthors], AllAuthors],
) -> None:
    def value_after(before: "Version") -> str:
        return changed(AllAuthors.parse(before.value)).text

    try:
        secret_versions.change(client, secret_arn, value_after)
    except tuple(_REFUSALS) as error:
        raise AuthorError(_REFUSALS[type(error)].format(name=name.strip())) from error


def _parse_name(name: str) -> AuthorName:
    try:
        return AuthorName(name)
    except ValidationError as error:
        raise _refusal(error) from error


def parse_address(text: str) -> StoredAddress:
    """Return an address in the form in which it is stored. Raises ``AuthorError``."""
    try:
        return StoredAddress.of(EmailAddress(text))
    except ValidationError as error:
        raise _refusal(error) from error


def parse_binding(text: str, repository_id: str | None, issuer: str) -> WorkflowBinding:
    """Return the binding that ``jo/letters@main`` names. Raises ``AuthorError``."""
    try:
        return WorkflowBinding.parse(text, repository_id, issuer.rstrip("/"))
    except ValidationError as error:
        raise AuthorError(
            f"{text} names no branch of a repository: write it as in jo/letters@main, and "
            "--repository-id as the number that `gh api repos/jo/letters --jq .id` prints."
        ) from error


def _refusal(error: ValidationError) -> AuthorError:
    (message,) = sentences.of_fields(invalid_fields(error).fields).values()
    return AuthorError(sentences.printed(message))


# Commands

app = typer.Typer(no_args_is_help=True, help="List, add, change, renew and revoke authors.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The author's name.", show_default=False)]
Email = Annotated[
    str | None,
    typer.Option(
        help="Where links to the studio and requests for approval go.", show_default=False
    ),
]
TestAddresses = Annotated[
    list[str] | None,
    typer.Option(
        "--test-address",
        help="An address that this author may send test mails to; repeat it for several.",
        show_default=False,
    ),
]


@app.command("list")
def list_command(stack: Stack, region: Region = None, *, as_json: Json = False) -> None:
    """List the authors with their roles."""
    client, arn = _secret_of(stack, region)
    secret = read(client, arn)
    found = secret.readable
    if as_json:
        print_json([author.model_dump(mode="json", exclude={"token_sha256"}) for author in found])
    elif found:
        rows = table("Author", "Role", "Email", "Test addresses", "GitHub", "Since (UTC)")
        for author in found:
            rows.add_row(
                str(author.name),
                author.role.value,
                str(author.email or ""),
                ", ".join(map(str, author.test_addresses)),
                str(author.oidc or ""),
                f"{author.created_at:%Y-%m-%d %H:%M}",
            )
        console().print(rows)
    else:
        say("Nobody may publish yet. `make author NAME=jo` adds an author.")
    if not as_json and secret.malformed:
        say(f"{secret.malformed} of the secret's entries can't be read and authorize nobody: {arn}")


@app.command("add")
def add_command(  # noqa: PLR0913 - the command's options
    name: Name,
    stack: Stack,
    region: Region = None,
    *,
    role: Annotated[
        Role | None,
        typer.Option(help="What the token allows; else manage, or publish with --github."),
    ] = None,
    email: Email = None,
    test_addresses: TestAddresses = None,
    github: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/REPOSITORY@BRANCH",
            help="The branch whose workflows sign in as this author, without a token.",
        ),
    ] = None,
    repository_id: Annotated[
        str | None,
        typer.Option(help="The repository's number, so that nobody else gets in by its name."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Add an author and print their token, which is shown once; or a repository's workflows.

    write: drafts, previews, test mails. publish: also what sends, stops or corrects an issue.
    manage: also people and settings. Workflows of pull requests may write, whatever the role.
    """
    described = options.chosen(stack, region)
    client, arn = boto3.client("secretsmanager"), described.output("AuthorsSecretArn")
    role = role or (Role.PUBLISH if github else Role.MANAGE)
    rights = Rights(
        role=role,
        email=parse_address(email) if email else None,
        test_addresses=tuple(map(parse_address, test_addresses or ())),
    )
    if github:
        # A stack of an earlier release has no such parameter, and lets no workflow in yet.
        issuer = described.parameters.get("WorkflowIssuer", GITHUB)
        binding = parse_binding(github, repository_id, issuer)
        add_workflows(client, arn, name, rights, binding)
        _print_bound(name, rights.role, binding, as_json=as_json)
        return
    token = add(client, arn, name, rights)
    _print_token(name, token, _ALLOWS[role], as_json=as_json)
    if not as_json:
        say(f"\nTheir command line asks for it once: broadsheet login {_address(described)}")


_ALLOWS = {
    Role.WRITE: "may write drafts with this token, and publish nothing",
    Role.PUBLISH: "may publish with this token",
    Role.MANAGE: "may do everything with this token: also manage readers, settings and authors",
}


@app.command("change")
def change_command(  # noqa: PLR0913 - the command's options
    name: Name,
    stack: Stack,
    region: Region = None,
    *,
    role: Annotated[
        Role | None, typer.Option(help="What the author's tokens allow.", show_default=False)
    ] = None,
    email: Email = None,
    test_addresses: TestAddresses = None,
) -> None:
    """Change an author's role or addresses; their tokens stay. An empty address removes it."""
    client, arn = _secret_of(stack, region)
    update: dict[str, object] = {}
    if role is not None:
        update["role"] = role
    if email is not None:
        update["email"] = parse_address(email) if email else None
    if test_addresses is not None:
        update["test_addresses"] = tuple(parse_address(each) for each in test_addresses if each)
    if not update:
        raise AuthorError("Say what to change: --role, --email or --test-address.")
    change(client, arn, name, **update)
    say(f"{name}'s tokens allow this within a minute.")


@app.command("renew")
def renew_command(
    name: Name, stack: Stack, region: Region = None, *, as_json: Json = False
) -> None:
    """Print a second token for an author; the first works until you revoke it."""
    client, arn = _secret_of(stack, region)
    _print_token(name, renew(client, arn, name), "can use this token too", as_json=as_json)
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


def _print_bound(name: str, role: Role, binding: WorkflowBinding, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "role": role.value, "oidc": binding.model_dump(mode="json")})
        return
    say(f"Workflows of {binding.repository} sign in as {name} within a minute:")
    say(f"a push to {binding.branch} may {role.value}, a pull request for it may only write.")
    if binding.repository_id is None:
        say(
            f"\nWhoever gets the name {binding.repository} after you would be let in, too. "
            "GITHUB_ID= rules that out:\n"
            f"gh api repos/{binding.repository} --jq .id prints it."
        )


def _print_token(name: str, token: str, says: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "token": token})
    else:
        say(f"{name} {says}. Keep it: it is shown only once.\n")
        say(token)


def _address(stack: DeployedStack) -> str:
    return stack.output("SignUpUrl").rstrip("/")


def _secret_of(stack: str, region: str | None) -> tuple["SecretsManagerClient", str]:
    arn = options.chosen(stack, region).output("AuthorsSecretArn")
    return boto3.client("secretsmanager"), arn
