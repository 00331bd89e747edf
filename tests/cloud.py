"""What tests say of the world around a function: requests, queues, subscribers, mails."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Literal, Self
from unittest.mock import Mock
from uuid import UUID, uuid4

import boto3
import psycopg
from psycopg.rows import dict_row

from broadsheet.domain.requests import Origin
from broadsheet.domain.subscribers import SourceAddress
from local.lambda_events import sqs_record
from ses_server import Mail, Server

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

SENDER = "news@page.example"
ORIGIN = Origin(source_address=SourceAddress("192.0.2.7"), user_agent="Firefox")
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """A moment, in minutes after the story's start."""
    return START + timedelta(minutes=minutes)


@dataclass(frozen=True)
class Cloud:
    """A small cloud, with what a test wants to see of it."""

    database_url: str
    ses: Server
    queues: dict[str, str]
    environment: dict[str, str] = field(repr=False)

    def rows(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        with psycopg.connect(
            self.database_url, autocommit=True, row_factory=dict_row
        ) as connection:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def row(self, query: str, **parameters: object) -> dict[str, Any]:
        (row,) = self.rows(query, **parameters)
        return row

    def status_of(self, email: str) -> str:
        return str(
            self.row("SELECT status FROM subscribers WHERE email = %(e)s", e=email)["status"]
        )

    def add_confirmed(self, *emails: str, name: str = "Ursula") -> list[UUID]:
        """Put confirmed subscribers into the database."""
        return [
            self.row(
                """
                INSERT INTO subscribers
                    (id, email, name, language, signed_up_at, confirmation_issued_at, confirmed_at)
                VALUES (%(id)s, %(email)s, %(name)s, 'en', %(at)s, %(at)s, %(at)s)
                RETURNING id
                """,
                id=uuid4(),
                email=email,
                name=name,
                at=START,
            )["id"]
            for email in emails
        ]

    def mails_to(self, email: str) -> list[Mail]:
        return self.ses.mails(to=email)

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Take all messages off a queue, as an event source would hand them over."""
        return _messages(self.queues[queue])

    def put_back(self, queue: str) -> int:
        """Return how many messages a queue keeps until later, without hiding them."""
        name: Literal["ApproximateNumberOfMessagesDelayed"] = "ApproximateNumberOfMessagesDelayed"
        queue_url = self.queues[queue]
        got = boto3.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=[name])
        return int(got["Attributes"][name])

    @contextmanager
    def database_down(self) -> Iterator[None]:
        """Let nobody into the database, as when it is paused or failing over."""
        server = self.database_url.replace("/newsletter?", "/postgres?")
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("ALTER DATABASE newsletter ALLOW_CONNECTIONS false")
            try:
                yield
            finally:
                connection.execute("ALTER DATABASE newsletter ALLOW_CONNECTIONS true")


@dataclass(frozen=True)
class Edge:
    """All that a function at the edge may reach: RequestsQueue, the signing keys, the authors."""

    requests_queue_url: str
    clicks_queue_url: str
    signing_keys_arn: str
    authors_arn: str
    bucket: str

    @classmethod
    def create(cls) -> Self:
        keys, authors = {"signing_key_id": "1", "1": "a key"}, {"authors": list[str]()}
        bucket = "content"
        _s3().create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        return cls(
            bucket=bucket,
            requests_queue_url=_sqs().create_queue(QueueName="requests")["QueueUrl"],
            clicks_queue_url=_sqs().create_queue(QueueName="clicks")["QueueUrl"],
            signing_keys_arn=_secrets().create_secret(
                Name="signing-keys", SecretString=json.dumps(keys)
            )["ARN"],
            authors_arn=_secrets().create_secret(Name="authors", SecretString=json.dumps(authors))[
                "ARN"
            ],
        )

    def requests(self) -> list[dict[str, Any]]:
        """Take all messages off RequestsQueue, as its event source would hand them over."""
        return _messages(self.requests_queue_url)

    def clicks(self) -> list[dict[str, Any]]:
        """Take all clicks off ClicksQueue."""
        return [json.loads(record["body"]) for record in _messages(self.clicks_queue_url)]

    def put_signing_keys(self, signing_key_id: str, **keys: str) -> None:
        """Rotate: `put_signing_keys("k2", k1="…", k2="…")` signs with k2 and verifies both."""
        document = {"signing_key_id": signing_key_id, **keys}
        _secrets().put_secret_value(
            SecretId=self.signing_keys_arn, SecretString=json.dumps(document)
        )

    def put_authors(self, *authors: Mapping[str, Any]) -> None:
        _secrets().put_secret_value(
            SecretId=self.authors_arn, SecretString=json.dumps({"authors": authors})
        )

    def stored(self) -> dict[str, bytes]:
        """Return all that is in the bucket of public content, by key."""
        listed = _s3().list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {
            each["Key"]: _s3().get_object(Bucket=self.bucket, Key=each["Key"])["Body"].read()
            for each in listed
        }

    def lose_bucket(self) -> None:
        """Make S3 refuse to answer."""
        for key in self.stored():
            _s3().delete_object(Bucket=self.bucket, Key=key)
        _s3().delete_bucket(Bucket=self.bucket)

    def lose_queue(self) -> None:
        """Make SQS refuse what is sent, as when it has an outage."""
        _sqs().delete_queue(QueueUrl=self.requests_queue_url)

    def lose_secrets(self) -> None:
        """Make Secrets Manager refuse to answer."""
        for arn in (self.signing_keys_arn, self.authors_arn):
            _secrets().delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


@cache
def _sqs() -> "SQSClient":
    return boto3.client("sqs", region_name="eu-central-1")


@cache
def _s3() -> "S3Client":
    return boto3.client("s3", region_name="eu-central-1")


@cache
def _secrets() -> "SecretsManagerClient":
    return boto3.client("secretsmanager", region_name="eu-central-1")


def _messages(queue_url: str) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    while True:
        answer = _sqs().receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        if "Messages" not in answer:
            return records
        records += [sqs_record(message) for message in answer["Messages"]]


def operator_of(cloud: Cloud) -> Callable[[], list[str]]:
    """Return what returns the notices that the operator got since it was called last."""
    topic = boto3.client("sns").create_topic(Name="alarms")["TopicArn"]
    queue = cloud.queues["REQUESTS"]
    boto3.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:eu-central-1:123456789012:requests"
    )
    assert topic == cloud.environment["ALARMS_TOPIC_ARN"]
    assert queue.endswith("/requests")
    return lambda: [json.loads(each["body"])["Message"] for each in cloud.messages("REQUESTS")]


def sqs_event(*bodies: str, receive_count: int = 1) -> dict[str, Any]:
    """An event with these messages, that no queue knows of."""
    return {
        "Records": [
            sqs_record(
                {
                    "MessageId": f"m{number}",
                    "ReceiptHandle": f"r{number}",
                    "Body": body,
                    "Attributes": {
                        "ApproximateReceiveCount": str(receive_count),
                        "SentTimestamp": str(int(datetime.now(UTC).timestamp() * 1000)),
                    },
                }
            )
            for number, body in enumerate(bodies)
        ]
    }


def json_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(answer["body"])
    return document


def problem_in(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer's problem document (RFC 9457), which a client can rely on."""
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    document = json_of(answer)
    assert document["status"] == answer["statusCode"]
    assert document["title"]
    assert document["detail"]
    return document


class Page(HTMLParser):
    """What a person sees of a page: its words, and its form with what stands in the fields."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        super().__init__()
        assert answer["headers"]["Content-Type"] == "text/html; charset=utf-8"
        self.words = ""
        self.action = ""
        self.method = ""
        self.fields: dict[str, str] = {}
        self.elements: set[str] = set()
        self._unseen = False
        self.feed(answer["body"])
        self.close()

    @property
    def typed(self) -> dict[str, str]:
        """What stands in the fields that a person fills in."""
        return {name: value for name, value in self.fields.items() if name != "proof"}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.add(tag)
        self._unseen = tag in {"style", "title"}
        if tag == "form":
            self.action, self.method = attributes["action"], attributes["method"]
        if tag == "input":
            self.fields[attributes["name"]] = attributes["value"]

    def handle_endtag(self, tag: str) -> None:
        self._unseen = self._unseen and tag not in {"style", "title"}

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.words += data.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def context(seconds_left: float = 60) -> Any:  # noqa: ANN401 - stands in for Lambda's own
    """What Lambda tells an invocation about itself."""
    return Mock(
        get_remaining_time_in_millis=lambda: int(seconds_left * 1000),
        log_stream_name="2026/11/22/[$LATEST]test",
        aws_request_id=str(uuid4()),
    )


def token_in(mail: Mail) -> str:
    """Return the token of the link that a person would click."""
    match = re.search(r"token=([\w.\-]+)", mail.text or "")
    assert match, mail.text
    return match[1]
