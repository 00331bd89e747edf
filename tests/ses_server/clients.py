"""boto3's client of a server under test, which checks the answers against botocore's model."""

import json
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.model import OperationModel, Shape, StructureShape

from ses_server import Server

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

SENDER = "news@example.com"
REGION = "eu-central-1"

# Errors that every AWS service knows and no service's model lists.
COMMON_ERRORS = {
    "SerializationException",
    "MissingAuthenticationTokenException",
    "InvalidSignatureException",
}
KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "double": float,
    "timestamp": (int, float),
    "list": list,
    "map": dict,
    "structure": dict,
}


def client_of(server: Server) -> "SESV2Client":
    """Return a client that checks every answer against botocore's model."""
    return _client(server, parameter_validation=True)


def unchecked_client_of(server: Server, *, is_checked: bool = True) -> Any:  # noqa: ANN401 — takes what no type allows
    """Return such a client that also sends what botocore would refuse to send."""
    return _client(server, parameter_validation=False, is_checked=is_checked)


def _client(
    server: Server, *, parameter_validation: bool, is_checked: bool = True
) -> "SESV2Client":
    client = boto3.client(
        "sesv2",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=parameter_validation),
    )
    if is_checked:
        client.meta.events.register("before-parse.sesv2.*", _check_against_model)
    return client


def _check_against_model(
    operation_model: OperationModel, response_dict: dict[str, Any], **_: object
) -> None:
    body = json.loads(response_dict["body"])
    if response_dict["status_code"] == 200:
        if operation_model.output_shape:
            check_shape(operation_model.output_shape, body)
        return
    code = response_dict["headers"]["x-amzn-ErrorType"]
    assert set(body) == {"message"}
    if code in COMMON_ERRORS:
        return
    statuses = {
        shape.name: shape.metadata["error"]["httpStatusCode"]
        for shape in operation_model.error_shapes
        if "error" in shape.metadata
    }
    assert code in statuses, f"{operation_model.name} has no {code}"
    assert response_dict["status_code"] == statuses[code], code


def check_shape(shape: Shape, value: object, path: str = "answer") -> None:
    """Fail for an unknown member, a missing required one, and a value of another type."""
    assert isinstance(value, KINDS[shape.type_name]), f"{path}: {value!r} is no {shape.type_name}"
    if isinstance(shape, StructureShape):
        assert isinstance(value, dict)
        assert set(value) <= set(shape.members), f"{path} has {set(value) - set(shape.members)}"
        assert set(shape.required_members) <= set(value), f"{path} lacks a member"
        for name, member in value.items():
            check_shape(shape.members[name], member, f"{path}.{name}")
    elif isinstance(value, list):
        for number, member in enumerate(value):
            check_shape(shape.member, member, f"{path}[{number}]")  # type: ignore[attr-defined]
    if isinstance(value, str) and getattr(shape, "enum", None):
        assert value in shape.enum, f"{path}: {value!r} is none of {shape.enum}"  # type: ignore[attr-defined]


def simple(subject: str = "Hello", text: str = "Hello.", **more: object) -> Any:  # noqa: ANN401
    """Return SendEmail's Content of a text mail."""
    return {"Simple": {"Subject": {"Data": subject}, "Body": {"Text": {"Data": text}}, **more}}


def entry(
    to: str,
    data: dict[str, object] | None = None,
    headers: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
) -> Any:  # noqa: ANN401
    """Return one of SendBulkEmail's entries."""
    return {
        "Destination": {"ToAddresses": [to]},
        "ReplacementEmailContent": {
            "ReplacementTemplate": {"ReplacementTemplateData": json.dumps(data or {})}
        },
        "ReplacementHeaders": pairs(headers or {}),
        "ReplacementTags": pairs(tags or {}),
    }


def template(defaults: dict[str, object] | None = None, **content: str) -> Any:  # noqa: ANN401
    """Return SendBulkEmail's DefaultContent; ``content`` are Subject, Text and Html."""
    return {
        "Template": {
            "TemplateContent": {"Subject": "Hello", **content},
            "TemplateData": json.dumps(defaults or {}),
        }
    }


def pairs(named: dict[str, str]) -> Any:  # noqa: ANN401
    return [{"Name": name, "Value": value} for name, value in named.items()]
