"""The keys that sign the links in mails: adds one, lets it sign, and takes a leaked one away.

    python -m operations.keys rotate --stack STACK      # twice, some minutes apart
    python -m operations.keys list --stack STACK
    python -m operations.keys retire KEY --stack STACK  # the links it signed break

A function keeps the keys for a minute, so that a key which signed at once would make links that
others don't know yet. ``rotate`` therefore takes two steps: the first adds a key, which verifies;
the second, when every function has seen it, lets it sign. Keys before it verify on for ever: links
in old mails work as long as the mails exist.

Uses the operator's own AWS credentials and region. They need ``secretsmanager:GetSecretValue``,
``PutSecretValue`` and ``UpdateSecretVersionStage`` on the secret, and
``cloudformation:DescribeStacks``.
"""

import argparse
import json
import secrets
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict

from operations import secret_value
from operations.secret_value import SecretBusy, Version
from operations.stack import StackError, describe

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEY_BYTES = 48  # 64 characters, as the stack generates
# Twice as long as a function keeps the keys (broadsheet.settings.Waits.secrets_cached).
SEEN_BY_ALL_AFTER = timedelta(seconds=120)


class KeyRefused(Exception):
    """What was asked would break links, or can't be done; the message says why."""


class Keys(BaseModel):
    """The whole secret: ``{"signing_key_id": "1", "1": "..."}``."""

    model_config = ConfigDict(frozen=True)

    signing_key_id: str
    keys: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> "Keys":
        """Read the secret's JSON."""
        stored: dict[str, str] = json.loads(text)
        return cls(signing_key_id=stored.pop("signing_key_id"), keys=stored)

    def text(self) -> str:
        """Write the secret's JSON."""
        return json.dumps({"signing_key_id": self.signing_key_id} | self.keys)

    @property
    def newest(self) -> str:
        """The id of the key that was added last: ids count up."""
        return max(self.keys, key=int)

    @property
    def waits_for_its_turn(self) -> bool:
        """Tell whether the newest key does not sign yet."""
        return self.newest != self.signing_key_id


def rotate(client: "SecretsManagerClient", secret_arn: str, now: datetime) -> str:
    """Take the next of the two steps, and say what was done.

    Raises ``KeyRefused`` when the second is asked for before every function has seen the key.
    """
    said: list[str] = []

    def step(before: Version) -> str:
        keys = Keys.parse(before.value)
        if not keys.waits_for_its_turn:
            added = str(int(keys.newest) + 1)
            said.append(
                f"Key {added} was added and verifies; key {keys.signing_key_id} still signs.\n"
                f"Run this again in {SEEN_BY_ALL_AFTER.seconds // 60} minutes or later: then it "
                "signs."
            )
            more = {added: secrets.token_urlsafe(KEY_BYTES)}
            return keys.model_copy(update={"keys": keys.keys | more}).text()
        left = before.since + SEEN_BY_ALL_AFTER - now
        if left > timedelta():
            raise KeyRefused(
                f"Key {keys.newest} was added just now: functions that have not seen it would "
                f"take its links for forged. Run this again in {left.seconds + 1} s."
            )
        said.append(
            f"Key {keys.newest} signs from now on; links signed before go on to work.\n"
            f"Key {keys.signing_key_id} stays to verify them."
        )
        return keys.model_copy(update={"signing_key_id": keys.newest}).text()

    secret_value.change(client, secret_arn, step)
    return said[-1]


def retire(client: "SecretsManagerClient", secret_arn: str, key_id: str) -> None:
    """Take a key away, and with it every link that it signed; for one that was leaked.

    Raises ``KeyRefused`` for the one that signs, or that is none.
    """

    def without(before: Version) -> str:
        keys = Keys.parse(before.value)
        if key_id not in keys.keys:
            raise KeyRefused(f"There is no key {key_id}.")
        if key_id == keys.signing_key_id:
            raise KeyRefused(f"Key {key_id} signs. Rotate first, so that another one does.")
        kept = {name: key for name, key in keys.keys.items() if name != key_id}
        return keys.model_copy(update={"keys": kept}).text()

    secret_value.change(client, secret_arn, without)


def carry_out(
    client: "SecretsManagerClient", secret_arn: str, action: str, key_id: str | None
) -> None:
    """Do what the command line says and print the outcome."""
    match action, key_id:
        case "rotate", None:
            print(rotate(client, secret_arn, datetime.now(UTC)))
        case "retire", str():
            retire(client, secret_arn, key_id)
            print(f"Key {key_id} is gone: links that it signed are refused, within a minute.")
        case "list", None:
            keys = Keys.parse(secret_value.current(client, secret_arn).value)
            for name in sorted(keys.keys, key=int):
                print(f"{name}  {'signs' if name == keys.signing_key_id else 'verifies'}")
        case _:
            raise KeyRefused("rotate and list take no key, retire takes one.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``carry_out`` needs; the local stack's command shares it."""
    parser.add_argument("action", choices=["rotate", "list", "retire"])
    parser.add_argument("key_id", nargs="?", metavar="key")


def main() -> None:
    """Run the command against a stack on AWS."""
    parser = argparse.ArgumentParser(prog="python -m operations.keys", description="Signing keys.")
    add_arguments(parser)
    parser.add_argument("--stack", required=True, help="the CloudFormation stack's name")
    chosen = parser.parse_args()
    try:
        stack = describe(boto3.client("cloudformation"), chosen.stack)
        arn = stack.output("SigningKeysSecretArn")
        carry_out(boto3.client("secretsmanager"), arn, chosen.action, chosen.key_id)
    except (KeyRefused, SecretBusy, StackError, BotoCoreError, ClientError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
