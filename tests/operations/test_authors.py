import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from broadsheet.domain.all_authors import Rights
from broadsheet.domain.authors import Role
from broadsheet.domain.workflows import GITHUB
from operations import authors
from operations.authors import AuthorError, parse_address

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator["SecretsManagerClient"]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield boto3.client("secretsmanager", region_name="eu-central-1")


@pytest.fixture
def secret(client: "SecretsManagerClient") -> str:
    created = client.create_secret(Name="authors", SecretString='{"authors": []}')
    return str(created["ARN"])


def _value(client: "SecretsManagerClient", secret: str) -> str:
    return client.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")["SecretString"]


def test_a_token_is_stored_as_its_hash_only(client: "SecretsManagerClient", secret: str):
    token = authors.add(client, secret, " Jo Writer ")

    value = _value(client, secret)
    (author,) = json.loads(value)["authors"]
    assert token.startswith("bs_")
    assert token not in value
    assert author["name"] == "Jo Writer"
    assert author["token_sha256"] == hashlib.sha256(token.encode()).hexdigest()


def test_an_entry_from_before_roles_may_do_everything(client: "SecretsManagerClient", secret: str):
    before = {"name": "Jo", "token_sha256": "0f", "created_at": "2026-11-22T12:00:00Z"}
    client.put_secret_value(SecretId=secret, SecretString=json.dumps({"authors": [before]}))

    (author,) = authors.listed(client, secret)

    assert (author.role, author.email, author.test_addresses) == (Role.MANAGE, None, ())


def test_a_role_and_addresses_are_kept_by_every_token_of_an_author(
    client: "SecretsManagerClient", secret: str
):
    rights = Rights(
        role=Role.WRITE,
        email=parse_address("Jo@Example.com"),
        test_addresses=(parse_address("jo@phone.example"),),
    )
    authors.add(client, secret, "Jo", rights)
    authors.renew(client, secret, "Jo")

    authors.change(client, secret, "Jo", role=Role.PUBLISH)

    found = authors.listed(client, secret)
    assert [author.role for author in found] == [Role.PUBLISH] * 2
    assert {str(author.email) for author in found} == {"jo@example.com"}
    assert [list(map(str, author.test_addresses)) for author in found] == [["jo@phone.example"]] * 2
    with pytest.raises(AuthorError, match="no author Ann"):
        authors.change(client, secret, "Ann", role=Role.PUBLISH)


@pytest.mark.parametrize("address", ["", "jo", "Jo <jo@example.com>", "jo@exam ple.com"])
def test_an_address_that_mail_can_not_reach_is_refused(address: str):
    with pytest.raises(AuthorError):
        parse_address(address)


def test_an_entry_that_can_not_be_read_is_kept_and_hinders_nobody(
    client: "SecretsManagerClient", secret: str
):
    odd = {"name": "Ann", "role": "owner"}
    client.put_secret_value(SecretId=secret, SecretString=json.dumps({"authors": [odd]}))

    authors.add(client, secret, "Jo")
    authors.renew(client, secret, "Jo")
    authors.revoke_old(client, secret, "Jo")

    entries = json.loads(_value(client, secret))["authors"]
    assert entries[0] == odd
    assert [entry["name"] for entry in entries] == ["Ann", "Jo"]
    assert [str(author.name) for author in authors.listed(client, secret)] == ["Jo"]


LETTERS = authors.parse_binding("jo/letters@main", "1296269", GITHUB)


def test_a_repositorys_workflows_are_an_author_without_a_token(
    client: "SecretsManagerClient", secret: str
):
    authors.add_workflows(client, secret, "letters", Rights(role=Role.PUBLISH), LETTERS)

    (author,) = authors.listed(client, secret)
    assert author.token_sha256 == ""
    assert author.oidc == LETTERS
    assert (LETTERS.repository, LETTERS.branch) == ("jo/letters", "main")
    assert (LETTERS.repository_id, LETTERS.issuer) == ("1296269", GITHUB)
    with pytest.raises(AuthorError, match="has no token"):
        authors.renew(client, secret, "letters")
    with pytest.raises(AuthorError, match="letters already"):
        authors.add(client, secret, "letters")
    authors.revoke(client, secret, "letters")
    assert authors.listed(client, secret) == ()


def test_no_workflow_manages_readers(client: "SecretsManagerClient", secret: str):
    with pytest.raises(AuthorError, match="never manages"):
        authors.add_workflows(client, secret, "letters", Rights(role=Role.MANAGE), LETTERS)
    authors.add_workflows(client, secret, "letters", Rights(role=Role.WRITE), LETTERS)
    with pytest.raises(AuthorError, match="never manages"):
        authors.change(client, secret, "letters", role=Role.MANAGE)


def test_an_address_is_one_authors(client: "SecretsManagerClient", secret: str):
    """A link that is mailed to it signs in one of them only."""
    rights = Rights(role=Role.WRITE, email=parse_address("jo@example.com"))
    authors.add(client, secret, "Jo", rights)
    authors.add(client, secret, "Ann")

    with pytest.raises(AuthorError, match="Another author has this address"):
        authors.add(client, secret, "Zoe", rights)
    with pytest.raises(AuthorError, match="Another author has this address"):
        authors.change(client, secret, "Ann", email=rights.email)
    authors.change(client, secret, "Jo", email=rights.email)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *((text, None) for text in ("", "letters", "jo/letters", "jo/letters@", "@main")),
        *((text, None) for text in ("jo/letters@a..b", "jo/*@main", "jo/letters@*", "a/b/c@main")),
        *(("jo/letters@main", number) for number in ("", "jo", "-1", "1e3")),
    ],
)
def test_what_names_no_branch_is_refused(text: str, number: str | None):
    with pytest.raises(AuthorError, match="names no branch"):
        authors.parse_binding(text, number, GITHUB)


def test_authors_are_listed_in_the_order_they_came(client: "SecretsManagerClient", secret: str):
    tokens = {authors.add(client, secret, name) for name in ("Jo", "Ann", "Zoë O'Brien")}

    assert [str(author.name) for author in authors.listed(client, secret)] == [
        "Jo",
        "Ann",
        "Zoë O'Brien",
    ]
    assert len(tokens) == 3


def test_a_name_is_taken_once(client: "SecretsManagerClient", secret: str):
    authors.add(client, secret, "Jo")
    before = _value(client, secret)

    with pytest.raises(AuthorError, match="Jo already"):
        authors.add(client, secret, "Jo")

    assert _value(client, secret) == before


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 65, "two\nlines", "\x1b[31mred", "a\u202eb", "<b>", "a/b", "\ud800"]
)
def test_a_name_that_logs_could_not_show_is_refused(
    client: "SecretsManagerClient", secret: str, name: str
):
    with pytest.raises(AuthorError):
        authors.add(client, secret, name)

    assert _value(client, secret) == '{"authors": []}'


def test_a_revoked_author_is_gone_and_others_stay(client: "SecretsManagerClient", secret: str):
    for name in ("Jo", "Ann"):
        authors.add(client, secret, name)

    authors.revoke(client, secret, "Jo")

    assert [str(author.name) for author in authors.listed(client, secret)] == ["Ann"]
    with pytest.raises(AuthorError, match="no author Jo"):
        authors.revoke(client, secret, "Jo")


def test_a_renewed_token_works_beside_the_old_one_until_that_is_revoked(
    client: "SecretsManagerClient", secret: str
):
    old = authors.add(client, secret, "Jo")
    authors.add(client, secret, "Ann")

    new = authors.renew(client, secret, "Jo")

    digests = [author.token_sha256 for author in authors.listed(client, secret)]
    assert hashlib.sha256(old.encode()).hexdigest() in digests
    assert hashlib.sha256(new.encode()).hexdigest() in digests

    authors.revoke_old(client, secret, "Jo")

    left = {str(author.name): author.token_sha256 for author in authors.listed(client, secret)}
    assert left.keys() == {"Jo", "Ann"}
    assert left["Jo"] == hashlib.sha256(new.encode()).hexdigest()


def test_a_token_is_renewed_for_an_author_and_an_only_one_is_not_taken(
    client: "SecretsManagerClient", secret: str
):
    with pytest.raises(AuthorError, match="no author Jo"):
        authors.renew(client, secret, "Jo")
    authors.add(client, secret, "Jo")

    with pytest.raises(AuthorError, match="no older token"):
        authors.revoke_old(client, secret, "Jo")

    assert len(authors.listed(client, secret)) == 1


def test_revoking_takes_all_of_an_authors_tokens(client: "SecretsManagerClient", secret: str):
    authors.add(client, secret, "Jo")
    authors.renew(client, secret, "Jo")

    authors.revoke(client, secret, "Jo")

    assert authors.listed(client, secret) == ()


def test_two_operators_at_once_both_add_theirs(client: "SecretsManagerClient", secret: str):
    others = ["Ann"]

    def add_another(**_: object) -> None:
        while others:
            authors.add(client, secret, others.pop())

    # Between this operator's look at the secret and the change of it.
    client.meta.events.register("before-call.secrets-manager.PutSecretValue", add_another)

    authors.add(client, secret, "Jo")

    assert {str(author.name) for author in authors.listed(client, secret)} == {"Jo", "Ann"}
