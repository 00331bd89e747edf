"""Events in the shapes in which AWS passes them to a function."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4


def api_event(  # noqa: PLR0913 - the parts of a request
    method: str,
    resource: str,
    *,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    path_parameters: Mapping[str, str] | None = None,
    author: str | None = None,
    role: str = "manage",
    source: str = "192.0.2.7",
) -> dict[str, Any]:
    """Return a request as API Gateway's REST API passes it to a function."""
    path = resource
    for name, value in (path_parameters or {}).items():
        path = path.replace(f"{{{name}}}", value)
    return {
        "httpMethod": method,
        "resource": resource,
        "path": path,
        "headers": dict(headers or {}),
        "queryStringParameters": dict(query) if query else None,
        "pathParameters": dict(path_parameters) if path_parameters else None,
        "body": body,
        "isBase64Encoded": False,
        "requestContext": {
            "requestId": str(uuid4()),
            "identity": {"sourceIp": source},
            "path": f"/prod{path}",
            "authorizer": {"author": author, "role": role} if author else None,
        },
    }


def sqs_record(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message of SQS's ReceiveMessage as an event source passes it to a function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "eventSource": "aws:sqs",
    }
