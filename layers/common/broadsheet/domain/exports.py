"""An export: the people of this newsletter as a file of a peer's format, or everything of it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from broadsheet.domain.everything import EverythingFormat
from broadsheet.domain.people import PeopleFormat

type ExportFormat = PeopleFormat | EverythingFormat


class PeopleExportRequest(BaseModel):
    """An author wants everybody, or everything, as a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: ExportFormat = PeopleFormat.CSV


class Export(NamedTuple):
    """An export. ``people``: how many are in its file, once that is written."""

    id: UUID
    author: str
    format: ExportFormat
    people: int | None
    created_at: datetime
    ready_at: datetime | None
