"""The breaker: pauses an issue whose mails bounce or are complained about too often."""

from typing import NamedTuple


class BreakerCounts(NamedTuple):
    """Permanent bounces and complaints among an issue's mails since its breaker was last reset.

    A mail that SES did not send, because the address was on its suppression list, is not counted.
    ``sample``: how many recipients the sample of a careful start has, while the rest is held.
    """

    bounced: int
    complained: int
    sample: int | None = None

    @property
    def is_bad_sample(self) -> bool:
        """Whether a sample has too many of them for the rest to be sent.

        The limits are shares of the whole sample. Of the first few mails, a good list can reach
        them by chance.
        """
        return self.sample is not None and SAMPLE_BREAKER.trips(self, self.sample)


class Breaker(NamedTuple):
    """When an issue is paused. SES reviews an account at 5 % bounces or 0.1 % complaints."""

    bounce_share: float = 0.05
    least_bounces: int = 20
    complaint_share: float = 0.001
    least_complaints: int = 3

    def may_trip(self, counts: BreakerCounts) -> bool:
        """Return whether the breaker could trip, whatever the number of accepted mails."""
        return self.trips(counts, accepted=0)

    def trips(self, counts: BreakerCounts, accepted: int) -> bool:
        """Return whether there are too many bounces or complaints for so many accepted mails."""
        return (
            counts.bounced >= self.least_bounces and counts.bounced > self.bounce_share * accepted
        ) or (
            counts.complained >= self.least_complaints
            and counts.complained > self.complaint_share * accepted
        )


BREAKER = Breaker()
# For 50 mails: docs/decisions/0026 has the odds.
SAMPLE_BREAKER = Breaker(least_bounces=4, least_complaints=2)
