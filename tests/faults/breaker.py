"""Judges the breaker: how many mails still left after it had to trip, by SES's own record."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from broadsheet.domain.breaker import BREAKER, BreakerCounts

ARRIVALS = "bounces"  # the file that notes the bounces each call of feedback gets, and when
PAUSES = "paused"  # the file that notes when a pause is committed


class Mail(NamedTuple):
    """A mail that SES took; ``at`` by the wall clock."""

    at: float
    subscriber_id: str


@dataclass
class Stop:
    """What happened until the author acted on the paused issue.

    ``shown``: the issue, paused and settled. ``reads``: the claims, their times and recipients.
    ``arrivals``: message ids of permanently bounced mails, by when feedback got their events.
    """

    acted_at: float = float("inf")
    shown: dict[str, Any] = field(default_factory=dict)
    mails: Sequence[Mail] = ()
    reads: Sequence[Mapping[str, Any]] = ()
    arrivals: Sequence[tuple[float, list[str]]] = ()
    pauses: Sequence[float] = ()

    @cached_property
    def arrived_at(self) -> float:
        """When feedback got the bounce that passes the threshold."""
        bounced: set[str] = set()
        for at, message_ids in sorted(self.arrivals):
            bounced.update(message_ids)
            counts = BreakerCounts(bounced=len(bounced), complained=0)
            if BREAKER.trips(counts, sum(mail.at <= at for mail in self.mails)):
                return at
        return float("inf")

    @property
    def paused_at(self) -> float:
        return min(self.pauses, default=float("inf"))

    @property
    def mails_after(self) -> list[Mail]:
        return [mail for mail in self.mails if self.arrived_at < mail.at < self.acted_at]

    def claimed(self, since: float, until: float) -> set[str]:
        """Return the recipients of the claims made between two moments."""
        return {
            subscriber_id
            for read in self.reads
            if since < read["claimed"] <= until
            for subscriber_id in read["recipients"]
        }

    @property
    def figures(self) -> dict[str, float]:
        """Return how many mails left before and after that bounce, and how many could have."""
        before = {mail.subscriber_id for mail in self.mails if mail.at <= self.arrived_at}
        last = max((mail.at for mail in self.mails_after), default=self.arrived_at)
        return {
            "mails before": len(before),
            "mails after": len(self.mails_after),
            "claimed, unsent then": len(self.claimed(0, self.arrived_at) - before),
            "claimed until the pause": len(self.claimed(self.arrived_at, self.paused_at)),
            "seconds to the pause": round(self.paused_at - self.arrived_at, 3),
            "seconds to the last mail": round(last - self.arrived_at, 3),
        }

    def judge(self) -> list[str]:
        """Return what went wrong, in sentences."""
        if self.paused_at == float("inf") or self.arrived_at == float("inf"):
            return ["the breaker did not pause the issue"]
        late = self.claimed(self.paused_at, self.acted_at)
        under_way = self.claimed(0, self.paused_at)
        strays = [mail for mail in self.mails_after if mail.subscriber_id not in under_way]
        unsent = self.shown["books"]["waiting"] if self.shown else 0
        return [
            *([f"{len(late)} were claimed after the pause"] if late else []),
            *([f"{len(strays)} mails belong to no claim made before the pause"] if strays else []),
            *([] if unsent else ["nobody was waiting when the breaker paused it"]),
            *(
                []
                if "bounced" in str(self.shown.get("paused_because"))
                else ["the pause gives no reason"]
            ),
        ]


def read_notes(folder: Path, stop: Stop) -> None:
    """Read the notes of the round's processes."""
    stop.arrivals = [
        (line["at"], line["bounced"]) for line in _lines(folder / ARRIVALS) if line["bounced"]
    ]
    stop.pauses = [line["at"] for line in _lines(folder / PAUSES)]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
