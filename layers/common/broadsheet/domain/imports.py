"""An import: a file of people, what would become of each row, and what did."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from broadsheet.domain.people import PeopleFormat


class ImportStatus(StrEnum):
    """The step that an import is at. A step that was interrupted goes on where it was."""

    WAITING = "waiting"  # for its file
    READING = "reading"
    JUDGING = "judging"
    READY = "ready"  # judged: its author decides
    APPLYING = "applying"
    APPLIED = "applied"
    UNDOING = "undoing"
    UNDONE = "undone"


class Verdict(StrEnum):
    """What becomes of a row."""

    ADDED = "added"  # as a confirmed subscriber
    ADDED_TO_CONFIRM = "added_to_confirm"  # the file has no date of consent
    ADDED_AS_LEFT = "added_as_left"  # so that nobody mails them
    CONFIRMED = "confirmed"  # here they had not confirmed yet
    LEFT = "left"  # subscribed here, and left there
    COMPLETED = "completed"  # known, with a name or tags that are new
    UNCHANGED = "unchanged"
    KEPT_AS_LEFT = (
        "kept_as_left"  # unsubscribed, bounced or complained here: no import revives them
    )
    NEWER_HERE = "newer_here"  # left there, and confirmed or forgiven here since
    ERASED = "erased"  # or moved away: no import brings the address back
    DUPLICATE = "duplicate"  # another row of the file counts
    UNUSABLE = "unusable"
    UNDONE = "undone"
    NOT_UNDONE = "not_undone"  # something newer depends on it


class Import(NamedTuple):
    """An import, and how far its step is.

    ``counts``: rows by verdict, with the reason after a colon where there is one.
    """

    id: UUID
    author: str
    file_name: str
    format: PeopleFormat | None
    status: ImportStatus
    rows_read: int
    done_to: int
    counts: dict[str, int]
    created_at: datetime
    applied_at: datetime | None


class StagedRow(NamedTuple):
    """A row of a file as it is stored; one that can't be used has a reason and no address."""

    number: int
    line: int
    email: str | None
    name: str | None
    standing: str | None
    consented_at: datetime | None
    signed_up_at: datetime | None
    left_at: datetime | None
    tags: list[str]
    language: str | None
    source: str
    verdict: str | None
    reason: str | None
