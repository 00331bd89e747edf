"""Calls addresses that authors chose, all at once, and returns how each call ended.

It is in no network, and its role allows nothing: whatever an address leads to, there is nothing
here to be had.
"""

import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from broadsheet import outbound, settings
from broadsheet.outbound import OutboundFailed
from broadsheet.outbound_calls import MOST_CALLS, Call, Called, calls_of


def handler(event: list[dict[str, Any]], _context: LambdaContext) -> list[dict[str, Any]]:
    """Take ``[{"url": …, "headers": {…}, "body": …}]``; each is sent by POST, or as ``method``."""
    calls = calls_of.validate_python(event)
    with ThreadPoolExecutor(max_workers=MOST_CALLS) as pool:
        return [called.model_dump() for called in pool.map(_make, calls)]


def _make(call: Call) -> Called:
    began = time.monotonic()
    try:
        answer = outbound.send(
            call.method,
            call.url,
            call.headers,
            call.body.encode(),
            seconds=settings.timings().webhook_call,
            most_bytes=call.most_bytes,
        )
    except OutboundFailed as failure:
        return Called(error=failure.code, milliseconds=_since(began))
    return Called(
        status=answer.status,
        body=b64encode(answer.body).decode(),
        retry_after=answer.headers.get("retry-after"),
        milliseconds=_since(began),
    )


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
