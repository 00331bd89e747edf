"""The server's operations and members are those of botocore's model of SES."""

import types
import typing

import botocore.session
import pytest
from botocore.model import ListShape, Shape, StructureShape
from pydantic import BaseModel

from ses_server import requests
from ses_server.operations import OPERATIONS, Operation
from tests.ses_server.clients import check_shape

MODEL = botocore.session.get_session().get_service_model("sesv2")

BODIES: dict[str, type[BaseModel]] = {
    "SendEmail": requests.SendEmail,
    "SendBulkEmail": requests.SendBulkEmail,
    "CreateEmailIdentity": requests.CreateEmailIdentity,
    "ListEmailIdentities": requests.ListPage,
    "PutEmailIdentityMailFromAttributes": requests.PutEmailIdentityMailFrom,
    "CreateConfigurationSetEventDestination": requests.CreateEventDestination,
    "PutSuppressedDestination": requests.PutSuppressedDestination,
    "PutAccountSendingAttributes": requests.SendingOptions,
    "PutAccountSuppressionAttributes": requests.SuppressionOptions,
    "CreateConfigurationSet": requests.CreateConfigurationSet,
    "ListConfigurationSets": requests.ListPage,
    "PutConfigurationSetSendingOptions": requests.SendingOptions,
    "PutConfigurationSetSuppressionOptions": requests.SuppressionOptions,
}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_has_the_method_and_path_of_the_model(operation: Operation) -> None:
    http = MODEL.operation_model(operation.name).http

    assert (operation.method, operation.path) == (http["method"], http["requestUri"])


@pytest.mark.parametrize("name", BODIES)
def test_every_member_that_the_server_reads_is_in_the_model(name: str) -> None:
    shape = MODEL.operation_model(name).input_shape
    assert shape is not None

    _check_members(BODIES[name], shape)


def test_a_misspelled_or_missing_or_mistyped_member_of_an_answer_is_found() -> None:
    shape = MODEL.operation_model("SendBulkEmail").output_shape
    assert shape is not None
    results = [{"Status": "SUCCESS", "MessageId": "1"}]

    check_shape(shape, {"BulkEmailEntryResults": results})
    for wrong in (
        {},
        {"BulkEmailEntryResults": [{"Status": "SUCCESS", "MessageID": "1"}]},
        {"BulkEmailEntryResults": [{"Status": "DONE"}]},
        {"BulkEmailEntryResults": [{"Status": "SUCCESS", "MessageId": 1}]},
    ):
        with pytest.raises(AssertionError):
            check_shape(shape, wrong)


def _check_members(read: type[BaseModel], shape: Shape) -> None:
    assert isinstance(shape, StructureShape)
    for name, field in read.model_fields.items():
        member = field.alias or name
        assert member in shape.members, f"{read.__name__}.{member}"
        inner = _inner(field.annotation)
        if inner:
            found = shape.members[member]
            _check_members(inner, found.member if isinstance(found, ListShape) else found)


def _inner(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, types.UnionType | types.GenericAlias):
        return next(filter(None, map(_inner, typing.get_args(annotation))), None)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None
