"""What the form of a draft's page says about sending it: to whom, when, and how it starts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import ValidationError

from broadsheet.domain.careful_start import CarefulStart
from broadsheet.domain.issue_requests import PublishDraftRequest, RescheduleRequest
from broadsheet.domain.segments import SegmentName

if TYPE_CHECKING:
    from broadsheet.domain.issue_progress import Issue
    from broadsheet.studio.forms import Form

UNDO_SECONDS = 60  # as the command line's countdown
SAMPLES = (0.01, 0.05, 0.1, 0.25)
HOLDS = tuple(map(timedelta, (0, 0, 0, 1), (1800, 3600, 4 * 3600, 0)))
_OPEN_FOR = timedelta(hours=1)


class NotATime(Exception):
    """What was typed is no day and time."""


@dataclass(frozen=True)
class Plan:
    """``publish_at``: None for as soon as the time to undo it has passed."""

    segment: SegmentName | None
    careful: CarefulStart | None
    publish_at: datetime | None

    @classmethod
    def of_issue(cls, issue: Issue) -> Plan:
        """Return what a draft says itself; a time that has passed counts no more."""
        is_ahead = issue.publish_at is not None and issue.publish_at > datetime.now(UTC)
        return cls(issue.segment, issue.careful, issue.publish_at if is_ahead else None)

    @classmethod
    def of_form(cls, form: Form) -> Plan:
        """Return what a form says. Raises ``NotATime`` and, if it is forged, ``ValueError``."""
        careful = None
        if form.line("start") == "careful":
            careful = CarefulStart.model_validate(
                {"sample": float(form.line("sample")), "hold": form.line("hold")}
            )
        segment = form.line("segment")
        return cls(
            segment=SegmentName(segment) if segment else None,
            careful=careful,
            publish_at=time_of(form) if form.line("when") == "later" else None,
        )

    @property
    def fingerprint(self) -> str:
        """Return what two plans that mean the same have in common."""
        careful = self.careful.model_dump_json() if self.careful else ""
        at = self.publish_at.isoformat() if self.publish_at else ""
        return f"{self.segment or ''}|{careful}|{at}"

    @property
    def has_passed(self) -> bool:
        """Return whether the chosen time is over by more than an hour.

        A page may be open for a while before its author presses the button.
        """
        return self.publish_at is not None and self.publish_at < datetime.now(UTC) - _OPEN_FOR

    def request(self, accepted: list[str]) -> PublishDraftRequest:
        """Return the request to publish a draft as this says, never without the time to undo it."""
        soonest = in_a_minute()
        return PublishDraftRequest(
            publish_at=max(self.publish_at or soonest, soonest),
            segment=self.segment,
            careful=self.careful,
            accept_warnings=accepted,
        )


def in_a_minute() -> datetime:
    """Return when an issue that is published now is sent; until then it can be undone."""
    return datetime.now(UTC) + timedelta(seconds=UNDO_SECONDS)


def time_of(form: Form) -> datetime:
    """Return the time in UTC that a field has, as browsers write one. Raises ``NotATime``."""
    typed = form.line("at")
    try:
        at = datetime.fromisoformat(typed)
        return RescheduleRequest(publish_at=at if at.tzinfo else at.replace(tzinfo=UTC)).publish_at
    except (ValueError, ValidationError):  # the second is the first, which readers needn't know
        raise NotATime from None
