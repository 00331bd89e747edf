"""What goes wrong in a round: drawn from its seed, the same for the same seed."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from broadsheet.mail.ses_mailer import PROBE_ADDRESS
from ses_server.chance import chance as ses_chance
from ses_server.fates import EventType
from tests.faults import timing
from tests.faults.points import DATABASE_ANSWERED, EVENT_RECEIVED, POINTER_RECEIVED, POINTS, Deed

CLAIMS_IGNORED = "claims ignored"
SDK_RETRIES = "the SDK retries"
DEADLINE_IGNORED = "deadline ignored after signing"
UNFENCED = "late writes not fenced"
UNRESOLVED_DROPPED = "unresolved dropped"
TIMEOUT_TAKEN_FOR_REFUSAL = "read timeout taken for not begun"
PAUSE_IGNORED = "claimed while paused"
HANDLER_RAISES = "a handler raises"
BREAKER = "breaker"
ANSWER_LOST = "answers not heeded"
SABOTAGED = "sabotaged"
BIG = "big"

KILL_POINTS = [point for of_function in POINTS.values() for point in of_function]
FREEZE_POINTS = [
    "claim committed",
    "recipients read",
    "call signed",
    "request sent, answer unread",
    "answer read, ledger uncommitted",
    "released, uncommitted",
    "let wait again, uncommitted",
    "ledger told, subscriber not",
]
RATES = (40, 100, 200, 400)  # mails a second
BIG_RATE = 1000
SENDING_SECONDS = 2.0  # about: when what goes wrong at a time goes wrong

CONCERNING_RATE = (
    *("frozen", "PostgreSQL", "SES throttles", "SES hangs", "SES is slow"),
    "SES's quota",
)

type Lever = Literal["resume", "cancel"]
LEVERS: tuple[Lever, ...] = ("resume", "cancel")

type Timed = tuple[float, str, dict[str, Any]]  # seconds after publishing, what, and how


@dataclass
class RoundPlan:
    """One round. ``deeds``: by point, then by passing. ``timed``: what the driver does, when."""

    seed: int
    audience: int
    rate: int
    faults: list[str] = field(default_factory=list)
    deeds: dict[str, dict[str, Deed]] = field(default_factory=dict)
    timed: list[Timed] = field(default_factory=list)
    travel: dict[str, Any] = field(default_factory=dict)
    unsubscribes: int = 0
    bounces: int = 0
    bouncing_mails: int = 0
    bounce_share: float = 0.0  # of the mails, until a lever is pulled on the stopped issue
    lever: Lever | None = None  # pulled when the breaker has stopped it
    overlapping_ticks: bool = False
    thaws_when_sent: bool = False  # what is frozen: no earlier than everybody has their mail
    signatures_expire: bool = True
    sabotage: str | None = None
    longest: float = timing.ROUND  # seconds, before the round is said not to finish
    drain: float = timing.DRAIN  # seconds, for the events that are under way at its end

    @property
    def loses_events(self) -> bool:
        return bool(self.travel.get("lost"))

    @property
    def concerns_rate(self) -> bool:
        """Whether SES's bucket may refuse mails: calls come late, or others are throttled."""
        return any(name.startswith(CONCERNING_RATE) for name in self.faults)

    @property
    def ends_as(self) -> str:
        return "canceled" if self.lever == "cancel" else "finished"

    def strike(self, point: str, passing: int, deed: Deed) -> None:
        self.deeds.setdefault(point, {})[str(passing)] = deed


type Fault = Callable[[RoundPlan, random.Random], None]


def _kill(point: str) -> Fault:
    def plan(of_round: RoundPlan, chance: random.Random) -> None:
        first = 1
        if point in POINTS["deliver"] + POINTS["feedback"]:
            first = chance.randint(1, 3)
        if point == "between two pointers":
            first = 2  # the first passing is before the first pointer
        of_round.strike(point, first, "kill")
        if chance.random() < 0.3:  # and the next one too
            of_round.strike(point, first + 1, "kill")
        _lead_to(point, of_round)

    return plan


def _lead_to(point: str, of_round: RoundPlan) -> None:
    """Let the round come to a point that an undisturbed one never passes."""
    if point in {"dead claim held, uncommitted", "let wait again, uncommitted"}:
        of_round.strike("call signed", 1, "kill")


def _freeze(of_round: RoundPlan, chance: random.Random) -> None:
    point = chance.choice(FREEZE_POINTS)
    of_round.strike(point, chance.randint(1, 2), "freeze")
    _lead_to(point, of_round)


def _freeze_call(of_round: RoundPlan, chance: random.Random) -> None:
    """Freeze a call that is about to leave: its claim is another's when it is thawed."""
    of_round.strike("call signed", chance.randint(1, 2), "freeze")


def _freeze_call_until_sent(of_round: RoundPlan, _: random.Random) -> None:
    """Freeze a call that is about to leave until others have done all of its work."""
    of_round.strike("call signed", 1, "freeze")
    of_round.thaws_when_sent = True


def _outage(of_round: RoundPlan, chance: random.Random) -> None:
    point = chance.choice(KILL_POINTS)
    of_round.strike(point, 1, "outage")
    _lead_to(point, of_round)


def _lost_answers(of_round: RoundPlan, chance: random.Random) -> None:
    for passing in chance.sample(range(1, 30), 4):
        of_round.strike(DATABASE_ANSWERED, passing, "forget")


def _messages(deed: Deed) -> Fault:
    def plan(of_round: RoundPlan, chance: random.Random) -> None:
        for passing in chance.sample(range(1, 9), 4):
            of_round.strike(POINTER_RECEIVED, passing, deed)
        if deed != "lose":  # an event that is lost is another matter
            for passing in chance.sample(range(1, 40), 10):
                of_round.strike(EVENT_RECEIVED, passing, deed)

    return plan


def _timed(what: str, **options: Callable[[random.Random], Any]) -> Fault:
    def plan(of_round: RoundPlan, chance: random.Random) -> None:
        at = chance.uniform(0.05, SENDING_SECONDS)
        of_round.timed.append((at, what, {name: draw(chance) for name, draw in options.items()}))

    return plan


def _hang(take: str) -> Fault:
    return _timed("hang", seconds=lambda _: timing.LONGEST_HANG, take=lambda _: take, count=_few)


def _few(chance: random.Random) -> int:
    return chance.randint(1, 3)


def _repeated(fault: Fault, times: int) -> Fault:
    def plan(of_round: RoundPlan, chance: random.Random) -> None:
        for _ in range(times):
            fault(of_round, chance)

    return plan


def _events(**travel: Any) -> Fault:  # noqa: ANN401 - Travel's fields
    def plan(of_round: RoundPlan, _: random.Random) -> None:
        of_round.travel |= travel

    return plan


def _late_events(of_round: RoundPlan, chance: random.Random) -> None:
    """Let events be late; or all of them so late that their claim is taken for dead before."""
    of_round.travel |= {"late": chance.choice(((0.0, timing.LATEST_EVENT), timing.VERY_LATE))}


def _unsubscribe(of_round: RoundPlan, chance: random.Random) -> None:
    of_round.unsubscribes += chance.randint(3, 10)


def _bounce(of_round: RoundPlan, chance: random.Random) -> None:
    of_round.bounces += chance.randint(2, 6)


def _bouncing_mails(of_round: RoundPlan, chance: random.Random) -> None:
    of_round.bouncing_mails += chance.randint(2, 8)


def _overlap(of_round: RoundPlan, _: random.Random) -> None:
    of_round.overlapping_ticks = True


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
    "PostgreSQL killed": _timed("kill postgres", seconds=lambda chance: chance.uniform(0, 0.5)),
    "PostgreSQL down for long": _timed(
        "kill postgres", seconds=lambda chance: chance.uniform(2.7, 4)
    ),
    "PostgreSQL killed at a point": _outage,
    "answer of the database lost": _lost_answers,
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
}
EVENTS_LOST = "events lost"
PROBE_TOLD = (PROBE_ADDRESS, None, None, EventType.DELIVERY)
LOST_EVERY = 10  # one round in so many loses events


def long(seed: int, rounds: int) -> list[RoundPlan]:
    """Draw the rounds of the long form, whose seeds follow on each other."""
    return [draw(each) for each in range(seed, seed + rounds)]


def draw(seed: int) -> RoundPlan:
    """Draw a round: one fault by turns, so that all are planned, and up to five others."""
    chance = random.Random(seed)  # noqa: S311 - for play
    names = list(FAULTS)
    chosen = [names[seed % len(names)]]
    chosen += chance.sample(names, chance.choice((0, 1, 1, 2, 3, 5)))
    of_round = combine(seed, list(dict.fromkeys(chosen)), chance)
    if seed % LOST_EVERY == LOST_EVERY - 1:
        _lose_events(of_round, chance)
    return of_round


def combine(seed: int, faults: Sequence[str], chance: random.Random | None = None) -> RoundPlan:
    """Plan a round of given faults."""
    chance = chance or random.Random(seed)  # noqa: S311 - for play
    rate = chance.choice(RATES)
    of_round = RoundPlan(
        seed=seed,
        audience=chance.randint(60, 120) if rate <= RATES[0] else chance.randint(100, 300),
        rate=rate,
        faults=list(faults),
    )
    for name in faults:
        FAULTS[name](of_round, chance)
    of_round.timed.sort(key=lambda timed: timed[0])
    if of_round.travel:
        of_round.travel |= {"seed": seed}
    return of_round


def _lose_events(of_round: RoundPlan, chance: random.Random) -> None:
    """Lose a share of the events, but not those of the probes.

    What SES tells of them is drawn by their address, which is always the same: all or none would
    be lost.
    """
    of_round.faults.append(EVENTS_LOST)
    share = chance.choice((0.05, 0.3, 0.7))
    drawn = iter(range(of_round.seed, of_round.seed + 10_000))
    seed = next(s for s in drawn if ses_chance(s, "lost", *PROBE_TOLD) >= share)
    of_round.travel |= {"lost": share, "seed": seed}


# Between them these pass every named point, and what else the suite can do.
SHORT = (
    (
        "killed: clock made, issue uncommitted",
        "killed: frozen, uncommitted",
        "killed: released, uncommitted",
        "killed: slots reserved",
        "killed: request sent, answer unread",
        "unsubscribed during the sending",
        "bounced during the sending",
        "mails bounce",
    ),
    (
        "killed: issue committed, dispatch not kicked",
        "killed: frozen, committed",
        "killed: between two pointers",
        "killed: claim committed",
        "killed: dead claim held, uncommitted",
        "killed: ledger told, subscriber not",
        "message delivered twice",
    ),
    (
        "killed: recipients read",
        "killed: let wait again, uncommitted",
        "killed: answer read, ledger uncommitted",
        "killed: events committed, messages not deleted",
        "events twice",
        "events late",
    ),
    (
        "killed: call signed",
        "killed: ledger committed, message not deleted",
        "killed: finished, uncommitted",
        "killed: finished, clock running",
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
    ("killed: acceptances committed, batch held",),
)


def short(seed: int, _rounds: int) -> list[RoundPlan]:
    """Plan the short form's rounds."""
    planned = [combine(seed + number, faults) for number, faults in enumerate(SHORT)]
    for of_round in planned:
        of_round.rate, of_round.audience = 100, 170  # enough for several calls with pointers
        if "acceptances committed, batch held" in of_round.deeds:
            of_round.rate, of_round.audience = 400, 450  # a claim is several calls, one by one
        for point, passings in of_round.deeds.items():
            if point in KILL_POINTS:  # the first passing is sure to be
                first = "2" if point == "between two pointers" else "1"
                of_round.deeds[point] = {first: next(iter(passings.values()))}
    return planned


def with_claims_ignored(seed: int, _rounds: int) -> list[RoundPlan]:
    """Plan a round in which a pointer comes twice, and its batch is taken by both."""
    of_round = combine(seed, [])
    for passing in range(1, 9):
        of_round.strike(POINTER_RECEIVED, passing, "double")
    of_round.timed = [(0.0, "slow", {"seconds": 0.3})]  # both are under way together
    of_round.sabotage = CLAIMS_IGNORED
    return [of_round]


def with_the_sdk_retrying(seed: int, _rounds: int) -> list[RoundPlan]:
    """Plan a round in which answers are lost, and the SDK asks again."""
    of_round = combine(seed, ["SES drops, mails taken"])
    of_round.timed = [(0.0, "drop", {"take": "first", "count": 2})]
    of_round.sabotage = SDK_RETRIES
    return [of_round]


def with_an_answer_lost(seed: int, _rounds: int) -> list[RoundPlan]:
    """Plan rounds in which a rule is broken that is about answers which do not come."""
    return [
        _with_a_rule_broken(seed, UNRESOLVED_DROPPED, "SES drops, mails not taken"),
        _with_a_rule_broken(seed, TIMEOUT_TAKEN_FOR_REFUSAL, "SES hangs, mails taken first"),
    ]


def _with_a_rule_broken(seed: int, sabotage: str, fault: str) -> RoundPlan:
    of_round = combine(seed, [fault])
    of_round.rate, of_round.audience = 100, 100
    of_round.timed = [(0.0, what, how | {"count": 2}) for _, what, how in of_round.timed]
    if sabotage == TIMEOUT_TAKEN_FOR_REFUSAL:  # else an event is there before the second mail
        of_round.travel |= {"late": timing.VERY_LATE, "seed": seed}
    # SES itself would refuse what leaves that late, for its signature.
    of_round.signatures_expire = sabotage != DEADLINE_IGNORED
    of_round.sabotage = sabotage
    return of_round


def sabotaged(seed: int, rounds: int) -> list[RoundPlan]:
    """Plan a round for each rule that is broken: all of them must go wrong."""
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
        *with_claims_ignored(seed, rounds),
        *with_the_sdk_retrying(seed, rounds),
    ]


def with_the_breaker(seed: int, _rounds: int) -> list[RoundPlan]:
    """Plan two rounds that the breaker stops: one then goes on, the other is canceled."""
    return [
        RoundPlan(
            seed=seed + number,
            audience=1200,
            rate=100,  # twelve seconds, of which the breaker leaves two or three
            faults=["20 % of the mails bounce"],
            timed=[(0.0, "watch the breaker", {})],
            bounce_share=0.2,
            lever=lever,
        )
        for number, lever in enumerate(LEVERS)
    ]


def big(seed: int, audience: int) -> list[RoundPlan]:
    """Plan a round of a large issue, with a kill every second or so until its end."""
    of_round = RoundPlan(
        seed=seed,
        audience=audience,
        rate=BIG_RATE,
        faults=["killed at random", "PostgreSQL killed"],
    )
    sending = audience / BIG_RATE
    of_round.timed = [
        (0.0, "kill on and on", {"seconds": 1.0}),
        *((part * sending, "kill postgres", {"seconds": 3.0}) for part in (0.2, 0.6)),
    ]
    of_round.longest, of_round.drain = 120 + 12 * sending, 60 + 6 * sending
    return [of_round]


FORMS: Mapping[str, Callable[[int, int], list[RoundPlan]]] = {
    "long": long,
    "short": short,
    BIG: big,
    CLAIMS_IGNORED: with_claims_ignored,
    SDK_RETRIES: with_the_sdk_retrying,
    SABOTAGED: sabotaged,
    ANSWER_LOST: with_an_answer_lost,
    BREAKER: with_the_breaker,
}
