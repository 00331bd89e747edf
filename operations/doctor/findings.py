"""What a check found, in words for a person."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Verdict(StrEnum):
    """The result of a check; ``BAD`` and ``UNKNOWN`` keep the stack from sending."""

    GOOD = "good"
    ADVICE = "advice"  # it sends, and could do better
    BAD = "bad"
    UNKNOWN = "unknown"  # the check could not be made
    SKIPPED = "skipped"  # it doesn't apply here


class Finding(BaseModel):
    """What one check found. ``fix``: what to do, exactly, a line each."""

    model_config = ConfigDict(frozen=True)

    check: str
    verdict: Verdict
    says: str
    fix: tuple[str, ...] = ()

    @property
    def is_in_the_way(self) -> bool:
        """Return whether this keeps the stack from sending."""
        return self.verdict in {Verdict.BAD, Verdict.UNKNOWN}
