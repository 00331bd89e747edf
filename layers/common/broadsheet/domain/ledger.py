"""The ledger: one row for each recipient of an issue in each round, and what is read from it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from broadsheet.domain.deliveries import Outcome

if TYPE_CHECKING:
    from broadsheet.domain.ses_events import LedgerKey


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


class RoundMember(NamedTuple):
    """A recipient of an issue in one round."""

    subscriber_id: UUID
    round: int


_PRECEDENCE = list(Outcome)


class LedgerUpdate(NamedTuple):
    """What SES's events say about one recipient in one round, taken together.

    ``mails``: the issue's version in each, by message id, in the order in which they were sent;
    more than one is a duplicate.
    """

    key: LedgerKey
    outcome: Outcome
    mails: dict[str, int]
    reason: str | None = None
    delivered_at: datetime | None = None
    bounced_at: datetime | None = None
    complained_at: datetime | None = None
    suppressed_as: str | None = None

    def merged_with(self, later: LedgerUpdate) -> LedgerUpdate:
        """Return both updates as one; ``later`` is about a later mail, or later about the same.

        The first time of each kind stays, as in the ledger. Of the outcomes, the one with
        precedence wins.
        """
        leading = max(self, later, key=lambda update: _PRECEDENCE.index(update.outcome))
        return LedgerUpdate(
            self.key,
            leading.outcome,
            self.mails | later.mails,
            leading.reason,
            self.delivered_at or later.delivered_at,
            self.bounced_at or later.bounced_at,
            self.complained_at or later.complained_at,
            self.suppressed_as or later.suppressed_as,
        )
