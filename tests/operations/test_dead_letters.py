"""What was put aside is shown with its reason and without what it holds, brought back, dropped."""

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import boto3
import pytest
from moto import mock_aws

from broadsheet import queues
from operations import dead_letters
from operations.stack import DeployedStack, StackError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BODY = '{"email": "ursula@example.com"}'


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator["SQSClient"]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0)
    queues._client.cache_clear()
    with mock_aws():
        yield boto3.client("sqs")
    queues._client.cache_clear()


@pytest.fixture
def outputs(sqs: "SQSClient") -> dict[str, str]:
    names = [
        f"{queue}{kind}"
        for queue in ("Requests", "Delivery", "Feedback", "Dispatch")
        for kind in ("Queue", "DeadLetterQueue")
    ]
    urls = {f"{name}Url": sqs.create_queue(QueueName=name)["QueueUrl"] for name in names}
    return urls | {"DispatchFunctionName": "news-dispatch"}


def carry_out(sqs: "SQSClient", outputs: dict[str, str], *options: str) -> Mock:
    parser = argparse.ArgumentParser()
    dead_letters.add_arguments(parser)
    functions = Mock()
    stack = DeployedStack(name="news", status="CREATE_COMPLETE", parameters={}, outputs=outputs)
    dead_letters.carry_out(sqs, functions, stack, parser.parse_args(options))
    return functions


def on(sqs: "SQSClient", queue_url: str) -> list[Any]:
    return list(
        sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=0,
            MessageAttributeNames=["All"],
        ).get("Messages", [])
    )


def put_aside(outputs: dict[str, str], queue: str = "Requests") -> None:
    queues.send_to_dead_letters(
        outputs[f"{queue}DeadLetterQueueUrl"], BODY, "c-1", "the message can't be read"
    )


def test_each_is_shown_with_its_reason_and_nothing_personal(
    sqs: "SQSClient", outputs: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    put_aside(outputs)

    carry_out(sqs, outputs)
    carry_out(sqs, outputs)  # looking takes nothing away

    shown = capsys.readouterr().out
    assert shown.count("the message can't be read  (correlation id c-1)") == 2
    assert "delivery  nothing" in shown
    assert "ursula" not in shown
    carry_out(sqs, outputs, "--bodies")
    assert BODY in capsys.readouterr().out


def test_what_aws_put_aside_is_shown_with_its_reason(
    sqs: "SQSClient", outputs: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    failed = {"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": {}}
    sqs.send_message(QueueUrl=outputs["DispatchDeadLetterQueueUrl"], MessageBody=json.dumps(failed))
    arn = sqs.get_queue_attributes(
        QueueUrl=outputs["DeliveryDeadLetterQueueUrl"], AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    sqs.set_queue_attributes(
        QueueUrl=outputs["DeliveryQueueUrl"],
        Attributes={
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
        },
    )
    sqs.send_message(QueueUrl=outputs["DeliveryQueueUrl"], MessageBody="{}")
    for _ in range(2):
        on(sqs, outputs["DeliveryQueueUrl"])

    carry_out(sqs, outputs)

    shown = capsys.readouterr().out
    assert "RetriesExhausted" in shown
    assert shown.splitlines()[1].startswith("delivery")


@pytest.mark.parametrize("queue", ["Requests", "Delivery", "Feedback"])
def test_what_is_brought_back_is_on_its_queue_and_no_more_among_the_dead(
    sqs: "SQSClient", outputs: dict[str, str], queue: str
) -> None:
    for _ in range(12):
        put_aside(outputs, queue)

    carry_out(sqs, outputs, "--back", queue.lower())

    assert on(sqs, outputs[f"{queue}DeadLetterQueueUrl"]) == []
    message = on(sqs, outputs[f"{queue}QueueUrl"])[0]
    assert message["Body"] == BODY
    assert message["MessageAttributes"].keys() == {"correlation_id"}
    assert message["MessageAttributes"]["correlation_id"]["StringValue"] == "c-1"


@pytest.mark.parametrize(
    "put_aside_as",
    [
        {"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": {"issue_id": "7"}},
        {"issue_id": "7"},
    ],
    ids=["by Lambda", "by a clock"],
)
def test_a_failed_call_of_dispatch_is_made_again(
    sqs: "SQSClient", outputs: dict[str, str], put_aside_as: dict[str, object]
) -> None:
    sqs.send_message(
        QueueUrl=outputs["DispatchDeadLetterQueueUrl"], MessageBody=json.dumps(put_aside_as)
    )

    functions = carry_out(sqs, outputs, "--back", "dispatch")

    functions.invoke.assert_called_once_with(
        FunctionName="news-dispatch", InvocationType="Event", Payload='{"issue_id": "7"}'
    )
    assert on(sqs, outputs["DispatchDeadLetterQueueUrl"]) == []


def test_why_a_clock_could_not_call_is_shown(
    sqs: "SQSClient", outputs: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    sqs.send_message(
        QueueUrl=outputs["DispatchDeadLetterQueueUrl"],
        MessageBody='{"issue_id": "7"}',
        MessageAttributes={"ERROR_MESSAGE": {"DataType": "String", "StringValue": "Rate exceeded"}},
    )

    carry_out(sqs, outputs)

    assert "Rate exceeded" in capsys.readouterr().out


def test_what_is_put_aside_again_at_once_is_not_brought_back_forever(
    sqs: "SQSClient", outputs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_aside(outputs)
    monkeypatch.setattr(dead_letters, "_send", lambda *_: put_aside(outputs))

    stack = DeployedStack(name="news", status="CREATE_COMPLETE", parameters={}, outputs=outputs)
    assert dead_letters.bring_back(sqs, Mock(), stack, "requests") == 1

    assert len(on(sqs, outputs["RequestsDeadLetterQueueUrl"])) == 1


def test_what_is_dropped_is_shown_first_and_gone_then(
    sqs: "SQSClient", outputs: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(12):
        put_aside(outputs, "Feedback")
    put_aside(outputs, "Delivery")

    carry_out(sqs, outputs, "--drop", "feedback")

    shown = capsys.readouterr().out
    assert shown.count("the message can't be read  (correlation id c-1)") == 12
    assert shown.splitlines()[-1] == "Dropped from the dead letters of feedback, for good: 12."
    assert "ursula" not in shown
    assert on(sqs, outputs["FeedbackDeadLetterQueueUrl"]) == []
    assert on(sqs, outputs["FeedbackQueueUrl"]) == []
    assert len(on(sqs, outputs["DeliveryDeadLetterQueueUrl"])) == 1


def test_nothing_is_dropped_that_was_not_shown(
    sqs: "SQSClient", outputs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_aside(outputs)
    monkeypatch.setattr(dead_letters, "HIDDEN_SECONDS", 0)
    monkeypatch.setattr(dead_letters, "_print", Mock(side_effect=BrokenPipeError))

    with pytest.raises(BrokenPipeError):
        carry_out(sqs, outputs, "--drop", "requests")

    assert len(on(sqs, outputs["RequestsDeadLetterQueueUrl"])) == 1


def test_what_is_put_aside_meanwhile_is_not_dropped(
    sqs: "SQSClient", outputs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_aside(outputs)
    monkeypatch.setattr(dead_letters, "_print", lambda *_, **__: put_aside(outputs))

    carry_out(sqs, outputs, "--drop", "requests")

    assert len(on(sqs, outputs["RequestsDeadLetterQueueUrl"])) == 1


@pytest.mark.parametrize(
    "options", [["--drop"], ["--drop", "all"], ["--drop", "feedback", "--back", "feedback"]]
)
def test_nothing_is_dropped_unless_its_queue_is_named(
    sqs: "SQSClient", outputs: dict[str, str], options: list[str]
) -> None:
    put_aside(outputs, "Feedback")

    with pytest.raises(SystemExit):
        carry_out(sqs, outputs, *options)

    assert len(on(sqs, outputs["FeedbackDeadLetterQueueUrl"])) == 1


def test_another_stack_is_told_apart(sqs: "SQSClient") -> None:
    with pytest.raises(StackError, match="is it Broadsheet's"):
        carry_out(sqs, {})
