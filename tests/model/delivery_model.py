"""An explicit-state model checker for Broadsheet's delivery protocol.

docs/delivery.md says what it proves, and what it assumes.

``make model`` checks every configuration, one line each; ``make model CONFIG=zombie`` one of
them, with the trace of what it finds. ``python tests/model/delivery_model.py --list`` names them.

Every interleaving of a few deliver invocations, dispatch, the feedback worker, SES, the queues,
the author and time is explored by breadth-first search, so the first trace found is a shortest
one.

What one step is.  A database transaction; SES taking one entry; its answer being read; the ledger
write after it; SES's event entering the queue; a crash.  Whatever may happen, may also be
arbitrarily late.  Each recipient of a claim has a call of their own: that contains every
behaviour of a bulk call, and more.

Words: an "attempt" here is a *round* (the author's), "tries" are a batch's. The configurations
named text-* are earlier readings of the design, kept to show what each rule is for.

Time is a phase, in the order that the settings have:
  claim age   0 calls may start | 1 deadline passed: none starts, those in flight may still be taken
              | 2 taken for dead: nothing of it is in flight any more, dispatch may settle
  row  U0     unresolved, its claim's deadline ahead | U1 deadline passed
              | U2 its claim is taken for dead: SES takes nothing of it any more
              | U3 grace passed since
  release     0 none | 1 released | 2 released long ago

Not in it: the rate governor, bulk calls and bisection, the breaker, whole-call errors by kind,
isolation below serializable, clock skew, fairness (liveness here means that an end can be reached
from everywhere).

Per recipient: sub c/u; ledger rows by author's attempt ('' A accepted F failed J rejected K
skipped U0-3); mails SES took, each (attempt, Send event, Reject event, known) with an event '-'
none, p on its way through SES and SNS, l the same but of a mail taken after its claim's deadline,
P of one taken after the later mail ("probe") was sent, q in FeedbackQueue, d recorded, L lost;
probe '-' p q R(ecorded): the event of a later mail, the sign that feedback is current; net:
requests whose client has gone and that SES may still take. Per batch: (state - none, W waiting, K
claimed, X closed, c closed by cancel; owner; age; tries; release; pointer in queue; author's
attempt; members).  Per deliver: () idle or (pc, batch, a call per recipient): C claimed, R has
read; calls '-' none, w to send, g deadline checked, s sent, A T F taken/throttled/refused with
the answer under way, a t f u answer known (u: lost), '.' written.  Dispatch keeps (pointers to
send, recipients whose feedback was seen current, clock about to be deleted).
"""

import argparse
import sys
import time
from array import array
from dataclasses import dataclass, replace
from itertools import permutations

NOBODY = 9  # the owner of a claim whose process is gone


@dataclass(frozen=True)
class Config:
    about: str = ""
    expect: str = "ok"  # what it must show: ok, safety, stuck (liveness) or uncounted (promise 1)
    # --- size and environment
    recipients: int = 2
    batches: int = 1  # recipients are dealt over them
    delivers: int = 2
    max_tries: int = 2  # claims after which a throttled recipient fails
    refuse: bool = False  # SES may refuse an entry for good
    reject: bool = False  # SES may take a mail and reject it later
    event_lost: bool = False  # AWS may lose an event of a mail
    unsubscribe: bool = False
    pause: bool = False
    cancel: bool = False
    retry: bool = False
    retry_unresolved: bool = False  # the author's explicit word
    outage: bool = False  # the database goes away and comes back
    zombie: bool = False  # a frozen deliver lives on after its claim was taken for dead
    clock: bool = False  # dispatch runs only by the issue's clock, without the daily look
    # --- how the text is read; the defaults are the readings that hold
    sends_unresolved: bool = False  # "no final ledger row" includes the unresolved ones
    # An event counts of a mail sent a grace time after the claim's "death"; or a "grace" time after
    # its deadline; or right after its "deadline".
    probe_after: str = "death"
    queue_seen_last: bool = True  # the queue is seen empty after the later event was recorded
    overtaking: bool = False  # SES or SNS lets a later mail's event pass by without bound
    row_per_attempt: bool = True  # else one row, "a higher attempt wins"
    sweeps_canceled: bool = True  # dispatch also closes what returns to waiting after a cancel
    resend_unclaimed: bool = True  # a batch that someone holds is not touched by a re-send
    zombie_writes_all: bool = False  # "whoever holds the claim": any outcome, not acceptances only
    clock_waits: bool = (
        True  # the clock of a canceled issue goes on while a batch waits to be closed
    )
    count_at_cancel: bool = False  # the number of skipped is stored when the author cancels
    atomic_deadline: bool = True  # deadline check and send are one step
    clock_under_lock: bool = True  # the clock is deleted while the issue is locked, after its end
    # --- assumptions, to be taken away
    taken_late: bool = False  # SES may take a request after its claim was taken for dead
    dispatch_outlives: bool = False  # a dispatch invocation may live through the grace time
    # --- mutations, to show that the checker can fail
    fenced: bool = True
    deadline_checked: bool = True
    needs_current: bool = True
    precedence: bool = True
    returns_throttled: bool = True
    reads_confirmed: bool = True
    counts_in_flight: bool = True  # the "empty" of a queue includes messages in a worker's hands


OPEN = Config()
CONFIGS = {
    # ---- the design, as repaired: all must hold
    "core": replace(OPEN, about="1 batch of 2, 2 delivers, throttles, lost answers, crashes"),
    "two-batches": replace(OPEN, batches=2, about="2 batches of 1, the same"),
    "unsubscribe": replace(
        OPEN, unsubscribe=True, max_tries=1, about="unsubscribing at any moment"
    ),
    "pause": replace(OPEN, pause=True, max_tries=1, about="pause and resume at any moment"),
    "cancel": replace(OPEN, cancel=True, delivers=1, about="cancel, 2 recipients, 1 deliver"),
    "levers": replace(
        OPEN,
        recipients=1,
        pause=True,
        cancel=True,
        unsubscribe=True,
        refuse=True,
        about="1 recipient, every lever but retry, refusals",
    ),
    "levers-retry": replace(
        OPEN,
        recipients=1,
        delivers=1,
        pause=True,
        cancel=True,
        unsubscribe=True,
        refuse=True,
        retry=True,
        max_tries=1,
        about="1 recipient, every lever, retry of the failed",
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
        about="retry with the word that accepts duplicates; Reject events",
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
        about="frozen delivers live on past settling and grace",
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
    # ---- the text taken literally: each must show its hole
    "text-final-row": replace(
        OPEN, sends_unresolved=True, expect="safety", about="step 2 reads 'no final row'"
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
        about="queue seen empty, then the event recorded",
    ),
    "text-higher-attempt": replace(
        OPEN,
        recipients=1,
        refuse=True,
        retry=True,
        retry_unresolved=True,
        row_per_attempt=False,
        expect="safety",
        about="one row, a higher attempt wins",
    ),
    "text-cancel": replace(
        OPEN,
        cancel=True,
        delivers=1,
        sweeps_canceled=False,
        expect="stuck",
        about="cancel closes only what waits now",
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
        about="... or 'failed' over the claim that came after",
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
        about="the clock of a canceled issue ends though a batch waits",
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
        about="... and is the second mail counted, as promise 1 says?",
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
        about="a dispatch that saw the queue empty acts after another grace time",
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
        about="sent again after grace alone",
    ),
    "mut-in-flight": replace(
        OPEN,
        recipients=1,
        counts_in_flight=False,
        expect="safety",
        about="'empty' overlooks messages in flight",
    ),
    "mut-overwrite": replace(
        OPEN, recipients=1, precedence=False, expect="safety", about="the last writer wins"
    ),
    "mut-closes-throttled": replace(
        OPEN, returns_throttled=False, expect="safety", about="deliver closes with throttled ones"
    ),
    "mut-unconfirmed": replace(
        OPEN,
        recipients=1,
        unsubscribe=True,
        reads_confirmed=False,
        expect="safety",
        about="step 2 does not look whether they are still confirmed",
    ),
}

RANK = {"": 0, "U": 1, "K": 2, "F": 3, "A": 4, "J": 5}


def put(items, index, value):
    return items[:index] + (value,) + items[index + 1 :]


class Model:
    """The protocol: `initial`, `successors`, `violation` and `settled` over hashable states."""

    def __init__(self, config):
        self.c = config
        self.slots = config.batches + (1 if config.retry else 0)  # the last is the author's retry
        self.attempts = 2 if config.retry else 1
        self.over = (
            "U2" if config.probe_after == "grace" else "U3"
        )  # an unresolved row whose time is over
        self.perms = self._symmetries()

    # state: (issue, batches, recipients, delivers, dispatch, clock, database up)
    def initial(self):
        c = self.c
        batch = ("-", NOBODY, 0, 0, 0, 0, 0, ())
        person = ("c", ("",) * self.attempts, (), "-", ())
        return (
            "N",
            (batch,) * self.slots,
            (person,) * c.recipients,
            ((),) * c.delivers,
            ((), (), 0),
            1,
            1,
        )

    # ------------------------------------------------------------------ what the ledger says
    def attempt(self, batches, r):
        """The author's attempt that recipient r is in."""
        return 1 if self.c.retry and r in batches[-1][7] else 0

    def row(self, rows, attempt):
        """The row that counts: any acceptance; else an unresolved one; else the attempt's own."""
        if "A" in rows:
            return "A"
        if attempt and rows[1][:1] in ("F", "J", "K") and rows[0][:1] == "U":
            return rows[0]
        return rows[attempt]

    def upsert(self, rows, attempt, new):
        c = self.c
        if not c.precedence:
            return put(("",) * self.attempts, attempt, new)
        if not c.row_per_attempt:  # one row; a higher attempt wins
            held = [i for i, o in enumerate(rows) if o]
            if held and held[0] > attempt:
                return rows
            if held and held[0] < attempt:
                rows = ("",) * self.attempts
        old = rows[attempt]
        if RANK[new[:1]] > RANK[old[:1]] or (new[:1] == old[:1] == "U" and new < old):
            return put(rows, attempt, new)
        return rows

    def status(self, batches, people, r):
        """W waiting, A, F, K, U, or LOST when no open batch holds somebody without a row."""
        attempt = self.attempt(batches, r)
        row = self.row(people[r][1], attempt)
        if row:
            return {"J": "F"}.get(row[0], row[0])
        for state, *_, number, members in batches:
            if (
                r in members and number == attempt
            ):  # not sent, as an earlier attempt was accepted: its row counts
                earlier = (
                    {"J": "F"}.get(people[r][1][0][:1], people[r][1][0][:1]) if attempt else ""
                )
                return {"W": "W", "K": "W", "c": "K"}.get(state, earlier or "LOST")
        return "-"  # not of the audience

    def needs(self, batches, people, b, r):
        """Tell whether r is waiting in batch b."""
        attempt = batches[b][6]
        return self.attempt(batches, r) == attempt and not self.row(people[r][1], attempt)

    # ------------------------------------------------------------------ steps
    def successors(self, state):
        """Yields (label, state, violation seen in the step itself)."""
        issue, batches, people, delivers, dispatch, clock, up = state
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
        ):
            out.append((label, (issue, batches, people, delivers, dispatch, clock, up), bad))

        if c.outage:
            go("database goes away" if up else "database is back", up=1 - up)
        if up:
            self._dispatch(state, go)
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
        """Tell whether a row has come for somebody whom a stored number counts as skipped."""
        for state, *_, number, members in before[1]:
            for r in members:
                if state == "c" and not before[2][r][1][number] and after[2][r][1][number]:
                    return f"books: r{r} is counted as skipped and has a row"
        return None

    def _claim(self, state, go):
        """Step 1. A received pointer stays in the queue, or is lost with its receiver."""
        issue, batches, people, delivers, dispatch, clock, up = state
        for b, (st, owner, age, tries, rel, ptr, number, members) in enumerate(batches):
            if not ptr:
                continue
            go(f"pointer {b} lost", batches=put(batches, b, batches[b][:5] + (0,) + batches[b][6:]))
            if issue != "S":  # may not send: drop, clear the release mark
                go(
                    f"pointer {b} dropped",
                    batches=put(batches, b, (st, owner, age, tries, 0, 0, number, members)),
                )
            elif st == "W" and () in delivers:
                p = delivers.index(())
                fresh = tuple(
                    (s, rows, mails, "-", net)
                    if r in members and self.needs(batches, people, b, r)
                    else (s, rows, mails, probe, net)
                    for r, (s, rows, mails, probe, net) in enumerate(people)
                )
                for keep in (0, 1):
                    go(
                        f"deliver {p} claims batch {b}"
                        + (" (pointer will come again)" if keep else ""),
                        batches=put(batches, b, ("K", p, 0, tries, rel, keep, number, members)),
                        people=fresh,
                        delivers=put(delivers, p, ("C", b, ("-",) * len(people))),
                    )

    def _deliver(self, state, p, deliver, go):
        issue, batches, people, delivers, dispatch, clock, up = state
        c = self.c
        pc, b, calls = deliver
        st, owner, age, tries, rel, ptr, number, members = batches[b]
        mine = st == "K" and owner == p

        def gone():
            """End this process: its claim is nobody's, what it sent may still be taken."""
            orphans = tuple(
                (s, rows, mails, probe, tuple(sorted(net + (number,))) if calls[r] == "s" else net)
                for r, (s, rows, mails, probe, net) in enumerate(people)
            )
            left = put(batches, b, (st, NOBODY if mine else owner) + batches[b][2:])
            return {"delivers": put(delivers, p, ()), "people": orphans, "batches": left}

        go(f"deliver {p} crashes", **gone())
        if pc == "C":  # step 2, one transaction: read, and skip who left
            if up:
                new, want, bad = people, calls, None
                for r in members if mine or c.zombie_writes_all else ():
                    sub, rows, mails, probe, net = people[r]
                    unresolved = c.sends_unresolved and self.row(rows, number)[:1] == "U"
                    if self.needs(batches, people, b, r) or (
                        unresolved and self.attempt(batches, r) == number
                    ):
                        if sub == "c" or not c.reads_confirmed:
                            want = put(want, r, "w")
                            bad = (
                                f"r{r} unsubscribed before the claim's reading and is mailed"
                                if sub == "u"
                                else bad
                            )
                        else:
                            new = put(
                                new, r, (sub, self.upsert(rows, number, "K"), mails, probe, net)
                            )
                go(
                    f"deliver {p} reads its recipients",
                    bad,
                    people=new,
                    delivers=put(delivers, p, ("R", b, want)),
                )
            return
        for r, call in enumerate(calls):  # step 3

            def set_call(to):
                return put(delivers, p, (pc, b, put(calls, r, to)))

            if call == "w" and ((mine and age == 0) or not c.deadline_checked):
                go(
                    f"deliver {p} "
                    + ("sends to" if c.atomic_deadline else "checks the deadline for")
                    + f" r{r}",
                    delivers=set_call("s" if c.atomic_deadline else "g"),
                )
            elif call == "w" and (age or not mine):  # too late: it surely was not sent
                go(f"deliver {p} is too late for r{r}", delivers=set_call("t"))
            elif call == "g":
                go(f"deliver {p} sends to r{r}", delivers=set_call("s"))
            elif call == "s":
                self._taken(state, r, number, lambda to: {"delivers": set_call(to)}, go)
                go(f"SES throttles r{r}", delivers=set_call("T"))
                if c.refuse:
                    go(f"SES refuses r{r}", delivers=set_call("F"))
                s, rows, mails, probe, net = people[r]
                go(
                    f"deliver {p} gives up waiting, r{r} still under way",
                    delivers=set_call("u"),
                    people=put(people, r, (s, rows, mails, probe, tuple(sorted(net + (number,))))),
                )
            elif call in ("A", "T", "F"):
                go(f"deliver {p} reads the answer for r{r}", delivers=set_call(call.lower()))
                go(f"answer for r{r} lost", delivers=set_call("u"))
        if up and any(call in "afu" for call in calls):  # step 4: what is known is written
            new = people
            for r, call in enumerate(calls):
                sub, rows, mails, probe, net = people[r]
                if call == "a" or (call == "f" and (mine or c.zombie_writes_all)):
                    if (
                        c.event_lost and call == "a"
                    ):  # this writer knows the mail's id: the one it was answered
                        mails = put(mails, len(mails) - 1, mails[-1][:3] + (1,)) if mails else mails
                    rows = self.upsert(rows, number, call.upper())
                elif call == "u" and mine:
                    rows = self.upsert(rows, number, f"U{min(age, 1)}")
                elif call == "u" and c.zombie_writes_all and not rows[number]:
                    rows, probe = (
                        self.upsert(rows, number, self.over),
                        "R",
                    )  # its deadline is long past
                new = put(new, r, (sub, rows, mails, probe, net))
            after = tuple("." if call in ("a", "f", "u") else call for call in calls)
            go(
                f"deliver {p} writes the ledger",
                people=new,
                delivers=put(delivers, p, (pc, b, after)),
            )
        if up and all(call in "-.t" for call in calls):  # ... and the batch is closed
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
                    ),
                )
            go(f"deliver {p} closes batch {b}", **after)

    def _taken(self, state, r, number, rest, go):
        """SES takes an entry: from here a mail exists, and SES owes its events."""
        issue, batches, people, delivers, *_ = state
        s, rows, mails, probe, net = people[r]
        if (
            len(mails) >= 2 * self.attempts
        ):  # (only after a violation that a configuration tolerates)
            return
        late = rows[number] in ("U1", "U2", "U3") or any(
            bt[0] == "K" and bt[2] and r in bt[7] and bt[6] == number for bt in batches
        )
        # A mail sent a grace time after the deadline may be less than that later than this one.
        event = "P" if probe != "-" else "l" if late and self.c.probe_after == "grace" else "p"
        for rejected in ("-", "p") if self.c.reject else ("-",):
            extra = rest("A")
            bad = None
            if number == 1 and rows[0] == "F" and any(m[0] == 0 and m[2] == "-" for m in mails):
                bad = f"r{r}, said to have failed, was mailed and is mailed again by a retry"
            base = extra.pop("people", people)
            s, rows, mails, probe, net = base[r]
            person = (s, rows, mails + ((number, event, rejected, 0),), probe, net)
            go(
                f"SES takes r{r}" + (" and will reject it" if rejected == "p" else ""),
                bad,
                people=put(base, r, person),
                **extra,
            )

    def _ses_and_feedback(self, state, go):
        issue, batches, people, delivers, dispatch, clock, up = state
        c = self.c
        for r, (sub, rows, mails, probe, net) in enumerate(people):

            def person(rows=rows, mails=mails, probe=probe, net=net):
                return put(people, r, (sub, rows, mails, probe, net))

            for number in set(net):  # a request whose client has gone
                left = list(net)
                left.remove(number)
                go(f"request for r{r} dies on the way", people=person(net=tuple(left)))
                self._taken(
                    state, r, number, lambda _, left=left: {"people": person(net=tuple(left))}, go
                )
            for i, mail in enumerate(mails):
                for field, name, outcome in ((1, "Send", "A"), (2, "Reject", "J")):
                    event = mail[field]

                    def moved(to, known=mail[3]):
                        new = mail[:field] + (to,) + mail[field + 1 : 3] + (known,)
                        return put(mails, i, new)

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
                        new = self.upsert(rows, mail[0], outcome)
                        known = 1 if c.event_lost else 0
                        go(
                            f"feedback records {name} of r{r}",
                            people=person(rows=new, mails=moved("d", known)),
                        )
                        if new != rows or known != mail[3]:
                            go(
                                f"feedback records {name} of r{r}, message comes again",
                                people=person(rows=new, mails=moved("q", known)),
                            )
                    elif event == "d":
                        go(
                            f"{name} event of r{r} comes a second time",
                            people=person(mails=moved("q")),
                        )
            attempt = self.attempt(batches, r)
            row = self.row(rows, attempt)  # the probe, or any other later mail
            if probe == "-":
                late = self.over in rows
                if c.probe_after == "deadline":
                    late = row in ("U1", "U2", "U3") or any(
                        st == "K" and age and r in members and self.needs(batches, people, b, r)
                        for b, (st, _, age, *_, members) in enumerate(batches)
                    )
                if late and c.needs_current:
                    go(f"a later mail (probe for r{r}) is sent", people=person(probe="p"))
            elif probe == "p" and (c.overtaking or not any("p" in m[1:3] for m in mails)):
                go(f"the later mail's event (for r{r}) reaches the queue", people=person(probe="q"))
            elif probe == "q" and up:
                go(f"feedback records the later mail's event (for r{r})", people=person(probe="R"))

    def _time(self, state, go):
        issue, batches, people, delivers, (ptrs, seen, wipe), clock, up = state
        c = self.c
        on_wire = {r for d in delivers if d for r, call in enumerate(d[2]) if call == "s"}
        quiet = [
            c.taken_late or (not net and r not in on_wire) for r, (*_, net) in enumerate(people)
        ]
        for b, batch in enumerate(batches):
            st, owner, age, tries, rel, ptr, number, members = batch
            if st == "K" and age == 0:
                go(
                    f"time: deadline of the claim on batch {b}",
                    batches=put(batches, b, batch[:2] + (1,) + batch[3:]),
                )
            if (
                st == "K"
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
        for r, (sub, rows, mails, probe, net) in enumerate(people):
            for attempt, row in enumerate(rows):
                held = [
                    bt
                    for bt in batches
                    if r in bt[7] and bt[6] == attempt and bt[0] == "K" and not bt[2]
                ]
                if row == "U0" and not held:
                    go(
                        f"time: deadline of r{r}'s claim",
                        people=put(people, r, (sub, put(rows, attempt, "U1"), mails, probe, net)),
                    )
                aged = [
                    bt
                    for bt in batches
                    if r in bt[7] and bt[6] == attempt and bt[0] == "K" and bt[2]
                ]
                if (
                    row == "U1" and quiet[r] and not aged
                ):  # (of an older claim than the one that holds the batch)
                    go(
                        f"time: the claim of r{r} is taken for dead",
                        people=put(people, r, (sub, put(rows, attempt, "U2"), mails, probe, net)),
                    )
                if row == "U2" != self.over:
                    go(
                        f"time: grace of r{r} is over",
                        dispatch=(ptrs, seen if c.dispatch_outlives else (), wipe),
                        people=put(
                            people,
                            r,
                            (
                                sub,
                                put(rows, attempt, "U3"),
                                mails,
                                probe if c.probe_after == "deadline" else "-",
                                net,
                            ),
                        ),
                    )

    def _dispatch(self, state, go):
        issue, batches, people, delivers, (ptrs, seen, wipe), clock, up = state
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
        if not clock:
            return
        if issue == "N":  # freeze
            dealt = [
                tuple(r for r, who in enumerate(people) if who[0] == "c" and r % c.batches == b)
                for b in range(c.batches)
            ]
            go(
                "dispatch freezes the audience",
                issue="S",
                batches=tuple(("W", NOBODY, 0, 0, 0, 0, 0, m) for m in dealt)
                + batches[c.batches :],
            )
            return
        open_ = False
        for b, (st, owner, age, tries, rel, ptr, number, members) in enumerate(batches):
            open_ |= st in ("W", "K")
            if st == "K" and age == 2:  # settle
                new = people
                for r in members:  # also who was accepted by another attempt meanwhile
                    sub, rows, *rest = people[r]
                    if self.attempt(batches, r) == number and not rows[number]:
                        new = put(new, r, (sub, self.upsert(rows, number, "U2"), *rest))
                go(
                    f"dispatch settles batch {b}",
                    people=new,
                    batches=put(batches, b, ("X", NOBODY, 0, tries, 0, ptr, number, members)),
                )
            if (
                st == "W" and issue == "S" and rel != 1
            ):  # release: mark, commit; the pointer goes after
                go(
                    f"dispatch releases batch {b}",
                    dispatch=(tuple(sorted({*ptrs, b})), seen, wipe),
                    batches=put(batches, b, (st, owner, age, tries, 1, ptr, number, members)),
                )
            if st == "W" and issue == "C" and c.sweeps_canceled:
                go(
                    f"dispatch closes batch {b} of the canceled issue",
                    batches=put(batches, b, ("c",) + batches[b][1:]),
                )
        # Is feedback current?  A later mail's event recorded, and the queues seen empty.
        unresolved = any(row[:1] == "U" for who in people for row in who[1])
        if unresolved and not seen:
            waiting = any("q" in m[1:3] for who in people for m in who[2]) or any(
                who[3] == "q" for who in people
            )
            if not waiting or not c.counts_in_flight or not c.needs_current:
                current = tuple(
                    r
                    for r, who in enumerate(people)
                    if self.over in who[1]
                    and (who[3] == "R" or not c.queue_seen_last or not c.needs_current)
                )
                if current:
                    go("dispatch sees the feedback queue empty", dispatch=(ptrs, current, wipe))
        if seen:  # send again, in one transaction that looks again
            new, back = people, batches
            for r in seen:
                sub, rows, mails, probe, net = people[r]
                attempt = self.attempt(batches, r)
                b = next(i for i, bt in enumerate(batches) if r in bt[7] and bt[6] == attempt)
                held = batches[b][0] == "K"
                if self.over not in rows or (probe != "R" and c.needs_current):
                    continue
                if issue == "C":  # given up, whoever holds the batch: an event may still tell
                    new = put(new, r, (sub, put(rows, rows.index(self.over), "K"), mails, "-", net))
                    continue
                if held and c.resend_unclaimed:
                    continue
                if (
                    rows[attempt] != self.over or "A" in rows
                ):  # surely not taken, and another attempt is what counts
                    new = put(new, r, (sub, put(rows, rows.index(self.over), ""), mails, "-", net))
                    continue
                new = put(new, r, (sub, put(rows, attempt, ""), mails, "-", net))
                if not held:
                    bt = back[b]
                    back = put(back, b, ("W", NOBODY, 0, bt[3], 0, bt[5], bt[6], bt[7]))
            for kept in ((), seen):  # kept: a second dispatch has seen the same and comes later
                if new != people or not kept:
                    go(
                        f"dispatch lets {', '.join(f'r{r}' for r in seen)} be sent again",
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
        idle = not any(bt[0] == "K" for bt in batches) and not unresolved
        if issue == "C" and idle and not c.clock_waits:
            go("dispatch deletes the clock of the canceled issue", issue="Z", clock=0)
        if c.clock and (issue in "FZ" or (issue == "P" and idle)):
            if c.clock_under_lock:
                go("dispatch deletes the clock, the issue locked", clock=0)
            elif not wipe:
                go("dispatch finds the clock is not needed", dispatch=(ptrs, seen, 1))

    def _author(self, state, go):
        issue, batches, people, delivers, dispatch, clock, up = state
        c = self.c
        for r, (sub, *rest) in enumerate(people):
            if c.unsubscribe and sub == "c":
                go(f"r{r} unsubscribes", people=put(people, r, ("u", *rest)))
        if c.pause and issue == "S":
            go("author pauses", issue="P")
        if issue == "P":
            go("author resumes", issue="S", clock=1)
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
                    who[:3] + ("-",) + who[4:] if r in chosen else who
                    for r, who in enumerate(people)
                )
                go(
                    f"author {label}",
                    issue="S",
                    clock=1,
                    people=freed,
                    batches=batches[:-1] + (("W", NOBODY, 0, 0, 0, 0, 1, chosen),),
                )

    # ------------------------------------------------------------------ what must hold
    def violation(self, state):
        issue, batches, people, delivers, dispatch, clock, up = state
        c = self.c
        states = [self.status(batches, people, r) for r in range(len(people))]
        for r, (sub, rows, mails, probe, net) in enumerate(people):
            numbers = [m[0] for m in mails]
            if len(set(numbers)) < len(numbers):
                if not c.event_lost:
                    return f"r{r} is mailed twice in one attempt"
                if not any(m[1] == "L" for m in mails):
                    return f"r{r} is mailed twice though no event of theirs was lost"
                if c.expect == "uncounted" and self.quiet(state) and not all(m[3] for m in mails):
                    return f"r{r} was mailed twice and nobody counts it"
            if states[r] == "LOST":
                return f"books: r{r} has no row and no open batch holds them"
            good = [m for m in mails if m[2] == "-"]
            if states[r] == "A" and not mails:
                return f"the ledger says accepted, but SES took nothing for r{r}"
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
        if issue in "FZ" and any(bt[0] in "WK" for bt in batches):
            return "finished with an open batch"
        return None

    def quiet(self, state):
        issue, batches, people, delivers, *_ = state
        return (
            issue in "FZ"
            and not any(delivers)
            and all(
                not net and all(m[1] in "dL" and m[2] in "-dL" for m in mails)
                for *_, mails, _, net in people
            )
        )

    def settled(self, state):
        """The goal of liveness: ended, all events in, each mailed once, failed or skipped."""
        issue, batches, people, *_ = state
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
        """Forget what can't matter any more, then take the least of those that differ by names."""
        issue, batches, people, delivers, dispatch, clock, up = state
        forget = self.c.precedence and self.c.row_per_attempt and not self.c.event_lost
        new = []
        for r, (sub, rows, mails, probe, net) in enumerate(people):
            if probe != "-":
                unresolved = any(row[:1] == "U" for row in rows)
                if not unresolved and not (self.c.probe_after == "deadline" and not any(rows)):
                    probe = "-"
            if forget:  # an event that can change nothing any more is as good as recorded
                mails = tuple(
                    (
                        n,
                        "d" if rows[n] in ("A", "J") else e,
                        "d" if rows[n] == "J" and j != "-" else j,
                        k,
                    )
                    for n, e, j, k in mails
                )
            if probe == "-" and mails:
                mails = tuple((n, "p" if e == "P" else e, j, k) for n, e, j, k in mails)
            new.append((sub, rows, mails, probe, net))
        if not self.c.dispatch_outlives and not any(o == self.over for w in new for o in w[1]):
            dispatch = (
                dispatch[0],
                (),
                dispatch[2],
            )  # a row must pass grace again, which ends this dispatch
        dispatch = (
            tuple(b for b in dispatch[0] if batches[b][0] in "WK"),
            dispatch[1],
            dispatch[2],
        )
        kept = []
        for st, owner, age, tries, rel, ptr, number, members in batches:
            if st in "Xc":  # a pointer to it matters only if it can be opened again
                again = st == "X" and any(new[r][1][number][:1] == "U" for r in members)
                tries, rel, ptr = (tries, 0, ptr) if again else (0, 0, 0)
            elif st == "K":
                rel = 0  # whatever ends a claim clears the release mark
            kept.append((st, owner, age, tries, rel, ptr, number, members))
        batches = tuple(kept)
        base = (issue, batches, tuple(new), delivers, dispatch, clock, up)
        if len(self.perms) == 1:
            return base
        return min(self.renamed(base, *perm) for perm in self.perms)

    def _symmetries(self):
        c = self.c
        people = [range(c.recipients)]
        if c.expect != "ok":  # a trace reads better with names that stay
            return [(tuple(range(c.recipients)), tuple(range(c.delivers)))]
        if c.batches == 1 or c.batches == c.recipients:
            people = list(permutations(range(c.recipients)))
        return [(tuple(a), tuple(d)) for a in people for d in permutations(range(c.delivers))]

    def renamed(self, state, people_order, deliver_order):
        """The same state with recipient people_order[i] called i, and deliver likewise."""
        issue, batches, people, delivers, (ptrs, seen, wipe), clock, up = state
        who = {old: new for new, old in enumerate(people_order)}
        slot = {old: new for new, old in enumerate(deliver_order)} | {NOBODY: NOBODY}
        b_order = list(range(self.slots))
        if self.c.batches > 1:
            b_order[: self.c.batches] = people_order
        b_name = {old: new for new, old in enumerate(b_order)}
        return (
            issue,
            tuple(
                (bt[0], slot[bt[1]]) + bt[2:7] + (tuple(sorted(who[r] for r in bt[7])),)
                for bt in (batches[b] for b in b_order)
            ),
            tuple(people[r] for r in people_order),
            tuple(
                (d[0], b_name[d[1]], tuple(d[2][r] for r in people_order)) if d else ()
                for d in (delivers[i] for i in deliver_order)
            ),
            (tuple(sorted(b_name[b] for b in ptrs)), tuple(sorted(who[r] for r in seen)), wipe),
            clock,
            up,
        )


NOT_A_WAY_OUT = (
    "author cancels",
    "author retries",
    "author pauses",
    "is lost by AWS",
    "unsubscribes",
)


def check(config, limit=None):
    """Explores everything. Returns (verdict, text, states, edges, trace)."""
    model = Model(config)
    start = model.tidy(model.initial())
    seen, order, parent = {start: 0}, [start], [(-1, "start")]
    source, target = array("I"), array("I")

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
            if not any(word in label for word in NOT_A_WAY_OUT):
                source.append(i)
                target.append(j)
        i += 1
        if limit and len(order) > limit:
            return "limit", "gave up", len(order), len(source), []
    # Liveness: walk back from the goals; whoever is not met cannot get there.
    first, following = array("i", [-1]) * len(order), array("i", [-1]) * len(source)
    for e, j in enumerate(target):
        following[e], first[j] = first[j], e
    met = bytearray(len(order))
    stack = [i for i, s in enumerate(order) if model.settled(s)]
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
        return "stuck", f"no way to an end from {order[i]}", len(order), len(source), trace(i)
    return "ok", f"{goals} ends", len(order), len(source), []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", choices=CONFIGS, help="one configuration, with its trace")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--limit", type=int, help="give up after so many states")
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
