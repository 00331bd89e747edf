"""Budgets of confirmation mails: what addresses, sources and mail domains may still cause."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from broadsheet import settings, signed_tokens
from broadsheet.database import domain_hours_table, sign_ups_table
from broadsheet.database.sign_ups_table import Window
from broadsheet.domain.mailbox_providers import SHARED_BY_EVERYBODY
from broadsheet.domain.strict_mode import Withheld

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from broadsheet.database.connection import Connection
    from broadsheet.database.domain_hours_table import DomainHour
    from broadsheet.domain.requests import SubscribeRequest, SubscriberRequest


def source_of(request: SubscriberRequest) -> str:
    """Return by what the source of a request is recognised; its address is not stored."""
    return signed_tokens.source_digest(request.origin.source_address)


def domain_hour(request: SubscribeRequest) -> DomainHour | None:
    """Return the hour of a mail domain that a sign-up counts for, if one has a budget."""
    domain = request.email.domain
    if domain in SHARED_BY_EVERYBODY:
        return None
    return domain, request.received_at.replace(minute=0, second=0, microsecond=0)


def lock(connection: Connection, new: Sequence[SubscribeRequest]) -> None:
    """Lock the sources and domains of sign-ups until the commit.

    It is done once for all that a transaction applies: taken one set after the other, two
    transactions could wait for each other.
    """
    sources = {source_of(request) for request in new}
    domains = {hour[0] for request in new if (hour := domain_hour(request))}
    if sources:
        sign_ups_table.lock_budgets(connection, sources | domains)


class Budgets:
    """What a set of sign-ups may cause. Their sources and domains are locked."""

    def __init__(
        self, connection: Connection, new: Sequence[tuple[SubscribeRequest, UUID]]
    ) -> None:
        """Read the budgets. ``new``: each sign-up with its subscriber."""
        timings = settings.timings()
        self._connection = connection
        self._limits = settings.budgets()
        self._day = timedelta(seconds=timings.address_budget_window)
        self._hour = timedelta(seconds=timings.source_budget_window)
        oldest = min(request.received_at for request, _ in new)
        sources = {source_of(request) for request, _ in new}
        hours = Counter(hour for request, _ in new if (hour := domain_hour(request)))
        self._to_subscribers, self._to_sources = sign_ups_table.newest_granted(
            connection,
            {subscriber_id for _, subscriber_id in new},
            Window(oldest - self._day, self._limits.per_address_per_day),
            sources,
            Window(oldest - self._hour, self._limits.per_source_per_hour),
        )
        self._room = self._room_of_domains(hours)
        self._granted: Counter[DomainHour] = Counter()

    def _room_of_domains(self, asked: Counter[DomainHour]) -> dict[DomainHour, int]:
        if not asked:
            return {}
        limit = self._limits.per_domain_per_hour
        counted = domain_hours_table.read(self._connection, asked)
        full = [
            hour
            for hour, (granted, confirmed) in counted.items()
            if confirmed is None and granted + asked[hour] > limit
        ]
        if full:
            domain_hours_table.count_confirmed(self._connection, full)
            counted |= domain_hours_table.read(self._connection, full)
        return {
            hour: limit + (confirmed or 0) - granted
            for hour in asked
            for granted, confirmed in [counted.get(hour, (0, None))]
        }

    def spend(
        self, request: SubscribeRequest, subscriber_id: UUID
    ) -> Withheld | Literal["address"] | None:
        """Grant a sign-up its mail, or return which budget has no room for it."""
        to_source = self._to_sources[source_of(request)]
        day, hour = request.received_at - self._day, request.received_at - self._hour
        to_address = sum(at > day for at in self._to_subscribers[subscriber_id])
        if to_address >= self._limits.per_address_per_day:
            return "address"
        if request.import_id is not None:
            return None  # sources and domains have budgets against strangers
        if sum(at > hour for at in to_source) >= self._limits.per_source_per_hour:
            return Withheld.SOURCE
        if of_domain := domain_hour(request):
            if self._granted[of_domain] >= self._room[of_domain]:
                return Withheld.DOMAIN
            self._granted[of_domain] += 1
        to_source.append(request.received_at)
        return None

    def store(self) -> None:
        """Store what was granted to domains; the sign-ups themselves count for the others."""
        if self._granted:
            domain_hours_table.add_granted(self._connection, self._granted)
