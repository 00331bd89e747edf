"""Lambda's client, for those who call functions of the stack."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from botocore.config import Config

from broadsheet import aws, settings

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


@cache
def client() -> LambdaClient:
    """Return the client for asynchronous calls, which are answered at once."""
    created: LambdaClient = aws.client("lambda")
    return created


@cache
def waiting_client() -> LambdaClient:
    """Return the client for calls that wait for the function, and are made once."""
    timings = settings.timings()
    config = Config(
        connect_timeout=timings.aws_call_timeout,
        read_timeout=timings.outbound_invocation,
        retries={"total_max_attempts": 1},
    )
    created: LambdaClient = aws.client("lambda", config)
    return created
