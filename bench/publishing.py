"""Measures how long an author waits for ``POST /issues``, by the number of subscribers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from bench.delivery import MARKDOWN
from bench.draining import percentiles
from bench.events import call
from bench.tables import table as table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.lambdas import Worker
    from bench.stage import Stage

ISSUES = 100
FEWEST = 10  # subscribers; the other sizes are compared with this one


class PublishResult(BaseModel):
    """The seconds that publishing took."""

    model_config = ConfigDict(frozen=True)

    subscribers: int
    issues: int
    p50: float
    p99: float


def run(stage: Stage, sizes: Sequence[int]) -> list[PublishResult]:
    """Publish many issues at each size, without dispatching any."""
    (worker,) = stage.start_workers("publish", 1)
    results = []
    for size in (FEWEST, *sizes):
        stage.seed(size)
        _publish(worker)
        first = len(worker.invocations)
        for _ in range(ISSUES):
            _publish(worker)
        p50, p99 = percentiles(worker.invocations[first:])
        results.append(PublishResult(subscribers=size, issues=ISSUES, p50=p50, p99=p99))
    worker.close()
    stage.clocks.lose_all()
    return results


def _publish(worker: Worker) -> None:
    event = call("POST", "/issues", body={"title": "Number one", "markdown": MARKDOWN})
    answer = worker.invoke(event).answer
    if answer["statusCode"] != 202:  # noqa: PLR2004 - HTTP's own
        raise RuntimeError(f"publish answered {answer['statusCode']}")


def table(results: Sequence[PublishResult]) -> str:
    """Return a table, one size a line."""
    return table_of(
        ("subscribers", "POST /issues p50 ms", "p99 ms", f"times that of {FEWEST}"),
        [
            (one.subscribers, one.p50 * 1000, one.p99 * 1000, one.p50 / results[0].p50)
            for one in results
        ],
    )
