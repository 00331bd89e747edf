"""Events as API Gateway hands them to a function."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4


def api_event(
    method: str,
    resource: str,
    *,
    body: Mapping[str, Any] | None = None,
    path_parameters: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a call of a REST API's resource, by an author, with a JSON body."""
    path = resource
    for name, value in (path_parameters or {}).items():
        path = path.replace(f"{{{name}}}", value)
    return {
        "httpMethod": method,
        "resource": resource,
        "path": path,
        "headers": {
            "accept": "application/json",
            "content-type": "application/json",
            "idempotency-key": str(uuid4()),
        },
        "queryStringParameters": None,
        "pathParameters": dict(path_parameters) if path_parameters else None,
        "body": json.dumps(body) if body is not None else None,
        "isBase64Encoded": False,
        "requestContext": {
            "requestId": str(uuid4()),
            "identity": {"sourceIp": "192.0.2.7"},
            "path": f"/prod{path}",
            "authorizer": {"author": "ada"},
        },
    }
