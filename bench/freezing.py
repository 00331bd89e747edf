"""Measures how long dispatch takes to freeze an audience: everybody, and segments of them."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
from pydantic import BaseModel, ConfigDict

from bench.delivery import MARKDOWN
from bench.events import call
from bench.sink import Conditions
from bench.stage import DATABASE, in_database
from bench.tables import NOT_MEASURED
from bench.tables import table as table_of

if TYPE_CHECKING:
    from bench.lambdas import Worker
    from bench.stage import Stage

RUNS = 3  # of each; the median counts
# By whom they choose: everybody, half of them, one in a hundred, nearly everybody.
SEGMENTS: dict[str, dict[str, Any]] = {
    "all": {"tags": {"any": ["letters", "boats"]}, "language": "en"},
    "half": {"tags": {"all": ["half", "letters"]}},
    "few": {"tags": {"any": ["few"], "none": ["nobody"]}},
    "but few": {"tags": {"none": ["few"]}, "confirmed_after": "2020-01-01T00:00:00Z"},
}


class FreezeResult(BaseModel):
    """The seconds of one kind of freeze; ``counted``: of the segment's ``PUT``."""

    model_config = ConfigDict(frozen=True)

    subscribers: int
    who: str
    audience: int
    seconds: float
    counted: float | None = None


def run(stage: Stage, size: int) -> list[FreezeResult]:
    """Freeze the same subscribers for several issues; the first is before they have tags."""
    (publish,) = stage.start_workers("publish", 1)
    (dispatch,) = stage.start_workers("dispatch", 1)
    (people,) = stage.start_workers("people", 1)
    stage.seed(size)
    stage.sink.set(Conditions(max_send_rate=1_000_000))
    _freeze(stage, publish, dispatch, None)  # so that all clients exist
    results = [_median(stage, publish, dispatch, size, "everybody, without tags")]
    give_tags(stage)
    results.append(_median(stage, publish, dispatch, size, "everybody, with tags"))
    for name, segment in SEGMENTS.items():
        path = name.replace(" ", "-")
        stored = people.invoke(
            call("PUT", "/segments/{name}", body=segment, path_parameters={"name": path})
        )
        frozen = _median(stage, publish, dispatch, size, name, path)
        results.append(frozen.model_copy(update={"counted": stored.seconds}))
        if frozen.audience != json.loads(stored.answer["body"])["audience_now"]:
            raise RuntimeError(f"the segment {name} was counted and frozen otherwise")
    for worker in (publish, dispatch, people):
        worker.close()
    stage.clocks.lose_all()
    return results


def give_tags(stage: Stage) -> None:
    """Give all subscribers tags, as if they had come with them."""
    url = in_database(stage.postgres, DATABASE)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute(
            """
            UPDATE subscribers SET tags = ARRAY['boats', 'letters', 'tide']
                || CASE WHEN random() < 0.5 THEN ARRAY['half'] END
                || CASE WHEN random() < 0.01 THEN ARRAY['few'] END
            """
        )
        connection.execute("VACUUM (FULL) subscribers")
        connection.execute("VACUUM (ANALYZE) subscribers")


def _median(  # noqa: PLR0913, PLR0917 - what a freeze needs
    stage: Stage,
    publish: Worker,
    dispatch: Worker,
    size: int,
    who: str,
    segment: str | None = None,
) -> FreezeResult:
    runs = sorted(_freeze(stage, publish, dispatch, segment) for _ in range(RUNS))
    seconds, audience = runs[RUNS // 2]
    return FreezeResult(subscribers=size, who=who, audience=audience, seconds=seconds)


def _freeze(
    stage: Stage, publish: Worker, dispatch: Worker, segment: str | None
) -> tuple[float, int]:
    """Return the seconds from dispatch's start to the frozen audience, and its number."""
    stage.rows("CHECKPOINT")
    body = {"title": "Number one", "markdown": MARKDOWN, "archive": False, "segment": segment}
    issue_id = json.loads(publish.invoke(call("POST", "/issues", body=body)).answer["body"])["id"]
    began = time.time()
    dispatch.invoke({"issue_id": issue_id})
    for line in (stage.folder / "logs" / "dispatch.log").read_text().splitlines():
        if "audience frozen" in line and issue_id in line:
            entry = json.loads(line)
            at = datetime.strptime(entry["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z").timestamp()
            break
    else:
        raise RuntimeError("dispatch has frozen no audience")
    queue = stage.aws.queues["DELIVERY"]
    while messages := queue.take(100, 0):
        queue.delete([message.id for message in messages])
    stage.rows("DELETE FROM delivery_batches")
    stage.rows("DELETE FROM issues")
    return at - began, entry["audience"]


def table(results: list[FreezeResult]) -> str:
    """Return a table, one freeze a line."""
    return table_of(
        ("subscribers", "who gets the issue", "audience", "freeze s", "counted s"),
        [
            (
                *(one.subscribers, one.who, one.audience, one.seconds),
                NOT_MEASURED if one.counted is None else one.counted,
            )
            for one in results
        ],
    )
