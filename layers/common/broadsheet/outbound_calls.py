"""Requests to addresses that authors chose, made by a function that reaches nothing else.

The function *outbound* is in no network of the stack's, and its role allows nothing. The functions
with the database are in a network from which IPv4 leads nowhere.
"""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, TypeAdapter

from broadsheet import lambdas, settings
from broadsheet.domain.errors import DependencyUnavailable

MOST_CALLS = 100  # of one invocation, at once


class Call(BaseModel):
    """A request to send by POST."""

    model_config = ConfigDict(frozen=True)

    url: str
    headers: dict[str, str]
    body: str


class Called(BaseModel):
    """How a call ended: with a status, or with the code of what kept it from one."""

    model_config = ConfigDict(frozen=True)

    status: int | None = None
    error: str | None = None
    retry_after: str | None = None
    milliseconds: int


calls_of = TypeAdapter(list[Call])
_all_called = TypeAdapter(list[Called])


def make(calls: list[Call]) -> list[Called]:
    """Send requests at once, and return how each ended. Raises ``DependencyUnavailable``."""
    try:
        answer = lambdas.waiting_client().invoke(
            FunctionName=settings.outbound_function_name(),
            Payload=calls_of.dump_json(calls),
        )
        payload = answer["Payload"].read()
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable("outbound could not be called") from error
    if answer.get("FunctionError"):
        raise DependencyUnavailable("outbound failed")
    return _all_called.validate_json(payload)
