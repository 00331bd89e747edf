"""What was put aside is shown with its reason and without what it holds, brought back, dropped."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import boto3
import pytest
from moto import mock_aws

from broadsheet.queues import dead_letters as dead_letter_queues
from broadsheet.queues import sqs as sqs_client
from operations import dead_letters
from operations.stack import DeployedStack
from tests.operations.command_line import deploy, documented, ran, run

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BODY = '{"email": "ursula@example.com"}'


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator["SQSClient"]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0)
    sqs_client.client.cache_clear()
    with mock_aws():
        yield boto3.client("sqs")
    sqs_client.client.cache_clear()


@pytest.fixture
def outputs(sqs: "SQSClient") -> dict[str, str]:
    names = [
        f"{queue}{kind}"
        for queue in ("Requests", "Delivery", "Feedback", "Dispatch")
        for kind in ("Queue", "DeadLetterQueue")
    ]
    urls = {f"{name}Url": sqs.create_queue(QueueName=name)["QueueUrl"] for name in names}
    return urls | {"DispatchFunctionName": "news-dispatch"}


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Lambda, where calls of dispatch would go."""
    called = Mock()
    real = boto3.client
    monkeypatch.setattr(
        boto3, "client", lambda name, **more: called if name == "lambda" else real(name, **more)
    )
    return called


@pytest.fixture(autouse=True)
def stack(outputs: dict[str, str], functions: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(monkeypatch, outputs)


def dead_letter_command(*arguments: str) -> str:
    return ran("dead-letters", *arguments, "--stack", "news")


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
    dead_letter_queues.send(
        outputs[f"{queue}DeadLetterQueueUrl"], BODY, "c-1", "the message can't be read"
    )


def test_each_is_shown_with_its_reason_and_nothing_personal(
    outputs: dict[str, str],
) -> None:
    put_aside(outputs)

    for _ in range(2):  # looking takes nothing away
        shown = dead_letter_command("show")
        requests, delivery = shown.splitlines()[1:3]
        assert "the message can't be read" in requests
        assert requests.split()[-1] == "c-1"
        assert delivery.split() == ["delivery", "nothing"]
        assert "ursula" not in shown
    assert BODY in dead_letter_command("show", "--bodies")
    (dead,) = documented("dead-letters", "show", "--stack", "news")["requests"]
    assert (dead["reason"], dead["correlation_id"]) == ("the message can't be read", "c-1")
    assert dead.keys() == {"put_aside_at", "reason", "correlation_id"}


def test_what_aws_put_aside_is_shown_with_its_reason(
    sqs: "SQSClient", outputs: dict[str, str]
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

    shown = dead_letter_command("show")

    assert "RetriesExhausted" in shown
    (delivery,) = [line for line in shown.splitlines() if line.split()[:1] == ["delivery"]]
    assert "nothing" not in delivery


@pytest.mark.parametrize("queue", ["Requests", "Delivery", "Feedback"])
def test_what_is_brought_back_is_on_its_queue_and_no_more_among_the_dead(
    sqs: "SQSClient", outputs: dict[str, str], queue: str
) -> None:
    for _ in range(12):
        put_aside(outputs, queue)

    assert f"Brought back to {queue.lower()}: 12." in dead_letter_command("back", queue.lower())

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
    sqs: "SQSClient",
    outputs: dict[str, str],
    functions: Mock,
    put_aside_as: dict[str, object],
) -> None:
    sqs.send_message(
        QueueUrl=outputs["DispatchDeadLetterQueueUrl"], MessageBody=json.dumps(put_aside_as)
    )

    dead_letter_command("back", "dispatch")

    functions.invoke.assert_called_once_with(
        FunctionName="news-dispatch", InvocationType="Event", Payload='{"issue_id": "7"}'
    )
    assert on(sqs, outputs["DispatchDeadLetterQueueUrl"]) == []


def test_why_a_clock_could_not_call_is_shown(sqs: "SQSClient", outputs: dict[str, str]) -> None:
    sqs.send_message(
        QueueUrl=outputs["DispatchDeadLetterQueueUrl"],
        MessageBody='{"issue_id": "7"}',
        MessageAttributes={"ERROR_MESSAGE": {"DataType": "String", "StringValue": "Rate exceeded"}},
    )

    assert "Rate exceeded" in dead_letter_command("show")


def test_what_is_put_aside_again_at_once_is_not_brought_back_forever(
    sqs: "SQSClient", outputs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_aside(outputs)
    monkeypatch.setattr(dead_letters, "_send", lambda *_: put_aside(outputs))

    stack = DeployedStack(name="news", status="CREATE_COMPLETE", parameters={}, outputs=outputs)
    assert dead_letters.bring_back(sqs, Mock(), stack, "requests") == 1

    assert len(on(sqs, outputs["RequestsDeadLetterQueueUrl"])) == 1


def test_what_is_dropped_is_shown_first_and_gone_then(
    sqs: "SQSClient", outputs: dict[str, str]
) -> None:
    for _ in range(12):
        put_aside(outputs, "Feedback")
    put_aside(outputs, "Delivery")

    shown = dead_letter_command("drop", "feedback")

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

    assert run("dead-letters", "drop", "requests", "--stack", "news").exit_code == 1

    assert len(on(sqs, outputs["RequestsDeadLetterQueueUrl"])) == 1


def test_what_is_put_aside_meanwhile_is_not_dropped(
    sqs: "SQSClient", outputs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_aside(outputs)
    monkeypatch.setattr(dead_letters, "_print", lambda *_, **__: put_aside(outputs))

    dead_letter_command("drop", "requests")

    assert len(on(sqs, outputs["RequestsDeadLetterQueueUrl"])) == 1


@pytest.mark.parametrize("queues", [[], ["all"], ["feedback", "requests"]])
def test_nothing_is_dropped_unless_its_queue_is_named(
    sqs: "SQSClient", outputs: dict[str, str], queues: list[str]
) -> None:
    put_aside(outputs, "Feedback")

    assert run("dead-letters", "drop", *queues, "--stack", "news").exit_code == 2

    assert len(on(sqs, outputs["FeedbackDeadLetterQueueUrl"])) == 1


def test_another_stack_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(monkeypatch, {}, name="other")

    result = run("dead-letters", "show", "--stack", "other")

    assert result.exit_code == 1
    assert "is it Broadsheet's?" in result.stderr
