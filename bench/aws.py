"""Stands in for the parts of SQS and Secrets Manager that the functions call.

On AWS, Lambda polls a queue and deletes processed messages, not the function. So here both bypass
HTTP (``Queue.take``, ``Queue.delete``). The functions' own calls to SQS arrive over HTTP, from
boto3.
"""

import asyncio
import heapq
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import uuid4

from aiohttp import web

from local import http_api
from local.lambda_events import sqs_record

ACCOUNT = "http://sqs.local/123456789012"

type Document = dict[str, Any]


@dataclass
class Message:
    """A message; its id is also its receipt handle."""

    body: str
    attributes: Document
    visible_at: float
    id: str = field(default_factory=lambda: str(uuid4()))
    receive_count: int = 0
    sent_at: float = field(default_factory=time.time)

    def record(self) -> Document:
        """Return the message as Lambda passes it to a function."""
        return sqs_record(
            {
                "MessageId": self.id,
                "ReceiptHandle": self.id,
                "Body": self.body,
                "Attributes": {
                    "ApproximateReceiveCount": str(self.receive_count),
                    "SentTimestamp": str(int(self.sent_at * 1000)),
                },
                "MessageAttributes": self.attributes,
            }
        )


class Queue:
    """An in-memory queue with the delays, visibility timeouts and redelivery of SQS."""

    def __init__(self, visibility_timeout: float) -> None:
        self._visibility_timeout = visibility_timeout
        self._messages: dict[str, Message] = {}
        # When each message becomes visible; entries may be outdated.
        self._due: list[tuple[float, int, str]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()

    def put(self, body: str, attributes: Document, delay: float = 0.0) -> str:
        """Put a message on the queue; return its id."""
        message = Message(body, attributes, time.monotonic() + delay)
        with self._changed:
            self._messages[message.id] = message
            self._schedule(message)
            self._changed.notify()
        return message.id

    def take(self, at_most: int, seconds: float) -> list[Message]:
        """Receive the visible messages; if there are none, wait up to ``seconds`` for one."""
        give_up_at = time.monotonic() + seconds
        with self._changed:
            while True:
                taken = self._take_visible(at_most)
                now = time.monotonic()
                if taken or now >= give_up_at:
                    return taken
                next_due = self._due[0][0] if self._due else give_up_at
                self._changed.wait(max(0.0, min(next_due, give_up_at) - now))

    def delete(self, message_ids: Sequence[str]) -> None:
        """Delete processed messages."""
        with self._changed:
            for message_id in message_ids:
                self._messages.pop(message_id, None)

    def change_visibility(self, message_id: str, seconds: float) -> None:
        """Make a received message visible again after ``seconds``."""
        with self._changed:
            if message := self._messages.get(message_id):
                message.visible_at = time.monotonic() + seconds
                self._schedule(message)
                self._changed.notify()

    def __len__(self) -> int:
        """Count the waiting, delayed and in-flight messages."""
        return len(self._messages)

    def _schedule(self, message: Message) -> None:
        heapq.heappush(self._due, (message.visible_at, next(self._numbers), message.id))

    def _take_visible(self, at_most: int) -> list[Message]:
        now = time.monotonic()
        taken: list[Message] = []
        while self._due and self._due[0][0] <= now and len(taken) < at_most:
            due_at, _, message_id = heapq.heappop(self._due)
            message = self._messages.get(message_id)
            if message is None or message.visible_at != due_at:
                continue
            message.receive_count += 1
            taken.append(message)
        for message in taken:
            message.visible_at = now + self._visibility_timeout
            self._schedule(message)
        return taken


@dataclass
class Aws:
    """The queues by name and the secrets by ARN; ``latency``: seconds that each call takes.

    ``uploads``: files in the bucket, by their keys; what is sent in parts goes into ``folder``.
    """

    queues: Mapping[str, Queue]
    secrets: Mapping[str, str]
    uploads: dict[str, Path] = field(default_factory=dict)
    folder: Path = field(default_factory=lambda: Path(mkdtemp()))
    latency: float = 0.0
    url: str = ""

    def queue_url(self, name: str) -> str:
        """Return the URL by which the functions address a queue."""
        return f"{ACCOUNT}/{name}"

    def answer(self, operation: str, request: Document) -> Document:
        """Answer one call; raise ``KeyError`` for an operation that no function uses."""
        return self._operations[operation](request)

    @property
    def _operations(self) -> Mapping[str, Callable[[Document], Document]]:
        return {
            "AmazonSQS.SendMessage": self._send_message,
            "AmazonSQS.SendMessageBatch": self._send_message_batch,
            "AmazonSQS.ChangeMessageVisibilityBatch": self._change_message_visibility_batch,
            "AmazonSQS.GetQueueAttributes": self._get_queue_attributes,
            "secretsmanager.GetSecretValue": self._get_secret_value,
        }

    def _queue(self, request: Document) -> Queue:
        return self.queues[request["QueueUrl"].rpartition("/")[2]]

    def _send_message(self, request: Document) -> Document:
        return {
            "MessageId": self._queue(request).put(
                request["MessageBody"],
                request.get("MessageAttributes", {}),
                request.get("DelaySeconds", 0),
            )
        }

    def _send_message_batch(self, request: Document) -> Document:
        sent = [
            {"Id": entry["Id"]} | self._send_message(entry | {"QueueUrl": request["QueueUrl"]})
            for entry in request["Entries"]
        ]
        return {"Successful": sent, "Failed": []}

    def _change_message_visibility_batch(self, request: Document) -> Document:
        for entry in request["Entries"]:
            self._queue(request).change_visibility(
                entry["ReceiptHandle"], entry["VisibilityTimeout"]
            )
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]], "Failed": []}

    def _get_queue_attributes(self, request: Document) -> Document:
        number = {"ApproximateNumberOfMessages": str(len(self._queue(request)))}
        return {
            "Attributes": {
                name: number.get(name, "0") for name in request.get("AttributeNames", [])
            }
        }

    def _get_secret_value(self, request: Document) -> Document:
        arn = request["SecretId"]
        return {
            "ARN": arn,
            "Name": arn,
            "VersionId": "1",
            "CreatedDate": 0,
            "SecretString": self.secrets[arn],
        }


@contextmanager
def serving(aws: Aws) -> Iterator[Aws]:
    """Serve the API on a free port."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        operation = request.headers.get("X-Amz-Target")
        if request.headers.get("Expect") and request.transport:  # else boto3 waits for a second
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # All of it, before the connection's next request; a part of an upload has 8 MB.
        body = await request.content.read()
        if operation is None and request.method in {"POST", "PUT"} and request.query:
            return _multipart(aws, request, body)
        if operation is None and "list-type" in request.query:
            return web.Response(text="<ListBucketResult/>", content_type="application/xml")
        if operation is None and request.method in {"PUT", "DELETE"}:
            return web.Response(headers={"ETag": '"0"'})  # S3, which takes all and keeps nothing
        if operation is None:
            return await _upload(aws, request)
        document = aws.answer(operation, json.loads(body))
        await asyncio.sleep(aws.latency)
        return web.json_response(document, content_type="application/x-amz-json-1.0")

    with http_api.serving(answer) as port:
        aws.url = f"http://127.0.0.1:{port}"
        yield aws


def _multipart(aws: Aws, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    """Begin, go on with, or end what is sent in parts, one after the other."""
    _, _, key = request.path.removeprefix("/").partition("/")
    if "uploads" in request.query:
        aws.uploads[key] = aws.folder / key.replace("/", "-")
        aws.uploads[key].write_bytes(b"")
        text = "<InitiateMultipartUploadResult><UploadId>1</UploadId>"
        text += "</InitiateMultipartUploadResult>"
    elif request.method == "PUT":
        with aws.uploads[key].open("ab") as file:
            file.write(body)
        text = ""
    else:
        text = "<CompleteMultipartUploadResult/>"
    return web.Response(text=text, content_type="application/xml", headers={"ETag": '"0"'})


async def _upload(aws: Aws, request: web.BaseRequest) -> web.StreamResponse:
    """Answer as S3 does for an upload, or for a key that it doesn't have."""
    _, _, key = request.path.removeprefix("/").partition("/")
    file = aws.uploads.get(key)
    if file is None:
        return web.Response(status=404)
    wanted = request.http_range
    begin, end = wanted.start or 0, wanted.stop or file.stat().st_size
    status = 200 if wanted.start is None else 206
    answer = web.StreamResponse(status=status, headers={"ETag": '"0"'})
    answer.content_length = end - begin
    await answer.prepare(request)
    if request.method == "GET":
        with file.open("rb") as content:
            content.seek(begin)
            while block := content.read(min(1 << 20, end - content.tell())):
                await answer.write(block)
    await answer.write_eof()
    return answer
