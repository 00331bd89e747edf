"""What became of a reader: as codes with parameters, whose sentences ``web/fates.py`` makes."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from broadsheet.domain.search import FoundSubscriber


class Fate(NamedTuple):
    """What is true of a reader, or of a reader and an issue, and since when."""

    code: str
    at: datetime | None = None
    parameters: dict[str, Any] = {}  # noqa: RUF012 - never changed


class Happening(NamedTuple):
    """One line of the trace. ``details``: what is known of it beside its sentence."""

    at: datetime
    code: str
    parameters: dict[str, Any]
    details: dict[str, Any]
    issue_id: UUID | None = None
    issue_title: str | None = None


class Trace(NamedTuple):
    """All that happened to a subscriber, in its order, and whether they get issues now."""

    subscriber: FoundSubscriber
    standing: Fate
    timeline: list[Happening]
