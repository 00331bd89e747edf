"""WebhooksQueue: webhooks with messages that are due, until notify has sent them."""

from __future__ import annotations

from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict

from broadsheet import settings
from broadsheet.domain.webhooks import WebhookId
from broadsheet.queues import sqs
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Iterable


class Kick(BaseModel):
    """A webhook that may have messages that are due."""

    model_config = ConfigDict(frozen=True)

    webhook_id: WebhookId


def kick(webhook_ids: Iterable[WebhookId]) -> None:
    """Have notify send what is due; best effort, since a later kick finds it again."""
    for chunk in batched(webhook_ids, sqs.BATCH_LIMIT, strict=False):
        try:
            answer = sqs.client().send_message_batch(
                QueueUrl=settings.queue_url("WEBHOOKS"),
                Entries=[
                    {
                        "Id": str(position),
                        "MessageBody": Kick(webhook_id=each).model_dump_json(),
                    }
                    for position, each in enumerate(chunk)
                ],
            )
        except (BotoCoreError, ClientError):
            logger.warning("webhooks could not be kicked")
            return
        if answer.get("Failed"):
            logger.warning("some webhooks could not be kicked")
