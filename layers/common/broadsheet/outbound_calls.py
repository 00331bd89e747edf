"""Requests to addresses that authors chose, made by a function that reaches nothing else.

The function *outbound* is in no network of the stack's, and its role allows nothing. The functions
with the database are in a network from which IPv4 leads nowhere.
"""

from __future__ import annotations

from base64 import b64decode
from http import HTTPStatus
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from broadsheet import lambdas, settings
from broadsheet.domain.errors import DependencyUnavailable

MOST_CALLS = 100  # of one invocation, at once
MOST_BYTES = 4_500_000  # of an answer: as base64 within the 6 MB that Lambda answers


class Call(BaseModel):
    """A request to send. ``most_bytes``: of the answer's body, left unread if that is 0."""

    model_config = ConfigDict(frozen=True)

    method: Literal["GET", "POST"] = "POST"
    url: str
    headers: dict[str, str]
    body: str
    most_bytes: int = Field(default=0, ge=0, le=MOST_BYTES)


class Called(BaseModel):
    """How a call ended: with a status, or with the code of what kept it from one.

    ``body``: the answer's in base64, if it was read.
    """

    model_config = ConfigDict(frozen=True)

    status: int | None = None
    body: str = ""
    error: str | None = None
    retry_after: str | None = None
    milliseconds: int


calls_of = TypeAdapter(list[Call])
_all_called = TypeAdapter(list[Called])


class NotFetchedError(OSError):
    """An address gave no content; its text is the reason's code."""


def fetch(url: str, most_bytes: int) -> bytes:
    """Return what is at an address. Raises ``NotFetchedError`` and ``DependencyUnavailable``."""
    wanted = Call(method="GET", url=url, headers={}, body="", most_bytes=most_bytes)
    (called,) = make([wanted])
    if called.error is not None:
        raise NotFetchedError(called.error)
    if called.status != HTTPStatus.OK:
        raise NotFetchedError(f"status-{called.status}")
    return b64decode(called.body)


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
