"""Measures how many sign-ups a second subscribe takes, and enroll applies with their mails."""

from __future__ import annotations

import time
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from bench import draining
from bench.draining import percentiles
from bench.events import call
from bench.sink import Conditions
from bench.tables import table as table_of

if TYPE_CHECKING:
    from bench.lambdas import Worker
    from bench.stage import Stage

BATCH_SIZE = 100  # RequestsQueue's event source in template.yaml
WORKERS = 2  # its MaximumConcurrency
SUBSCRIBERS = 10_000  # who exist already
SHARING = 3  # readers behind one address
RATE = 100_000  # mails a second that the sink takes: no sign-up waits


class WrongSignUps(Exception):
    """Somebody who signed up didn't get exactly one mail."""


class SignUpResult(BaseModel):
    """One function's results. Times in seconds; ``cpu``: processor seconds per 1,000 sign-ups."""

    model_config = ConfigDict(frozen=True)

    step: str
    workers: int
    per_second: float
    cpu: float
    cpu_database: float
    p50: float
    p99: float


def run(stage: Stage, sign_ups: int) -> list[SignUpResult]:
    """Sign people up through subscribe, then apply their requests through enroll."""
    stage.seed(SUBSCRIBERS)
    stage.sink.set(Conditions(max_send_rate=RATE))
    requests = stage.aws.queues["REQUESTS"]
    (edge,) = stage.start_workers("subscribe", 1)
    for number in range(WORKERS):
        _sign_up(edge, f"warm-{number}", number)
    cpu, began = edge.cpu, time.monotonic()
    for number in range(sign_ups):
        _sign_up(edge, str(number), number)
    seconds = time.monotonic() - began
    p50, p99 = percentiles(edge.invocations[WORKERS:])
    at_edge = SignUpResult(
        step="subscribe",
        workers=1,
        per_second=sign_ups / seconds,
        cpu=(edge.cpu - cpu) / sign_ups * 1000,
        cpu_database=0.0,
        p50=p50,
        p99=p99,
    )
    edge.close()
    workers = stage.start_workers("enroll", WORKERS)
    for worker in workers:  # each renders the mail once
        (warming,) = requests.take(1, seconds=1)
        draining.warm(worker, [warming.body])
        requests.delete([warming.id])
    drained = draining.drain(stage, "REQUESTS", workers, [], BATCH_SIZE)
    for worker in workers:
        worker.close()
    _check(stage, sign_ups)
    return [
        at_edge,
        SignUpResult(
            step="enroll",
            workers=WORKERS,
            per_second=sign_ups / drained.seconds,
            cpu=drained.cpu_workers / sign_ups * 1000,
            cpu_database=drained.cpu_database / sign_ups * 1000,
            p50=drained.invocation_p50,
            p99=drained.invocation_p99,
        ),
    ]


def _sign_up(edge: Worker, who: str, number: int) -> None:
    source = str(IPv4Address("198.18.0.0") + number // SHARING)
    body = {"name": "Ursula", "email": f"new-{who}@page.example"}
    answer = edge.invoke(
        call("POST", "/subscriptions", body=body, author=None, source=source)
    ).answer
    if answer["statusCode"] != 202:  # noqa: PLR2004 - HTTP's own
        raise RuntimeError(f"subscribe answered {answer['statusCode']}")


def _check(stage: Stage, sign_ups: int) -> None:
    everybody = (*(f"warm-{number}" for number in range(WORKERS)), *range(sign_ups))
    expected = {f"new-{who}@page.example": 1 for who in everybody}
    rows = stage.rows("SELECT email FROM subscribers WHERE status = 'pending' AND due_mail IS NULL")
    if {row["email"] for row in rows} != expected.keys() or stage.sink.received() != expected:
        raise WrongSignUps(f"of {len(expected)}, {len(rows)} are pending without a due mail")


def table(steps: list[SignUpResult]) -> str:
    """Return a table of the two functions."""
    headings = (
        *("sign-ups through", "workers", "a second", "CPU s / 1,000", "database", "p50 ms"),
        "p99 ms",
    )
    return table_of(
        headings,
        [
            (
                *(one.step, one.workers, one.per_second, one.cpu, one.cpu_database),
                *(one.p50 * 1000, one.p99 * 1000),
            )
            for one in steps
        ],
    )
