"""What a check found, in words for a person."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Verdict(StrEnum):
    """How it stands; ``BAD`` and ``UNKNOWN`` stand between the stack and sending."""

    GOOD = "good"
    ADVICE = "advice"  # it sends; it would be better otherwise
    BAD = "bad"
    UNKNOWN = "unknown"  # it could not be looked at
    SKIPPED = "skipped"  # there is nothing of it here


class Finding(BaseModel):
    """One thing that was looked at. ``fix``: the exact way to mend it, a line each."""

    model_config = ConfigDict(frozen=True)

    check: str
    verdict: Verdict
    says: str
    fix: tuple[str, ...] = ()

    @property
    def is_in_the_way(self) -> bool:
        """Tell whether this is to be mended before sending."""
        return self.verdict in {Verdict.BAD, Verdict.UNKNOWN}
