"""The ledger: one row for each recipient of an issue in each round."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from broadsheet.domain.deliveries import Outcome

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class LedgerKey(NamedTuple):
    """Names one row of the ledger, by bare ids: two are made for each mail, and parsing costs."""

    issue_id: UUID
    subscriber_id: UUID
    round: int


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
