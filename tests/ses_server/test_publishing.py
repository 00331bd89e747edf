"""Events reach the topic or the queue of their configuration set, whatever happens in between."""

import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

import ses_server
from ses_server import EventType, Queue, Server, Topic
from ses_server.publishing import VALIDATED
from tests.ses_server.clients import SENDER, client_of, entry, simple, template
from tests.ses_server.test_process import process

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sqs import SQSClient

    type Client = SESV2Client

WAIT = 10  # seconds


@dataclass(frozen=True)
class Feedback:
    """A topic, and the queue to which it delivers raw."""

    topic_arn: str
    queue_url: str
    sqs: "SQSClient"

    def received(self, count: int) -> list[dict[str, Any]]:
        """Wait for ``count`` events; return all events, parsed."""
        return [json.loads(body) for body in self.bodies(count, lambda body: body != VALIDATED)]

    def bodies(self, count: int, wanted: Callable[[str], bool]) -> list[str]:
        """Wait for ``count`` wanted messages and return them; drop the others."""
        bodies: list[str] = []

        def are_there() -> bool:
            answer = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10)
            received = [message["Body"] for message in answer.get("Messages", [])]
            bodies.extend(filter(wanted, received))
            return len(bodies) >= count

        wait_until(are_there)
        return bodies


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def feedback(monkeypatch: pytest.MonkeyPatch) -> Iterator[Feedback]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        sqs: Any = boto3.client("sqs")
        sns: Any = boto3.client("sns")
        queue_url = sqs.create_queue(QueueName="feedback")["QueueUrl"]
        topic_arn = sns.create_topic(Name="events")["TopicArn"]
        sns.subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint="arn:aws:sqs:us-east-1:123456789012:feedback",
            Attributes={"RawMessageDelivery": "true"},
        )
        yield Feedback(topic_arn, queue_url, sqs)


@pytest.fixture
def server(tmp_path: Path, feedback: Feedback) -> Iterator[Server]:
    """A server that publishes to the fake cloud and ends before it."""
    with ses_server.running(tmp_path, verified=[SENDER]) as server:
        yield server


def send(client: "Client", to: str = "ursula@example.com", configuration_set: str = "a") -> str:
    return client.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": [to]},
        Content=simple(),
        ConfigurationSetName=configuration_set,
    )["MessageId"]


def is_all_published(server: Server) -> bool:
    return set(server.control.event_counts()) == {"published"}


def test_a_topic_gets_every_event_that_the_server_recorded(
    client: "Client", server: Server, feedback: Feedback
) -> None:
    server.control.publish_to(Topic(topic_arn=feedback.topic_arn))

    client.send_bulk_email(
        FromEmailAddress=SENDER,
        DefaultContent=template(Text="."),
        BulkEmailEntries=[entry(f"r{number}@example.com") for number in range(12)],
    )

    received = feedback.received(24)
    assert len(received) == 24
    recorded = [event.record for event in server.events()]
    assert all(record in recorded for record in received)
    wait_until(lambda: is_all_published(server))


def test_a_queue_gets_the_same_without_a_topic(
    client: "Client", server: Server, feedback: Feedback
) -> None:
    server.control.publish_to(Queue(queue_url=feedback.queue_url), "a")

    message_id = send(client)

    received = feedback.received(2)
    assert [one["mail"]["messageId"] for one in received] == [message_id] * 2


def test_a_new_destination_gets_one_validation_message_before_its_first_event(
    tmp_path: Path, feedback: Feedback
) -> None:
    to_topic = Topic(topic_arn=feedback.topic_arn)
    with ses_server.running(tmp_path, verified=[SENDER]) as server:
        server.control.publish_to(to_topic, "a")
        assert feedback.bodies(1, lambda _: True) == [VALIDATED]

        server.control.publish_to(to_topic, "a")  # a redeployment, which changes nothing
        send(client_of(server))
        assert VALIDATED not in feedback.bodies(2, lambda _: True)

        server.control.publish_to(to_topic, "b")
        assert feedback.bodies(1, lambda _: True) == [VALIDATED]
    with ses_server.running(tmp_path, republished_hours=0) as server:
        send(client_of(server))
        assert VALIDATED not in feedback.bodies(2, lambda _: True)


def test_a_missing_destination_is_validated_later_and_does_not_delay_others(
    client: "Client", server: Server, feedback: Feedback
) -> None:
    url = feedback.queue_url.replace("feedback", "later")
    server.control.publish_to(Queue(queue_url=url), "later")
    server.control.publish_to(Queue(queue_url=feedback.queue_url), "a")

    send(client)
    assert len(feedback.received(2)) == 2
    feedback.sqs.create_queue(QueueName="later")

    later = Feedback(feedback.topic_arn, url, feedback.sqs)
    assert later.bodies(1, lambda _: True) == [VALIDATED]


def test_a_destination_gets_only_events_of_its_configuration_set_and_types(
    client: "Client", server: Server, feedback: Feedback
) -> None:
    wanted = frozenset({EventType.SEND})
    server.control.publish_to(Queue(queue_url=feedback.queue_url, types=wanted), "a")

    send(client, configuration_set="b")
    message_id = send(client)
    wait_until(lambda: server.control.event_counts() == {"published": 1, "unwanted": 3})

    (received,) = feedback.received(1)
    assert (received["eventType"], received["mail"]["messageId"]) == ("Send", message_id)


def test_events_wait_for_a_missing_queue(
    client: "Client", server: Server, feedback: Feedback
) -> None:
    url = feedback.queue_url.replace("feedback", "later")
    server.control.publish_to(Queue(queue_url=url))
    send(client)
    time.sleep(0.3)
    assert server.control.event_counts() == {"due": 2}

    feedback.sqs.create_queue(QueueName="later")

    wait_until(lambda: is_all_published(server))


def test_calls_are_answered_while_a_destination_hangs(client: "Client", server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        server.control.publish_to(Queue(queue_url=f"{url}/0/feedback", endpoint_url=url))
        send(client)
        accepted, _ = deaf.accept()

        send(client)

        accepted.close()
    assert len(server.mails()) == 2


def test_withheld_events_come_when_they_are_released(
    client: "Client", server: Server, feedback: Feedback
) -> None:
    server.control.publish_to(Queue(queue_url=feedback.queue_url))
    server.control.let_events_travel(is_withheld=True, types=[EventType.SEND])
    send(client)
    assert [one["eventType"] for one in feedback.received(1)] == ["Delivery"]

    server.control.release_events()

    assert [one["eventType"] for one in feedback.received(1)] == ["Send"]


def test_held_events_wait_in_the_server_and_no_call_does(
    client: "Client", server: Server, feedback: Feedback
) -> None:
    server.control.publish_to(Queue(queue_url=feedback.queue_url))
    server.control.hold_events()
    send(client)
    time.sleep(0.3)
    assert server.control.event_counts() == {"due": 2}

    server.control.hold_events(is_held=False)

    assert {one["eventType"] for one in feedback.received(2)} == {"Send", "Delivery"}


def test_lost_events_never_come(client: "Client", server: Server, feedback: Feedback) -> None:
    server.control.publish_to(Queue(queue_url=feedback.queue_url))
    server.control.let_events_travel(lost=1, types=[EventType.SEND])

    send(client)
    wait_until(lambda: server.control.event_counts() == {"lost": 1, "published": 1})
    server.control.republish_events(hours=1)

    assert [one["eventType"] for one in feedback.received(2)] == ["Delivery"] * 2


def test_after_a_restart_the_last_hours_events_are_published_again(
    tmp_path: Path, feedback: Feedback
) -> None:
    with ses_server.running(tmp_path, verified=[SENDER]) as server:
        server.control.publish_to(Queue(queue_url=feedback.queue_url))
        send(client_of(server))
        assert len(feedback.received(2)) == 2
        wait_until(lambda: is_all_published(server))

    with ses_server.running(tmp_path) as server:
        assert len(feedback.received(2)) == 2
        wait_until(lambda: is_all_published(server))

    with ses_server.running(tmp_path, republished_hours=0) as server:
        assert is_all_published(server)


def test_the_events_of_every_mail_survive_kill_9_and_are_published_then(
    tmp_path: Path, feedback: Feedback
) -> None:
    with process(tmp_path, "--any-rate") as (started, server):
        server.control.drop(take="first", count=1)
        with pytest.raises(Exception, match="closed"):
            send(client_of(server), "unanswered@example.com")
        send(client_of(server), "answered@example.com")
        started.kill()

    with ses_server.running(tmp_path) as server:
        server.control.publish_to(Queue(queue_url=feedback.queue_url))
        received = feedback.received(4)

    published = Counter((one["mail"]["destination"][0], one["eventType"]) for one in received)
    assert published == {
        (f"{name}@example.com", event): 1
        for name in ("unanswered", "answered")
        for event in ("Send", "Delivery")
    }


def test_what_was_taken_in_is_not_published_again(tmp_path: Path, feedback: Feedback) -> None:
    with ses_server.running(tmp_path, verified=[SENDER]) as server:
        server.control.publish_to(Queue(queue_url=feedback.queue_url))
        taken = send(client_of(server))
        assert len(feedback.received(2)) == 2
        wait_until(lambda: is_all_published(server))
        server.control.events_are_taken(datetime.now(UTC))
        server.control.events_are_taken(datetime.now(UTC) - timedelta(hours=1))  # says nothing new
        lost = send(client_of(server))
        assert len(feedback.received(2)) == 2
        wait_until(lambda: is_all_published(server))

    with ses_server.running(tmp_path) as server:
        again = feedback.received(2)
        wait_until(lambda: is_all_published(server))

    assert [one["mail"]["messageId"] for one in again] == [lost] * 2
    assert taken != lost


def test_a_new_event_does_not_wait_behind_those_that_are_published_again(
    tmp_path: Path, feedback: Feedback
) -> None:
    entries = [entry(f"r{number}@example.com") for number in range(50)]
    with ses_server.running(tmp_path, verified=[SENDER]) as server:
        server.control.publish_to(Queue(queue_url=feedback.queue_url))
        client_of(server).send_bulk_email(
            FromEmailAddress=SENDER, DefaultContent=template(Text="."), BulkEmailEntries=entries
        )
        assert len(feedback.received(100)) == 100
        wait_until(lambda: is_all_published(server))

    with ses_server.running(tmp_path) as server:
        new = send(client_of(server))
        order = [one["mail"]["messageId"] for one in feedback.received(102)]

    assert len(order) == 102
    assert order.index(new) <= 50
