"""Requests of authors and readers, in the form in which API Gateway passes them on."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from local.lambda_events import api_event


def call(  # noqa: PLR0913 - the parts of a request
    method: str,
    resource: str,
    *,
    body: Mapping[str, Any] | None = None,
    path_parameters: Mapping[str, str] | None = None,
    author: str | None = "ada",
    source: str = "192.0.2.7",
) -> dict[str, Any]:
    """Return a request, with a JSON body or none; each has an idempotency key of its own."""
    return api_event(
        method,
        resource,
        body=json.dumps(body) if body is not None else None,
        headers={
            "accept": "application/json",
            "content-type": "application/json",
            "idempotency-key": str(uuid4()),
        },
        path_parameters=path_parameters,
        author=author,
        source=source,
    )
