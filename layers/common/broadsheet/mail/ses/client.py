"""The clients of SES: one that sends, never retried by the SDK, and one that asks."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.config import Config
from botocore.exceptions import BotoCoreError

from broadsheet import aws, settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from mypy_boto3_sesv2 import SESV2Client

BULK_LIMIT = 50  # entries in one SendBulkEmail; SES's own


class PastDeadline(BotoCoreError):
    """A call that did not start, because its claim's deadline had passed."""

    fmt = "the claim's deadline passed before the call began"


class BulkCall(NamedTuple):
    """One SendBulkEmail, as its thread makes it. ``deadline``: a POSIX time."""

    deadline: float
    body: bytes


_bulk_call: ContextVar[BulkCall] = ContextVar("bulk_call")


@contextmanager
def under_way(call: BulkCall) -> Generator[None]:
    """Set the deadline and the body of the thread's next SendBulkEmail."""
    token = _bulk_call.set(call)
    try:
        yield
    finally:
        _bulk_call.reset(token)


def _set_body(params: dict[str, Any], **_: object) -> None:
    """Set a call's body as it is: botocore would look at each entry's fields one by one.

    That takes as long as all the rest of sending a mail.
    """
    params["body"] = _bulk_call.get().body


def _check_deadline(**_: object) -> None:
    """Stop a call that was signed but not sent by its deadline."""
    if time.time() >= _bulk_call.get().deadline:
        raise PastDeadline


def close_connections() -> None:
    """Close the sockets to SES at an invocation's end: a thawed one looks like a lost answer."""
    sending_client().close()


@cache
def sending_client() -> SESV2Client:
    """Return the client for sends, each of which is tried once."""
    timings = settings.timings()
    client: SESV2Client = aws.client(
        "sesv2",
        Config(
            connect_timeout=timings.ses_connect_timeout,
            read_timeout=timings.ses_call_timeout,
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=settings.CALLS_AT_ONCE,
            parameter_validation=False,
        ),
    )
    client.meta.events.register("before-call.sesv2.SendBulkEmail", _set_body)
    client.meta.events.register("before-send.sesv2.SendBulkEmail", _check_deadline)
    return client


@cache
def asking_client() -> SESV2Client:
    """Return the client for calls that may be repeated."""
    client: SESV2Client = aws.client("sesv2")
    return client
