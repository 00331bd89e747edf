"""Secrets Manager: the signing keys, the authors, the database's URL."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import aws
from broadsheet.domain.errors import DependencyUnavailable
from broadsheet.settings import timings

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_IN_FORCE = "AWSCURRENT"  # AWS's default; moto's is the version that was put last

_cache: dict[str, tuple[float, str]] = {}


def secret(arn: str, *, stale_is_good: bool = False) -> str:
    """Return a secret's value, at most a minute old.

    ``stale_is_good``: while Secrets Manager does not answer, the last known value stays in use.
    Raises ``DependencyUnavailable``.
    """
    fetched_at, value = _cache.get(arn, (float("-inf"), ""))
    if time.monotonic() - fetched_at < timings().secrets_cached:
        return value
    try:
        value = client().get_secret_value(SecretId=arn, VersionStage=_IN_FORCE)["SecretString"]
    except (BotoCoreError, ClientError) as error:
        if stale_is_good and value:
            return value
        raise DependencyUnavailable(
            "a secret could not be read just now: please try again in a minute"
        ) from error
    _cache[arn] = (time.monotonic(), value)
    return value


def forget(arn: str) -> None:
    """Have the next call read a secret that was changed here."""
    _cache.pop(arn, None)


@cache
def client() -> SecretsManagerClient:
    """Return the client of this process."""
    created: SecretsManagerClient = aws.client("secretsmanager")
    return created
