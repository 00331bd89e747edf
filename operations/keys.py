"""The keys that sign the links in mails: lists, rotates and retires them.

A function caches the keys for a minute, so that a key which signed at once would make links that
other functions don't know yet. ``rotate`` therefore takes two steps, some minutes apart: the first
adds a key, which verifies; the second, when every function has read it, lets it sign. The keys
before it keep verifying: links in old mails work as long as the mails exist. ``retire`` removes a
leaked key, and breaks the links that it signed.

Uses the operator's own AWS credentials. They need ``secretsmanager:GetSecretValue``,
``PutSecretValue`` and ``UpdateSecretVersionStage`` on the secret, and
``cloudformation:DescribeStacks``.
"""

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import boto3
import typer
from pydantic import BaseModel, ConfigDict

from broadsheet import secret_versions
from operations import options
from operations.console import console, print_json, say, table
from operations.errors import OperationFailed
from operations.options import Json, Region, Stack

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from broadsheet.secret_versions import Version

KEY_BYTES = 48  # 64 characters, as the stack generates
# Twice as long as a function keeps the keys (broadsheet.settings.Timings.secrets_cached).
SEEN_BY_ALL_AFTER = timedelta(seconds=120)


class KeyRefused(OperationFailed):
    """The change would break links, or can't be made; the message says why."""


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
        """Whether the newest key does not sign yet."""
        return self.newest != self.signing_key_id


def rotate(client: "SecretsManagerClient", secret_arn: str, now: datetime) -> str:
    """Take the next of the two steps, and return what was done.

    Raises ``KeyRefused`` when the second is asked for before every function has seen the key.
    """
    said: list[str] = []

    def step(before: "Version") -> str:
        keys = Keys.parse(before.value)
        if not keys.waits_for_its_turn:
            added = str(int(keys.newest) + 1)
            said.append(
                f"Key {added} was added and verifies; key {keys.signing_key_id} still signs.\n"
                f"Run this again in {SEEN_BY_ALL_AFTER.seconds // 60} minutes or later, so that it "
                "signs."
            )
            more = {added: secrets.token_urlsafe(KEY_BYTES)}
            return keys.model_copy(update={"keys": keys.keys | more}).text()
        left = before.since + SEEN_BY_ALL_AFTER - now
        if left > timedelta():
            raise KeyRefused(
                f"Key {keys.newest} was added just now: functions that have not read it yet would "
                f"refuse its links. Run this again in {left.seconds + 1} s."
            )
        said.append(
            f"Key {keys.newest} signs from now on; links signed before keep working.\n"
            f"Key {keys.signing_key_id} stays to verify them."
        )
        return keys.model_copy(update={"signing_key_id": keys.newest}).text()

    secret_versions.change(client, secret_arn, step)
    return said[-1]


def retire(client: "SecretsManagerClient", secret_arn: str, key_id: str) -> None:
    """Remove a leaked key, and break every link that it signed.

    Raises ``KeyRefused`` for the key that signs, and for one that doesn't exist.
    """

    def without(before: "Version") -> str:
        keys = Keys.parse(before.value)
        if key_id not in keys.keys:
            raise KeyRefused(f"There is no key {key_id}. `make keys` lists those that exist.")
        if key_id == keys.signing_key_id:
            raise KeyRefused(f"Key {key_id} signs. Rotate first, so that another key signs.")
        kept = {name: key for name, key in keys.keys.items() if name != key_id}
        return keys.model_copy(update={"keys": kept}).text()

    secret_versions.change(client, secret_arn, without)


# Commands

app = typer.Typer(no_args_is_help=True, help="List, rotate and retire the keys that sign links.")


@app.command("list")
def list_command(stack: Stack, region: Region = None, *, as_json: Json = False) -> None:
    """List the signing keys by their ids; the keys themselves stay secret."""
    client, arn = _secret_of(stack, region)
    keys = Keys.parse(secret_versions.current(client, arn).value)
    uses = {
        key_id: "signs and verifies" if key_id == keys.signing_key_id else "verifies"
        for key_id in sorted(keys.keys, key=int)
    }
    if as_json:
        print_json({"signing_key_id": keys.signing_key_id, "keys": list(uses)})
        return
    rows = table("Key", "Use")
    for row in uses.items():
        rows.add_row(*row)
    console().print(rows)


@app.command("rotate")
def rotate_command(stack: Stack, region: Region = None) -> None:
    """Add a signing key; the second time, some minutes later, let it sign."""
    say(rotate(*_secret_of(stack, region), datetime.now(UTC)))


@app.command("retire")
def retire_command(
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="The id of a leaked key.")],
    stack: Stack,
    region: Region = None,
) -> None:
    """Remove a leaked key: every link that it signed breaks, old unsubscribe links too."""
    retire(*_secret_of(stack, region), key_id)
    say(f"Key {key_id} is gone: the links that it signed stop working within a minute.")


def _secret_of(stack: str, region: str | None) -> tuple["SecretsManagerClient", str]:
    arn = options.chosen(stack, region).output("SigningKeysSecretArn")
    return boto3.client("secretsmanager"), arn
