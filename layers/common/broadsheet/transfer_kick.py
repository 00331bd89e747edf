"""Calls the function that imports and exports files, which goes on where an import is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from broadsheet import lambdas, settings
from broadsheet.telemetry import logger

if TYPE_CHECKING:
    from uuid import UUID


def kick(import_id: UUID) -> None:
    """Invoke transfer asynchronously; best effort, since looking at the import does it again."""
    _kick({"import_id": str(import_id)})


def kick_export(export_id: UUID) -> None:
    """Have an export written, in the same way."""
    _kick({"export_id": str(export_id)})


def _kick(work: dict[str, str]) -> None:
    try:
        lambdas.client().invoke(
            FunctionName=settings.transfer_function_name(),
            InvocationType="Event",
            Payload=json.dumps(work),
        )
    except (BotoCoreError, ClientError):
        logger.warning("transfer could not be called", work=work)
