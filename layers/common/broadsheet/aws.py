"""How AWS is called: one session, short timeouts, a few retries."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from broadsheet.settings import timings

if TYPE_CHECKING:
    from botocore.credentials import Credentials


def client(service: str, config: Config | None = None) -> Any:  # noqa: ANN401 - named by its owner
    """Return a client; calls may be repeated, unless ``config`` says otherwise."""
    made: Any = _session().client  # typed for each service by name, which is a variable here
    return made(service, config=config or call_config())


def call_config() -> Config:
    """Return the client configuration for calls that may be repeated."""
    timeout = timings().aws_call_timeout
    return Config(
        connect_timeout=timeout,
        read_timeout=timeout,
        retries={"mode": "standard", "total_max_attempts": 3},
    )


def credentials() -> Credentials:
    """Return the function's own credentials. Raises ``LookupError`` without any."""
    found = _session().get_credentials()
    if found is None:
        raise LookupError("there are no AWS credentials to sign with")
    return found


@cache
def _session() -> boto3.Session:
    return boto3.Session()
