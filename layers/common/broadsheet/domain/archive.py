"""What the archive shows of issues: dispatch stores it, the edge makes pages and feeds of it."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from broadsheet.domain.authors_voice import AuthorsVoice
from broadsheet.domain.issues import IssueId


class ArchivedIssue(BaseModel):
    """An issue as the archive lists it.

    ``published_at``: when sending began. ``updated_at``: when this version was written, if that was
    later. ``image``: the address of its first image. ``has_circulation``: whether its circulation
    is certified.
    """

    model_config = ConfigDict(frozen=True)

    id: IssueId
    version: int
    slug: str
    title: str
    description: str
    published_at: datetime
    updated_at: datetime
    image: str | None = None
    has_circulation: bool = False


class ArchivePage(BaseModel):
    """An archived issue with its content, which holds no reader's data and nothing that runs.

    ``headline``: empty if the content has its own. ``is_authors_html``: whether the content has
    colours of its own, which are made for a light background.
    """

    model_config = ConfigDict(frozen=True)

    issue: ArchivedIssue
    headline: str
    html: str
    is_authors_html: bool


class ArchiveIndex(BaseModel):
    """All archived issues, the newest first, and what authors say of the newsletter."""

    model_config = ConfigDict(frozen=True)

    issues: tuple[ArchivedIssue, ...] = ()
    voice: AuthorsVoice | None = None


class Redirect(BaseModel):
    """Where a page has moved. ``path``: its old one, as in ``/p/november``."""

    model_config = ConfigDict(frozen=True)

    path: str
    slug: str
