"""A secret is changed by compare and swap, whatever AWS answers."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from broadsheet import secret_versions
from broadsheet.domain.errors import SecretBusy, SecretChangeUnknown

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

LOST = ReadTimeoutError(endpoint_url="https://secretsmanager.example")


class Vault(NamedTuple):
    """A secret whose value is letters, each added by a change."""

    client: "SecretsManagerClient"
    arn: str

    @property
    def value(self) -> str:
        return secret_versions.current(self.client, self.arn).value

    @property
    def versions(self) -> int:
        return secret_versions.count_kept(self.client, self.arn)

    def add(self, letter: str) -> bool:
        return secret_versions.change(self.client, self.arn, lambda before: before.value + letter)

    def on(self, call: str, moment: str, *acts: Callable[[], object] | None) -> None:
        """Do the first of these when a call is made first, and so on."""
        left = list(acts)

        def act(**_: object) -> None:
            if left and (one := left.pop(0)):
                one()

        self.client.meta.events.register(f"{moment}.secrets-manager.{call}", act)


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setattr(secret_versions, "_LONGEST_PAUSE", 0)
    with mock_aws():
        client = boto3.client("secretsmanager", region_name="eu-central-1")
        created = client.create_secret(Name="vault", SecretString="a")
        yield Vault(client, str(created["ARN"]))


def lose() -> None:
    raise LOST


def fail(code: str) -> Callable[[], None]:
    def act() -> None:
        raise ClientError({"Error": {"Code": code, "Message": ""}}, "GetSecretValue")

    return act


def test_a_change_is_one_version(vault: Vault) -> None:
    assert vault.add("b")
    assert (vault.value, vault.versions) == ("ab", 2)


def test_what_is_as_it_should_be_makes_no_version(vault: Vault) -> None:
    assert not vault.add("")
    assert vault.versions == 1


def test_what_somebody_adds_in_between_is_kept(vault: Vault) -> None:
    vault.on("PutSecretValue", "after-call", lambda: vault.add("x"))
    assert vault.add("b")
    assert vault.value == "axb"


def test_who_is_always_second_gives_up(vault: Vault) -> None:
    before = vault.client.meta.events

    def put(**_: object) -> None:
        before.unregister("before-call.secrets-manager.UpdateSecretVersionStage", put)
        vault.add("x")
        before.register("before-call.secrets-manager.UpdateSecretVersionStage", put)

    before.register("before-call.secrets-manager.UpdateSecretVersionStage", put)
    with pytest.raises(SecretBusy):
        vault.add("b")
    assert vault.value == "a" + "x" * secret_versions.ATTEMPTS


@pytest.mark.parametrize("last", [1, secret_versions.ATTEMPTS])
def test_a_lost_answer_is_found_out_also_by_the_last_look(vault: Vault, last: int) -> None:
    taken = [lambda: vault.add("x")] * (last - 1)
    vault.on("UpdateSecretVersionStage", "before-call", *taken)
    vault.on("UpdateSecretVersionStage", "after-call", *([None] * (last - 1)), lose)
    assert vault.add("b")
    assert vault.value == "a" + "x" * (last - 1) + "b"


def test_a_lost_answer_is_found_out_though_somebody_has_changed_it_since(vault: Vault) -> None:
    def lose_after_another() -> None:
        vault.add("x")
        lose()

    vault.on("UpdateSecretVersionStage", "after-call", lose_after_another)
    assert vault.add("b")
    assert vault.value == "abx"


def test_a_call_that_was_lost_on_its_way_is_made_again(vault: Vault) -> None:
    vault.on("UpdateSecretVersionStage", "before-call", lose)
    assert vault.add("b")
    assert vault.value == "ab"


@pytest.mark.parametrize("failure", [lose, fail("AccessDeniedException")])
def test_without_a_look_after_it_a_change_is_unknown(
    vault: Vault, failure: Callable[[], None]
) -> None:
    vault.on("UpdateSecretVersionStage", "after-call", lose)
    vault.on("GetSecretValue", "before-call", None, failure)
    with pytest.raises(SecretChangeUnknown):
        vault.add("b")
    assert vault.value == "ab"


def test_a_call_that_fails_before_anything_is_asked_for_changes_nothing(vault: Vault) -> None:
    vault.on("GetSecretValue", "before-call", lose)
    with pytest.raises(ReadTimeoutError):
        vault.add("b")
    vault.on("PutSecretValue", "before-call", fail("LimitExceededException"))
    with pytest.raises(ClientError, match="LimitExceeded"):
        vault.add("b")
    vault.on("UpdateSecretVersionStage", "before-call", fail("AccessDeniedException"))
    with pytest.raises(ClientError, match="AccessDenied"):
        vault.add("b")
    assert vault.value == "a"


def test_versions_of_all_pages_are_counted(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    for letter in "bcd":
        vault.add(letter)
    found = vault.client.list_secret_version_ids(SecretId=vault.arn)["Versions"]
    pages = {None: (found[:3], "2"), "2": (found[3:], None)}

    def of_page(NextToken: str | None = None, **_: object) -> dict[str, object]:  # noqa: N803
        versions, following = pages[NextToken]
        return {"Versions": versions} | ({"NextToken": following} if following else {})

    monkeypatch.setattr(vault.client, "list_secret_version_ids", of_page)
    assert vault.versions == 4
