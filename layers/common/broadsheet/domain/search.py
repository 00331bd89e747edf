"""Looking for subscribers: what is asked for, and what is shown of each."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from broadsheet.domain.subscribers import SubscriberStatus

MAX_QUERY_CHARACTERS = 254  # the longest address; a name that is longer is found by less of it


class Search(NamedTuple):
    """Which subscribers are wanted: those for whom all that is given holds.

    ``query``: a part of the address or the name, in any case.
    """

    query: str = ""
    status: SubscriberStatus | None = None
    tag: str | None = None


class Place(NamedTuple):
    """Where a page of a search ended: those whose address begins with the query come first."""

    begins_with_query: bool
    email: str


class FoundSubscriber(BaseModel):
    """A subscriber in the list of a search. A time is of the newest change of its kind."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    email: str
    name: str | None
    language: str
    status: SubscriberStatus
    tags: list[str]
    signed_up_at: datetime
    confirmed_at: datetime | None
    unsubscribed_at: datetime | None
    bounced_at: datetime | None
    complained_at: datetime | None
