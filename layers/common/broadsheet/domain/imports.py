"""An import: a file of people, what would become of each row, and what did."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from broadsheet.domain.everything import EverythingFormat
from broadsheet.domain.people import PeopleFormat, Standing
from broadsheet.domain.posts import PostsFormat

MAX_FILE_NAME_CHARACTERS = 255
type FileFormat = PeopleFormat | PostsFormat | EverythingFormat


class FileStanding(StrEnum):
    """What everybody in a file is, as its author says; of subscribers, the file says the rest."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"

    @property
    def departure(self) -> Standing | None:
        """What each row says then, whatever stands in it; None if the file says that."""
        return None if self is FileStanding.SUBSCRIBED else Standing(self)


class ImportRequest(BaseModel):
    """An author wants to import a file, which they upload next.

    ``format``, ``standing``: if they know it, or everybody in the file has the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file_name: Annotated[
        str, StringConstraints(max_length=MAX_FILE_NAME_CHARACTERS, pattern=r"^[^\x00-\x1f]+$")
    ]
    format: FileFormat | None = None
    standing: FileStanding | None = None


class ReadRequest(BaseModel):
    """An author has uploaded the file. ``format``: which of the candidates it has.

    ``standing``: what everybody in it is, if that was asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: FileFormat | None = None
    standing: FileStanding | None = None


class TransferEvent(BaseModel):
    """What the worker is called with: the import to go on with, or the export to write."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    import_id: UUID | None = None
    export_id: UUID | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.import_id is None) == (self.export_id is None):
            raise ValueError("it is one of the two")
        return self


class ImportStatus(StrEnum):
    """The step that an import is at. A step that was interrupted goes on where it was.

    An import that failed knows at which step, and can be begun again there.
    """

    WAITING = "waiting"  # for its file
    READING = "reading"
    JUDGING = "judging"
    READY = "ready"  # judged: its author decides
    APPLYING = "applying"
    APPLIED = "applied"
    UNDOING = "undoing"
    UNDONE = "undone"
    FAILED = "failed"  # nobody works on it any more


class ImportFailure(StrEnum):
    """Why an import failed."""

    FILE_DELETED = "file-deleted"
    NO_PROGRESS = "no-progress"


UNDER_WAY = {
    ImportStatus.READING,
    ImportStatus.JUDGING,
    ImportStatus.APPLYING,
    ImportStatus.UNDOING,
}


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
    LEFT_OUT = "left_out"  # of a post: what is not in the archive
    UNUSABLE = "unusable"
    UNDONE = "undone"
    NOT_UNDONE = "not_undone"  # something newer depends on it


class Import(NamedTuple):
    """An import, and how far its step is.

    ``step``: the status, or of one that failed, that at which it did. ``counts``: rows by verdict,
    with the reason after a colon where there is one; ``first_lines``: of each, some lines of the
    file. ``found``: what the file seemed to be, as ``transfer.Detected``. ``touched_at``: when a
    worker worked on it. ``attempts``: of workers, since there was progress. ``standing``: what
    everybody in the file is, if that is the same.
    """

    id: UUID
    author: str
    file_name: str
    format: FileFormat | None
    step: ImportStatus
    rows_read: int
    done_to: int
    counts: dict[str, int]
    created_at: datetime
    applied_at: datetime | None
    found: dict[str, Any]
    touched_at: datetime
    first_lines: dict[str, list[int]]
    attempts: int
    failure: ImportFailure | None
    standing: FileStanding | None

    @property
    def departure(self) -> Standing | None:
        """What everybody in the file is who has left; None if the file says who has."""
        return None if self.standing is None else self.standing.departure

    @property
    def status(self) -> ImportStatus:
        """The step, or that it failed."""
        return self.step if self.failure is None else ImportStatus.FAILED

    @property
    def waits_for_worker(self) -> bool:
        """Whether a worker is to look what its file is."""
        is_asked_for = self.found.get("is_looked_at") is False
        return self.status is ImportStatus.WAITING and is_asked_for

    @property
    def can_be_read(self) -> bool:
        """Whether it failed before it was ready, and its file may be there."""
        return self._failed_at(ImportStatus.WAITING, ImportStatus.READING, ImportStatus.JUDGING)

    @property
    def can_be_applied(self) -> bool:
        """Whether it is ready, or failed while it was applied, and can go on."""
        return self.status is ImportStatus.READY or self._failed_at(ImportStatus.APPLYING)

    @property
    def can_be_undone(self) -> bool:
        """Whether it is applied, or partly, and is no file with everything, which stays."""
        has_failed = self.status is ImportStatus.FAILED
        at_such = self.step in {ImportStatus.APPLYING, ImportStatus.UNDOING}
        is_applied = self.status is ImportStatus.APPLIED or (has_failed and at_such)
        return is_applied and self.format is not EverythingFormat.EVERYTHING

    def _failed_at(self, *steps: ImportStatus) -> bool:
        return self.failure is ImportFailure.NO_PROGRESS and self.step in steps


class ImportLine(BaseModel):
    """What becomes of a row of a file. ``line``: where it stands in the file."""

    model_config = ConfigDict(frozen=True)

    number: int
    line: int
    email: str | None
    outcome: str | None
    reason: str | None


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

    @property
    def outcome(self) -> str | None:
        """The verdict, as authors call it."""
        return self.verdict
