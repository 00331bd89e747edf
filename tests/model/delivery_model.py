"""An explicit-state model checker for Broadsheet's delivery protocol.

docs/delivery.md says what it proves and assumes; docs/glossary.md explains the terms.

``make model`` checks every configuration, and prints a line for each. ``make model CONFIG=zombie``
checks one, and prints the trace of what it finds. ``python tests/model/delivery_model.py --list``
lists them.

A breadth-first search explores every interleaving of a few deliver invocations, dispatch, the
feedback worker, SES, the queues, the author and time. So the first trace found is a shortest one.

A step is one of these: a database transaction; SES taking one entry; reading its answer; the ledger
write after it; SES's event entering the queue; a crash.  Whatever may happen may also happen
arbitrarily late.  Each recipient of a claim has a call of their own, which includes every behaviour
of a bulk call, and more.

A round is the author's: the first one, or a retry. Tries are a batch's. The configurations named
text-* are earlier readings of the design; each shows what a rule is for.

Time passes in phases, in the order of the settings:
  claim age   0 calls may start | 1 deadline passed: no call starts, those in flight may be taken
              | 2 taken for dead: none of its calls is in flight, dispatch may close its batches
  row  U0     unresolved, before its claim's deadline | U1 after the deadline
              | U2 its claim is taken for dead: SES takes none of its mails any more
              | U3 a grace time after that
  release     0 none | 1 released | 2 released long ago

Not modelled: the rate governor but for a warm-up's mails a day, bulk calls and bisection, the
breaker but for a careful start's sample, kinds of whole-call errors, isolation below serializable,
clock skew, fairness (liveness here means that an end can be reached from every state).

Per recipient:
  sub         c confirmed | u unsubscribed
  rows        the ledger's, by round: '' none | A accepted | F failed | J rejected | K skipped
              | U0-3 unresolved
  mails       that SES took: (round, Send event, Reject event, known), where an event is - none
              | p on its way through SES and SNS | l the same, of a mail taken after its claim's
              deadline | P the same, of a mail taken after the later mail (probe) was sent
              | q in FeedbackQueue | d recorded | L lost
  probe       the event of a later mail, which shows that feedback is current: '-' p q R(ecorded)
  net         requests whose client is gone and that SES may still take
Per batch: (state - none, W waiting, K claimed, B claimed and begun to send, X closed, c closed by
cancel; owner; age; tries; release; pointer in queue; round; members).
Per deliver: () idle or (pc, batch, a call per recipient, version, day), where pc is C claimed
| M has marked that it begins | R has read, and a call is - none | w to send | g deadline checked
| s sent | A T F taken/throttled/refused, the answer under way | a t f u answer known (u: lost)
| . written. The day is that of its slots; -1 is an earlier one.
Dispatch: (pointers to send, recipients whose feedback is known to be current, clock about to be
deleted).
Careful start: (the hold of all batches but the first, the bounce of a mail of the sample), where
hold is - not frozen | S sample under way | H held for a time | O that time is over | G sample good
| B stopped as bad or unknown | R resumed after that; bounce is - none | p on its way | q in
FeedbackQueue | c counted | d looked at by the breaker.
Warm-up: (day, mails that have a slot on it, those that SES took).
The clock: 0 deleted | 1 ticks | 2 sleeps until the next day.
"""

import argparse
import sys
import time
from array import array
from dataclasses import dataclass, replace
from itertools import permutations

NOBODY = 9  # owner of a claim whose process has died
HELD = ("K", "B")  # a claim holds the batch


@dataclass(frozen=True)
class Config:
    about: str = ""
    expect: str = "ok"  # ok, safety, stuck (no liveness) or uncounted (a hidden duplicate)
    # --- size and environment
    recipients: int = 2
    batches: int = 1  # the recipients are split over them
    delivers: int = 2
    max_tries: int = 2  # claims after which a throttled recipient fails
    refuse: bool = False  # SES may refuse an entry for good
    reject: bool = False  # SES may take a mail and reject it later
    event_lost: bool = False  # AWS may lose an event of a mail
    unsubscribe: bool = False
    pause: bool = False
    cancel: bool = False
    retry: bool = False
    retry_unresolved: bool = False  # the author accepts duplicates
    outage: bool = False  # the database goes away and comes back
    zombie: bool = False  # a frozen deliver thaws after its claim was taken for dead
    clock: bool = False  # only the issue's clock calls dispatch, no daily check
    edits: int = 0  # of the content, while the issue is paused
    correct: bool = False  # the author sends a correction to those with an older version
    author_leaves: bool = False  # after the correction, the author resumes nothing
    hold: bool = False  # a careful start: the first batch is the sample
    bounce: bool = False  # a mail of the sample may bounce, which is one too many
    per_day: int = 0  # mails that a warm-up allows on each of its days; 0 without one
    # --- readings of the design; the defaults are the ones that hold
    sends_unresolved: bool = False  # "no final row" includes unresolved ones
    # Which later mail's event proves feedback current: one sent a grace time after the claim's
    # "death", a "grace" time after its deadline, or right after its "deadline".
    probe_after: str = "death"
    queue_seen_last: bool = True  # the queue is seen empty after the later event is recorded
    overtaking: bool = False  # a later mail's event may overtake others without bound
    row_per_round: bool = True  # else one row, and a higher round wins
    sweeps_canceled: bool = True  # dispatch also closes batches that return after a cancel
    resend_unclaimed: bool = True  # a re-send leaves claimed batches alone
    zombie_writes_all: bool = False  # a late writer writes any outcome, not only acceptances
    clock_waits: bool = True  # a canceled issue keeps its clock while a batch waits to be closed
    count_at_cancel: bool = False  # the number of skipped is stored at the cancel
    atomic_deadline: bool = True  # checking the deadline and sending are one step
    clock_under_lock: bool = True  # the clock is deleted under the issue's lock
    edit_needs_pause: bool = True
    # A claim marks its batches before it reads whom to mail; "after" is too late, with "none" any
    # dead claim may have sent.
    begin: str = "mark"
    # --- assumptions, taken away one by one
    taken_late: bool = False  # SES may take a request after its claim was taken for dead
    dispatch_outlives: bool = False  # a dispatch invocation may outlast the grace time
    # --- mutations, which show that the checker can fail
    fenced: bool = True
    deadline_checked: bool = True
    needs_current: bool = True
    precedence: bool = True
    returns_throttled: bool = True
    reads_confirmed: bool = True
    counts_in_flight: bool = True  # an empty queue has no messages in flight either
    begin_fenced: bool = True  # else a claim begins to send what may be another's by then
    begins_marked: bool = True  # else it reads whom to mail, and then marks its batches
    holds: bool = True  # else dispatch releases what is held
    hold_awaits: str = "outcomes"  # of the sample; "batches": closed ones; "": nothing
    hold_judged: bool = True  # dispatch itself counts at the end of the hold
    hold_reported: bool = True  # the rest waits until an event of the sample is recorded
    hold_kept: bool = True  # by the resume after the author's own pause
    day_counted: str = "reserved"  # in the claim's transaction; "later" in one of its own
    sleeps: bool = True  # the clock, until the next day; else it is deleted
    reads_version_late: bool = False  # as the mail is sent, in place of in the claim's transaction
    content_cached: bool = False  # by the issue's id alone, from an earlier claim
    version_in_event: bool = True  # else an event counts for the version that is current by then
    version_in_batch: bool = True  # else a dead claim's rows have the version current by then
    version_in_duplicates: bool = True  # a second mail's version is noted beside the row's
    correction_awaits_claims: bool = True
    correction_awaits_unresolved: bool = True


OPEN = Config()
CONFIGS = {
    # ---- the design as built: all must hold
    "core": replace(OPEN, about="1 batch of 2, 2 delivers, throttles, lost answers, crashes"),
    "two-batches": replace(OPEN, batches=2, about="2 batches of 1, the same"),
    "unsubscribe": replace(OPEN, unsubscribe=True, max_tries=1, about="unsubscribe at any moment"),
    "pause": replace(OPEN, pause=True, max_tries=1, about="pause and resume at any moment"),
    "cancel": replace(OPEN, cancel=True, delivers=1, about="cancel, 2 recipients, 1 deliver"),
    "lifecycle": replace(
        OPEN,
        recipients=1,
        pause=True,
        cancel=True,
        unsubscribe=True,
        refuse=True,
        about="1 recipient, every lifecycle action but retry, refusals",
    ),
    "lifecycle-retry": replace(
        OPEN,
        recipients=1,
        delivers=1,
        pause=True,
        cancel=True,
        unsubscribe=True,
        refuse=True,
        retry=True,
        max_tries=1,
        about="1 recipient, every lifecycle action, retry of the failed",
    ),
    "retry": replace(
        OPEN,
        refuse=True,
        retry=True,
        max_tries=1,
        delivers=1,
        about="2 recipients, retry of the failed",
    ),
    "retry-unresolved-two": replace(
        OPEN,
        recipients=1,
        refuse=True,
        retry=True,
        retry_unresolved=True,
        max_tries=1,
        about="the same with 2 delivers, without Reject events",
    ),
    "retry-unresolved": replace(
        OPEN,
        recipients=1,
        refuse=True,
        retry=True,
        retry_unresolved=True,
        reject=True,
        delivers=1,
        max_tries=1,
        about="retry of failed and unresolved, accepting duplicates; Reject events",
    ),
    "outage": replace(
        OPEN,
        recipients=1,
        outage=True,
        unsubscribe=True,
        refuse=True,
        about="the database comes and goes",
    ),
    "zombie": replace(
        OPEN,
        recipients=1,
        zombie=True,
        unsubscribe=True,
        cancel=True,
        refuse=True,
        about="frozen delivers thaw after their claim's death and the grace time",
    ),
    "zombie-retry": replace(
        OPEN,
        recipients=1,
        zombie=True,
        refuse=True,
        retry=True,
        max_tries=1,
        about="the same with the author's retry of the failed",
    ),
    "clock": replace(
        OPEN,
        recipients=1,
        delivers=1,
        clock=True,
        pause=True,
        cancel=True,
        retry=True,
        refuse=True,
        about="only the issue's own clock calls dispatch",
    ),
    # ---- versions and corrections, as built
    "versions": replace(
        OPEN, delivers=1, pause=True, edits=1, about="an edit while paused, 2 recipients"
    ),
    "versions-two": replace(
        OPEN,
        recipients=1,
        pause=True,
        edits=2,
        cancel=True,
        unsubscribe=True,
        refuse=True,
        about="two edits, 1 recipient, 2 delivers, every lifecycle action but retry",
    ),
    "versions-sending": replace(
        OPEN,
        delivers=1,
        edits=1,
        edit_needs_pause=False,
        about="an edit without a pause, 2 recipients",
    ),
    "versions-retry": replace(
        OPEN,
        recipients=1,
        delivers=1,
        edits=1,
        edit_needs_pause=False,
        retry=True,
        retry_unresolved=True,
        max_tries=1,
        about="an edit between the rounds",
    ),
    "versions-zombie": replace(
        OPEN,
        recipients=1,
        zombie=True,
        pause=True,
        edits=1,
        refuse=True,
        about="an edit while delivers freeze and thaw",
    ),
    "versions-lost": replace(
        OPEN,
        recipients=1,
        pause=True,
        edits=1,
        zombie=True,
        event_lost=True,
        about="one event lost: the ledger has each version of which an answer or event came",
    ),
    "correct": replace(
        OPEN,
        delivers=1,
        max_tries=1,
        pause=True,
        edits=1,
        correct=True,
        about="a correction at any moment, 2 recipients",
    ),
    "correct-lifecycle": replace(
        OPEN,
        recipients=1,
        pause=True,
        cancel=True,
        unsubscribe=True,
        refuse=True,
        edits=2,
        correct=True,
        about="a correction between two edits, 1 recipient, every lifecycle action but retry",
    ),
    "correct-retry": replace(
        OPEN,
        recipients=1,
        delivers=1,
        pause=True,
        edits=1,
        correct=True,
        reject=True,
        retry=True,
        max_tries=1,
        about="a correction, and a retry of the failed; Reject events",
    ),
    "correct-zombie": replace(
        OPEN,
        recipients=1,
        zombie=True,
        pause=True,
        cancel=True,
        edits=1,
        correct=True,
        about="a correction while delivers freeze and thaw",
    ),
    "correct-lost": replace(
        OPEN,
        recipients=1,
        delivers=1,
        pause=True,
        edits=1,
        correct=True,
        event_lost=True,
        about="one event lost: a correction misses only a mail of which no answer or event came",
    ),
    "correct-alone": replace(
        OPEN,
        delivers=1,
        max_tries=1,
        clock=True,
        pause=True,
        edits=1,
        correct=True,
        author_leaves=True,
        about="a correction's audience is frozen without the author, even while paused",
    ),
    # ---- a careful start and a warm-up, as built
    "hold": replace(
        OPEN,
        batches=2,
        delivers=1,
        max_tries=1,
        hold=True,
        bounce=True,
        about="a sample of 1, which may bounce, and a rest of 1",
    ),
    "hold-lifecycle": replace(
        OPEN,
        batches=2,
        delivers=1,
        max_tries=1,
        hold=True,
        bounce=True,
        pause=True,
        cancel=True,
        about="the same with pause, resume and cancel at any moment",
    ),
    "warm-up": replace(
        OPEN,
        batches=2,
        delivers=1,
        max_tries=1,
        per_day=1,
        clock=True,
        about="1 mail a day on two days, then all; 2 batches of 1, 1 deliver, a sleeping clock",
    ),
    # ---- earlier readings of the design: each must show its flaw
    "text-final-row": replace(
        OPEN,
        sends_unresolved=True,
        expect="safety",
        about="step 2 reads recipients without a final row, unresolved included",
    ),
    "text-deadline-probe": replace(
        OPEN,
        recipients=1,
        probe_after="deadline",
        expect="safety",
        about="an event of a mail sent after the claim's deadline",
    ),
    "text-grace-probe": replace(
        OPEN,
        recipients=1,
        probe_after="grace",
        expect="safety",
        about="an event of a mail sent a grace time after the claim's deadline, not its death",
    ),
    "text-queue-first": replace(
        OPEN,
        recipients=1,
        queue_seen_last=False,
        expect="safety",
        about="the queue is seen empty before the event is recorded",
    ),
    "text-higher-round": replace(
        OPEN,
        recipients=1,
        refuse=True,
        retry=True,
        retry_unresolved=True,
        row_per_round=False,
        expect="safety",
        about="one row, a higher round wins",
    ),
    "text-cancel": replace(
        OPEN,
        cancel=True,
        delivers=1,
        sweeps_canceled=False,
        expect="stuck",
        about="cancel closes only the batches waiting now",
    ),
    "text-resend-claimed": replace(
        OPEN,
        resend_unclaimed=False,
        expect="safety",
        about="a re-send while another claim holds the batch",
    ),
    "text-zombie-unresolved": replace(
        OPEN,
        recipients=1,
        zombie=True,
        zombie_writes_all=True,
        expect="safety",
        about="a thawed deliver writes 'unresolved' with its old deadline",
    ),
    "text-zombie-failed": replace(
        OPEN,
        recipients=1,
        zombie=True,
        zombie_writes_all=True,
        refuse=True,
        max_tries=1,
        expect="safety",
        about="... or 'failed', over a later claim's outcome",
    ),
    "text-cancel-count": replace(
        OPEN,
        recipients=1,
        zombie=True,
        cancel=True,
        count_at_cancel=True,
        expect="safety",
        event_lost=True,
        about="the number of skipped is stored at the cancel",
    ),
    "text-cancel-clock": replace(
        OPEN,
        recipients=1,
        delivers=1,
        clock=True,
        cancel=True,
        clock_waits=False,
        expect="safety",
        about="a canceled issue's clock ends while a batch waits",
    ),
    "text-clock": replace(
        OPEN,
        recipients=1,
        delivers=1,
        clock=True,
        pause=True,
        clock_under_lock=False,
        expect="stuck",
        about="the clock is deleted after the commit",
    ),
    "text-correct-rounds": replace(
        OPEN,
        recipients=1,
        delivers=1,
        pause=True,
        edits=1,
        correct=True,
        retry=True,
        retry_unresolved=True,
        max_tries=1,
        expect="safety",
        about="a correction, if a retry could send to the unresolved",
    ),
    # ---- assumptions taken away
    "no-order": replace(
        OPEN, recipients=1, overtaking=True, expect="safety", about="events overtaken without bound"
    ),
    "event-lost": replace(
        OPEN, recipients=1, event_lost=True, about="one event lost: twice only with a lost answer"
    ),
    "event-lost-uncounted": replace(
        OPEN,
        recipients=1,
        event_lost=True,
        expect="uncounted",
        about="... and is every second mail counted?",
    ),
    "taken-late": replace(
        OPEN,
        recipients=1,
        taken_late=True,
        expect="safety",
        about="SES takes a request after its claim was taken for dead",
    ),
    "dispatch-outlives": replace(
        OPEN,
        recipients=1,
        dispatch_outlives=True,
        expect="safety",
        about="a dispatch acts a grace time after it saw the queue empty",
    ),
    "thaw-in-check": replace(
        OPEN,
        recipients=1,
        zombie=True,
        atomic_deadline=False,
        expect="safety",
        about="frozen between the deadline check and the send",
    ),
    # ---- mutations
    "mut-no-fence": replace(
        OPEN,
        fenced=False,
        zombie=True,
        expect="safety",
        about="batch changes without the claim's id",
    ),
    "mut-begin-unmarked": replace(
        OPEN,
        recipients=1,
        begin="after",
        expect="safety",
        about="a dead claim that sent without a mark is taken for one that never began",
    ),
    "mut-begin-unfenced": replace(
        OPEN,
        recipients=1,
        zombie=True,
        begin_fenced=False,
        deadline_checked=False,
        expect="safety",
        about="a claim begins to send although its batches were returned, deadline unchecked",
    ),
    "mut-begin-read-first": replace(
        OPEN,
        recipients=1,
        zombie=True,
        begins_marked=False,
        deadline_checked=False,
        expect="safety",
        about="a claim reads whom to mail before it marks its batches, deadline unchecked",
    ),
    "mut-hold-released": replace(
        OPEN,
        batches=2,
        delivers=1,
        hold=True,
        holds=False,
        expect="safety",
        about="dispatch releases what a careful start holds",
    ),
    "mut-hold-early": replace(
        OPEN,
        batches=2,
        delivers=1,
        hold=True,
        hold_awaits="",
        expect="safety",
        about="a hold begins at the freeze, whatever becomes of the sample",
    ),
    "mut-hold-unresolved": replace(
        OPEN,
        batches=2,
        delivers=1,
        hold=True,
        hold_awaits="batches",
        expect="safety",
        about="a hold begins while a mail of the sample is unresolved",
    ),
    "mut-hold-unjudged": replace(
        OPEN,
        batches=2,
        delivers=1,
        hold=True,
        bounce=True,
        hold_judged=False,
        expect="safety",
        about="a hold ends without a last look at the bounces",
    ),
    "mut-hold-unreported": replace(
        OPEN,
        batches=2,
        delivers=1,
        hold=True,
        hold_reported=False,
        expect="safety",
        about="a hold ends although no event of the sample was recorded",
    ),
    "mut-hold-resumed": replace(
        OPEN,
        batches=2,
        delivers=1,
        hold=True,
        pause=True,
        hold_kept=False,
        expect="safety",
        about="to resume after one's own pause ends the hold",
    ),
    "mut-warm-up-later": replace(
        OPEN,
        batches=2,
        max_tries=1,
        per_day=1,
        day_counted="later",
        expect="safety",
        about="a day's mails are counted in a statement after the one that reads the number",
    ),
    "mut-warm-up-uncounted": replace(
        OPEN,
        batches=2,
        delivers=1,
        max_tries=1,
        per_day=1,
        day_counted="never",
        expect="safety",
        about="a day's mails aren't counted",
    ),
    "mut-warm-up-clock": replace(
        OPEN,
        batches=2,
        delivers=1,
        max_tries=1,
        per_day=1,
        clock=True,
        sleeps=False,
        expect="stuck",
        about="the clock is deleted once a day's mails are sent",
    ),
    "mut-no-deadline": replace(
        OPEN,
        recipients=1,
        deadline_checked=False,
        zombie=True,
        expect="safety",
        about="calls start after the deadline",
    ),
    "mut-no-current": replace(
        OPEN,
        recipients=1,
        needs_current=False,
        expect="safety",
        about="re-sent after the grace time alone",
    ),
    "mut-in-flight": replace(
        OPEN,
        recipients=1,
        counts_in_flight=False,
        expect="safety",
        about="an 'empty' queue may have messages in flight",
    ),
    "mut-overwrite": replace(
        OPEN, recipients=1, precedence=False, expect="safety", about="the last writer wins"
    ),
    "mut-closes-throttled": replace(
        OPEN,
        returns_throttled=False,
        expect="safety",
        about="deliver closes a batch with throttled recipients",
    ),
    "mut-unconfirmed": replace(
        OPEN,
        recipients=1,
        unsubscribe=True,
        reads_confirmed=False,
        expect="safety",
        about="step 2 doesn't check that recipients are still confirmed",
    ),
    "mut-version-late": replace(
        OPEN,
        recipients=1,
        pause=True,
        edits=1,
        reads_version_late=True,
        expect="safety",
        about="the version is read as a mail is sent, not in the claim's transaction",
    ),
    "mut-version-cached": replace(
        OPEN,
        recipients=1,
        pause=True,
        edits=1,
        content_cached=True,
        expect="safety",
        about="deliver's cache of contents isn't keyed by version",
    ),
    "mut-version-event": replace(
        OPEN,
        recipients=1,
        pause=True,
        edits=1,
        version_in_event=False,
        expect="safety",
        about="an event without its mail's version",
    ),
    "mut-version-dead": replace(
        OPEN,
        recipients=1,
        pause=True,
        edits=1,
        version_in_batch=False,
        expect="safety",
        about="a dead claim's rows have the version that is current by then",
    ),
    "mut-version-duplicate": replace(
        OPEN,
        recipients=1,
        pause=True,
        edits=1,
        zombie=True,
        event_lost=True,
        version_in_duplicates=False,
        expect="safety",
        about="of a duplicate, the version isn't noted",
    ),
    "mut-correct-claims": replace(
        OPEN,
        recipients=1,
        pause=True,
        edits=1,
        correct=True,
        correction_awaits_claims=False,
        expect="safety",
        about="a correction frozen while a claim of an older version is open",
    ),
    "mut-correct-early": replace(
        OPEN,
        recipients=1,
        pause=True,
        edits=1,
        correct=True,
        correction_awaits_unresolved=False,
        expect="safety",
        about="a correction frozen while a mail of an older version is unresolved",
    ),
}

HOLDS = ("S", "H", "O")  # the rest waits for the sample
WARM_DAYS = 2

RANK = {"": 0, "U": 1, "K": 2, "F": 3, "A": 4, "J": 5}


def put(items, index, value):
    return items[:index] + (value,) + items[index + 1 :]


class Model:
    """The protocol: `initial`, `successors`, `violation` and `is_end` over hashable states."""

    def __init__(self, config):
        self.c = config
        self.slots = config.batches + (1 if config.retry else 0)  # the last one is for a retry
        self.rounds = 2 if config.retry else 1
        # The phase in which an unresolved row may be re-sent.
        self.over = "U2" if config.probe_after == "grace" else "U3"
        self.perms = self._symmetries()

    # state: (issue, batches, recipients, delivers, dispatch, clock, database up, edition, held,
    # warm)
    def initial(self):
        c = self.c
        batch = ("-", NOBODY, 0, 0, 0, 0, 0, (), 0)
        person = ("c", ("",) * self.rounds, (), "-", (), (0,) * self.rounds)
        return (
            "N",
            (batch,) * self.slots,
            (person,) * c.recipients,
            ((),) * c.delivers,
            ((), (), 0),
            1,
            1,
            (1, 0, 0, ()),
            ("-", "-"),
            (0, 0, 0),
        )

    # ------------------------------------------------------------------ reading the ledger
    def round_of(self, batches, r):
        """The round that recipient r is in."""
        return 1 if self.c.retry and r in batches[-1][7] else 0

    def row(self, rows, round_number):
        """The row that counts: any acceptance; else an unresolved one; else the round's own."""
        if "A" in rows:
            return "A"
        if round_number and rows[1][:1] in ("F", "J", "K") and rows[0][:1] == "U":
            return rows[0]
        return rows[round_number]

    def upsert(self, rows, round_number, new):
        c = self.c
        if not c.precedence:
            return put(("",) * self.rounds, round_number, new)
        if not c.row_per_round:  # one row; a higher round wins
            held = [i for i, o in enumerate(rows) if o]
            if held and held[0] > round_number:
                return rows
            if held and held[0] < round_number:
                rows = ("",) * self.rounds
        old = rows[round_number]
        if RANK[new[:1]] > RANK[old[:1]] or (new[:1] == old[:1] == "U" and new < old):
            return put(rows, round_number, new)
        return rows

    def record(self, rows, versions, round_number, new, version):
        """Return the rows and their versions after an upsert: the outcome that wins has its own."""
        after = self.upsert(rows, round_number, new)
        if after != rows:
            versions = put(versions, round_number, version)
        elif (
            new == rows[round_number] == "A" and self.c.version_in_duplicates
        ):  # a duplicate: they have the newer version, too
            versions = put(versions, round_number, max(version, versions[round_number]))
        return after, versions

    def status(self, batches, people, r):
        """W waiting, A, F, K, U, or LOST for somebody without a row and an open batch."""
        round_number = self.round_of(batches, r)
        row = self.row(people[r][1], round_number)
        if row:
            return {"J": "F"}.get(row[0], row[0])
        for state, *_, number, members, _ in batches:
            if (
                r in members and number == round_number
            ):  # not sent because an earlier round was accepted: its row counts
                earlier = (
                    {"J": "F"}.get(people[r][1][0][:1], people[r][1][0][:1]) if round_number else ""
                )
                return {"W": "W", "K": "W", "B": "W", "c": "K"}.get(state, earlier or "LOST")
        return "-"  # outside the audience

    def needs(self, batches, people, b, r):
        """Whether r is waiting in batch b."""
        round_number = batches[b][6]
        return self.round_of(batches, r) == round_number and not self.row(
            people[r][1], round_number
        )

    # ------------------------------------------------------------------ steps
    def successors(self, state):
        """Return steps: (label, state, violation in the step itself)."""
        issue, batches, people, delivers, dispatch, clock, up, edition, held, warm = state
        c = self.c
        out = []

        def go(
            label,
            bad=None,
            issue=issue,
            batches=batches,
            people=people,
            delivers=delivers,
            dispatch=dispatch,
            clock=clock,
            up=up,
            edition=edition,
            held=held,
            warm=warm,
        ):
            after = (issue, batches, people, delivers, dispatch, clock, up, edition, held, warm)
            out.append((label, after, bad))

        if c.outage:
            go("database goes away" if up else "database is back", up=1 - up)
        if up:
            self._dispatch(state, go)
            self._correction(state, go)
            self._author(state, go)
        for p, deliver in enumerate(delivers):
            if deliver:
                self._deliver(state, p, deliver, go)
        if up:
            self._claim(state, go)
        self._ses_and_feedback(state, go)
        self._time(state, go)
        if c.count_at_cancel:
            out = [(label, s, bad or self.miscounted(state, s)) for label, s, bad in out]
        return [(label, self.tidy(s), bad) for label, s, bad in out]

    def miscounted(self, before, after):
        """Return a violation if somebody counted as skipped by a stored number now has a row."""
        for state, *_, number, members, _ in before[1]:
            for r in members:
                if state == "c" and not before[2][r][1][number] and after[2][r][1][number]:
                    return f"books: r{r} is counted as skipped and has a row"
        return None

    def _claim(self, state, go):
        """Step 1: claim. A received pointer stays in the queue, or is lost with its receiver."""
        issue, batches, people, delivers, dispatch, clock, up, edition, held, warm = state
        for b, (st, owner, age, tries, rel, ptr, number, members, claimed) in enumerate(batches):
            if not ptr:
                continue
            go(f"pointer {b} lost", batches=put(batches, b, batches[b][:5] + (0,) + batches[b][6:]))
            if issue != "S":  # not sending: drop the pointer, clear the release mark
                go(
                    f"pointer {b} dropped",
                    batches=put(
                        batches, b, (st, owner, age, tries, 0, 0, number, members, claimed)
                    ),
                )
            elif st == "W" and () in delivers:
                p = delivers.index(())
                fresh = tuple(
                    put(who, 3, "-") if r in members and self.needs(batches, people, b, r) else who
                    for r, who in enumerate(people)
                )
                mails = sum(self.needs(batches, people, b, r) for r in members)
                if self.day_room(warm) < mails:
                    go(
                        f"pointer {b} dropped, the day's mails are sent",
                        batches=put(
                            batches, b, (st, owner, age, tries, 0, 0, number, members, claimed)
                        ),
                    )
                    continue
                reserved = mails if self.c.day_counted == "reserved" else 0
                current = edition[0]
                # A cache that isn't keyed by version may hold the content of an older one.
                cached = range(1, current + 1) if self.c.content_cached else (current,)
                for keep in (0, 1):
                    for version in cached:
                        go(
                            f"deliver {p} claims batch {b}"
                            + (f", version {current}" if self.c.edits else "")
                            + (" (its pointer arrives again)" if keep else ""),
                            batches=put(
                                batches, b, ("K", p, 0, tries, rel, keep, number, members, current)
                            ),
                            people=fresh,
                            delivers=put(
                                delivers, p, ("C", b, ("-",) * len(people), version, warm[0])
                            ),
                            warm=self.reserve(warm, reserved),
                        )

    def day_room(self, warm):
        """Return how many more mails may get a slot today."""
        return self.c.per_day - warm[1] if self.c.per_day and warm[0] < WARM_DAYS else 9

    def reserve(self, warm, mails):
        day, used, taken = warm
        return (day, used + mails, taken) if self.c.per_day and day < WARM_DAYS else warm

    def _deliver(self, state, p, deliver, go):
        issue, batches, people, delivers, dispatch, clock, up, edition, held, warm = state
        c = self.c
        pc, b, calls, version, day = deliver
        st, owner, age, tries, rel, ptr, number, members, claimed = batches[b]
        mine = st in HELD and owner == p

        def gone():
            """End this process: nobody owns its claim, and SES may still take what it sent."""
            orphans = tuple(
                put(who, 4, tuple(sorted(who[4] + ((number, version, day),))))
                if calls[r] == "s"
                else who
                for r, who in enumerate(people)
            )
            left = put(batches, b, (st, NOBODY if mine else owner) + batches[b][2:])
            return {"delivers": put(delivers, p, ()), "people": orphans, "batches": left}

        go(f"deliver {p} crashes", **gone())
        if pc == "C" and up:  # step 2: mark that it begins, and commit
            begun = ("B", *batches[b][1:]) if mine and c.begin == "mark" else batches[b]
            held_later = warm if c.day_counted != "later" else self.reserve(warm, len(members))
            if c.begins_marked:
                go(
                    f"deliver {p} marks that it begins",
                    batches=put(batches, b, begun),
                    delivers=put(delivers, p, ("M", b, calls, version, day)),
                    warm=held_later,
                )
            else:
                self._read(state, p, deliver, go)
        elif pc == "M" and up and c.begins_marked:
            self._read(state, p, deliver, go)
        elif pc == "M" and up:
            begun = ("B", *batches[b][1:]) if mine else batches[b]
            go(
                f"deliver {p} marks that it begins",
                batches=put(batches, b, begun),
                delivers=put(delivers, p, ("R", b, calls, version, day)),
            )
        if pc in "CM":
            return
        for r, call in enumerate(calls):  # step 3

            def set_call(to):
                return put(delivers, p, (pc, b, put(calls, r, to), version, day))

            if call == "w" and ((mine and age == 0) or not c.deadline_checked):
                go(
                    f"deliver {p} "
                    + ("sends to" if c.atomic_deadline else "checks the deadline for")
                    + f" r{r}",
                    delivers=set_call("s" if c.atomic_deadline else "g"),
                )
            elif call == "w" and (age or not mine):  # too late: surely not sent
                go(f"deliver {p} is too late for r{r}", delivers=set_call("t"))
            elif call == "g":
                go(f"deliver {p} sends to r{r}", delivers=set_call("s"))
            elif call == "s":
                sent = edition[0] if c.reads_version_late else version
                wrong = mine and sent != claimed
                self._taken(
                    state,
                    r,
                    (number, sent, day),
                    lambda to: {"delivers": set_call(to)},
                    go,
                    f"r{r} gets version {sent}, its claim read {claimed}" if wrong else None,
                )
                go(f"SES throttles r{r}", delivers=set_call("T"))
                if c.refuse:
                    go(f"SES refuses r{r}", delivers=set_call("F"))
                net = tuple(sorted(people[r][4] + ((number, sent, day),)))
                go(
                    f"deliver {p} gives up waiting, r{r} still under way",
                    delivers=set_call("u"),
                    people=put(people, r, put(people[r], 4, net)),
                )
            elif call in ("A", "T", "F"):
                go(f"deliver {p} reads the answer for r{r}", delivers=set_call(call.lower()))
                go(f"answer for r{r} lost", delivers=set_call("u"))
        if up and any(call in "afu" for call in calls):  # step 4: write the known outcomes
            new = people
            for r, call in enumerate(calls):
                sub, rows, mails, probe, net, versions = people[r]
                if call == "a" or (call == "f" and (mine or c.zombie_writes_all)):
                    if (
                        c.event_lost and call == "a"
                    ):  # this writer knows the mail's id from the answer
                        own = [i for i, m in enumerate(mails) if (m[0], m[4]) == (number, version)]
                        mails = put(mails, own[-1], put(mails[own[-1]], 3, 1)) if own else mails
                    rows, versions = self.record(rows, versions, number, call.upper(), version)
                elif call == "u" and mine:
                    unresolved = f"U{min(age, 1)}"
                    rows, versions = self.record(rows, versions, number, unresolved, version)
                elif call == "u" and c.zombie_writes_all and not rows[number]:
                    rows, probe = (
                        self.upsert(rows, number, self.over),
                        "R",
                    )  # its deadline is long past
                new = put(new, r, (sub, rows, mails, probe, net, versions))
            after = tuple("." if call in ("a", "f", "u") else call for call in calls)
            go(
                f"deliver {p} writes the ledger",
                people=new,
                delivers=put(delivers, p, (pc, b, after, version, day)),
            )
        if up and all(call in "-.t" for call in calls):  # ... and close the batch
            after = gone()
            if mine or not c.fenced:
                throttled = [r for r, call in enumerate(calls) if call == "t"]
                if throttled and tries + 1 >= c.max_tries:
                    for r in throttled:
                        sub, rows, *rest = after["people"][r]
                        after["people"] = put(
                            after["people"], r, (sub, self.upsert(rows, number, "F"), *rest)
                        )
                again = throttled and tries + 1 < c.max_tries and c.returns_throttled
                after["batches"] = put(
                    batches,
                    b,
                    (
                        "W" if again else "X",
                        NOBODY,
                        0,
                        tries + 1 if again else 0,
                        0,
                        ptr,
                        number,
                        members,
                        0,
                    ),
                )
            go(f"deliver {p} closes batch {b}", **after)

    def _read(self, state, p, deliver, go):
        """Read whom to mail, and skip the unsubscribed, in one transaction."""
        issue, batches, people, delivers, *_ = state
        c = self.c
        pc, b, calls, version, day = deliver
        st, owner, age, tries, rel, ptr, number, members, claimed = batches[b]
        mine = st in HELD and owner == p
        new, want, bad = people, calls, None
        for r in members if mine or c.zombie_writes_all or not c.begin_fenced else ():
            sub, rows, *rest = people[r]
            unresolved = c.sends_unresolved and self.row(rows, number)[:1] == "U"
            if self.needs(batches, people, b, r) or (
                unresolved and self.round_of(batches, r) == number
            ):
                if sub == "c" or not c.reads_confirmed:
                    want = put(want, r, "w")
                    bad = (
                        f"r{r} unsubscribed before the claim read them, and is mailed"
                        if sub == "u"
                        else bad
                    )
                else:
                    new = put(new, r, (sub, self.upsert(rows, number, "K"), *rest))
        go(
            f"deliver {p} reads its recipients",
            bad,
            people=new,
            delivers=put(delivers, p, ("R" if pc == "M" else "M", b, want, version, day)),
        )

    def _taken(self, state, r, request, rest, go, bad=None):
        """SES takes an entry: now there is a mail, and SES owes its events."""
        issue, batches, people, delivers, _, _, _, _, held, warm = state
        number, version, day = request
        s, rows, mails, probe, *_ = people[r]
        if len(mails) >= 2 * self.rounds:  # only after a violation that a configuration tolerates
            return
        late = rows[number] in ("U1", "U2", "U3") or any(
            bt[0] in HELD and bt[2] and r in bt[7] and bt[6] == number for bt in batches
        )
        # A mail sent a grace time after the deadline may follow this one by less than that.
        event = "P" if probe != "-" else "l" if late and self.c.probe_after == "grace" else "p"
        for rejected in ("-", "p") if self.c.reject else ("-",):
            extra = rest("A")
            if number == 1 and rows[0] == "F" and any(m[0] == 0 and m[2] == "-" for m in mails):
                bad = f"r{r}, recorded as failed, was mailed and is mailed again by a retry"
            base = extra.pop("people", people)
            mail = (number, event, rejected, 0, version)
            person = put(base[r], 2, base[r][2] + (mail,))
            if self.c.hold and r not in batches[0][7] and held[0] in (*HOLDS, "B"):
                bad = f"r{r}, who is not of the sample, is mailed while it is judged"
            if self.c.per_day and day == warm[0] < WARM_DAYS:
                extra["warm"] = (*warm[:2], warm[2] + 1)
                if warm[2] + 1 > self.c.per_day:
                    bad = f"r{r} is one more than the day allows"
            may_bounce = self.c.bounce and r in batches[0][7] and held[1] == "-"
            for bounces in (False, True) if may_bounce else (False,):
                go(
                    f"SES takes r{r}"
                    + (" and will reject it" if rejected == "p" else "")
                    + (", which will bounce" if bounces else ""),
                    bad,
                    people=put(base, r, person),
                    held=(held[0], "p") if bounces else held,
                    **extra,
                )

    def _ses_and_feedback(self, state, go):
        issue, batches, people, delivers, dispatch, clock, up, edition, held, warm = state
        c = self.c
        for r, (sub, rows, mails, probe, net, versions) in enumerate(people):

            def person(rows=rows, mails=mails, probe=probe, net=net, versions=versions):
                return put(people, r, (sub, rows, mails, probe, net, versions))

            for request in set(net):  # its client is gone
                left = list(net)
                left.remove(request)
                go(f"request for r{r} dies on the way", people=person(net=tuple(left)))
                self._taken(
                    state, r, request, lambda _, left=left: {"people": person(net=tuple(left))}, go
                )
            for i, mail in enumerate(mails):
                for field, name, outcome in ((1, "Send", "A"), (2, "Reject", "J")):
                    event = mail[field]

                    def moved(to, known=mail[3]):
                        return put(mails, i, put(put(mail, field, to), 3, known))

                    if event in ("p", "P", "l"):
                        go(
                            f"{name} event of r{r} reaches the queue",
                            people=person(mails=moved("q")),
                        )
                        if c.event_lost and not any(m[1] == "L" for m in mails):
                            go(
                                f"{name} event of r{r} is lost by AWS",
                                people=person(mails=moved("L")),
                            )
                    elif event == "q" and up:
                        version = mail[4] if c.version_in_event else edition[0]
                        new, which = self.record(rows, versions, mail[0], outcome, version)
                        known = 1 if c.event_lost else 0
                        go(
                            f"feedback records {name} of r{r}",
                            people=person(rows=new, mails=moved("d", known), versions=which),
                        )
                        if (new, which, known) != (rows, versions, mail[3]):
                            go(
                                f"feedback records {name} of r{r}, its message arrives again",
                                people=person(rows=new, mails=moved("q", known), versions=which),
                            )
                    elif event == "d":
                        go(
                            f"{name} event of r{r} arrives a second time",
                            people=person(mails=moved("q")),
                        )
            if r == 0 and held[1] != "-":
                self._bounce(state, go)
            round_number = self.round_of(batches, r)
            row = self.row(rows, round_number)  # its later mail: the probe or any other
            if probe == "-":
                late = self.over in rows
                if c.probe_after == "deadline":
                    late = row in ("U1", "U2", "U3") or any(
                        st in HELD and age and r in members and self.needs(batches, people, b, r)
                        for b, (st, _, age, *_, members, _) in enumerate(batches)
                    )
                if late and c.needs_current:
                    go(f"a later mail (probe for r{r}) is sent", people=person(probe="p"))
            elif probe == "p" and (c.overtaking or not any("p" in m[1:3] for m in mails)):
                go(f"the later mail's event (for r{r}) reaches the queue", people=person(probe="q"))
            elif probe == "q" and up:
                go(f"feedback records the later mail's event (for r{r})", people=person(probe="R"))

    def _bounce(self, state, go):
        """The bounce arrives and is counted; in a later transaction, the breaker looks at it."""
        issue, _, _, _, _, _, up, _, (hold, bounce), _ = state
        if bounce == "p":
            go("a bounce of the sample reaches the queue", held=(hold, "q"))
        elif bounce == "q" and up:
            go("feedback counts the bounce", held=(hold, "c"))
        elif bounce == "c" and up:
            if hold in HOLDS and issue == "S":
                go("the breaker stops the sample", issue="P", held=("B", "d"))
            else:  # not while it is paused
                go("the breaker looks at the bounce", held=(hold, "d"))

    def _time(self, state, go):
        issue, batches, people, delivers, (ptrs, seen, wipe), clock, up, edition, held, warm = state
        c = self.c
        on_wire = {r for d in delivers if d for r, call in enumerate(d[2]) if call == "s"}
        quiet = [c.taken_late or (not who[4] and r not in on_wire) for r, who in enumerate(people)]
        if held[0] == "H":
            go("time: the hold is over", held=("O", held[1]))
        if c.per_day and warm[0] < WARM_DAYS:
            go("time: the next day", warm=(warm[0] + 1, 0, 0), clock=1 if clock == 2 else clock)
        for b, batch in enumerate(batches):
            st, owner, age, tries, rel, ptr, number, members, _ = batch
            if st in HELD and age == 0:
                go(
                    f"time: deadline of the claim on batch {b}",
                    batches=put(batches, b, batch[:2] + (1,) + batch[3:]),
                )
            if (
                st in HELD
                and age == 1
                and all(quiet[r] for r in members)
                and (owner == NOBODY or c.zombie)
            ):
                go(
                    f"time: claim on batch {b} is taken for dead",
                    batches=put(batches, b, batch[:2] + (2,) + batch[3:]),
                )
            if rel == 1:
                go(
                    f"time: batch {b} was released long ago",
                    batches=put(batches, b, batch[:4] + (2,) + batch[5:]),
                )
        for r, who in enumerate(people):
            rows = who[1]
            for round_number, row in enumerate(rows):
                held = [
                    bt
                    for bt in batches
                    if r in bt[7] and bt[6] == round_number and bt[0] in HELD and not bt[2]
                ]
                if row == "U0" and not held:
                    go(
                        f"time: deadline of r{r}'s claim",
                        people=put(people, r, put(who, 1, put(rows, round_number, "U1"))),
                    )
                aged = [
                    bt
                    for bt in batches
                    if r in bt[7] and bt[6] == round_number and bt[0] in HELD and bt[2]
                ]
                if (
                    row == "U1" and quiet[r] and not aged
                ):  # of an older claim than the one that holds the batch
                    go(
                        f"time: the claim of r{r} is taken for dead",
                        people=put(people, r, put(who, 1, put(rows, round_number, "U2"))),
                    )
                if row == "U2" != self.over:
                    after = put(who, 1, put(rows, round_number, "U3"))
                    if c.probe_after != "deadline":
                        after = put(after, 3, "-")
                    go(
                        f"time: grace of r{r} is over",
                        dispatch=(ptrs, seen if c.dispatch_outlives else (), wipe),
                        people=put(people, r, after),
                    )

    def _dispatch(self, state, go):
        issue, batches, people, delivers, (ptrs, seen, wipe), clock, up, edition, held, warm = state
        c = self.c
        if ptrs or seen or wipe:
            go("dispatch crashes", dispatch=((), (), 0))
        for b in ptrs:
            go(
                f"dispatch sends pointer {b}",
                dispatch=(tuple(x for x in ptrs if x != b), seen, wipe),
                batches=put(batches, b, batches[b][:5] + (1,) + batches[b][6:]),
            )
        if wipe:
            go("dispatch deletes the clock", clock=0, dispatch=(ptrs, seen, 0))
        if clock != 1:
            return
        if issue == "N":  # freeze
            dealt = [
                tuple(r for r, who in enumerate(people) if who[0] == "c" and r % c.batches == b)
                for b in range(c.batches)
            ]
            go(
                "dispatch freezes the audience",
                issue="S",
                batches=tuple(("W", NOBODY, 0, 0, 0, 0, 0, m, 0) for m in dealt)
                + batches[c.batches :],
                held=("S" if c.hold else "-", "-"),
            )
            return
        if c.hold and issue == "S":
            self._judge(state, go)
        is_held = held[0] in HOLDS and c.holds
        day_over = self.day_room(warm) < 1
        open_ = False
        for b, (st, owner, age, tries, rel, ptr, number, members, claimed) in enumerate(batches):
            open_ |= st == "W" or st in HELD
            if st == "K" and age == 2 and c.begin != "none":  # none of its calls began
                go(
                    f"dispatch returns batch {b} of a dead claim that never began",
                    batches=put(batches, b, ("W", NOBODY, 0, tries, 0, ptr, number, members, 0)),
                )
            elif st in HELD and age == 2:  # close a dead claim's batch
                new = people
                for r in members:  # even if another round was accepted meanwhile
                    sub, rows, *rest, versions = people[r]
                    if self.round_of(batches, r) == number and not rows[number]:
                        version = claimed if c.version_in_batch else edition[0]
                        after = self.record(rows, versions, number, "U2", version)
                        new = put(new, r, (sub, after[0], *rest, after[1]))
                go(
                    f"dispatch closes batch {b} of a dead claim",
                    people=new,
                    batches=put(batches, b, ("X", NOBODY, 0, tries, 0, ptr, number, members, 0)),
                )
            if (
                st == "W" and issue == "S" and rel != 1 and not (is_held and b) and not day_over
            ):  # release: mark, commit, then send the pointer
                go(
                    f"dispatch releases batch {b}",
                    dispatch=(tuple(sorted({*ptrs, b})), seen, wipe),
                    batches=put(
                        batches, b, (st, owner, age, tries, 1, ptr, number, members, claimed)
                    ),
                )
            if st == "W" and issue == "C" and c.sweeps_canceled:
                go(
                    f"dispatch closes batch {b} of the canceled issue",
                    batches=put(batches, b, ("c",) + batches[b][1:]),
                )
        # Feedback is current once a later mail's event is recorded and the queues were seen empty.
        unresolved = any(row[:1] == "U" for who in people for row in who[1])
        if unresolved and not seen:
            waiting = any("q" in m[1:3] for who in people for m in who[2]) or any(
                who[3] == "q" for who in people
            )
            waiting |= held[1] in ("q", "c")
            if not waiting or not c.counts_in_flight or not c.needs_current:
                current = tuple(
                    r
                    for r, who in enumerate(people)
                    if self.over in who[1]
                    and (who[3] == "R" or not c.queue_seen_last or not c.needs_current)
                )
                if current:
                    go("dispatch sees the feedback queue empty", dispatch=(ptrs, current, wipe))
        if seen:  # re-send, in one transaction that checks again
            new, back = people, batches
            for r in seen:
                who = people[r]
                rows, probe = who[1], who[3]

                def left_with(row, held_in, who=who):
                    return put(put(who, 1, put(who[1], held_in, row)), 3, "-")

                round_number = self.round_of(batches, r)
                b = next(i for i, bt in enumerate(batches) if r in bt[7] and bt[6] == round_number)
                held = batches[b][0] in HELD
                if self.over not in rows or (probe != "R" and c.needs_current):
                    continue
                if issue == "C":  # given up, whoever holds the batch; an event may still settle it
                    new = put(new, r, left_with("K", rows.index(self.over)))
                    continue
                if held and c.resend_unclaimed:
                    continue
                if rows[round_number] != self.over or "A" in rows:  # another round counts
                    new = put(new, r, left_with("", rows.index(self.over)))
                    continue
                new = put(new, r, left_with("", round_number))
                if not held:
                    bt = back[b]
                    back = put(back, b, ("W", NOBODY, 0, bt[3], 0, bt[5], bt[6], bt[7], 0))
            for kept in ((), seen):  # kept: a second dispatch saw the same, and acts later
                if new != people or not kept:
                    go(
                        f"dispatch allows a re-send to {', '.join(f'r{r}' for r in seen)}",
                        people=new,
                        batches=back,
                        dispatch=(ptrs, kept, wipe),
                    )
        wipe_now = 1 if c.clock and not c.clock_under_lock else wipe
        if issue in "SC" and not open_ and not unresolved:  # finish
            go(
                "dispatch finishes the issue",
                issue="F" if issue == "S" else "Z",
                dispatch=(ptrs, seen, wipe_now),
            )
        idle = not any(bt[0] in HELD for bt in batches) and not unresolved
        if c.clock and issue == "S" and day_over and idle and not any(bt[4] == 1 for bt in batches):
            go("dispatch lets the clock sleep until the next day", clock=2 if c.sleeps else 0)
        if issue == "C" and idle and not c.clock_waits:
            go("dispatch deletes the clock of the canceled issue", issue="Z", clock=0)
        if c.clock and (issue in "FZ" or (issue == "P" and idle)):
            if c.clock_under_lock:
                go("dispatch deletes the clock, the issue locked", clock=0)
            elif not wipe:
                go("dispatch finds the clock is not needed", dispatch=(ptrs, seen, 1))

    def _judge(self, state, go):
        """Begin the hold once the sample has its outcomes; end it if the sample is good."""
        issue, batches, people, _, _, _, _, _, (hold, bounce), _ = state
        c = self.c
        is_open = batches[0][0] in ("W", *HELD)
        unresolved = any(row[:1] == "U" for who in people for row in who[1])
        awaited = {"outcomes": is_open or unresolved, "batches": is_open, "": False}
        if hold == "S" and not awaited[c.hold_awaits]:
            go("dispatch holds the rest for a time", held=("H", bounce))
        if hold != "O":
            return
        counted = bounce in ("c", "d")
        rows = [row for r in batches[0][7] for row in people[r][1]]
        events = [m[1] for r in batches[0][7] for m in people[r][2]]
        reported = "d" in events or "A" not in rows
        if counted and c.hold_judged:
            go("dispatch stops the bad sample", issue="P", held=("B", bounce))
        elif reported or not c.hold_reported:
            bad = None
            if counted:
                bad = "the rest is sent although the sample is known to bounce"
            elif not reported:
                bad = "the rest is sent although nothing is known of the sample"
            elif {self.status(batches, people, r) for r in batches[0][7]} & {"W", "U"}:
                bad = "the rest is sent before the sample has its outcomes"
            go("dispatch finds the sample good", bad, held=("G", bounce))
        else:
            go("dispatch stops, for nothing is known", issue="P", held=("B", bounce))

    def _correction(self, state, go):
        """Freeze the audience of the correction, an issue of its own with a clock of its own."""
        _, batches, people, _, _, _, _, (current, target, frozen, audience), _, _ = state
        c = self.c
        if not target or frozen:
            return

        if c.correction_awaits_claims and any(bt[0] in HELD and bt[8] < target for bt in batches):
            return
        if c.correction_awaits_unresolved and any(
            row[:1] == "U" and version < target
            for who in people
            for row, version in zip(who[1], who[5], strict=True)
        ):
            return
        audience = []
        for r, (sub, rows, *_, versions) in enumerate(people):
            got = [v for row, v in zip(rows, versions, strict=True) if row == "A"]
            if sub == "c" and got and max(got) < target:
                audience.append(r)
        go(
            f"dispatch freezes the correction's audience: {audience}",
            edition=(current, target, 1, tuple(audience)),
        )

    def _author(self, state, go):
        issue, batches, people, delivers, dispatch, clock, up, edition, held, warm = state
        c = self.c
        for r, (sub, *rest) in enumerate(people):
            if c.unsubscribe and sub == "c":
                go(f"r{r} unsubscribes", people=put(people, r, ("u", *rest)))
        if c.pause and issue == "S":
            go("author pauses", issue="P")
        if issue == "P":
            hold = "R" if held[0] == "B" or (held[0] in HOLDS and not c.hold_kept) else held[0]
            by_stop = held[0] in ("B", "R") or hold != "R"
            bad = None if by_stop else "a resume ends a hold that nobody has judged"
            go("author resumes", bad, issue="S", clock=1, held=(hold, held[1]))
        current, target, frozen, audience = edition
        if current <= c.edits and (issue == "P" or (issue == "S" and not c.edit_needs_pause)):
            go(
                f"author edits, version {current + 1}",
                edition=(current + 1, target, frozen, audience),
            )
        if c.correct and not target and current > 1 and issue != "N":
            go("author corrects the older versions", edition=(current, current, 0, ()))
        if c.cancel and issue in "SP":
            closed = tuple(("c",) + bt[1:] if bt[0] == "W" else bt for bt in batches)
            go("author cancels", issue="C", batches=closed, clock=1)
        if c.retry and issue in "SF" and batches[-1][0] == "-":
            states = [self.status(batches, people, r) for r in range(len(people))]
            for wanted, label in (
                (("F",), "retries the failed"),
                (("F", "U"), "retries, unresolved too"),
            ):
                chosen = tuple(r for r, s in enumerate(states) if s in wanted)
                if not chosen or (
                    len(wanted) == 2 and (not c.retry_unresolved or "U" not in states)
                ):
                    continue
                freed = tuple(
                    put(who, 3, "-") if r in chosen else who for r, who in enumerate(people)
                )
                go(
                    f"author {label}",
                    issue="S",
                    clock=1,
                    people=freed,
                    batches=batches[:-1] + (("W", NOBODY, 0, 0, 0, 0, 1, chosen, 0),),
                )

    # ------------------------------------------------------------------ the promises
    def violation(self, state):
        issue, batches, people, delivers, dispatch, clock, up, edition, held, warm = state
        c = self.c
        states = [self.status(batches, people, r) for r in range(len(people))]
        for r, (sub, rows, mails, probe, net, versions) in enumerate(people):
            numbers = [m[0] for m in mails]
            if len(set(numbers)) < len(numbers):
                if not c.event_lost:
                    return f"r{r} is mailed twice in one round"
                if not any(m[1] == "L" for m in mails):
                    return f"r{r} is mailed twice although none of their events was lost"
                if c.expect == "uncounted" and self.quiet(state) and not all(m[3] for m in mails):
                    return f"r{r} was mailed twice, and no duplicate counts it"
            if states[r] == "LOST":
                return f"books: r{r} has no row and no open batch holds them"
            good = [m for m in mails if m[2] == "-"]
            if states[r] == "A" and not mails:
                return f"the ledger says accepted, but SES took no mail for r{r}"
            processed = all(m[1] in "d" and m[2] in "-d" for m in mails)
            if good and processed and states[r] in ("F", "K"):
                return f"the ledger says failed or skipped for r{r}, whose mail was accepted"
            if (
                good
                and issue in "FZ"
                and states[r] in ("F", "K")
                and not any(m[1] == "L" for m in mails)
            ):
                return f"ended with r{r} failed or skipped, whose mail was accepted"
            if mails and not good and processed and states[r] == "A":
                return f"the ledger says accepted for r{r}, whose every mail was rejected"
            if issue == "F" and states[r] not in ("A", "F", "K", "-"):
                return f"finished while r{r} is {states[r]}"
            wrong = self.wrong_version(mails, rows, versions)
            if wrong:
                return f"the ledger says version {wrong[0]} for r{r}, who got {wrong[1]}"
        if issue in "FZ" and any(bt[0] in "WK" for bt in batches):
            return "finished with an open batch"
        return self.wrong_correction(people, edition, quiet=self.quiet(state))

    def wrong_version(self, mails, rows, versions):
        """Return the version in a row, and those mailed, if the row is wrong."""
        for number, (row, version) in enumerate(zip(rows, versions, strict=True)):
            if row[:1] not in ("A", "U") or not self.c.precedence:
                continue
            taken = [m[4] for m in mails if m[0] == number]
            if self.c.event_lost:  # a duplicate of which nobody knows is in no row
                taken = [m[4] for m in mails if m[0] == number and m[3] and row == "A"]
            if taken and version != max(taken):
                return version, taken
        return None

    def wrong_correction(self, people, edition, *, quiet):
        """Return what is wrong with the frozen audience of the correction."""
        _, target, frozen, audience = edition
        if not frozen:
            return None
        for r, (sub, _, mails, *_) in enumerate(people):
            got = [m[4] for m in mails]
            good = [m[4] for m in mails if m[2] == "-"]
            if r in audience and not got:
                return f"r{r} gets a correction of a mail that SES never took"
            if r in audience and max(got) >= target and min(good, default=target) < target:
                return f"r{r} gets the current version and its correction"
            if r in audience or sub != "c" or not good or max(good) >= target:
                continue
            if quiet and not any(m[1] == "L" for m in mails):
                return f"r{r} got an older version and no correction"
        return None

    def quiet(self, state):
        issue, batches, people, delivers, _, _, _, _, held, _ = state
        return (
            issue in "FZ"
            and held[1] in ("-", "d")
            and not any(delivers)
            and all(
                not net and all(m[1] in "dL" and m[2] in "-dL" for m in mails)
                for *_, mails, _, net, _ in people
            )
        )

    def is_end(self, state):
        """Whether it has ended well: all events recorded, everyone mailed, failed or skipped."""
        issue, batches, people, _, _, _, _, edition, *_ = state
        _, target, frozen, _ = edition
        if target and not frozen:
            return False
        if self.c.author_leaves:
            return True
        if not self.quiet(state):
            return False
        for r, who in enumerate(people):
            s, good = self.status(batches, people, r), [m for m in who[2] if m[2] == "-"]
            lost = any("L" in m[1:3] for m in who[2])
            if not lost and not ((s == "A" and good) or (s in ("F", "K", "-") and not good)):
                return False
        return True

    # ------------------------------------------------------------------ smaller state spaces
    def tidy(self, state):
        """Drop what can't matter any more, then choose the least of the symmetric states."""
        issue, batches, people, delivers, dispatch, clock, up, edition, held, warm = state
        # A careful start waits for an event, also of a mail whose answer is known.
        forget = self.c.precedence and self.c.row_per_round and not self.c.event_lost
        forget = forget and not self.c.hold
        new = []
        for sub, rows, mails, probe, net, versions in people:
            if probe != "-":
                unresolved = any(row[:1] == "U" for row in rows)
                if not unresolved and not (self.c.probe_after == "deadline" and not any(rows)):
                    probe = "-"
            if forget:  # an event that can't change anything counts as recorded
                mails = tuple(
                    (
                        n,
                        "d" if rows[n] in ("A", "J") else e,
                        "d" if rows[n] == "J" and j != "-" else j,
                        k,
                        v,
                    )
                    for n, e, j, k, v in mails
                )
            if probe == "-" and mails:
                mails = tuple((n, "p" if e == "P" else e, *rest) for n, e, *rest in mails)
            versions = tuple(
                v if row[:1] in ("A", "J", "U") else 0
                for row, v in zip(rows, versions, strict=True)
            )
            new.append((sub, rows, mails, probe, net, versions))
        if not self.c.dispatch_outlives and not any(o == self.over for w in new for o in w[1]):
            dispatch = (
                dispatch[0],
                (),
                dispatch[2],
            )  # a row must wait for grace again, which ends this dispatch
        dispatch = (
            tuple(b for b in dispatch[0] if batches[b][0] in "WKB"),
            dispatch[1],
            dispatch[2],
        )
        kept = []
        for st, owner, age, tries, rel, ptr, number, members, claimed in batches:
            if st in "Xc":  # its pointer matters only if the batch can be reopened
                again = st == "X" and any(new[r][1][number][:1] == "U" for r in members)
                tries, rel, ptr = (tries, 0, ptr) if again else (0, 0, 0)
            elif st in HELD:
                rel = 0  # the end of a claim clears the release mark
            kept.append(
                (st, owner, age, tries, rel, ptr, number, members, claimed if st in HELD else 0)
            )
        batches = tuple(kept)
        today = warm[0] if self.c.per_day and warm[0] < WARM_DAYS else -1
        delivers = tuple(d and (*d[:4], today if d[4] == today else -1) for d in delivers)
        new = [
            put(who, 4, tuple((n, v, today if day == today else -1) for n, v, day in who[4]))
            if who[4]
            else who
            for who in new
        ]
        base = (issue, batches, tuple(new), delivers, dispatch, clock, up, edition, held, warm)
        if len(self.perms) == 1:
            return base
        return min(self.renamed(base, *perm) for perm in self.perms)

    def _symmetries(self):
        c = self.c
        people = [range(c.recipients)]
        if c.expect != "ok":  # a trace reads better with stable names
            return [(tuple(range(c.recipients)), tuple(range(c.delivers)))]
        if not c.hold and (c.batches == 1 or c.batches == c.recipients):
            people = list(permutations(range(c.recipients)))
        return [(tuple(a), tuple(d)) for a in people for d in permutations(range(c.delivers))]

    def renamed(self, state, people_order, deliver_order):
        """The same state, with recipient people_order[i] renamed to i, and delivers likewise."""
        issue, batches, people, delivers, (ptrs, seen, wipe), clock, up, edition, held, warm = state
        who = {old: new for new, old in enumerate(people_order)}
        slot = {old: new for new, old in enumerate(deliver_order)} | {NOBODY: NOBODY}
        b_order = list(range(self.slots))
        if self.c.batches > 1:
            b_order[: self.c.batches] = people_order
        b_name = {old: new for new, old in enumerate(b_order)}
        return (
            issue,
            tuple(
                (bt[0], slot[bt[1]]) + bt[2:7] + (tuple(sorted(who[r] for r in bt[7])), bt[8])
                for bt in (batches[b] for b in b_order)
            ),
            tuple(people[r] for r in people_order),
            tuple(
                (d[0], b_name[d[1]], tuple(d[2][r] for r in people_order), *d[3:]) if d else ()
                for d in (delivers[i] for i in deliver_order)
            ),
            (tuple(sorted(b_name[b] for b in ptrs)), tuple(sorted(who[r] for r in seen)), wipe),
            clock,
            up,
            edition[:3] + (tuple(sorted(who[r] for r in edition[3])),),
            held,
            warm,
        )


NOT_A_WAY_OUT = (
    "author cancels",
    "author retries",
    "author pauses",
    "author edits",
    "author corrects",
    "is lost by AWS",
    "unsubscribes",
)


def check(config, limit=None):
    """Explore every state. Return (verdict, text, states, edges, trace)."""
    model = Model(config)
    start = model.tidy(model.initial())
    seen, order, parent = {start: 0}, [start], [(-1, "start")]
    source, target = array("I"), array("I")
    not_a_way_out = NOT_A_WAY_OUT + (("author resumes",) if config.author_leaves else ())

    def trace(i, *more):
        lines = list(more)
        while i > 0:
            i, label = parent[i][0], parent[i][1]
            lines.insert(0, label)
        return lines

    i = 0
    while i < len(order):
        for label, after, bad in model.successors(order[i]):
            j = seen.get(after)
            if j is None:
                j = seen[after] = len(order)
                order.append(after)
                parent.append((i, label))
                bad = bad or model.violation(after)
            if bad:
                return (
                    ("uncounted" if "counts" in bad else "safety"),
                    bad,
                    len(order),
                    len(source),
                    trace(i, label),
                )
            if not any(word in label for word in not_a_way_out):
                source.append(i)
                target.append(j)
        i += 1
        if limit and len(order) > limit:
            return "limit", "gave up", len(order), len(source), []
    # Liveness: walk back from the ends; a state that is not reached has no way to one.
    first, following = array("i", [-1]) * len(order), array("i", [-1]) * len(source)
    for e, j in enumerate(target):
        following[e], first[j] = first[j], e
    met = bytearray(len(order))
    stack = [i for i, s in enumerate(order) if model.is_end(s)]
    goals = len(stack)
    for i in stack:
        met[i] = 1
    while stack:
        e = first[stack.pop()]
        while e >= 0:
            if not met[source[e]]:
                met[source[e]] = 1
                stack.append(source[e])
            e = following[e]
    if 0 in met:
        i = met.index(0)
        return "stuck", f"no end can be reached from {order[i]}", len(order), len(source), trace(i)
    return "ok", f"{goals} ends", len(order), len(source), []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--config", choices=CONFIGS, help="check one configuration, and print its trace"
    )
    parser.add_argument("--list", action="store_true", help="list the configurations")
    parser.add_argument("--limit", type=int, help="give up after this many states")
    arguments = parser.parse_args()
    if arguments.list:
        for name, config in CONFIGS.items():
            print(f"{name:24} {config.expect:10} {config.about}")
        return 0
    wrong = 0
    for name in [arguments.config] if arguments.config else CONFIGS:
        began = time.time()
        verdict, text, states, edges, steps = check(CONFIGS[name], arguments.limit)
        fine = verdict == CONFIGS[name].expect
        wrong += not fine
        print(
            f"{'as expected' if fine else 'UNEXPECTED '} {name:22} {verdict:9} {states:>9,} states"
            f" {edges:>11,} steps"
            f" {time.time() - began:6.1f} s  {text}",
            flush=True,
        )
        if arguments.config or not fine:
            for number, step in enumerate(steps, 1):
                print(f"   {number:2} {step}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
