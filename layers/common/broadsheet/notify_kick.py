"""Calls notify at once, so that webhooks are notified of what has just changed."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import lambdas, settings
from broadsheet.telemetry import logger


def kick() -> None:
    """Invoke notify asynchronously; best effort, since a later kick finds what this one lost."""
    try:
        lambdas.client().invoke(
            FunctionName=settings.notify_function_name(), InvocationType="Event", Payload="{}"
        )
    except (BotoCoreError, ClientError):
        logger.warning("notify could not be called at once")
