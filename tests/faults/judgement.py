"""Judges a round by the SES server's own record instead of our ledger."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.faults.breaker import Stop
from tests.faults.plans import RoundPlan
from tests.faults.starts import Start
from tests.faults.versions import Versions

# On a machine busy with three rounds a call may leave later than the governor allows for. On a
# quiet one nothing is throttled, which `make bench ONLY=governor` shows.
THROTTLED_SHARE = 0.02

# What an environment may raise because PostgreSQL or SES did not answer. All else is a defect.
EXPECTED_ERRORS = {"DatabaseUnavailable", "MailNotTaken", "MailUnknown"}
SES_MODULE = "account.py"  # where DependencyUnavailable means that SES did not return its quota


@dataclass
class Evidence:
    """What a round left behind.

    ``taken``: how many mails SES took, by subscriber. ``gone``: who unsubscribed or bounced while
    the issue was being sent, and when that was known to be committed, by the wall clock;
    ``possibly_gone``: those for whom it never became known. ``reads``: the recipients that each
    claim read, and when it began to read. ``ledger``: our own, only for comparison. ``throttles``:
    refusals by SES's bucket, not by a planned fault. ``open_batches``: at the end, after every
    thaw. ``archived``, ``to_archive``: the id and version of each issue in the archive, and of each
    that should be. ``errors``: those in the environments' logs: function, kind, and where raised.
    """

    issue_id: str = ""
    confirmed: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    taken: Counter[str] = field(default_factory=Counter)
    gone: dict[str, float] = field(default_factory=dict)
    possibly_gone: set[str] = field(default_factory=set)
    reads: list[dict[str, Any]] = field(default_factory=list)
    bounced: set[str] = field(default_factory=set)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    possibly_twice: set[str] = field(default_factory=set)
    last: dict[str, Any] = field(default_factory=dict)
    answers_seen: int = 0
    unbalanced: list[dict[str, Any]] = field(default_factory=list)
    has_finished: bool = False
    has_ended: bool = False
    is_drained: bool = False
    stop: Stop | None = None
    versions: Versions = field(default_factory=Versions)
    start: Start = field(default_factory=Start)
    throttles: int = 0
    open_batches: int = 0
    archived: set[tuple[str, int]] = field(default_factory=set)
    to_archive: set[tuple[str, int]] = field(default_factory=set)
    errors: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    scale: float = 1.0
    dead_letters: int = 0
    seconds: float = 0.0
    struck: Counter[str] = field(default_factory=Counter)

    def add_answer(self, document: dict[str, Any]) -> None:
        """Check an answer of ``GET /issues/{id}`` while the round is running."""
        self.answers_seen += 1
        if not _adds_up(document):
            self.unbalanced.append(document)
        self.has_finished = document["status"] in {"finished", "canceled"}


@dataclass
class Verdict:
    """A round's result. ``wrong``: what went wrong, in sentences; empty if all was well."""

    seed: int
    faults: list[str]
    loses_events: bool
    mails: int
    missing: int
    duplicated: int
    resent: int
    seconds: float
    scale: float
    struck: dict[str, int]
    wrong: list[str]
    folder: str
    throttles: int = 0
    edits: int = 0
    corrected: int = 0
    stop: dict[str, float] = field(default_factory=dict)
    sabotage: str | None = None

    @property
    def is_good(self) -> bool:
        return not self.wrong

    @property
    def is_expected(self) -> bool:
        """Whether the round went well, or went wrong if it breaks a rule on purpose."""
        return self.is_good == (self.sabotage is None)


def judge(plan: RoundPlan, evidence: Evidence, folder: str) -> Verdict:
    """Compare the promises with SES's record."""
    absent = set(evidence.gone) | evidence.possibly_gone
    expected = set() if plan.ends_as == "canceled" else evidence.confirmed - absent
    missing = [s for s in expected if not evidence.taken[s]]
    doubled = [s for s, count in evidence.taken.items() if count > 1]
    unexcused = [s for s in doubled if not (plan.loses_events and s in evidence.possibly_twice)]
    wrong = [
        *(["the issue was not published"] if not evidence.issue_id else []),
        *(["the issue did not finish"] if not evidence.has_ended else []),
        *([f"{len(missing)} missing: {sorted(missing)[:3]}"] if missing else []),
        *([f"{len(unexcused)} mailed twice: {sorted(unexcused)[:3]}"] if unexcused else []),
        *_mailed_wrongly(evidence),
        *_unbalanced(evidence),
        *_raised(evidence),
        *(evidence.stop.judge() if evidence.stop else []),
        *evidence.versions.judge(
            evidence.issue_id,
            gone=absent | evidence.bounced,
            possibly_twice=evidence.possibly_twice if plan.loses_events else set(),
        ),
        *evidence.start.judge(),
        *(_disagreements(plan, evidence) if evidence.has_ended else []),
        *_archived_wrongly(evidence),
        *(
            [f"{evidence.open_batches} batches are open at the end"]
            if evidence.open_batches
            else []
        ),
        *([f"{evidence.dead_letters} dead letters"] if evidence.dead_letters else []),
        *(
            [f"SES throttled {evidence.throttles} mails"]
            if evidence.throttles > THROTTLED_SHARE * evidence.taken.total()
            and not plan.affects_rate
            else []
        ),
    ]
    return Verdict(
        seed=plan.seed,
        faults=plan.faults,
        loses_events=plan.loses_events,
        mails=evidence.taken.total(),
        missing=len(missing),
        duplicated=len(doubled),
        resent=len(evidence.possibly_twice),
        seconds=round(evidence.seconds, 1),
        scale=evidence.scale,
        struck=dict(evidence.struck),
        wrong=wrong,
        folder=folder,
        throttles=evidence.throttles,
        edits=len(evidence.versions.edits),
        corrected=evidence.versions.corrected.total(),
        stop=evidence.stop.figures if evidence.stop else {},
        sabotage=plan.sabotage,
    )


def _mailed_wrongly(evidence: Evidence) -> list[str]:
    """Return who was mailed without having confirmed, or after having unsubscribed or bounced."""
    strangers = [s for s in evidence.taken if s not in evidence.confirmed]
    too_late = [
        subscriber
        for read in evidence.reads
        for subscriber in read["recipients"]
        if read["started"] > evidence.gone.get(subscriber, float("inf"))
    ]
    return [
        *(
            [f"{len(strangers)} mailed without having confirmed: {strangers[:3]}"]
            if strangers
            else []
        ),
        *(
            [f"{len(too_late)} mailed after unsubscribing or bouncing: {too_late[:3]}"]
            if too_late
            else []
        ),
    ]


def _archived_wrongly(evidence: Evidence) -> list[str]:
    if not evidence.has_ended or evidence.archived == evidence.to_archive:
        return []
    return [f"the archive has {evidence.archived} instead of {evidence.to_archive}"]


def _unbalanced(evidence: Evidence) -> list[str]:
    wrong = [f"the books don't balance: {one}" for one in evidence.unbalanced[:2]]
    if not evidence.answers_seen:
        wrong.append("the books were never requested")
    return wrong


def _raised(evidence: Evidence) -> list[str]:
    """Return the errors for which no unavailable dependency is the reason."""
    return [
        f"{function} raised {kind} at {place}" + (f", {count} times" if count > 1 else "")
        for (function, kind, place), count in evidence.errors.items()
        if not _is_expected_error(kind.partition(" ")[0], place)
    ]


def _is_expected_error(kind: str, place: str) -> bool:
    return kind in EXPECTED_ERRORS or (
        kind == "DependencyUnavailable" and place.startswith(SES_MODULE)
    )


def _disagreements(plan: RoundPlan, evidence: Evidence) -> list[str]:
    """Compare the books at the end with SES's record."""
    document = evidence.last
    if not document.get("books"):
        return ["the issue has no books"]
    books = document["books"]
    frozen = evidence.confirmed if document["audience"] == len(evidence.confirmed) else None
    wrong = [*_unfinished(plan, document), *_skipped_wrongly(plan, evidence)]
    if not _adds_up(document):
        wrong.append(f"the books don't balance at the end: {document}")
    if books["failed"]:
        wrong.append(f"some failed: {books['failed']}")
    if frozen is None and document["audience"] + len(evidence.gone) < len(evidence.confirmed):
        wrong.append(f"the audience is {document['audience']} of {len(evidence.confirmed)}")
    ledger = {row["subscriber_id"] for row in evidence.ledger if row["outcome"] == "accepted"}
    if books["accepted"] != len(ledger):
        wrong.append(f"the books say {books['accepted']} accepted, the ledger {len(ledger)}")
    # Somebody who unsubscribes before their re-send counts as skipped.
    excused = evidence.possibly_twice & set(evidence.gone) if plan.loses_events else set()
    if differing := (ledger ^ set(evidence.taken)) - excused:
        wrong.append(f"ledger and SES differ in {sorted(differing)[:3]}")
    if not plan.loses_events:
        wrong += _disagreements_of_feedback(books, evidence)
    return wrong


def _unfinished(plan: RoundPlan, document: dict[str, Any]) -> list[str]:
    waiting, unknown = document["books"]["waiting"], document["books"]["unresolved"]
    if document["status"] == plan.ends_as and not waiting and not unknown:
        return []
    return [f"it ended as {document['status']} with {waiting} waiting, {unknown} unresolved"]


def _skipped_wrongly(plan: RoundPlan, evidence: Evidence) -> list[str]:
    skipped = sum(evidence.last["books"]["skipped"].values())
    gone = len(evidence.gone) + len(evidence.possibly_gone)
    if plan.ends_as == "canceled":
        not_mailed = evidence.last["audience"] - len(evidence.taken)
        return [f"{skipped} were skipped of {not_mailed}"] if skipped != not_mailed else []
    return [f"{skipped} were skipped, {gone} had unsubscribed or bounced"] if skipped > gone else []


def _disagreements_of_feedback(books: dict[str, Any], evidence: Evidence) -> list[str]:
    wrong = []
    mailed = len(evidence.taken)
    if not evidence.is_drained:
        return ["not all events arrived"]
    if books["bounced"] != len(evidence.bounced):
        wrong.append(f"{len(evidence.bounced)} bounced, the books say {books['bounced']}")
    if books["delivered"] != mailed - len(evidence.bounced):
        wrong.append(f"{mailed} - {len(evidence.bounced)} delivered, says {books['delivered']}")
    extra = sum(count - 1 for count in evidence.taken.values())
    if books["duplicates"] != extra:
        wrong.append(f"{extra} duplicates, the books say {books['duplicates']}")
    return wrong


def _adds_up(document: dict[str, Any]) -> bool:
    books = document["books"]
    if books is None:
        return document["audience"] is None
    parts = [books["waiting"], books["accepted"], books["unresolved"]]
    parts += [*books["failed"].values(), *books["skipped"].values()]
    is_open = books["waiting"] or books["unresolved"]
    return sum(parts) == document["audience"] and not (document["status"] == "finished" and is_open)
