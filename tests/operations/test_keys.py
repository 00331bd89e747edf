"""Signing keys are rotated without a moment in which a link is refused."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from broadsheet import secrets, signed_tokens
from broadsheet.domain.errors import InvalidToken
from broadsheet.domain.issues import IssueId
from broadsheet.domain.requests import UnsubscribeToken
from broadsheet.domain.subscribers import SubscriberId
from broadsheet.settings import Timings
from operations import keys
from operations.keys import SEEN_BY_ALL_AFTER, KeyRefused, Keys
from tests.conftest import forget_everything, forget_what_was_read
from tests.operations.command_line import deploy, documented, ran, run

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator["SecretsManagerClient"]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    forget_everything()
    with mock_aws():
        client = boto3.client("secretsmanager")
        # Unsaid, it is AWSCURRENT; moto takes whatever was put last.
        client.meta.events.register(
            "provide-client-params.secrets-manager.GetSecretValue",
            lambda params, **_: {"VersionStage": "AWSCURRENT"} | params,
        )
        yield client
    forget_everything()


@pytest.fixture
def secret(client: "SecretsManagerClient", monkeypatch: pytest.MonkeyPatch) -> str:
    generated = json.dumps({"signing_key_id": "1", "1": "x" * 64})
    arn = str(client.create_secret(Name="keys", SecretString=generated)["ARN"])
    monkeypatch.setenv("SIGNING_KEYS_SECRET_ARN", arn)
    return arn


def now() -> datetime:
    return datetime.now(UTC)


def later() -> datetime:
    return now() + SEEN_BY_ALL_AFTER + timedelta(seconds=1)


def stored(client: "SecretsManagerClient", secret: str) -> Keys:
    return Keys.parse(client.get_secret_value(SecretId=secret)["SecretString"])


def signed() -> str:
    forget_what_was_read()
    token = UnsubscribeToken(subscriber_id=SubscriberId(uuid4()), issue_id=IssueId(uuid4()))
    return signed_tokens.sign_unsubscribe(token)


def test_a_new_key_verifies_first_and_signs_the_second_time(
    client: "SecretsManagerClient", secret: str
):
    keys.rotate(client, secret, now())
    added = stored(client, secret)
    keys.rotate(client, secret, later())
    turned = stored(client, secret)

    assert (added.signing_key_id, sorted(added.keys)) == ("1", ["1", "2"])
    assert (turned.signing_key_id, sorted(turned.keys)) == ("2", ["1", "2"])
    assert len(turned.keys["2"]) == len(turned.keys["1"])


def test_a_key_does_not_sign_before_every_function_has_seen_it(
    client: "SecretsManagerClient", secret: str
):
    keys.rotate(client, secret, now())

    with pytest.raises(KeyRefused, match="was added just now"):
        keys.rotate(client, secret, now() + timedelta(seconds=Timings().secrets_cached))

    assert stored(client, secret).signing_key_id == "1"
    assert SEEN_BY_ALL_AFTER.total_seconds() >= 2 * Timings().secrets_cached


def test_no_link_is_refused_at_any_step(client: "SecretsManagerClient", secret: str):
    links = [signed()]
    seen_before = dict(secrets._cache)  # a function that has not looked since
    keys.rotate(client, secret, now())
    links.append(signed())
    secrets._cache.update(seen_before)
    assert signed_tokens.read_unsubscribe(links[-1])  # signed by the old key still

    seen_between = json.dumps(json.loads(client.get_secret_value(SecretId=secret)["SecretString"]))
    keys.rotate(client, secret, later())
    links.append(signed())
    forget_what_was_read()
    assert all(signed_tokens.read_unsubscribe(link) for link in links)

    # A function that saw the second key and not yet that it signs knows its links.
    client.put_secret_value(SecretId=secret, SecretString=seen_between)
    forget_what_was_read()
    assert signed_tokens.read_unsubscribe(links[-1])


def test_a_third_key_follows_the_second(client: "SecretsManagerClient", secret: str):
    for _ in range(2):
        keys.rotate(client, secret, now())
        keys.rotate(client, secret, later())

    assert stored(client, secret).signing_key_id == "3"


def test_a_leaked_key_is_taken_away_with_its_links(client: "SecretsManagerClient", secret: str):
    link = signed()
    with pytest.raises(KeyRefused, match="Rotate first"):
        keys.retire(client, secret, "1")
    keys.rotate(client, secret, now())
    keys.rotate(client, secret, later())

    keys.retire(client, secret, "1")

    forget_what_was_read()
    with pytest.raises(InvalidToken):
        signed_tokens.read_unsubscribe(link)
    assert signed_tokens.read_unsubscribe(signed())
    with pytest.raises(KeyRefused, match="no key 1"):
        keys.retire(client, secret, "1")


def test_two_operators_at_once_add_one_key_each_in_turn(
    client: "SecretsManagerClient", secret: str
):
    others = [now()]

    def rotate_too(**_: object) -> None:
        while others:
            keys.rotate(client, secret, others.pop())

    client.meta.events.register("before-call.secrets-manager.PutSecretValue", rotate_too)

    with pytest.raises(KeyRefused, match="added just now"):  # by the other one
        keys.rotate(client, secret, now())

    assert sorted(stored(client, secret).keys) == ["1", "2"]


def test_keys_are_listed_without_being_shown(
    client: "SecretsManagerClient", secret: str, monkeypatch: pytest.MonkeyPatch
):
    keys.rotate(client, secret, now())
    deploy(monkeypatch, {"SigningKeysSecretArn": secret})

    shown = ran("keys", "list", "--stack", "news")

    assert [line.split() for line in shown.splitlines()[1:]] == [
        ["1", "signs", "and", "verifies"],
        ["2", "verifies"],
    ]
    listed = documented("keys", "list", "--stack", "news")
    assert listed == {"signing_key_id": "1", "keys": ["1", "2"]}
    assert not any(key in shown for key in stored(client, secret).keys.values())


def test_a_key_is_rotated_and_retired_by_command(
    client: "SecretsManagerClient", secret: str, monkeypatch: pytest.MonkeyPatch
):
    deploy(monkeypatch, {"SigningKeysSecretArn": secret})

    assert "Run this again in 2 minutes" in ran("keys", "rotate", "--stack", "news")
    early = run("keys", "rotate", "--stack", "news")
    assert (early.exit_code, "was added just now" in early.stderr) == (1, True)
    assert "Key 2 is gone" in ran("keys", "retire", "2", "--stack", "news")

    assert stored(client, secret).keys.keys() == {"1"}
