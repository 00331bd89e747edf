"""What needs operator attention."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from broadsheet.domain.confirming import Completion
from broadsheet.domain.issues import IssueId


class PausedIssue(BaseModel):
    """An issue that stopped itself; ``because`` says why."""

    model_config = ConfigDict(frozen=True)

    issue_id: IssueId
    because: str


class OpenProblems(BaseModel):
    """What needs operator attention now, whatever the alarms say, and how many readers confirm.

    ``unresolved_mails``: past their grace time. ``duplicate_mails``: beyond one to a recipient in a
    round, detected in the last 14 days. ``strict_since``: set while sign-ups need proof.
    ``suspicious_sign_ups``: kept without a mail, by their reasons. ``owed_pages``: issues that
    began over an hour ago, and whose page in the archive is not what it should be.
    ``disabled_webhooks``: why each was disabled, by its id.
    """

    model_config = ConfigDict(frozen=True)

    paused: list[PausedIssue]
    unresolved_mails: int
    duplicate_mails: int
    completion: dict[Literal["days_30", "always"], Completion]
    strict_since: datetime | None = None
    suspicious_sign_ups: dict[str, int] = {}
    owed_pages: int = 0
    disabled_webhooks: dict[str, str] = {}
