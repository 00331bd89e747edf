"""What a newsletter's numbers are: its readers, what happened a day, and each issue's mails."""

from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict

MOST_DAYS = 366
USUAL_DAYS = 30


class Period(NamedTuple):
    """Days in UTC, both included."""

    first: date
    last: date

    @property
    def days(self) -> list[date]:
        """Return each of the days."""
        number = (self.last - self.first).days + 1
        return [self.first + timedelta(days=place) for place in range(number)]


class Day(BaseModel):
    """What happened on a day in UTC. ``growth``: confirmations, less those who left.

    ``erased``: those who had left before are among them, so that they are not part of the growth.
    """

    model_config = ConfigDict(frozen=True)

    day: date
    signed_up: int = 0
    confirmed: int = 0
    imported: int = 0
    unsubscribed: int = 0
    bounced: int = 0
    complained: int = 0
    forgiven: int = 0
    erased: int = 0
    growth: int = 0


class OptIn(BaseModel):
    """How many were mailed to confirm in the period, and how many of them have confirmed since.

    Of more than 2,500 sign-ups, the newest count.
    """

    model_config = ConfigDict(frozen=True)

    asked: int
    confirmed: int


class LinkStatistics(BaseModel):
    """A link of an issue, where it leads now, and the clicks on it that were counted."""

    model_config = ConfigDict(frozen=True)

    number: int
    target: str
    clicks: int


class IssueStatistics(BaseModel):
    """An issue's mails, as counted at ``counted_at``; None before that.

    ``unsubscribed``: by a link in its mails, until now. ``links``: up to 20, the most clicked
    first; none if the stack didn't count clicks on them.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    title: str
    slug: str
    frozen_at: datetime
    audience: int
    accepted: int | None
    delivered: int | None
    bounced: int | None
    complained: int | None
    counted_at: datetime | None
    unsubscribed: int
    links: list[LinkStatistics] = []


class Statistics(BaseModel):
    """All of it. ``readers``: how many have which status now."""

    model_config = ConfigDict(frozen=True)

    readers: dict[str, int]
    days: list[Day]
    opt_in: OptIn
    issues: list[IssueStatistics]
