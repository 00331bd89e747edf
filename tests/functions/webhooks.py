"""A webhook of a story: the real notify and outbound, and a receiver that verifies."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import boto3
import standardwebhooks
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

from broadsheet import lambdas, signed_tokens
from broadsheet.domain.webhooks import EventType, written_secret
from functions.notify.app import handler as notify
from functions.outbound.app import handler as outbound
from functions.transfer.app import handler as transfer
from tests.cloud import Cloud, context
from tests.conftest import forget_what_was_read
from tests.receiver import Received, Receiver


class _Raw(BytesIO):
    """A response's body, as urllib3 streams it."""

    def stream(self, *_arguments: object, **_more: object) -> Iterator[bytes]:
        while chunk := self.read():
            yield chunk


class Functions:
    """Lambda: calls the real outbound, and counts the kicks of notify until ``run`` heeds them."""

    def __init__(self) -> None:
        self.kicks = 0
        self.transfers: list[dict[str, str]] = []  # the kicks of transfer
        self.studio: list[dict[str, str]] = []  # the studio's calls of itself
        self.dispatches: list[str | None] = []  # the kicks of dispatch: the issue of each, or all
        self._is_down = False
        self.calls: list[int] = []  # of outbound, by invocation
        for client in (lambdas.client(), lambdas.waiting_client()):
            client.meta.events.register_first("before-send.lambda.Invoke", self._invoke)

    def run(self) -> None:
        """Let notify work until nobody kicks it any more."""
        while self.kicks:
            self.kicks = 0
            notify({}, context())

    def transfer(self) -> None:
        """Let transfer work until nobody calls it any more."""
        while self.transfers:
            transfer(self.transfers.pop(), context())

    @contextmanager
    def down(self) -> Iterator[None]:
        """Let outbound throttle."""
        self._is_down = True
        yield
        self._is_down = False

    def _invoke(self, request: AWSPreparedRequest, **_more: object) -> Any:  # noqa: ANN401 - botocore's
        name = (request.url or "").split("/")[-2]
        payload = b""
        if name == "notify":
            self.kicks += 1
        elif name == "transfer":
            self.transfers.append(json.loads(request.body))  # type: ignore[arg-type] # bytes, too
        elif name == "studio":
            self.studio.append(json.loads(request.body))  # type: ignore[arg-type] # bytes, too
        elif name == "dispatch":
            self.dispatches.append(json.loads(request.body)["issue_id"])  # type: ignore[arg-type] # bytes, too
        elif self._is_down:
            return AWSResponse(request.url or "", 429, HTTPHeaders(), _Raw(b"{}"))
        elif name == "outbound":
            calls = json.loads(request.body)  # type: ignore[arg-type] # bytes, as botocore made it
            self.calls.append(len(calls))
            payload = json.dumps(outbound(calls, context())).encode()
        else:
            return None
        return AWSResponse(request.url or "", 200, HTTPHeaders(), _Raw(payload))


@dataclass
class Hook:
    """A webhook, with what its receiver knows."""

    cloud: Cloud
    functions: Functions
    receiver: Receiver
    id: UUID
    secret: str

    @classmethod
    def add(
        cls, cloud: Cloud, functions: Functions, receiver: Receiver, *events: EventType
    ) -> "Hook":
        """Put a webhook into the database."""
        webhook_id = uuid4()
        cloud.rows(
            """
            INSERT INTO webhooks (id, url, events, created_by, key_id)
            VALUES (%(id)s, %(url)s, %(events)s, 'ada', '1')
            """,
            id=webhook_id,
            url=receiver.url,
            events=[str(each) for each in events or EventType],
        )
        secret = written_secret(signed_tokens.webhook_secret("1", webhook_id, 1))
        forget_what_was_read()  # notify reads the keys itself
        return cls(cloud, functions, receiver, webhook_id, secret)

    @property
    def row(self) -> dict[str, Any]:
        """The webhook as it stands."""
        return self.cloud.row("SELECT * FROM webhooks WHERE id = %(id)s", id=self.id)

    @property
    def statuses(self) -> list[str]:
        """The statuses of its messages, the oldest first."""
        rows = self.cloud.rows(
            "SELECT status FROM webhook_messages WHERE webhook_id = %(id)s"
            " ORDER BY occurred_at, id",
            id=self.id,
        )
        return [row["status"] for row in rows]

    @property
    def tries(self) -> list[dict[str, Any]]:
        """How its calls ended, in their order."""
        return self.cloud.rows(
            "SELECT message_id, status, error FROM webhook_tries WHERE webhook_id = %(id)s"
            " ORDER BY at, message_id",
            id=self.id,
        )

    def bodies(self) -> list[dict[str, Any]]:
        """All that it received, verified by the official library."""
        return [verified(each, self.secret) for each in self.receiver.received]

    def pass_time(self, duration: timedelta) -> None:
        """Let time go by: whatever is stored happened so much earlier."""
        for column in ("retry_at", "quiet_until", "claimed_until", "failing_since"):
            self.cloud.rows(f"UPDATE webhooks SET {column} = {column} - %(by)s", by=duration)  # noqa: S608
        self.cloud.rows("UPDATE webhook_messages SET next_at = next_at - %(by)s", by=duration)

    @property
    def clock(self) -> datetime | None:
        """When the clock calls notify next."""
        listed = boto3.client("scheduler").list_schedules(GroupName="clocks")["Schedules"]
        if "webhooks" not in {each["Name"] for each in listed}:
            return None
        made = boto3.client("scheduler").get_schedule(Name="webhooks", GroupName="clocks")
        at = made["ScheduleExpression"].removeprefix("at(").removesuffix(")")
        return datetime.fromisoformat(at).replace(tzinfo=UTC)

    def tick(self) -> None:
        """Let so much time go by that the clock calls."""
        clock = self.clock
        assert clock is not None
        self.pass_time(clock - datetime.now(UTC))
        boto3.client("scheduler").delete_schedule(Name="webhooks", GroupName="clocks")
        notify({}, context())
        self.functions.run()


def verified(received: Received, secret: str) -> dict[str, Any]:
    """Return a webhook's document, if the official library accepts it."""
    document: dict[str, Any] = standardwebhooks.Webhook(secret).verify(
        received.body, received.headers
    )
    return document
