"""An issue as its work goes on: where it stands, without its content."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from broadsheet.domain.authors import AuthorName
from broadsheet.domain.careful_start import CarefulStart
from broadsheet.domain.issues import CorrectedVersion, IssueId, IssueStatus, IssueTitle
from broadsheet.domain.segments import SegmentFilter, SegmentName

_NEVER = datetime.max.replace(tzinfo=UTC)


class Issue(BaseModel):
    """An issue and its progress, without its content.

    ``version``: the current one. ``publish_at``: None for a draft without a time.
    ``sample_size``: how many recipients a careful start sends to first. ``held_after``: while the
    rest is held, the number of the sample's last batch. ``held_until``: set once each mail of the
    sample has an outcome. ``corrects``, ``corrects_version``: this issue goes to those who have an
    older version of that issue. ``segment``: the name of whom it is for, if not for everybody;
    ``segment_filter``: as the segment was when the audience was frozen.
    """

    model_config = ConfigDict(frozen=True)

    id: IssueId
    author: AuthorName
    title: IssueTitle
    version: int
    preheader: str | None
    slug: str
    archive: bool
    status: IssueStatus
    publish_at: datetime | None
    created_at: datetime
    frozen_at: datetime | None
    audience: int | None
    finished_at: datetime | None
    paused_because: str | None
    careful: CarefulStart | None = None
    sample_size: int | None = None
    held_after: int | None = None
    held_until: datetime | None = None
    corrects: IssueId | None = None
    corrects_version: int | None = None
    segment: SegmentName | None = None
    segment_filter: SegmentFilter | None = None

    @property
    def corrected(self) -> CorrectedVersion | None:
        """Return which mails the issue corrects; None unless it is a correction."""
        if self.corrects is None or self.corrects_version is None:
            return None
        return CorrectedVersion(self.corrects, self.corrects_version)

    @property
    def due_at(self) -> datetime:
        """Return when sending may begin: for a draft, at the end of time."""
        if self.status is IssueStatus.DRAFT or self.publish_at is None:
            return _NEVER
        return self.publish_at
