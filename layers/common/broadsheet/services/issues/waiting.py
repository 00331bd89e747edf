"""Says why an issue's waiting recipients don't get it now."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from broadsheet.services.sending import pacing

if TYPE_CHECKING:
    from broadsheet.database.connection import Connection
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.services.sending.pacing import Allowed


class Wait(BaseModel):
    """Why an issue's waiting recipients don't get it now; ``until``: if that is known."""

    model_config = ConfigDict(frozen=True)

    code: str
    until: datetime | None


def present(connection: Connection, issue: Issue) -> Wait | None:
    """Return why an issue waits at this moment; None if it doesn't."""
    at_most, is_quota_spent = pacing.present(connection)
    return wait(issue, at_most, is_quota_spent=is_quota_spent)


def wait(issue: Issue, at_most: Allowed | None, *, is_quota_spent: bool) -> Wait | None:
    """Return why an issue waits, by what the governor allows."""
    if issue.held_after is not None:
        return Wait(code="careful-start", until=issue.held_until)
    if is_quota_spent:
        return Wait(code="quota-spent", until=None)
    if at_most is not None and at_most.is_day_over:
        return Wait(code="warm-up", until=at_most.day_ends)
    return None
