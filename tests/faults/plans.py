"""Plans what goes wrong in a round, drawn from its seed: the same seed gives the same plan."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from broadsheet.mail.ses.single_mails import PROBE_ADDRESS
from ses_server.chance import chance as ses_chance
from ses_server.fates import EventType
from tests.faults import timing
from tests.faults.points import DATABASE_ANSWERED, EVENT_RECEIVED, POINTER_RECEIVED, POINTS, Action

CLAIMS_IGNORED = "claims ignored"
SDK_RETRIES = "the SDK retries"
DEADLINE_IGNORED = "deadline ignored after signing"
UNFENCED = "late writes not fenced"
UNRESOLVED_NOT_WRITTEN = "unresolved rows not written"
TIMEOUT_TREATED_AS_NOT_BEGUN = "read timeout treated as not begun"
PAUSE_IGNORED = "claimed while paused"
HANDLER_RAISES = "a handler raises"
VERSION_READ_LATE = "version read while sending"
CONTENT_CACHED = "contents cached by issue"
EVENTS_WITHOUT_VERSION = "events without their mail's version"
CORRECTED_EARLY = "correction not waiting"
HOLD_IGNORED = "hold ends with the freeze"
DAYS_IGNORED = "days not counted"
VERSIONS_BROKEN = "versions"
BREAKER = "breaker"
STARTS = "starts"
ANSWER_LOST = "lost answers ignored"
SABOTAGED = "sabotaged"
BIG = "big"

KILL_POINTS = [point for of_function in POINTS.values() for point in of_function]
FREEZE_POINTS = [
    "claim committed",
    "recipients read",
    "call signed",
    "request sent, answer unread",
    "answer read, ledger uncommitted",
    "batches released, uncommitted",
    "re-send allowed, uncommitted",
    "ledger updated, subscriber not",
]
RATES = (40, 100, 200, 400)  # mails a second
BIG_RATE = 1000
SENDING_SECONDS = 2.0  # about as long as sending lasts: timed faults begin within it

AFFECTING_RATE = (
    *("frozen", "PostgreSQL", "SES throttles", "SES hangs", "SES is slow"),
    "SES's quota",
)

type AuthorAction = Literal["resume", "cancel"]
AUTHOR_ACTIONS: tuple[AuthorAction, ...] = ("resume", "cancel")

# All other rules are deliver's.
OF_DISPATCH = {CORRECTED_EARLY, HOLD_IGNORED, DAYS_IGNORED}
OF_DISPATCH_ALONE = {CORRECTED_EARLY, HOLD_IGNORED}

type Timed = tuple[float, str, dict[str, Any]]  # seconds after publishing, what, and how


@dataclass
class RoundPlan:
    """One round's plan. ``actions``: by point, then by passing. ``timed``: the driver's faults."""

    seed: int
    audience: int
    rate: int
    faults: list[str] = field(default_factory=list)
    actions: dict[str, dict[str, Action]] = field(default_factory=dict)
    timed: list[Timed] = field(default_factory=list)
    travel: dict[str, Any] = field(default_factory=dict)
    unsubscribes: int = 0
    bounces: int = 0
    bouncing_mails: int = 0
    bounce_share: float = 0.0  # of the mails, until the author acts on the paused issue
    author_action: AuthorAction | None = None  # after the breaker has paused the issue
    overlapping_ticks: bool = False
    is_careful: bool = False  # a sample goes first
    warms_up: bool = False  # few mails a day
    for_segment: bool = False  # some who are confirmed are not in it, and get nothing
    thaws_after_sending: bool = False  # frozen processes thaw only after everybody has their mail
    signatures_expire: bool = True
    sabotage: str | None = None
    longest: float = timing.ROUND  # seconds before the round counts as stuck
    drain: float = timing.DRAIN  # seconds for the events still under way at the end

    @property
    def loses_events(self) -> bool:
        return bool(self.travel.get("lost"))

    @property
    def affects_rate(self) -> bool:
        """Whether SES's bucket may refuse mails: calls are late, or other ones are throttled."""
        return any(name.startswith(AFFECTING_RATE) for name in self.faults)

    @property
    def ends_as(self) -> str:
        return "canceled" if self.author_action == "cancel" else "finished"

    def plan_action(self, point: str, passing: int, action: Action) -> None:
        self.actions.setdefault(point, {})[str(passing)] = action


type Fault = Callable[[RoundPlan, random.Random], None]


def _kill(point: str) -> Fault:
    def plan(round_plan: RoundPlan, chance: random.Random) -> None:
        first = 1
        if point in POINTS["deliver"] + POINTS["feedback"]:
            first = chance.randint(1, 3)
        if point == "between two pointers":
            first = 2  # the first passing is before the first pointer
        round_plan.plan_action(point, first, "kill")
        if chance.random() < 0.3:  # and at the next passing too
            round_plan.plan_action(point, first + 1, "kill")
        _cause(point, round_plan)

    return plan


def _cause(point: str, round_plan: RoundPlan) -> None:
    """Plan the kill without which a round never passes some points."""
    if point in {"dead claim closed, uncommitted", "re-send allowed, uncommitted"}:
        round_plan.plan_action("call signed", 1, "kill")
    if point == "dead claim returned, uncommitted":
        round_plan.plan_action("claim committed", 1, "kill")


def _freeze(round_plan: RoundPlan, chance: random.Random) -> None:
    point = chance.choice(FREEZE_POINTS)
    round_plan.plan_action(point, chance.randint(1, 2), "freeze")
    _cause(point, round_plan)


def _freeze_call(round_plan: RoundPlan, chance: random.Random) -> None:
    """Freeze a call about to leave: when it thaws, its batches may belong to another claim."""
    round_plan.plan_action("call signed", chance.randint(1, 2), "freeze")


def _freeze_call_until_sent(round_plan: RoundPlan, _: random.Random) -> None:
    """Freeze a call about to leave, until others have done all of its work."""
    round_plan.plan_action("call signed", 1, "freeze")
    round_plan.thaws_after_sending = True


def _outage(round_plan: RoundPlan, chance: random.Random) -> None:
    point = chance.choice(KILL_POINTS)
    round_plan.plan_action(point, 1, "outage")
    _cause(point, round_plan)


def _lost_answers(round_plan: RoundPlan, chance: random.Random) -> None:
    for passing in chance.sample(range(1, 30), 4):
        round_plan.plan_action(DATABASE_ANSWERED, passing, "forget")


def _messages(action: Action) -> Fault:
    def plan(round_plan: RoundPlan, chance: random.Random) -> None:
        for passing in chance.sample(range(1, 9), 4):
            round_plan.plan_action(POINTER_RECEIVED, passing, action)
        if action != "lose":  # lost events are a fault of their own
            for passing in chance.sample(range(1, 40), 10):
                round_plan.plan_action(EVENT_RECEIVED, passing, action)

    return plan


def _timed(what: str, **options: Callable[[random.Random], Any]) -> Fault:
    def plan(round_plan: RoundPlan, chance: random.Random) -> None:
        at = chance.uniform(0.05, SENDING_SECONDS)
        round_plan.timed.append((at, what, {name: draw(chance) for name, draw in options.items()}))

    return plan


def _hang(take: str) -> Fault:
    return _timed("hang", seconds=lambda _: timing.LONGEST_HANG, take=lambda _: take, count=_few)


def _few(chance: random.Random) -> int:
    return chance.randint(1, 3)


def _repeated(fault: Fault, times: int) -> Fault:
    def plan(round_plan: RoundPlan, chance: random.Random) -> None:
        for _ in range(times):
            fault(round_plan, chance)

    return plan


def _events(**travel: Any) -> Fault:  # noqa: ANN401 - Travel's fields
    def plan(round_plan: RoundPlan, _: random.Random) -> None:
        round_plan.travel |= travel

    return plan


def _late_events(round_plan: RoundPlan, chance: random.Random) -> None:
    """Delay some events, or all of them until after their claim is taken for dead."""
    round_plan.travel |= {"late": chance.choice(((0.0, timing.LATEST_EVENT), timing.VERY_LATE))}


def _edit(round_plan: RoundPlan, chance: random.Random) -> None:
    pauses = [chance.uniform(0.1, 0.6) for _ in range(chance.randint(1, 2))]
    after = chance.uniform(0, SENDING_SECONDS / 2)
    round_plan.timed.append((0.0, "edit", {"after": after, "pauses": pauses}))


def _correct(*, late: bool) -> Fault:
    def plan(round_plan: RoundPlan, chance: random.Random) -> None:
        _edit(round_plan, chance)
        after = chance.uniform(0, SENDING_SECONDS / 2)
        round_plan.timed.append((0.0, "correct", {"late": late, "after": after}))

    return plan


def _unsubscribe(round_plan: RoundPlan, chance: random.Random) -> None:
    round_plan.unsubscribes += chance.randint(3, 10)


def _bounce(round_plan: RoundPlan, chance: random.Random) -> None:
    round_plan.bounces += chance.randint(2, 6)


def _bouncing_mails(round_plan: RoundPlan, chance: random.Random) -> None:
    round_plan.bouncing_mails += chance.randint(2, 8)


def _overlap(round_plan: RoundPlan, _: random.Random) -> None:
    round_plan.overlapping_ticks = True


def _start_carefully(round_plan: RoundPlan, _: random.Random) -> None:
    round_plan.is_careful = True
    round_plan.timed.append((0.0, "watch the hold", {"seconds": timing.HOLD}))


def _warm_up(round_plan: RoundPlan, chance: random.Random) -> None:
    round_plan.warms_up = True
    round_plan.rate, round_plan.audience = chance.choice(RATES[1:]), chance.randint(250, 320)


def _address_segment(round_plan: RoundPlan, _: random.Random) -> None:
    round_plan.for_segment = True


FAULTS: Mapping[str, Fault] = {
    **{f"killed: {point}": _kill(point) for point in KILL_POINTS},
    "killed at random": _repeated(_timed("kill"), 3),
    "frozen and thawed": _freeze,
    "frozen before a call": _freeze_call,
    "frozen before a call until all is sent": _freeze_call_until_sent,
    "frozen at random": _timed("freeze"),
    "message delivered twice": _messages("double"),
    "message delivered late": _messages("delay"),
    "pointer lost": _messages("lose"),
    "kick lost": _timed("lose kicks"),
    "clock lost": _timed("lose clock"),
    "ticks overlap": _overlap,
    "paused and resumed": _timed("pause", seconds=lambda chance: chance.uniform(0.2, 1.5)),
    "edited while paused": _edit,
    "corrected": _correct(late=False),
    "corrected after it has finished": _correct(late=True),
    "PostgreSQL killed": _timed("kill postgres", seconds=lambda chance: chance.uniform(0, 0.5)),
    "PostgreSQL down for long": _timed(
        "kill postgres", seconds=lambda chance: chance.uniform(2.7, 4)
    ),
    "PostgreSQL killed at a point": _outage,
    "database's answer lost": _lost_answers,
    "SES throttles calls": _timed("throttle calls", count=lambda chance: chance.randint(2, 6)),
    "SES throttles entries": _timed("throttle entries", count=lambda chance: chance.randint(5, 60)),
    "SES fails entries": _timed("fail entries", count=lambda chance: chance.randint(2, 20)),
    "SES hangs, mails taken first": _hang("first"),
    "SES hangs, mails taken late": _hang("late"),
    "SES hangs, mails not taken": _hang("never"),
    "SES drops, mails taken": _timed("drop", take=lambda _: "first", count=_few),
    "SES drops, mails not taken": _timed("drop", take=lambda _: "never", count=_few),
    "SES answers 5xx, mails taken": _timed("fail", take=lambda _: "first", count=_few),
    "SES answers 5xx, mails not taken": _timed("fail", take=lambda _: "never", count=_few),
    "SES is slow": _timed("slow", seconds=lambda chance: chance.uniform(0.1, 0.3)),
    "SES pauses sending": _timed("stop", seconds=lambda chance: chance.uniform(0.2, 1.5)),
    "SES's quota is spent": _timed("quota", seconds=lambda chance: chance.uniform(0.2, 1.5)),
    "events late": _late_events,
    "events twice": _events(twice=0.5),
    "events out of order": _events(out_of_order=0.5),
    "unsubscribed during the sending": _unsubscribe,
    "bounced during the sending": _bounce,
    "mails bounce": _bouncing_mails,
    "for a segment": _address_segment,
    "careful start": _start_carefully,
    "warm-up": _warm_up,
}
EDITS = ("edited while paused", "corrected", "corrected after it has finished")
EVENTS_LOST = "events lost"
PROBE_EVENT = (PROBE_ADDRESS, None, None, EventType.DELIVERY)
LOST_EVERY = 10  # one round in so many loses events


def long(seed: int, rounds: int) -> list[RoundPlan]:
    """Draw the rounds of the long form, with consecutive seeds."""
    return [draw(each) for each in range(seed, seed + rounds)]


def edited(seed: int, rounds: int) -> list[RoundPlan]:
    """Draw the same rounds, each with an edit, and two of three with a correction."""
    return [draw(each, (EDITS[each % len(EDITS)],)) for each in range(seed, seed + rounds)]


def starts(seed: int, rounds: int) -> list[RoundPlan]:
    """Draw the same rounds, each with a careful start, or a warm-up, or both."""
    chosen = (("careful start",), ("warm-up",), ("careful start", "warm-up"))
    return [draw(each, chosen[each % len(chosen)]) for each in range(seed, seed + rounds)]


def draw(seed: int, always: Sequence[str] = ()) -> RoundPlan:
    """Draw a round: one fault in turn, so that each is planned, and up to five others."""
    chance = random.Random(seed)  # noqa: S311 - for play
    names = list(FAULTS)
    chosen = [names[seed % len(names)]]
    chosen += chance.sample(names, chance.choice((0, 1, 1, 2, 3, 5)))
    if always:
        others = EDITS if always[0] in EDITS else ()
        chosen = [*always, *(name for name in chosen if name not in others)]
    round_plan = combine(seed, list(dict.fromkeys(chosen)), chance)
    if seed % LOST_EVERY == LOST_EVERY - 1:
        _lose_events(round_plan, chance)
    return round_plan


def combine(seed: int, faults: Sequence[str], chance: random.Random | None = None) -> RoundPlan:
    """Plan a round with the given faults."""
    chance = chance or random.Random(seed)  # noqa: S311 - for play
    rate = chance.choice(RATES)
    round_plan = RoundPlan(
        seed=seed,
        audience=chance.randint(60, 120) if rate <= RATES[0] else chance.randint(100, 300),
        rate=rate,
        faults=list(faults),
    )
    for name in faults:
        FAULTS[name](round_plan, chance)
    round_plan.timed.sort(key=lambda timed: timed[0])
    if round_plan.travel:
        round_plan.travel |= {"seed": seed}
    return round_plan


def _lose_events(round_plan: RoundPlan, chance: random.Random) -> None:
    """Lose a share of the events, but not those of the probes.

    A probe's fate is drawn by its address, which is always the same: all or none would be lost.
    """
    round_plan.faults.append(EVENTS_LOST)
    share = chance.choice((0.05, 0.3, 0.7))
    drawn = iter(range(round_plan.seed, round_plan.seed + 10_000))
    seed = next(s for s in drawn if ses_chance(s, "lost", *PROBE_EVENT) >= share)
    round_plan.travel |= {"lost": share, "seed": seed}


# Together these pass every named point, and use the suite's other faults.
SHORT = (
    (
        "killed: clock created, issue uncommitted",
        "for a segment",
        "killed: audience frozen, uncommitted",
        "killed: batches released, uncommitted",
        "killed: slots reserved",
        "killed: request sent, answer unread",
        "unsubscribed during the sending",
        "bounced during the sending",
        "mails bounce",
    ),
    (
        "killed: issue committed, dispatch not kicked",
        "killed: audience frozen, committed",
        "killed: between two pointers",
        "killed: claim committed",
        "killed: dead claim closed, uncommitted",
        "killed: dead claim returned, uncommitted",
        "killed: ledger updated, subscriber not",
        "message delivered twice",
    ),
    (
        "killed: recipients read",
        "killed: re-send allowed, uncommitted",
        "killed: answer read, ledger uncommitted",
        "killed: events committed, messages not deleted",
        "corrected",
        "events twice",
        "events late",
    ),
    (
        "killed: call signed",
        "killed: claim begun, recipients unread",
        "killed: ledger committed, message not deleted",
        "killed: issue finished, uncommitted",
        "killed: issue finished, clock running",
        "PostgreSQL down for long",
    ),
    (
        "frozen and thawed",
        "SES throttles entries",
        "SES hangs, mails taken late",
        "SES drops, mails taken",
        "SES answers 5xx, mails not taken",
        "clock lost",
        "pointer lost",
    ),
    ("killed: acceptances committed, batch claimed",),
)


def short(seed: int, _rounds: int) -> list[RoundPlan]:
    """Plan the rounds of the short form."""
    planned = [combine(seed + number, faults) for number, faults in enumerate(SHORT)]
    for round_plan in planned:
        round_plan.rate, round_plan.audience = 100, 170  # enough for several calls with pointers
        if "acceptances committed, batch claimed" in round_plan.actions:
            round_plan.rate, round_plan.audience = 400, 450  # a claim is several calls, one by one
        for point, passings in round_plan.actions.items():
            if point in KILL_POINTS:  # the first passing is certain
                first = "2" if point == "between two pointers" else "1"
                round_plan.actions[point] = {first: next(iter(passings.values()))}
    return planned


def with_claims_ignored(seed: int, _rounds: int) -> list[RoundPlan]:
    """Plan a round in which a pointer comes twice, and its batch is taken by both."""
    round_plan = combine(seed, [])
    for passing in range(1, 9):
        round_plan.plan_action(POINTER_RECEIVED, passing, "double")
    round_plan.timed = [(0.0, "slow", {"seconds": 0.3})]  # both are under way together
    round_plan.sabotage = CLAIMS_IGNORED
    return [round_plan]


def with_the_sdk_retrying(seed: int, _rounds: int) -> list[RoundPlan]:
    """Plan a round in which answers are lost, and the SDK repeats the calls."""
    round_plan = combine(seed, ["SES drops, mails taken"])
    round_plan.timed = [(0.0, "drop", {"take": "first", "count": 2})]
    round_plan.sabotage = SDK_RETRIES
    return [round_plan]


def with_an_answer_lost(seed: int, _rounds: int) -> list[RoundPlan]:
    """Plan rounds that break a rule about lost answers."""
    return [
        _with_a_rule_broken(seed, UNRESOLVED_NOT_WRITTEN, "SES drops, mails not taken"),
        _with_a_rule_broken(seed, TIMEOUT_TREATED_AS_NOT_BEGUN, "SES hangs, mails taken first"),
    ]


def _with_a_rule_broken(seed: int, sabotage: str, fault: str) -> RoundPlan:
    round_plan = combine(seed, [fault])
    round_plan.rate, round_plan.audience = 100, 100
    round_plan.timed = [(0.0, what, how | {"count": 2}) for _, what, how in round_plan.timed]
    if sabotage == TIMEOUT_TREATED_AS_NOT_BEGUN:  # else an event arrives before the second mail
        round_plan.travel |= {"late": timing.VERY_LATE, "seed": seed}
    # SES would refuse such a late call because of its old signature.
    round_plan.signatures_expire = sabotage != DEADLINE_IGNORED
    round_plan.sabotage = sabotage
    return round_plan


def with_versions_broken(seed: int, _rounds: int) -> list[RoundPlan]:
    """Plan a round each for the two rules about versions whose breach takes least time to show."""
    return _with_versions_broken(seed, VERSION_READ_LATE, CORRECTED_EARLY)


def _with_versions_broken(seed: int, *broken: str) -> list[RoundPlan]:
    """Plan a round for each rule about versions that is broken; each is edited as it is sent."""
    planned = []
    for sabotage in broken:
        round_plan = combine(seed, [])
        round_plan.rate, round_plan.audience = 100, 250
        # While the first claim is under way, and later ones are of another version.
        round_plan.timed = [(0.0, "edit", {"after": 0.0, "pauses": [0.3, 0.3, 0.3]})]
        if sabotage == EVENTS_WITHOUT_VERSION:  # some rows are written by events alone
            for passing in range(2, 6):
                round_plan.plan_action("answer read, ledger uncommitted", passing, "kill")
        if sabotage == CORRECTED_EARLY:  # the mails of lost answers are unresolved meanwhile
            round_plan.timed[:0] = [(0.0, "drop", {"take": "first", "count": 2})]
            round_plan.timed.append((0.0, "correct", {"late": False, "after": 0.0}))
            round_plan.travel = {"late": timing.VERY_LATE, "seed": seed}
        round_plan.sabotage = sabotage
        planned.append(round_plan)
    return planned


def with_starts_broken(seed: int, _rounds: int) -> list[RoundPlan]:
    """Plan a round for each rule about how an issue starts."""
    careful, warming = combine(seed, ["careful start"]), combine(seed, ["warm-up"])
    careful.sabotage, warming.sabotage = HOLD_IGNORED, DAYS_IGNORED
    warming.rate, warming.audience = RATES[-1], 600  # within a day, which may end meanwhile
    return [careful, warming]


def sabotage_of(round_plan: RoundPlan, function: str) -> str | None:
    """Return the rule that the round breaks in a function, if it breaks one there."""
    rule = round_plan.sabotage
    breaks = {"dispatch": rule in OF_DISPATCH, "deliver": rule not in OF_DISPATCH_ALONE}
    return rule if breaks.get(function) else None


def sabotaged(seed: int, rounds: int) -> list[RoundPlan]:
    """Plan a round for each broken rule: all of them must go wrong."""
    paused, _ = with_the_breaker(seed, rounds)
    paused.sabotage = PAUSE_IGNORED
    return [
        *(
            _with_a_rule_broken(seed, sabotage, "frozen before a call until all is sent")
            for sabotage in (DEADLINE_IGNORED, UNFENCED)
        ),
        _with_a_rule_broken(seed, HANDLER_RAISES, "events twice"),
        paused,
        *with_an_answer_lost(seed, rounds),
        *_with_versions_broken(
            seed, VERSION_READ_LATE, CONTENT_CACHED, EVENTS_WITHOUT_VERSION, CORRECTED_EARLY
        ),
        *with_starts_broken(seed, rounds),
        *with_claims_ignored(seed, rounds),
        *with_the_sdk_retrying(seed, rounds),
    ]


def with_the_breaker(seed: int, _rounds: int) -> list[RoundPlan]:
    """Plan two rounds that the breaker pauses: one is resumed, the other canceled."""
    return [
        RoundPlan(
            seed=seed + number,
            audience=1200,
            rate=100,  # twelve seconds of sending; the breaker pauses after two or three
            faults=["20 % of the mails bounce"],
            timed=[(0.0, "watch the breaker", {})],
            bounce_share=0.2,
            author_action=author_action,
        )
        for number, author_action in enumerate(AUTHOR_ACTIONS)
    ]


def big(seed: int, audience: int) -> list[RoundPlan]:
    """Plan a round with a large issue, and a kill about every second until its end."""
    round_plan = RoundPlan(
        seed=seed,
        audience=audience,
        rate=BIG_RATE,
        faults=["killed at random", "PostgreSQL killed"],
    )
    sending = audience / BIG_RATE
    round_plan.timed = [
        (0.0, "kill repeatedly", {"seconds": 1.0}),
        *((part * sending, "kill postgres", {"seconds": 3.0}) for part in (0.2, 0.6)),
    ]
    round_plan.longest, round_plan.drain = 120 + 12 * sending, 60 + 6 * sending
    return [round_plan]


FORMS: Mapping[str, Callable[[int, int], list[RoundPlan]]] = {
    "long": long,
    "edited": edited,
    "short": short,
    BIG: big,
    CLAIMS_IGNORED: with_claims_ignored,
    SDK_RETRIES: with_the_sdk_retrying,
    SABOTAGED: sabotaged,
    VERSIONS_BROKEN: with_versions_broken,
    STARTS: starts,
    ANSWER_LOST: with_an_answer_lost,
    BREAKER: with_the_breaker,
}
