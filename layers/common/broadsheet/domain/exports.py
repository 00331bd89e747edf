"""An export: the people of this newsletter, as a file of a peer's format."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from broadsheet.domain.people import PeopleFormat


class PeopleExportRequest(BaseModel):
    """An author wants everybody as a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: PeopleFormat = PeopleFormat.CSV


class Export(NamedTuple):
    """An export. ``people``: how many are in its file, once that is written."""

    id: UUID
    author: str
    format: PeopleFormat
    people: int | None
    created_at: datetime
    ready_at: datetime | None
