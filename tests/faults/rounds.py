"""Plays one round: publishes an issue to a fresh audience while faults strike, and judges it."""

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
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import psycopg

from broadsheet.storage import archive
from functions.publish.app import handler as publish
from local.lambda_events import api_event
from ses_server import database as ses_database
from tests.cloud import context, json_of
from tests.faults import breaker, judgement, points, starts, timing, versions
from tests.faults.breaker import Mail, Stop
from tests.faults.judgement import Evidence, Verdict
from tests.faults.plans import RoundPlan, sabotage_of
from tests.faults.stage import Stage
from tests.faults.timing import Pace
from tests.faults.versions import Edit, Sent
from tests.faults.worker import FunctionName, Order

POLLERS: dict[FunctionName, int] = {"deliver": 3, "feedback": 2}
STEP_SECONDS = 0.04
PROBE_SECONDS = 0.005
CALLS_TO_MEASURE = 3
BOOKS_EVERY = 0.2
BYSTANDERS = 20  # confirmed, and not in the segment of a round for one
PUBLISH_TRIES = 20
NAME = "Ursula"
CAREFUL = {"sample": 0.2, "hold": "PT1M"}  # the shortest; the round's driver shortens it
OUTAGE_SECONDS = (0.0, 1.0, 3.0)
QUOTA = 1000  # mails a day, while the quota is nearly spent
QUOTA_LEFT = 20
ARCHIVED_ROUNDS = 3  # one round of so many has its issue in the archive
BUCKET_SECONDS = 1.0  # until SES's bucket, perhaps resized, is full
FOREVER = 3600.0
BOUNCE_SECONDS = 1.5
LONGEST_QUEUE, SHORT_QUEUE = 3000, 1000  # messages in FeedbackQueue
FAST_RATE = 1500  # mails a second, once the breaker has been judged


@dataclass
class Play:
    """A round in progress."""

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
    check_at: float | None = None
    kicks_lost_until: float = 0.0
    postgres_back_at: float | None = None
    holds_events: bool = False
    chance: random.Random = field(default_factory=random.Random)
    struck: Counter[str] = field(default_factory=Counter)
    ses_faults: dict[int, str] = field(default_factory=dict)
    background: list[threading.Thread] = field(default_factory=list)
    authors: list[threading.Thread] = field(default_factory=list)  # who edit and correct
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def pace(self) -> Pace:
        return self.stage.pace

    def order(self, function: FunctionName, event: dict[str, Any] | None = None) -> int:
        """Start an environment; return its order's number."""
        number = next(_numbers)
        self.stage.zygote.start(
            Order(
                number=number,
                function=function,
                environment=self.variables,
                folder=self.folder,
                plan=self.plan.actions,
                sabotage=sabotage_of(self.plan, function),
                event=event,
                until=time.time() + self.pace.of(self.plan.longest + self.plan.drain) + 30,
                scale=self.pace.scale,
            )
        )
        return number


_numbers = iter(range(1, 10**9))


def play(stage: Stage, plan: RoundPlan, *, keep: bool = False) -> Verdict:
    """Play a round and judge it. Keep its folder if it went wrong, or with ``keep``."""
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
    _choose_pace(stage, plan, folder)
    with stage.queues(name) as variables, ExitStack() as ended:
        ended.callback(stage.zygote.kill_all)
        ended.callback(control.end_all)
        ended.callback(control.end_all_fates)
        ended.callback(control.let_events_travel)
        variables |= {"WARM_UP": "true" if plan.warms_up else "false"}
        os.environ.update(variables)
        evidence = Evidence(stop=Stop() if plan.author_action else None)
        playing = Play(
            stage, plan, folder, variables, _add_subscribers(stage, plan, evidence), evidence
        )
        playing.chance.seed(plan.seed)
        _prepare(playing)
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
        _stop_everything(playing)
        evidence.seconds = time.monotonic() - started
        evidence.throttles = control.throttles().rate - throttled_before
        _gather(playing)
    verdict = judgement.judge(plan, evidence, str(folder))
    if verdict.is_good and not keep:
        shutil.rmtree(folder)
    return verdict


def _choose_pace(stage: Stage, plan: RoundPlan, folder: Path) -> None:
    """Choose the fastest pace that the machine can follow, by how long calls of dispatch take."""
    took = []
    for _ in range(CALLS_TO_MEASURE):
        called_at = time.monotonic()
        probe = Play(stage, RoundPlan(plan.seed, 0, 1), folder, {}, [], Evidence())
        number = probe.order("dispatch", {})
        while not stage.zygote.has_ended(number):
            time.sleep(PROBE_SECONDS)
        took.append(time.monotonic() - called_at)
    stage.set_pace(timing.pace_for(median(took)))


def _add_subscribers(stage: Stage, plan: RoundPlan, evidence: Evidence) -> list[UUID]:
    """Add confirmed subscribers, and some who must get nothing."""
    rows = stage.rows(
        """
        INSERT INTO subscribers
            (id, email, name, language, tags, signed_up_at, confirmation_issued_at, confirmed_at,
             unsubscribed_at)
        SELECT gen_random_uuid(), 'reader' || number || '@example.com', %(name)s, 'en',
               CASE WHEN number <= %(meant)s THEN ARRAY['meant'] ELSE '{}' END,
               now() - interval '1 day',
               CASE WHEN number > 3 THEN now() - interval '1 day' END,
               CASE WHEN number > 3 THEN now() - interval '1 day' END,
               CASE WHEN number BETWEEN 4 AND 6 THEN now() - interval '1 hour' END
        FROM generate_series(1, %(number)s) AS number
        RETURNING id, status = 'confirmed' AND tags = '{meant}' AS is_meant
        """,
        name=NAME,
        meant=plan.audience + 6,
        number=plan.audience + 6 + (BYSTANDERS if plan.for_segment else 0),
    )
    if plan.for_segment:
        stage.rows(
            "INSERT INTO segments (name, filter, author)"
            """ VALUES ('meant', '{"tags": {"any": ["meant"]}}', 'ada')"""
        )
    meant = [row["id"] for row in rows if row["is_meant"]]
    evidence.confirmed = set(map(str, meant))
    evidence.others = {str(row["id"]) for row in rows} - evidence.confirmed
    return meant


def _prepare(playing: Play) -> None:
    plan, control = playing.plan, playing.stage.ses.control
    _name_postgres(playing)
    # A signature's date has whole seconds.
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
        # They bounce in the middle of sending, while one claim follows another.
        control.bounce(share=plan.bounce_share, suppresses=False, after=BOUNCE_SECONDS)
    for function, number in POLLERS.items():
        for _ in range(number):
            playing.pollers[playing.order(function)] = function


def _drive(playing: Play, watcher: threading.Thread, changer: threading.Thread) -> None:
    """Publish, and play the clock, Lambda and the faults until the issue is finished."""
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
        _advance(playing, now)
        if playing.issue_id and not watcher.ident:
            watcher.start()
            changer.start()
        is_calm = not timed and not playing.thaw_at and now >= playing.calm_at
        is_calm = is_calm and not any(author.is_alive() for author in playing.authors)
        if is_calm and playing.evidence.has_finished and not playing.stage.clocks.running():
            playing.evidence.has_ended = True
            break
        time.sleep(STEP_SECONDS)
    if not watcher.ident:  # publishing failed
        watcher.start()
        changer.start()


def _paced(pace: Pace, options: dict[str, Any]) -> dict[str, Any]:
    return {name: pace.of(value) if name == "seconds" else value for name, value in options.items()}


def _advance(playing: Play, now: float) -> None:
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
        stage.kill_postgres()  # its remaining processes
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
    if playing.check_at and now >= playing.check_at:
        playing.check_at = now + playing.pace.of(timing.DAILY_CHECK)
        playing.order("dispatch", {})


def _keep_feedback_short(playing: Play) -> None:
    """Hold events back while many wait: the emulator scans every message for each call."""
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
    """Write its process id for the environments that may kill it."""
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
    """Whether a frozen process may thaw: after sending, if planned so, or late in the round."""
    longest = playing.published_at + playing.pace.of(playing.plan.longest / 2)
    return playing.evidence.has_finished or not playing.plan.thaws_after_sending or now >= longest


class _Publisher(threading.Thread):
    """An author's client: repeats the request with the same key until it is accepted."""

    def __init__(self, playing: Play) -> None:
        super().__init__(daemon=True)
        self._playing = playing

    def run(self) -> None:
        playing = self._playing
        event = api_event(
            "POST",
            "/issues",
            body=json.dumps(
                {
                    "title": versions.title_of(1),
                    "markdown": "Dear [[name]]",
                    # On a busy machine, a page takes much of the time that dispatch has here.
                    "archive": playing.plan.seed % ARCHIVED_ROUNDS == 0,
                    "segment": "meant" if playing.plan.for_segment else None,
                    "careful": CAREFUL if playing.plan.is_careful else None,
                }
            ),
            headers={"content-type": "application/json", "idempotency-key": str(uuid4())},
            author="ada",
        )
        for _ in range(PUBLISH_TRIES):
            number = playing.order("publish", event)
            answer = playing.folder / f"answer {number}"
            while not playing.stage.zygote.has_ended(number) and not playing.over.is_set():
                time.sleep(STEP_SECONDS)
            if answer.exists():
                response = json.loads(answer.read_text())
                if response["statusCode"] == HTTPStatus.ACCEPTED:
                    playing.issue_id = json_of(response)["id"]
                    return
            time.sleep(0.2)


def _watch_books(playing: Play) -> None:
    """Request the issue repeatedly: its books must balance in every answer."""
    while not playing.over.wait(BOOKS_EVERY):
        if document := _shown(playing):
            playing.evidence.add_answer(document)


def _shown(playing: Play, issue_id: str = "") -> dict[str, Any] | None:
    named = {"id": issue_id or playing.issue_id}
    event = api_event("GET", "/issues/{id}", path_parameters=named, author="ada")
    answer = publish(event, context())
    return json_of(answer) if answer["statusCode"] == HTTPStatus.OK else None


def _change_subscribers(playing: Play) -> None:
    """Unsubscribe some readers, and report bounces of others, while the issue is being sent."""
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
    evidence.possibly_gone = pending | {str(subscriber) for subscriber in leaving}


def _bounce(subscriber: UUID) -> str:
    """Return the event of another mail, such as the confirmation, that bounced permanently."""
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
    """Wait until every event still under way has arrived."""
    control = playing.stage.ses.control
    for fault in control.state()["faults"]:
        playing.struck[playing.ses_faults[fault["number"]]] += fault["struck"]
    control.end_all()
    deadline = time.monotonic() + playing.pace.of(playing.plan.drain)
    seen_empty = 0
    while time.monotonic() < deadline and seen_empty < 2:
        _advance(playing, time.monotonic())
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


def _stop_everything(playing: Play) -> None:
    """Kill what still runs, and restart the database if it was killed last."""
    playing.stage.zygote.kill_all()
    outage = playing.folder / points.OUTAGE
    if playing.postgres_back_at or outage.exists():
        playing.stage.kill_postgres()
        playing.stage.start_postgres()
        outage.unlink(missing_ok=True)


def _gather(playing: Play) -> None:
    """Collect the evidence for the judgement."""
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
        SELECT issue_id::text, subscriber_id::text, round, version, outcome::text AS outcome,
               reason, message_id, claim_id::text, bounced_at
        FROM deliveries
        """
    )
    _gather_versions(playing)
    _gather_start(playing)
    evidence.ledger = [row for row in evidence.ledger if row["issue_id"] == playing.issue_id]
    evidence.possibly_twice = {
        row["id"] for row in stage.rows("SELECT subscriber_id::text AS id FROM resends")
    }
    evidence.open_batches = stage.rows(
        "SELECT count(*) AS number FROM delivery_batches WHERE state <> 'closed'"
    )[0]["number"]
    evidence.to_archive = {
        (row["id"], row["version"])
        for row in stage.rows(
            "SELECT id::text, version FROM issues"
            " WHERE frozen_at IS NOT NULL AND archive AND status <> 'canceled'"
        )
    }
    pages = (archive.find_page(entry.id) for entry in archive.read_index().issues)
    evidence.archived = {(str(page.issue.id), page.issue.version) for page in pages if page}
    evidence.scale = playing.pace.scale
    evidence.dead_letters = _dead_letters(playing)
    evidence.errors = _errors(playing.folder / points.LOG)
    reads = playing.folder / points.READS
    if reads.exists():
        evidence.reads = [json.loads(line) for line in reads.read_text().splitlines()]
        evidence.versions.reads = evidence.reads
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
    playing.struck.update(_travel_counts(playing))
    evidence.struck = +playing.struck


def _gather_versions(playing: Play) -> None:
    judged = playing.evidence.versions
    with closing(ses_database.connect(playing.stage.ses.directory)) as record:
        rows = record.execute(
            "SELECT json_extract(entry, '$.tags.issue'), json_extract(entry, '$.tags.subscriber'),"
            " contents.subject"
            " FROM mails JOIN contents ON contents.id = content_id"
            " WHERE json_extract(entry, '$.tags.issue') IN (?, ?)",
            (playing.issue_id, judged.correction_id),
        ).fetchall()
    judged.sent = [Sent(of, to, versions.version_of(subject)) for of, to, subject in rows]
    judged.ledger = [row for row in playing.evidence.ledger if row["outcome"] == "accepted"]
    if judged.correction_id:
        judged.correction = _shown(playing, judged.correction_id) or {}


def _mails(playing: Play) -> list[Mail]:
    with closing(ses_database.connect(playing.stage.ses.directory)) as record:
        rows = record.execute(
            "SELECT received_at, json_extract(entry, '$.tags.subscriber') FROM mails"
            " WHERE json_extract(entry, '$.tags.issue') = ?",
            (playing.issue_id,),
        ).fetchall()
    return [Mail(received_at / 1000, subscriber_id) for received_at, subscriber_id in rows]


def _gather_start(playing: Play) -> None:
    start, rows = playing.evidence.start, playing.stage.rows
    start.is_careful, start.warms_up = playing.plan.is_careful, playing.plan.warms_up
    start.mails = [starts.Mail(*mail) for mail in _mails(playing)]
    if not playing.issue_id:
        return
    (held,) = rows(
        "SELECT extract(epoch FROM held_until)::float8 AS held_until FROM issues WHERE id = %(id)s",
        id=playing.issue_id,
    )
    start.held_until = held["held_until"]
    start.rest = {
        row["id"]
        for row in rows(
            """
            SELECT member.id::text AS id
            FROM (
                SELECT recipients, sum(cardinality(recipients)) OVER (ORDER BY number) AS up_to
                FROM delivery_batches WHERE issue_id = %(id)s AND round = 1
            ) AS batch, unnest(recipients) AS member (id), issues
            WHERE issues.id = %(id)s AND up_to > sample_size
            """,
            id=playing.issue_id,
        )
    }
    (governor,) = rows("SELECT first_day FROM send_governor")
    start.day_seconds = playing.pace.of(timing.TIMINGS["warm_up_day"])
    first_mail = min((mail.at for mail in start.mails), default=0.0)
    start.first_day = governor["first_day"] or int(first_mail // start.day_seconds)
    start.slack = playing.pace.of(timing.TIMINGS["slot_horizon"] + timing.TIMINGS["claim_deadline"])
    if start.warms_up:
        playing.struck["days of a warm-up"] = len(start.by_day)


def _travel_counts(playing: Play) -> dict[str, int]:
    """Count the round's events that were late, doubled, reordered or lost."""
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
    """Count the exceptions in the environments' logs, including those that ended one."""
    errors: Counter[tuple[str, str, str]] = Counter()
    for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
        with suppress(ValueError):  # a kill may have cut the line off
            entry = json.loads(line)
            if raised_at := entry.get("raised_at"):
                errors[entry["function"], entry["error"], raised_at[-1]] += 1
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


# --- Timed faults ---------------------------------------------------------------------------------


def _kill_one(playing: Play, _: dict[str, Any]) -> None:
    running = sorted(playing.stage.zygote.running.values())
    if running:
        with suppress(ProcessLookupError):
            os.kill(playing.chance.choice(running), signal.SIGKILL)
            playing.struck["killed at random"] += 1


def _kill_repeatedly(playing: Play, options: dict[str, Any]) -> None:
    """Kill a process about every ``seconds`` until the issue is finished."""

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
    """Pause the issue as its author, and resume it later."""

    def run() -> None:
        if _post_action(playing, "pause"):
            playing.struck["paused and resumed"] += 1
            playing.over.wait(options["seconds"])
            _post_action(playing, "resume")

    _in_background(playing, run)


def _edit(playing: Play, options: dict[str, Any]) -> None:
    """Pause the issue as its author, edit it, and resume it; more than once, if planned so.

    The first time is ``after`` the first claim: earlier, nobody has the version before.
    """

    def run() -> None:
        while not (playing.folder / points.READS).exists():
            if playing.over.wait(STEP_SECONDS):
                return
        playing.over.wait(playing.pace.of(options["after"]))
        for seconds in options["pauses"]:
            if not _post_action(playing, "pause"):
                return
            if _put_next_version(playing):
                playing.struck["edited while paused"] += 1
            playing.over.wait(playing.pace.of(seconds))
            _post_action(playing, "resume")
            playing.over.wait(playing.pace.of(seconds))

    _in_background(playing, run)
    playing.authors.append(playing.background[-1])


def _put_next_version(playing: Play) -> bool:
    """Edit the issue, whatever resumes it or fails meanwhile; return whether it was editable."""
    edits, following = playing.evidence.versions.edits, playing.evidence.versions.current + 1
    event = api_event(
        "PUT",
        "/issues/{id}",
        path_parameters={"id": playing.issue_id},
        headers={"content-type": "application/json", "if-match": f'"{following - 1}"'},
        body=json.dumps({"title": versions.title_of(following), "markdown": "Dear [[name]]"}),
        author="ada",
    )
    began = time.time()
    while not playing.over.wait(0.02):
        answer = publish(event, context())
        # Stale: the version was made, although the answer said otherwise.
        if answer["statusCode"] in {HTTPStatus.OK, HTTPStatus.PRECONDITION_FAILED}:
            edits[following] = Edit(began, time.time())
            return True
        if answer["statusCode"] == HTTPStatus.CONFLICT and not _post_action(playing, "pause"):
            return False
    return False


def _correct(playing: Play, options: dict[str, Any]) -> None:
    """Correct the issue once it was edited; if planned so, only after it has finished."""

    def run() -> None:
        judged, editors = playing.evidence.versions, list(playing.authors)
        while not judged.edits and any(editor.is_alive() for editor in editors):
            time.sleep(STEP_SECONDS)
        while options["late"] and not playing.evidence.has_finished:
            if playing.over.wait(STEP_SECONDS):
                return
        playing.over.wait(playing.pace.of(options["after"]))
        _post_correction(playing)

    _in_background(playing, run)
    playing.authors.append(playing.background[-1])


def _post_correction(playing: Play) -> None:
    judged = playing.evidence.versions
    event = api_event(
        "POST",
        "/issues/{id}/correct",
        path_parameters={"id": playing.issue_id},
        headers={"content-type": "application/json", "idempotency-key": str(uuid4())},
        body=json.dumps({"title": versions.CORRECTION, "markdown": "It is Tuesday."}),
        author="ada",
    )
    while not playing.over.wait(0.1):
        current = judged.current
        answer = publish(event, context())
        document = json_of(answer)
        if answer["statusCode"] == HTTPStatus.ACCEPTED:
            judged.correction_id = document["id"]
            judged.corrects_version = document["corrects_version"]
            playing.struck["corrected"] += 1
            return
        if answer["statusCode"] == HTTPStatus.CONFLICT:
            judged.corrects_version = current if current > 1 else 0
            playing.struck["nothing to correct"] += 1
            return


def _stop_sending(playing: Play, options: dict[str, Any]) -> None:
    """Pause sending at SES, which pauses the issue; later resume both."""

    def run() -> None:
        control = playing.stage.ses.control
        control.pause_sending()
        playing.struck["SES pauses sending"] += 1
        playing.over.wait(options["seconds"])
        control.resume_sending()
        while not playing.over.wait(0.3) and not playing.evidence.has_finished:
            _post_action(playing, "resume")

    _in_background(playing, run)


def _spend_quota(playing: Play, options: dict[str, Any]) -> None:
    """Use up SES's 24-hour quota for a while."""

    def run() -> None:
        control = playing.stage.ses.control
        control.change_account(max_24_hour_send=QUOTA, sent_last_24_hours=QUOTA - QUOTA_LEFT)
        playing.struck["SES's quota is spent"] += 1
        playing.over.wait(options["seconds"])
        control.change_account(max_24_hour_send=-1, sent_last_24_hours=0)

    _in_background(playing, run)


def _watch_breaker(playing: Play, _: dict[str, Any]) -> None:
    """Wait until the breaker has paused the issue and all is settled; then act as its author."""

    def run() -> None:
        stop, author_action = playing.evidence.stop, playing.plan.author_action
        assert stop
        assert author_action
        while not playing.over.wait(BOOKS_EVERY):
            document = _shown(playing) if playing.issue_id else None
            if document and document["status"] == "paused" and _is_settled(playing):
                break
        stop.shown = _shown(playing) or {}
        stop.acted_at = time.time()
        playing.stage.ses.control.end_all_fates()
        playing.stage.ses.control.change_account(max_send_rate=FAST_RATE)
        playing.over.wait(BUCKET_SECONDS)  # the governor counts on the bucket of the rate it reads
        if _post_action(playing, author_action):
            playing.struck[f"paused by the breaker, then {author_action}"] += 1

    _in_background(playing, run)


def _is_settled(playing: Play) -> bool:
    """Whether nothing is claimed and every event has arrived."""
    claimed = playing.stage.rows(
        "SELECT count(*) AS number FROM delivery_batches WHERE state = 'claimed'"
    )[0]["number"]
    due = playing.stage.ses.control.event_counts().get("due")
    return not claimed and not due and not _messages(playing)


def _in_background(playing: Play, run: Callable[[], None]) -> None:
    thread = threading.Thread(target=run, daemon=True)
    playing.background.append(thread)
    thread.start()


def _post_action(playing: Play, author_action: str) -> bool:
    """Post an action, again while the database is down; return whether the issue allowed it."""
    while not playing.over.wait(0.1):
        if playing.issue_id:
            event = api_event(
                "POST",
                f"/issues/{{id}}/{author_action}",
                path_parameters={"id": playing.issue_id},
                author="ada",
            )
            if author_action == "resume":
                playing.evidence.start.resumed_at.append(time.time())
            status = publish(event, context())["statusCode"]
            if status in {HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT}:
                return bool(status == HTTPStatus.ACCEPTED)
    return False


def _watch_hold(playing: Play, options: dict[str, Any]) -> None:
    """Shorten the hold once it has begun; resume the issue if its sample has stopped it."""

    def run() -> None:
        while not playing.over.wait(BOOKS_EVERY):
            with suppress(psycopg.Error):
                if playing.stage.rows(
                    "UPDATE issues SET held_until = now() + %(hold)s WHERE id::text = %(id)s"
                    " AND held_after IS NOT NULL AND held_until > now() + interval '20 seconds'"
                    " RETURNING id",
                    id=playing.issue_id,
                    hold=timedelta(seconds=options["seconds"]),
                ):
                    playing.struck["held behind a sample"] += 1
                stopped = playing.stage.rows(
                    "SELECT FROM issues WHERE id::text = %(id)s AND status = 'paused'"
                    " AND sample_size IS NOT NULL"
                    " AND paused_because ~ '^(of the first|SES has reported)'",
                    id=playing.issue_id,
                )
                if stopped and _post_action(playing, "resume"):
                    playing.struck["stopped by its sample, then resumed"] += 1

    _in_background(playing, run)


def _lose_kicks(playing: Play, _: dict[str, Any]) -> None:
    playing.kicks_lost_until = time.monotonic() + playing.pace.of(playing.plan.longest)


def _lose_clock(playing: Play, _: dict[str, Any]) -> None:
    playing.struck["clock lost"] += playing.stage.clocks.lose_all()
    playing.check_at = time.monotonic() + playing.pace.of(timing.DAILY_CHECK)


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
    "kill repeatedly": _kill_repeatedly,
    "freeze": _freeze_one,
    "kill postgres": _kill_postgres,
    "watch the breaker": _watch_breaker,
    "watch the hold": _watch_hold,
    "lose kicks": _lose_kicks,
    "lose clock": _lose_clock,
    "pause": _pause,
    "edit": _edit,
    "correct": _correct,
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
