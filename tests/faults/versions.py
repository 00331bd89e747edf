"""Judges edits and corrections: which version each mail had, by SES's own record."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

CORRECTION = "Correction 1"


class Sent(NamedTuple):
    """A mail that SES took. ``version``: by its subject, which each version has of its own."""

    issue_id: str
    subscriber_id: str
    version: int


class Edit(NamedTuple):
    """An edit: when its request began, and when its author knew that it was committed."""

    began: float
    known: float


@dataclass
class Versions:
    """What authors changed in a round, and which version each mail had.

    ``edits``: by the version that each made. ``corrects_version``: mails with an older version are
    corrected. ``correction_id``: empty if there was nothing to correct. ``reads``: the recipients
    of each claim, its version, and its times. ``ledger``: our own rows with an accepted mail.
    """

    edits: dict[int, Edit] = field(default_factory=dict)
    corrects_version: int = 0
    correction_id: str = ""
    correction: dict[str, Any] = field(default_factory=dict)
    sent: Sequence[Sent] = ()
    reads: Sequence[Mapping[str, Any]] = ()
    ledger: Sequence[Mapping[str, Any]] = ()

    @property
    def current(self) -> int:
        return max(self.edits, default=1)

    def of(self, issue_id: str) -> dict[str, list[int]]:
        """Return the versions of each recipient's mails of an issue."""
        versions: dict[str, list[int]] = {}
        for mail in self.sent:
            if mail.issue_id == issue_id:
                versions.setdefault(mail.subscriber_id, []).append(mail.version)
        return versions

    @property
    def corrected(self) -> Counter[str]:
        return Counter(m.subscriber_id for m in self.sent if m.issue_id == self.correction_id)

    def judge(self, issue_id: str, *, gone: set[str], possibly_twice: set[str]) -> list[str]:
        """Return what went wrong, in sentences.

        ``gone``: who may have left before the correction. ``possibly_twice``: whose event was lost
        on purpose.
        """
        mailed = self.of(issue_id)
        return [
            *self._claimed_wrongly(issue_id, mailed),
            *self._recorded_wrongly(issue_id, mailed, possibly_twice),
            *self._corrected_wrongly(mailed, gone, possibly_twice),
        ]

    def _claimed_wrongly(self, issue_id: str, mailed: Mapping[str, Sequence[int]]) -> list[str]:
        """Return mails of another version than their claim's, and claims of one not current."""
        claimed: dict[str, set[int]] = {}
        stale = []
        for read in self.reads:
            if read["issue_id"] != issue_id:
                continue
            for subscriber in read["recipients"]:
                claimed.setdefault(subscriber, set()).add(read["version"])
            began, following = self.edits.get(read["version"]), self.edits.get(read["version"] + 1)
            if (began and began.began > read["started"]) or (
                following and following.known < read["claimed"]
            ):
                stale.append(read["version"])
        strays = [s for s, got in mailed.items() if set(got) - claimed.get(s, set())]
        return [
            *([f"{len(stale)} claims of a version that was not current: {stale}"] if stale else []),
            *(
                [f"{len(strays)} got a version that no claim of theirs has: {strays[:3]}"]
                if strays
                else []
            ),
        ]

    def _recorded_wrongly(
        self, issue_id: str, mailed: Mapping[str, Sequence[int]], possibly_twice: set[str]
    ) -> list[str]:
        wrong = [
            row["subscriber_id"]
            for row in self.ledger
            if row["issue_id"] == issue_id
            and row["subscriber_id"] not in possibly_twice
            and {row["version"]} != set(mailed.get(row["subscriber_id"], [row["version"]]))
        ]
        if not wrong:
            return []
        return [f"the ledger has another version than the mail of {len(wrong)}: {wrong[:3]}"]

    def _corrected_wrongly(
        self, mailed: Mapping[str, Sequence[int]], gone: set[str], possibly_twice: set[str]
    ) -> list[str]:
        if not self.corrects_version:
            return []
        older = {s for s, got in mailed.items() if max(got) < self.corrects_version}
        wanted, got = older - gone - possibly_twice, self.corrected
        missed, strays = wanted - set(got), set(got) - older
        twice = [s for s, count in got.items() if count > 1 and s not in possibly_twice]
        status = self.correction.get("status")
        return [
            *([f"{len(missed)} got no correction: {sorted(missed)[:3]}"] if missed else []),
            *([f"{len(strays)} corrected in vain: {sorted(strays)[:3]}"] if strays else []),
            *([f"{len(twice)} corrected twice: {twice[:3]}"] if twice else []),
            *(
                [f"the correction ended as {status}"]
                if self.correction_id and status != "finished"
                else []
            ),
        ]


def title_of(version: int) -> str:
    """Return the title of a version, by which its mails are recognised."""
    return f"Number {version}"


def version_of(subject: str) -> int:
    """Return the version whose mail has a subject."""
    return int(subject.rpartition(" ")[2])
