"""The benchmarks' queues behave like SQS."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from bench import aws
from bench.aws import Aws, Queue


@pytest.fixture
def queue() -> Queue:
    return Queue(visibility_timeout=0.2)


@pytest.fixture
def cloud(queue: Queue) -> Iterator[Aws]:
    with aws.serving(Aws(queues={"DELIVERY": queue}, secrets={"arn": "a secret"})) as running:
        yield running


def bodies(queue: Queue, seconds: float = 0.0, at_most: int = 10) -> list[str]:
    return [message.body for message in queue.take(at_most, seconds)]


def test_messages_arrive_in_order_and_at_most_as_many_as_requested(queue: Queue) -> None:
    for body in "abc":
        queue.put(body, {})

    assert (bodies(queue, at_most=2), bodies(queue)) == (["a", "b"], ["c"])


def test_a_delayed_message_arrives_after_its_delay(queue: Queue) -> None:
    queue.put("late", {}, delay=0.1)

    assert (bodies(queue), bodies(queue, seconds=1)) == ([], ["late"])


def test_an_undeleted_message_arrives_again(queue: Queue) -> None:
    queue.put("again", {})
    (first,) = queue.take(1, 0)

    assert bodies(queue) == []
    (second,) = queue.take(1, 1)
    attributes = second.record()["attributes"]
    assert (second.id, attributes["ApproximateReceiveCount"]) == (first.id, "2")
    assert attributes["SentTimestamp"] == first.record()["attributes"]["SentTimestamp"]


def test_a_deleted_message_never_arrives_again(queue: Queue) -> None:
    queue.put("once", {})
    queue.delete([message.id for message in queue.take(1, 0)])

    assert (bodies(queue, seconds=0.3), len(queue)) == ([], 0)


def test_a_changed_visibility_replaces_the_queues_own(queue: Queue) -> None:
    queue.put("sooner", {})
    (message,) = queue.take(1, 0)

    queue.change_visibility(message.id, 0)

    assert bodies(queue) == ["sooner"]


def test_boto3_can_call_the_stand_ins(
    cloud: Aws, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    sqs, secrets = boto3.client("sqs"), boto3.client("secretsmanager")
    attribute = {"correlation_id": {"DataType": "String", "StringValue": "c"}}
    entries: list[Any] = [
        {"Id": "0", "MessageBody": json.dumps({"number": 1}), "MessageAttributes": attribute},
        {"Id": "1", "MessageBody": "late", "DelaySeconds": 60},
    ]

    sent = sqs.send_message_batch(QueueUrl=cloud.queue_url("DELIVERY"), Entries=entries)

    assert [entry["Id"] for entry in sent["Successful"]] == ["0", "1"]
    (message,) = queue.take(10, 0)
    assert message.record()["messageAttributes"] == {
        "correlation_id": {"stringValue": "c", "dataType": "String"}
    }
    sqs.change_message_visibility_batch(
        QueueUrl=cloud.queue_url("DELIVERY"),
        Entries=[{"Id": "0", "ReceiptHandle": message.id, "VisibilityTimeout": 0}],
    )
    assert bodies(queue) == ['{"number": 1}']
    assert secrets.get_secret_value(SecretId="arn")["SecretString"] == "a secret"
