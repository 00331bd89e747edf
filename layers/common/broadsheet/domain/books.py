"""What authors see of the ledger: an issue's books, and the ledger's rows."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from broadsheet.domain.deliveries import Outcome


class Books(BaseModel):
    """Where an issue's audience is; the first five fields always add up to it.

    ``accepted_by_version``: how many of the accepted mails had each version of the issue.
    ``duplicates``: mails beyond one to a recipient in a round. ``possibly_twice``: unresolved
    sends that were released for another try. ``rate``: mails accepted a second, over the last
    minute.
    """

    model_config = ConfigDict(frozen=True)

    waiting: int
    accepted: int
    failed: dict[str, int]
    skipped: dict[str, int]
    unresolved: int
    delivered: int
    bounced: int
    complained: int
    accepted_by_version: dict[int, int]
    duplicates: int
    possibly_twice: int
    rate: float


class LedgerRow(BaseModel):
    """A row of the ledger, as an author sees it.

    ``version``: of the mail; if none was accepted, of the last claim.
    """

    model_config = ConfigDict(frozen=True)

    subscriber_id: UUID
    email: str | None
    round: int
    version: int
    outcome: Outcome
    reason: str | None
    message_id: str | None
    recorded_at: datetime
    delivered_at: datetime | None
    bounced_at: datetime | None
    complained_at: datetime | None
    suppressed_as: str | None
    duplicates: int
    possibly_twice: bool
