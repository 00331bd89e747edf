"""Plays one round: publishes an issue to a fresh audience while things go wrong, and judges it."""

import json
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import psycopg

from functions.publish.app import handler as publish
from local.lambda_events import api_event
from ses_server import database as ses_database
from tests.cloud import context, json_of
from tests.faults import breaker, judgement, points, timing
from tests.faults.breaker import Mail, Stop
from tests.faults.judgement import Evidence, Verdict
from tests.faults.plans import RoundPlan
from tests.faults.stage import Stage
from tests.faults.timing import Pace
from tests.faults.worker import FunctionName, Order

POLLERS: dict[FunctionName, int] = {"deliver": 3, "feedback": 2}
STEP_SECONDS = 0.04
PROBE_SECONDS = 0.005
CALLS_TO_MEASURE = 3
BOOKS_EVERY = 0.2
PUBLISH_TRIES = 20
NAME = "Ursula"
OUTAGE_SECONDS = (0.0, 1.0, 3.0)
QUOTA = 1000  # mails a day, while it is to be spent
QUOTA_LEFT = 20
BUCKET_SECONDS = 1.0  # until SES's bucket, which was of another size perhaps, is full
FOREVER = 3600.0
BOUNCE_SECONDS = 1.5
LONGEST_QUEUE, SHORT_QUEUE = 3000, 1000  # messages in FeedbackQueue
FAST_RATE = 1500  # of what is left when the breaker's work has been seen


@dataclass
class Play:
    """A round under way."""

    stage: Stage
    plan: RoundPlan
    folder: Path
    variables: dict[str, str]
    subscribers: list[UUID]
    evidence: Evidence
    issue_id: str = ""
    published_at: float = 0.0
    numbers: Any = None
    pollers: dict[int, FunctionName] = field(default_factory=dict)
    thaw_at: dict[int, float] = field(default_factory=dict)
    calm_at: float = 0.0
    clock_due: float = 0.0
    look_at: float | None = None
    kicks_lost_until: float = 0.0
    postgres_back_at: float | None = None
    holds_events: bool = False
    chance: random.Random = field(default_factory=random.Random)
    struck: Counter[str] = field(default_factory=Counter)
    ses_faults: dict[int, str] = field(default_factory=dict)
    background: list[threading.Thread] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def pace(self) -> Pace:
        return self.stage.pace

    def order(self, function: FunctionName, event: dict[str, Any] | None = None) -> int:
        """Have an environment made; return its number."""
        number = next(_numbers)
        self.stage.zygote.give(
            Order(
                number=number,
                function=function,
                environment=self.variables,
                folder=self.folder,
                plan=self.plan.deeds,
                sabotage=self.plan.sabotage if function == "deliver" else None,
                event=event,
                until=time.time() + self.pace.of(self.plan.longest + self.plan.drain) + 30,
                scale=self.pace.scale,
            )
        )
        return number


_numbers = iter(range(1, 10**9))


def play(stage: Stage, plan: RoundPlan, *, keep: bool = False) -> Verdict:
    """Play a round and judge it. What it left is kept when it went wrong, or if told so."""
    name = f"round-{plan.seed}-{uuid4().hex[:6]}"
    folder = stage.folder / name
    folder.mkdir()
    started = time.monotonic()
    control = stage.ses.control
    control.change_account(max_send_rate=plan.rate, enforces_rate=True, max_24_hour_send=-1)
    bucket_full_at = time.monotonic() + BUCKET_SECONDS
    control.resume_sending()
    throttled_before = control.throttles().rate
    stage.make_database()
    _find_pace(stage, plan, folder)
    with stage.queues(name) as variables, ExitStack() as ended:
        ended.callback(stage.zygote.kill_all)
        ended.callback(control.end_all)
        ended.callback(control.end_all_fates)
        ended.callback(control.let_events_travel)
        os.environ.update(variables)
        evidence = Evidence(stop=Stop() if plan.lever else None)
        playing = Play(
            stage, plan, folder, variables, _add_subscribers(stage, plan, evidence), evidence
        )
        playing.chance.seed(plan.seed)
        _set_scene(playing)
        time.sleep(max(0.0, bucket_full_at - time.monotonic()))
        watcher = threading.Thread(target=_watch_books, args=(playing,))
        changer = threading.Thread(target=_change_subscribers, args=(playing,))
        ended.callback(watcher.join)
        ended.callback(changer.join)
        ended.callback(playing.over.set)
        _drive(playing, watcher, changer)
        _drain(playing)
        playing.over.set()
        for thread in playing.background:
            thread.join()
        _let_stand_still(playing)
        evidence.seconds = time.monotonic() - started
        evidence.throttles = control.throttles().rate - throttled_before
        _gather(playing)
    verdict = judgement.judge(plan, evidence, str(folder))
    if verdict.is_good and not keep:
        shutil.rmtree(folder)
    return verdict


def _find_pace(stage: Stage, plan: RoundPlan, folder: Path) -> None:
    """Play as fast as the machine can follow just now, by how long calls of dispatch take."""
    took = []
    for _ in range(CALLS_TO_MEASURE):
        asked_at = time.monotonic()
        probe = Play(stage, RoundPlan(plan.seed, 0, 1), folder, {}, [], Evidence())
        number = probe.order("dispatch", {})
        while not stage.zygote.has_ended(number):
            time.sleep(PROBE_SECONDS)
        took.append(time.monotonic() - asked_at)
    stage.set_pace(timing.pace_for(median(took)))


def _add_subscribers(stage: Stage, plan: RoundPlan, evidence: Evidence) -> list[UUID]:
    """Put confirmed subscribers into the database, and some who must get nothing."""
    rows = stage.rows(
        """
        INSERT INTO subscribers
            (id, email, name, language, signed_up_at, confirmation_issued_at, confirmed_at,
             unsubscribed_at)
        SELECT gen_random_uuid(), 'reader' || number || '@example.com', %(name)s, 'en',
               now() - interval '1 day',
               CASE WHEN number > 3 THEN now() - interval '1 day' END,
               CASE WHEN number > 3 THEN now() - interval '1 day' END,
               CASE WHEN number BETWEEN 4 AND 6 THEN now() - interval '1 hour' END
        FROM generate_series(1, %(number)s) AS number
        RETURNING id, status::text AS status
        """,
        name=NAME,
        number=plan.audience + 6,
    )
    evidence.confirmed = {str(row["id"]) for row in rows if row["status"] == "confirmed"}
    evidence.others = {str(row["id"]) for row in rows} - evidence.confirmed
    return [row["id"] for row in rows if row["status"] == "confirmed"]


def _set_scene(playing: Play) -> None:
    plan, control = playing.plan, playing.stage.ses.control
    _name_postgres(playing)
    # The date of a signature has whole seconds.
    seconds = playing.pace.of(timing.SIGNATURE) + 1 if plan.signatures_expire else FOREVER
    control.change_account(signature_seconds=seconds)
    travel = plan.travel
    if "late" in travel:
        travel = travel | {"late": tuple(map(playing.pace.of, travel["late"]))}
    control.let_events_travel(**travel)
    if plan.bouncing_mails:
        numbers = playing.chance.sample(range(7, plan.audience + 7), plan.bouncing_mails)
        control.bounce([f"reader{n}@example.com" for n in numbers], suppresses=False, after=0.2)
    if plan.bounce_share:
        # They bounce while the sending is well under way, with claims that follow on each other.
        control.bounce(share=plan.bounce_share, suppresses=False, after=BOUNCE_SECONDS)
    for function, number in POLLERS.items():
        for _ in range(number):
            playing.pollers[playing.order(function)] = function


def _drive(playing: Play, watcher: threading.Thread, changer: threading.Thread) -> None:
    """Publish, and be the clock, Lambda and fate until the issue has finished."""
    playing.published_at = time.monotonic()
    pace = playing.pace
    playing.clock_due = playing.published_at + pace.of(timing.CLOCK)
    timed = list(playing.plan.timed)
    _Publisher(playing).start()
    deadline = playing.published_at + pace.of(playing.plan.longest)
    while time.monotonic() < deadline:
        now = time.monotonic()
        while timed and now - playing.published_at >= pace.of(timed[0][0]):
            _, what, options = timed.pop(0)
            _TIMED[what](playing, _paced(pace, options))
        _step(playing, now)
        if playing.issue_id and not watcher.ident:
            watcher.start()
            changer.start()
        is_calm = not timed and not playing.thaw_at and now >= playing.calm_at
        if is_calm and playing.evidence.has_finished and not playing.stage.clocks.running():
            playing.evidence.has_ended = True
            break
        time.sleep(STEP_SECONDS)
    if not watcher.ident:  # it could not even be published
        watcher.start()
        changer.start()


def _paced(pace: Pace, options: dict[str, Any]) -> dict[str, Any]:
    return {name: pace.of(value) if name == "seconds" else value for name, value in options.items()}


def _step(playing: Play, now: float) -> None:
    stage = playing.stage
    for number, function in list(playing.pollers.items()):
        if stage.zygote.has_ended(number):
            del playing.pollers[number]
            playing.pollers[playing.order(function)] = function
    for kick in stage.clocks.taken_kicks():
        if now >= playing.kicks_lost_until:
            playing.order("dispatch", kick)
        else:
            playing.struck["kick lost"] += 1
    _let_clocks_tick(playing, now)
    if playing.plan.audience > LONGEST_QUEUE:
        _keep_feedback_short(playing)
    if playing.postgres_back_at and now >= playing.postgres_back_at:
        playing.postgres_back_at = None
        _start_postgres(playing)
    if playing.postgres_back_at is None and (playing.folder / points.OUTAGE).exists():
        stage.kill_postgres()  # what is left of it
        playing.postgres_back_at = now + playing.pace.of(playing.chance.choice(OUTAGE_SECONDS))
        (playing.folder / points.OUTAGE).unlink()
    _thaw(playing, now)


def _let_clocks_tick(playing: Play, now: float) -> None:
    if now >= playing.clock_due:
        playing.clock_due = now + playing.pace.of(timing.CLOCK)
        for called_with in playing.stage.clocks.running():
            playing.order("dispatch", called_with)
            if playing.plan.overlapping_ticks:
                playing.order("dispatch", called_with)
                playing.struck["ticks overlap"] += 1
    if playing.look_at and now >= playing.look_at:
        playing.look_at = now + playing.pace.of(timing.DAILY_LOOK)
        playing.order("dispatch", {})


def _keep_feedback_short(playing: Play) -> None:
    """Hold events back while many wait: for each call the emulator looks at every message."""
    waiting = _messages(playing)
    if not playing.holds_events and waiting > LONGEST_QUEUE:
        playing.stage.hold_events()
        playing.holds_events = True
    elif playing.holds_events and waiting < SHORT_QUEUE:
        playing.stage.publish_events()
        playing.holds_events = False


def _start_postgres(playing: Play) -> None:
    playing.stage.start_postgres()
    _name_postgres(playing)


def _name_postgres(playing: Play) -> None:
    """Tell the environments which process it is, for those that are to kill it."""
    child = playing.stage.postgres.child
    assert child
    (playing.folder / points.POSTGRES).write_text(str(child.process.pid))


def _thaw(playing: Play, now: float) -> None:
    for marker in playing.folder.glob("frozen *"):
        pid = int(marker.name.split()[1])
        if pid not in playing.thaw_at:
            seconds = playing.chance.uniform(
                *playing.chance.choice((timing.FROZEN, timing.LONG_FROZEN))
            )
            playing.thaw_at[pid] = now + playing.pace.of(seconds)
            playing.struck["frozen at random"] += 1
        elif now >= playing.thaw_at[pid] and _may_thaw(playing, now):
            del playing.thaw_at[pid]
            marker.unlink()
            playing.calm_at = now + playing.pace.of(timing.AFTER_A_THAW) + STEP_SECONDS
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _may_thaw(playing: Play, now: float) -> bool:
    """Tell whether all is sent, if that is to be awaited; at last whatever is frozen thaws."""
    longest = playing.published_at + playing.pace.of(playing.plan.longest / 2)
    return playing.evidence.has_finished or not playing.plan.thaws_when_sent or now >= longest


class _Publisher(threading.Thread):
    """An author's client: asks again with the same key until it has an answer."""

    def __init__(self, playing: Play) -> None:
        super().__init__(daemon=True)
        self._playing = playing

    def run(self) -> None:
        playing = self._playing
        event = api_event(
            "POST",
            "/issues",
            body=json.dumps({"title": "Number one", "markdown": "Dear [[name]]"}),
            headers={"content-type": "application/json", "idempotency-key": str(uuid4())},
            author="ada",
        )
        for _ in range(PUBLISH_TRIES):
            number = playing.order("publish", event)
            answer = playing.folder / f"answer {number}"
            while not playing.stage.zygote.has_ended(number) and not playing.over.is_set():
                time.sleep(STEP_SECONDS)
            if answer.exists():
                answered = json.loads(answer.read_text())
                if answered["statusCode"] == HTTPStatus.ACCEPTED:
                    playing.issue_id = json_of(answered)["id"]
                    return
            time.sleep(0.2)


def _watch_books(playing: Play) -> None:
    """Look at the issue again and again: its books must balance in every answer."""
    while not playing.over.wait(BOOKS_EVERY):
        if document := _shown(playing):
            playing.evidence.see(document)


def _shown(playing: Play) -> dict[str, Any] | None:
    event = api_event("GET", "/issues/{id}", path_parameters={"id": playing.issue_id}, author="ada")
    answer = publish(event, context())
    return json_of(answer) if answer["statusCode"] == HTTPStatus.OK else None


def _change_subscribers(playing: Play) -> None:
    """Let some unsubscribe, and the mails of others have bounced, while the issue is sent."""
    plan, evidence = playing.plan, playing.evidence
    chosen = playing.chance.sample(playing.subscribers, plan.unsubscribes + plan.bounces)
    leaving, bouncing = chosen[: plan.unsubscribes], chosen[plan.unsubscribes :]
    for subscriber in bouncing:
        playing.stage.sqs.send_message(
            QueueUrl=playing.variables["FEEDBACK_QUEUE_URL"], MessageBody=_bounce(subscriber)
        )
        playing.struck["bounced during the sending"] += 1
    pending = {str(subscriber) for subscriber in bouncing}
    while (leaving or pending) and not playing.over.wait(playing.chance.uniform(0.05, 0.25)):
        with suppress(psycopg.Error):
            if leaving:
                playing.stage.rows(
                    "UPDATE subscribers SET unsubscribed_at = now() WHERE id = %(id)s",
                    id=leaving[0],
                )
                evidence.gone[str(leaving.pop(0))] = time.time()
                playing.struck["unsubscribed during the sending"] += 1
            if pending:
                found = playing.stage.rows(
                    "SELECT id FROM subscribers WHERE status = 'bounced' AND id = ANY(%(ids)s)",
                    ids=[UUID(one) for one in pending],
                )
                for row in found:
                    evidence.gone[str(row["id"])] = time.time()
                    pending.discard(str(row["id"]))
    evidence.perhaps_gone = pending | {str(subscriber) for subscriber in leaving}


def _bounce(subscriber: UUID) -> str:
    """An event of another mail to a subscriber, say the confirmation's: it bounced for good."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps(
        {
            "eventType": "Bounce",
            "mail": {
                "messageId": str(uuid4()),
                "timestamp": now,
                "tags": {"subscriber": [str(subscriber)]},
            },
            "bounce": {"bounceType": "Permanent", "bounceSubType": "General", "timestamp": now},
        }
    )


def _drain(playing: Play) -> None:
    """Let every event arrive that is still under way."""
    control = playing.stage.ses.control
    for fault in control.state()["faults"]:
        playing.struck[playing.ses_faults[fault["number"]]] += fault["struck"]
    control.end_all()
    deadline = time.monotonic() + playing.pace.of(playing.plan.drain)
    seen_empty = 0
    while time.monotonic() < deadline and seen_empty < 2:
        _step(playing, time.monotonic())
        is_empty = not control.event_counts().get("due") and not _messages(playing)
        seen_empty = seen_empty + 1 if is_empty else 0
        time.sleep(0.1)
    playing.evidence.is_drained = seen_empty >= 2


def _messages(playing: Play) -> int:
    attributes = playing.stage.sqs.get_queue_attributes(
        QueueUrl=playing.variables["FEEDBACK_QUEUE_URL"],
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )["Attributes"]
    return sum(map(int, attributes.values()))


def _let_stand_still(playing: Play) -> None:
    """End what still runs, and have the database back if its last deed was to kill it."""
    playing.stage.zygote.kill_all()
    outage = playing.folder / points.OUTAGE
    if playing.postgres_back_at or outage.exists():
        playing.stage.kill_postgres()
        playing.stage.start_postgres()
        outage.unlink(missing_ok=True)


def _gather(playing: Play) -> None:
    """Collect what the judge wants to see."""
    evidence, stage = playing.evidence, playing.stage
    evidence.issue_id = playing.issue_id
    evidence.last = _shown(playing) or {}
    evidence.taken = Counter()
    for taking, count in stage.ses.counts_by_recipient(issue=playing.issue_id).items():
        evidence.taken[str(taking.subscriber)] += count
    with closing(ses_database.connect(stage.ses.directory)) as record:
        evidence.bounced = {
            subscriber
            for (subscriber,) in record.execute(
                "SELECT json_extract(entry, '$.tags.subscriber') FROM mails"
                " WHERE outcome = 'bounced' AND json_extract(entry, '$.tags.issue') = ?",
                (playing.issue_id,),
            )
        }
    evidence.ledger = stage.rows(
        """
        SELECT subscriber_id::text, round, outcome::text AS outcome, reason, message_id,
               claim_id::text, bounced_at
        FROM deliveries
        """
    )
    evidence.possibly_twice = {
        row["id"] for row in stage.rows("SELECT subscriber_id::text AS id FROM resends")
    }
    evidence.open_batches = stage.rows(
        "SELECT count(*) AS number FROM delivery_batches WHERE state <> 'closed'"
    )[0]["number"]
    evidence.scale = playing.pace.scale
    evidence.dead_letters = _dead_letters(playing)
    evidence.errors = _errors(playing.folder / points.LOG)
    reads = playing.folder / points.READS
    if reads.exists():
        evidence.reads = [json.loads(line) for line in reads.read_text().splitlines()]
    if evidence.stop:
        breaker.read_notes(playing.folder, evidence.stop)
        evidence.stop.reads = evidence.reads
        evidence.stop.mails = _mails(playing)
    struck = playing.folder / "struck"
    if struck.exists():
        by_plan = Counter(struck.read_text().splitlines())
        playing.struck.update(by_plan)
        frozen = sum(count for name, count in by_plan.items() if name.startswith("frozen: "))
        playing.struck["frozen at random"] -= frozen
    playing.struck["mails bounce"] = len(evidence.bounced)
    playing.struck.update(_travelled(playing))
    evidence.struck = +playing.struck


def _mails(playing: Play) -> list[Mail]:
    with closing(ses_database.connect(playing.stage.ses.directory)) as record:
        rows = record.execute(
            "SELECT received_at, json_extract(entry, '$.tags.subscriber') FROM mails"
            " WHERE json_extract(entry, '$.tags.issue') = ?",
            (playing.issue_id,),
        ).fetchall()
    return [Mail(received_at / 1000, subscriber_id) for received_at, subscriber_id in rows]


def _travelled(playing: Play) -> dict[str, int]:
    """Count the round's events that did not travel plainly."""
    travel = playing.plan.travel
    with closing(ses_database.connect(playing.stage.ses.directory)) as record:
        events, mails, late, lost = record.execute(
            """
            SELECT count(*), count(DISTINCT mail_id || type),
                   count(*) FILTER (WHERE due_at > happened_at + 200),
                   count(*) FILTER (WHERE state = 'lost')
            FROM events JOIN mails ON mails.id = mail_id
            WHERE json_extract(entry, '$.tags.issue') = ?
            """,
            (playing.issue_id,),
        ).fetchone()
    return {
        "event late": late if "late" in travel else 0,
        "event twice": events - mails,
        "event out of order": round(mails * travel.get("out_of_order", 0)),
        "event lost": lost,
    }


def _errors(log: Path) -> Counter[tuple[str, str, str]]:
    """Count what environments logged of exceptions, those that ended with one among them."""
    errors: Counter[tuple[str, str, str]] = Counter()
    for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
        with suppress(ValueError):  # a kill may have cut it off
            told = json.loads(line)
            if raised_at := told.get("raised_at"):
                errors[told["function"], told["error"], raised_at[-1]] += 1
    return errors


def _dead_letters(playing: Play) -> int:
    return sum(
        int(
            playing.stage.sqs.get_queue_attributes(
                QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
            )["Attributes"]["ApproximateNumberOfMessages"]
        )
        for name, url in playing.variables.items()
        if "DEAD" in name
    )


# --- What goes wrong at a time --------------------------------------------------------------------


def _kill_one(playing: Play, _: dict[str, Any]) -> None:
    running = sorted(playing.stage.zygote.running.values())
    if running:
        with suppress(ProcessLookupError):
            os.kill(playing.chance.choice(running), signal.SIGKILL)
            playing.struck["killed at random"] += 1


def _kill_on_and_on(playing: Play, options: dict[str, Any]) -> None:
    """Kill somebody about every so many seconds until the issue has ended."""

    def run() -> None:
        chance = random.Random(playing.plan.seed)  # noqa: S311 - for play
        while not playing.over.wait(chance.uniform(0.5, 1.5) * options["seconds"]):
            if playing.evidence.has_finished:
                return
            _kill_one(playing, {})

    _in_background(playing, run)


def _freeze_one(playing: Play, _: dict[str, Any]) -> None:
    delivering = [
        pid
        for number, pid in sorted(playing.stage.zygote.running.items())
        if playing.pollers.get(number) == "deliver"
    ]
    if delivering:
        with suppress(ProcessLookupError):
            os.kill(playing.chance.choice(delivering), signal.SIGUSR1)


def _kill_postgres(playing: Play, options: dict[str, Any]) -> None:
    if playing.postgres_back_at is None:
        playing.stage.kill_postgres()
        playing.postgres_back_at = time.monotonic() + options["seconds"]
        is_long = options["seconds"] > playing.pace.of(max(timing.LIMITS.values()))
        playing.struck["PostgreSQL down for long" if is_long else "PostgreSQL killed"] += 1


def _pause(playing: Play, options: dict[str, Any]) -> None:
    """Let the author pause the issue, and resume it a while later."""

    def run() -> None:
        if _pull(playing, "pause"):
            playing.struck["paused and resumed"] += 1
            playing.over.wait(options["seconds"])
            _pull(playing, "resume")

    _in_background(playing, run)


def _stop_sending(playing: Play, options: dict[str, Any]) -> None:
    """Let SES say that it is paused, which pauses the issue, until a person resumes both."""

    def run() -> None:
        control = playing.stage.ses.control
        control.pause_sending()
        playing.struck["SES pauses sending"] += 1
        playing.over.wait(options["seconds"])
        control.resume_sending()
        while not playing.over.wait(0.3) and not playing.evidence.has_finished:
            _pull(playing, "resume")

    _in_background(playing, run)


def _spend_quota(playing: Play, options: dict[str, Any]) -> None:
    """Let SES's 24-hour quota be spent for a while."""

    def run() -> None:
        control = playing.stage.ses.control
        control.change_account(max_24_hour_send=QUOTA, sent_last_24_hours=QUOTA - QUOTA_LEFT)
        playing.struck["SES's quota is spent"] += 1
        playing.over.wait(options["seconds"])
        control.change_account(max_24_hour_send=-1, sent_last_24_hours=0)

    _in_background(playing, run)


def _watch_breaker(playing: Play, _: dict[str, Any]) -> None:
    """Wait for the breaker to stop the issue and for all to settle; then pull the lever."""

    def run() -> None:
        stop, lever = playing.evidence.stop, playing.plan.lever
        assert stop
        assert lever
        while not playing.over.wait(BOOKS_EVERY):
            document = _shown(playing) if playing.issue_id else None
            if document and document["status"] == "paused" and _is_settled(playing):
                break
        stop.shown = _shown(playing) or {}
        stop.lever_pulled_at = time.time()
        playing.stage.ses.control.end_all_fates()
        playing.stage.ses.control.change_account(max_send_rate=FAST_RATE)
        if _pull(playing, lever):
            playing.struck[f"stopped by the breaker, then {lever}"] += 1

    _in_background(playing, run)


def _is_settled(playing: Play) -> bool:
    """Tell whether nothing is claimed, and every event has arrived."""
    claimed = playing.stage.rows(
        "SELECT count(*) AS number FROM delivery_batches WHERE state = 'claimed'"
    )[0]["number"]
    due = playing.stage.ses.control.event_counts().get("due")
    return not claimed and not due and not _messages(playing)


def _in_background(playing: Play, run: Callable[[], None]) -> None:
    thread = threading.Thread(target=run, daemon=True)
    playing.background.append(thread)
    thread.start()


def _pull(playing: Play, lever: str) -> bool:
    """Pull a lever, again while the database is away; tell whether the issue's state allowed it."""
    while not playing.over.wait(0.1):
        if playing.issue_id:
            event = api_event(
                "POST",
                f"/issues/{{id}}/{lever}",
                path_parameters={"id": playing.issue_id},
                author="ada",
            )
            status = publish(event, context())["statusCode"]
            if status in {HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT}:
                return bool(status == HTTPStatus.ACCEPTED)
    return False


def _lose_kicks(playing: Play, _: dict[str, Any]) -> None:
    playing.kicks_lost_until = time.monotonic() + playing.pace.of(playing.plan.longest)


def _lose_clock(playing: Play, _: dict[str, Any]) -> None:
    playing.struck["clock lost"] += playing.stage.clocks.lose_all()
    playing.look_at = time.monotonic() + playing.pace.of(timing.DAILY_LOOK)


def _at_ses(name: str, begin: Callable[..., int]) -> Callable[[Play, dict[str, Any]], None]:
    def strike(playing: Play, options: dict[str, Any]) -> None:
        number = begin(playing.stage.ses.control, **options)
        taken = {None: "", "first": ", mails taken", "late": ", mails taken late"}.get(
            options.get("take"), ", mails not taken"
        )
        playing.ses_faults[number] = f"SES {name}{taken}"

    return strike


_TIMED: dict[str, Callable[[Play, dict[str, Any]], None]] = {
    "kill": _kill_one,
    "kill on and on": _kill_on_and_on,
    "freeze": _freeze_one,
    "kill postgres": _kill_postgres,
    "watch the breaker": _watch_breaker,
    "lose kicks": _lose_kicks,
    "lose clock": _lose_clock,
    "pause": _pause,
    "stop": _stop_sending,
    "quota": _spend_quota,
    "throttle calls": _at_ses("throttles calls", lambda c, count: c.throttle_calls(count)),
    "throttle entries": _at_ses("throttles entries", lambda c, count: c.throttle_entries(count)),
    "fail entries": _at_ses(
        "fails entries", lambda c, count: c.refuse_entries("TRANSIENT_FAILURE", count=count)
    ),
    "hang": _at_ses(
        "hangs", lambda c, seconds, take, count: c.hang(seconds, take=take, count=count)
    ),
    "drop": _at_ses("drops", lambda c, take, count: c.drop(take=take, count=count)),
    "fail": _at_ses(
        "answers 5xx",
        lambda c, take, count: c.refuse_calls("InternalFailure", take=take, count=count),
    ),
    "slow": _at_ses("is slow", lambda c, seconds: c.slow_down(seconds)),
}
