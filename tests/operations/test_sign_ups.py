"""Suspicious sign-ups are counted by their reasons, and released by one message to enroll."""

import json
from io import BytesIO
from unittest.mock import Mock

import boto3
import pytest

from broadsheet.domain.requests import ReleaseRequest, read_queued
from broadsheet.domain.strict_mode import Withheld
from operations import options
from operations.stack import DeployedStack
from tests.operations.command_line import documented, ran, run

OUTPUTS = {"DispatchFunctionName": "news-dispatch", "RequestsQueueUrl": "https://sqs/requests"}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """A deployed stack's clients: whatever a command calls, this remembers."""
    client = Mock()
    stack = Mock(spec=DeployedStack, output=OUTPUTS.__getitem__)
    monkeypatch.setattr(options, "chosen", lambda *_: stack)
    monkeypatch.setattr(boto3, "client", lambda _: client)
    return client


def answer(aws: Mock, report: object) -> None:
    aws.invoke.return_value = {"Payload": BytesIO(json.dumps(report).encode())}


def released(aws: Mock) -> ReleaseRequest:
    call = aws.send_message.call_args.kwargs
    assert call["QueueUrl"] == OUTPUTS["RequestsQueueUrl"]
    request = read_queued(call["MessageBody"])
    assert isinstance(request, ReleaseRequest)
    return request


def test_they_are_counted_by_the_reason(aws: Mock) -> None:
    answer(aws, {"suspicious_sign_ups": {"unproven": 1234}})
    shown = ran("sign-ups", "--stack", "news")
    assert "1,234" in shown
    assert "domain" in shown
    answer(aws, {"suspicious_sign_ups": {"unproven": 1234}})

    assert documented("sign-ups", "--stack", "news") == {"unproven": 1234, "source": 0, "domain": 0}


def test_a_database_that_does_not_answer_is_named(aws: Mock) -> None:
    answer(aws, None)

    ended = run("sign-ups", "--stack", "news")

    assert (ended.exit_code, "did not answer" in ended.stderr) == (1, True)


def test_all_are_released_or_those_of_a_reason_and_a_time(aws: Mock) -> None:
    ran("sign-ups", "--stack", "news", "--release")
    assert released(aws).reasons == tuple(Withheld)
    ran(
        *("sign-ups", "--stack", "news", "--release", "--reason", "domain"),
        *("--since", "2026-11-28T08:00:00"),
    )

    request = released(aws)
    assert request.reasons == (Withheld.DOMAIN,)
    assert request.model_dump(mode="json")["since"] == "2026-11-28T08:00:00Z"
    assert request.until is None
