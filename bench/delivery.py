"""Measures the speed and cost of a whole delivery, from publishing to the finished issue.

Every run ends by comparing the sink's recipients with the issue's audience. A run that misses
somebody, or mails somebody twice, is an error and not a result.
"""

from __future__ import annotations

import json
import time
from datetime import datetime
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import psutil
from pydantic import BaseModel, ConfigDict

from bench import wire
from bench.draining import percentiles
from bench.events import call
from bench.lambdas import AsynchronousCalls, EventSource
from bench.sink import Conditions
from bench.tables import NOT_MEASURED
from bench.tables import table as table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.lambdas import Worker
    from bench.sink import Record
    from bench.stage import Stage
    from bench.wire import Traffic

BATCH_SIZE = 2  # DeliveryQueue's event source in template.yaml
UNBOUND = 1_000_000.0  # mails a second: the governor runs but delays nobody
WARM_UP = 1_000  # subscribers; afterwards each worker has its clients and connections
LONGEST = 1800.0  # seconds before a run counts as stuck
QUEUE_LATENCY = 0.2  # of SES's latency: SQS answers in about 10 ms in the same region
POLL_SECONDS = 0.02  # between two checks whether the issue has finished
FIRST_BOOKS_REQUEST = 0.5  # seconds after publishing; the interval then doubles
PARAGRAPH = """\
When it changed too fast, too much, [[name]], we sat down and read: the *old* letters first, then
those that came this week, and then the [archive](https://news.page.example/archive/{number}),
which somebody had put in order without telling anyone. Nothing was missing, and nothing was there
twice, which is all that can be asked of an archive, and of a post office too.
"""
MARKDOWN = "\n".join(PARAGRAPH.format(number=number) for number in range(12))


class WrongDelivery(Exception):
    """Somebody was not mailed exactly once, or the books don't balance."""


class DeliveryResult(BaseModel):
    """One run's results. Times in seconds; ``cpu_…``: processor seconds per 100,000 mails.

    ``mails_per_second`` counts from the first call's arrival at the sink to the last call's;
    ``to_finish`` from the request to publish until the issue is finished.
    ``show_…``: seconds of ``GET /issues/{id}``: the slowest while the issue is being sent (if the
    run asks for it), right after, and with fresh statistics in PostgreSQL.
    """

    model_config = ConfigDict(frozen=True)

    mails: int
    workers: int
    latency: float
    mails_per_second: float
    to_finish: float
    to_first_mail: float
    publish: float
    freeze: float
    release: float
    invocations: int
    invocation_p50: float
    invocation_p99: float
    cpu_workers: float
    cpu_dispatch: float
    cpu_database: float
    cpu_sink: float
    cpu_queues: float
    peak_memory: int
    bytes_to_ses: float
    show_mid_send: float | None = None
    show_at_end: float
    show_after_analyze: float

    @property
    def summary(self) -> str:
        """Return the run's result in one line."""
        return (
            f"{self.mails:,} mails at {self.latency * 1000:.0f} ms:"
            f" {self.mails_per_second:,.0f}/s, {self.cpu:.1f} processor seconds for 100,000"
        )

    @property
    def cpu(self) -> float:
        """Processor seconds of our own parts, without the sink and the queues."""
        return self.cpu_workers + self.cpu_dispatch + self.cpu_database


class Sending(NamedTuple):
    """A sent issue, and the sink's record of it.

    ``cpu``: the processor seconds it took, by process.
    """

    issue_id: str
    published_at: float
    publish: float
    finished_at: float
    record: Record
    show_mid_send: float | None
    cpu: dict[str, float]


class Fleet:
    """The warm Lambda environments that one issue needs."""

    def __init__(
        self, stage: Stage, workers: int, *, traced: bool = False, counts_links: bool = False
    ) -> None:
        self._stage = stage
        start = partial(stage.start_workers, counts_links=counts_links)
        self.publish = start("publish", 1)[0]
        self.dispatch = start("dispatch", 1, traced=traced)[0]
        self.deliver: Sequence[Worker] = start("deliver", workers, traced=traced)

    def __enter__(self) -> Self:
        """Send a small issue, so that every client and connection exists."""
        self._stage.seed(WARM_UP)
        self._stage.sink.set(Conditions(max_send_rate=UNBOUND))
        for worker in self.deliver:
            worker.invoke({"Records": []})
        self.send(WARM_UP)
        return self

    def __exit__(self, *_: object) -> None:
        """Close the workers."""
        for worker in (self.publish, self.dispatch, *self.deliver):
            worker.close()

    def send(self, mails: int, *, reads_books: bool = False) -> Sending:
        """Publish an issue and wait until it is finished. Raises ``WrongDelivery``.

        ``reads_books``: whether its author requests the books meanwhile, at the database's cost.
        """
        stage = self._stage
        list(stage.clocks.taken_kicks())  # of an issue that is finished
        audience = self.confirmed()
        source = EventSource(stage.aws.queues["DELIVERY"], self.deliver, BATCH_SIZE)
        calls = AsynchronousCalls(stage.clocks, self.dispatch)
        before = self._cpu()
        try:
            published_at = time.time()
            published = self.publish.invoke(
                call(
                    "POST",
                    "/issues",
                    # No stand-in is S3; a page is two writes, however many readers there are.
                    body={"title": "Number one", "markdown": MARKDOWN, "archive": False},
                )
            )
            issue_id = str(_document(published.answer)["id"])
            shown = self._wait(issue_id, (source, calls), reads_books=reads_books)
            finished_at = time.time()
        finally:
            source.close()
            calls.close()
        after = self._cpu()
        self.check(issue_id, mails, audience)
        return Sending(
            issue_id,
            published_at,
            published.seconds,
            finished_at,
            stage.sink.record(),
            max(shown, default=None),
            {name: after[name] - before[name] for name in after},
        )

    def _wait(
        self, issue_id: str, parts: Sequence[EventSource | AsynchronousCalls], *, reads_books: bool
    ) -> list[float]:
        """Wait until the issue is finished; return the seconds of each request for its books."""
        began = time.monotonic()
        shown: list[float] = []
        while self._stage.clocks.running():  # dispatch deletes the clock of a finished issue
            request_at = began + FIRST_BOOKS_REQUEST * 2 ** len(shown)
            if reads_books and time.monotonic() > request_at:
                self.books(issue_id)
                shown.append(self.publish.invocations[-1].seconds)
            for part in parts:
                if part.failure:
                    raise part.failure
            if time.monotonic() > began + LONGEST:
                raise WrongDelivery(f"not finished after {LONGEST} s")
            time.sleep(POLL_SECONDS)
        return shown

    def _cpu(self) -> dict[str, float]:
        own = psutil.Process().cpu_times()
        return {
            "workers": sum(worker.cpu for worker in self.deliver),
            "dispatch": self.dispatch.cpu,
            "database": self._stage.postgres_cpu,
            "sink": self._stage.sink.cpu,
            "queues": own.user + own.system,
        }

    def books(self, issue_id: str) -> dict[str, Any]:
        """Return the issue as its author sees it. Raises ``WrongDelivery`` on unbalanced books."""
        event = call("GET", "/issues/{id}", path_parameters={"id": issue_id})
        shown = _document(self.publish.invoke(event).answer)
        books = shown["books"]
        if books is None:  # not frozen yet
            return shown
        parts = [books["waiting"], books["accepted"], books["unresolved"]]
        parts += [*books["failed"].values(), *books["skipped"].values()]
        if sum(parts) != shown["audience"] or min(parts) < 0:
            raise WrongDelivery(f"the books don't balance: {shown}")
        return shown

    def time_to_show(self, issue_id: str) -> float:
        """Return the seconds of ``GET /issues/{id}``, the median of three requests."""
        for _ in range(3):
            self.books(issue_id)
        return median(one.seconds for one in self.publish.invocations[-3:])

    def confirmed(self) -> set[str]:
        """Return the addresses of all who are confirmed."""
        rows = self._stage.rows("SELECT email FROM subscribers WHERE status = 'confirmed'")
        return {row["email"] for row in rows}

    def check(self, issue_id: str, mails: int, audience: set[str] | None = None) -> None:
        """Check that the whole audience got the issue exactly once. Raises ``WrongDelivery``.

        ``audience``: who was confirmed when it was published; by default, who is now.
        """
        shown = self.books(issue_id)
        if shown["status"] != "finished":
            raise WrongDelivery(f"the issue is not finished: {shown}")
        if (shown["audience"], shown["books"]["accepted"]) != (mails, mails):
            raise WrongDelivery(f"not all of {mails} were accepted: {shown}")
        expected = self.confirmed() if audience is None else audience
        received = self._stage.sink.received()
        missing = expected - received.keys()
        others = received.keys() - expected
        twice = sum(number > 1 for number in received.values())
        if missing or others or twice or len(expected) != mails:
            raise WrongDelivery(
                f"of {mails}: {len(missing)} missing, {twice} mailed twice,"
                f" {len(others)} mailed outside the audience"
            )


def run(stage: Stage, mails: int, latency: float, workers: int, times: int = 1) -> DeliveryResult:
    """Deliver an issue to ``mails`` subscribers, and return what it took.

    With several ``times``, return the run of median cost.
    """
    with Fleet(stage, workers) as fleet:
        return middle([run_with(stage, fleet, mails, latency) for _ in range(times)])


def middle(results: Sequence[DeliveryResult]) -> DeliveryResult:
    """Return the result of median cost."""
    return sorted(results, key=lambda one: one.cpu)[len(results) // 2]


def run_with(stage: Stage, fleet: Fleet, mails: int, latency: float) -> DeliveryResult:
    """Deliver an issue by a warm fleet, and return what it took."""
    stage.seed(mails)
    stage.sink.set(Conditions(latency=latency, max_send_rate=UNBOUND))
    stage.aws.latency = latency * QUEUE_LATENCY
    invoked_before = [len(worker.invocations) for worker in fleet.deliver]
    sending = fleet.send(mails, reads_books=latency > 0)
    stage.aws.latency = 0.0
    invoked = [
        one
        for worker, before in zip(fleet.deliver, invoked_before, strict=True)
        for one in worker.invocations[before:]
    ]
    show_at_end = fleet.time_to_show(sending.issue_id)
    stage.rows("ANALYZE deliveries")
    p50, p99 = percentiles(invoked)
    record = sending.record
    return DeliveryResult(
        mails=mails,
        workers=len(fleet.deliver),
        latency=latency,
        mails_per_second=(mails - record.calls[-1].accepted) / record.seconds,
        to_finish=sending.finished_at - sending.published_at,
        to_first_mail=record.calls[0].at - sending.published_at,
        publish=sending.publish,
        **_freeze_and_release(stage, sending),
        invocations=len(invoked),
        invocation_p50=p50,
        invocation_p99=p99,
        **{f"cpu_{who}": seconds / mails * 100_000 for who, seconds in sending.cpu.items()},
        peak_memory=max(one.peak_memory for one in invoked),
        bytes_to_ses=record.bytes / mails,
        show_mid_send=sending.show_mid_send,
        show_at_end=show_at_end,
        show_after_analyze=fleet.time_to_show(sending.issue_id),
    )


def count(stage: Stage, mails: int, workers: int) -> Traffic:
    """Deliver an issue while libpq traces the traffic with PostgreSQL.

    Tracing is slow, so such a run is not timed.
    """
    with Fleet(stage, workers, traced=True) as fleet:
        stage.seed(mails)
        stage.sink.set(Conditions(max_send_rate=UNBOUND))
        stage.forget_traces()
        fleet.send(mails)
    return wire.read(stage.traces.iterdir())


def _freeze_and_release(stage: Stage, sending: Sending) -> dict[str, float]:
    """Return the seconds that freeze and release took, by dispatch's log."""
    at: dict[str, float] = {}
    for line in (stage.folder / "logs" / "dispatch.log").read_text().splitlines():
        if sending.issue_id not in line:
            continue
        entry = _json(line)
        moment = datetime.strptime(entry["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z").timestamp()
        at.setdefault(entry["message"], moment)
    frozen_at, released_at = at["audience frozen"], at["batches released"]
    began_at = sending.published_at + sending.publish
    return {"freeze": frozen_at - began_at, "release": released_at - frozen_at}


def _document(answer: dict[str, Any]) -> dict[str, Any]:
    return _json(answer["body"])


def _json(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    return document


def table(results: Sequence[DeliveryResult]) -> str:
    """Return a table of speed and cost, one run a line."""
    headings = (
        *("mails", "latency ms", "mails/s", "to finish s"),
        *("CPU s / 100,000: deliver", "database", "with dispatch", "sink", "queues"),
        *("p50 ms", "p99 ms", "peak MB", "bytes/mail to SES"),
    )
    return table_of(
        headings,
        [
            (
                one.mails,
                int(one.latency * 1000),
                one.mails_per_second,
                one.to_finish,
                one.cpu_workers,
                one.cpu_database,
                one.cpu,
                one.cpu_sink,
                one.cpu_queues,
                one.invocation_p50 * 1000,
                one.invocation_p99 * 1000,
                one.peak_memory / 1_000_000,
                one.bytes_to_ses,
            )
            for one in results
        ],
    )


def steps_table(results: Sequence[DeliveryResult]) -> str:
    """Return a table of what an author waits for, one run a line."""
    headings = (
        *("mails", "latency ms", "POST /issues ms", "freeze s", "release s", "first mail s"),
        *("GET /issues/{id} mid-send ms", "at the end", "after ANALYZE"),
    )
    return table_of(
        headings,
        [
            (
                one.mails,
                int(one.latency * 1000),
                one.publish * 1000,
                one.freeze,
                one.release,
                one.to_first_mail,
                NOT_MEASURED if one.show_mid_send is None else one.show_mid_send * 1000,
                one.show_at_end * 1000,
                one.show_after_analyze * 1000,
            )
            for one in results
        ],
    )


def traffic_table(traffic: Traffic, mails: int) -> str:
    """Return a table of the traffic between the functions and PostgreSQL, per mail."""
    return table_of(
        ("to PostgreSQL, a mail", "number"),
        [
            ("statements", traffic.statements / mails),
            ("transaction control", traffic.transaction_control / mails),
            ("SET", traffic.settings / mails),
            ("bytes sent", traffic.bytes_sent / mails),
            ("bytes received", traffic.bytes_received / mails),
            ("connections", traffic.connections / mails),
        ],
    )
