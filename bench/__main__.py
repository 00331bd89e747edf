"""``python -m bench``: measures, prints tables, and writes build/bench.json.

Each part can run alone; the file keeps the other parts' results of earlier runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ValidationError

from bench import (
    crowds,
    delivery,
    feedback,
    freezing,
    governor,
    importing,
    links,
    moving,
    previewing,
    profiling,
    publishing,
    restarting,
    searching,
    signing_up,
    sink_alone,
    stage,
    starting,
    studio,
)
from bench.crowds import Abuse, Burst
from bench.delivery import DeliveryResult
from bench.feedback import FeedbackResult
from bench.freezing import FreezeResult
from bench.governor import Utilization
from bench.importing import ImportResult
from bench.links import LinksResult
from bench.moving import MoveResult
from bench.previewing import PreviewResult
from bench.profiling import Profile
from bench.publishing import PublishResult
from bench.restarting import Restarted
from bench.searching import SearchResult
from bench.signing_up import SignUpResult
from bench.sink_alone import SinkCapacity
from bench.starting import ColdImport, LayerSize
from bench.studio import PageCost
from bench.wire import Traffic
from local.state import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.stage import Stage

RESULTS = REPOSITORY / "build" / "bench.json"
SIZES = (10_000, 100_000, 1_000_000)  # subscribers
FEWEST = 1_000  # subscribers; fewer take too few calls for a meaningful rate
LATENCIES = (0.0, 0.05)  # seconds
WORKERS = 2  # deliver's MaximumConcurrency in template.yaml
REPEATED = 3  # runs of a small delivery, which takes a second: the median counts
PROFILED = 100_000  # mails at most
COUNTED = 10_000  # mails in the run that counts statements


class Results(BaseModel):
    """The benchmarks' results; a part that never ran is empty."""

    machine: str = f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}"
    began_at: float = 0.0
    seconds: float = 0.0
    sink_alone: SinkCapacity | None = None
    delivery: list[DeliveryResult] = []
    traffic: Traffic | None = None
    feedback: list[FeedbackResult] = []
    freezing: list[FreezeResult] = []
    publishing: list[PublishResult] = []
    previewing: list[PreviewResult] = []
    searching: list[SearchResult] = []
    studio: list[PageCost] = []
    signing_up: list[SignUpResult] = []
    abuse: Abuse | None = None
    burst: Burst | None = None
    starting: list[ColdImport] = []
    layer: LayerSize | None = None
    governor: list[Utilization] = []
    restarting: list[Restarted] = []
    importing: ImportResult | None = None
    links: LinksResult | None = None
    moving: MoveResult | None = None
    profile: Profile | None = None


def main() -> int:
    """Measure the requested parts; return 1 if one that ran missed its targets."""
    arguments = _arguments()
    results = _earlier_results()
    results.began_at = time.time()
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as folder,
        stage.running(Path(folder)) as here,
    ):
        signal.signal(signal.SIGINT, partial(_interrupt, here))
        for name in arguments.only:
            part = PARTS[name]
            part.measure(here, results, arguments.size)
            sys.stdout.write(f"{part.tables(results)}\n\n")
            sys.stdout.flush()
    results.seconds = time.time() - results.began_at
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(results.model_dump_json(indent=1))
    # Else from an earlier run.
    measured: list[
        Abuse | Burst | Utilization | ImportResult | MoveResult | PageCost | PreviewResult
    ] = []
    if "governor" in arguments.only:
        measured.extend(results.governor)
    if "previewing" in arguments.only:
        measured.extend(results.previewing)
    if "studio" in arguments.only:
        measured.extend(results.studio)
    for name, result in (
        ("abuse", results.abuse),
        ("burst", results.burst),
        ("importing", results.importing),
        ("moving", results.moving),
    ):
        if name in arguments.only and result:
            measured.append(result)
    return 0 if all(each.is_good for each in measured) else 1


def _earlier_results() -> Results:
    try:
        return Results.model_validate_json(RESULTS.read_bytes())
    except (FileNotFoundError, ValidationError):  # no file, or one of another version
        return Results()


def _interrupt(here: Stage, *_: object) -> None:
    """Kill the workers, whose invocations may last a minute, then let everything else end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    here.kill_workers()
    raise KeyboardInterrupt


def _measure_delivery(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    results.delivery, results.feedback = [], []
    for size in sizes:
        for latency in LATENCIES:
            times = REPEATED if _is_small([size]) else 1
            results.delivery.append(delivery.run(here, size, latency, WORKERS, times))
            sys.stderr.write(f"{results.delivery[-1].summary}\n")
        results.feedback.append(feedback.run(here))  # for the issue just delivered
    results.traffic = delivery.count(here, COUNTED, WORKERS)
    results.sink_alone = sink_alone.measure(here)


def _delivery_tables(results: Results) -> str:
    tables = [delivery.table(results.delivery), delivery.steps_table(results.delivery)]
    if results.traffic and results.sink_alone:
        tables.append(delivery.traffic_table(results.traffic, COUNTED))
        tables.append(sink_alone.table(results.sink_alone))
    return "\n\n".join([*tables, feedback.table(results.feedback)])


def _measure_freezing(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    results.freezing = freezing.run(here, max(sizes))


def _measure_publishing(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    results.publishing = publishing.run(here, sizes)


def _measure_previewing(here: Stage, results: Results, _sizes: Sequence[int]) -> None:
    results.previewing = previewing.run(here)


def _measure_searching(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    results.searching = searching.run(here, max(sizes))


def _measure_studio(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    results.studio = studio.run(here, max(sizes))


def _measure_signing_up(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    results.signing_up = signing_up.run(here, 500 if _is_small(sizes) else 5_000)


def _measure_abuse(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    results.abuse = crowds.abuse(here, 1_000 if _is_small(sizes) else 10_000)


def _measure_burst(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    results.burst = crowds.burst(here, max(sizes) if max(sizes) < SIZES[-1] else SIZES[1])


def _measure_starting(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    runs = 1 if _is_small(sizes) else 7
    results.starting, results.layer = starting.measure(here.folder, runs)


def _starting_tables(results: Results) -> str:
    size = [starting.size_table(results.layer)] if results.layer else []
    return "\n\n".join([starting.table(results.starting), *size])


def _measure_governor(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    small = _is_small(sizes)
    results.governor = [
        governor.run(here, rate, workers, 3 if small else governor.seconds(rate))
        for rate in (governor.RATES[1:] if small else governor.RATES)  # 14 a second is slow
        for workers in ((2,) if small else governor.WORKERS)
    ]


def _measure_restarting(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    results.restarting = restarting.run(here.folder / "stack", min(sizes))


def _measure_importing(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    results.importing = importing.run(here, max(sizes))


def _measure_links(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    results.links = links.run(here, max(sizes), WORKERS, REPEATED)


def _measure_moving(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    results.moving = moving.run(here, max(sizes))


def _measure_profile(here: Stage, results: Results, sizes: Sequence[int]) -> None:
    mails = min(max(sizes), PROFILED)
    results.profile = profiling.run(here, mails, 0.0, WORKERS, RESULTS.parent / "profile")


class Part(NamedTuple):
    """One part: how to measure it, and how to show its results."""

    measure: Callable[[Stage, Results, Sequence[int]], None]
    tables: Callable[[Results], str]


PARTS = {
    "delivery": Part(_measure_delivery, _delivery_tables),
    "freezing": Part(_measure_freezing, lambda results: freezing.table(results.freezing)),
    "publishing": Part(_measure_publishing, lambda results: publishing.table(results.publishing)),
    "previewing": Part(_measure_previewing, lambda results: previewing.table(results.previewing)),
    "searching": Part(_measure_searching, lambda results: searching.table(results.searching)),
    "studio": Part(_measure_studio, lambda results: studio.table(results.studio)),
    "signing-up": Part(_measure_signing_up, lambda results: signing_up.table(results.signing_up)),
    "abuse": Part(
        _measure_abuse,
        lambda results: crowds.abuse_table(results.abuse) if results.abuse else "",
    ),
    "burst": Part(
        _measure_burst,
        lambda results: crowds.burst_table(results.burst) if results.burst else "",
    ),
    "starting": Part(_measure_starting, _starting_tables),
    "governor": Part(_measure_governor, lambda results: governor.table(results.governor)),
    "restarting": Part(_measure_restarting, lambda results: restarting.table(results.restarting)),
    "importing": Part(
        _measure_importing,
        lambda results: importing.table(results.importing) if results.importing else "",
    ),
    "links": Part(
        _measure_links,
        lambda results: links.table(results.links) if results.links else "",
    ),
    "moving": Part(
        _measure_moving,
        lambda results: moving.table(results.moving) if results.moving else "",
    ),
    "profile": Part(
        _measure_profile,
        lambda results: profiling.table(results.profile) if results.profile else "",
    ),
}
# The others take long, or slow what they measure.
_ON_REQUEST = {
    *("profile", "abuse", "burst", "importing", "links", "moving", "restarting", "studio"),
}
USUAL = [name for name in PARTS if name not in _ON_REQUEST]


def _is_small(sizes: Sequence[int]) -> bool:
    """Whether this run ends within two minutes."""
    return max(sizes) <= SIZES[0]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument(
        "--size", type=_size, nargs="+", default=list(SIZES), help="numbers of subscribers"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        default=USUAL,
        help=f"parts to run; by default {', '.join(USUAL)}",
    )
    return parser.parse_args()


def _size(text: str) -> int:
    if not text.isdecimal() or int(text) < FEWEST:
        raise argparse.ArgumentTypeError(f"{text} is not a number of at least {FEWEST}")
    return int(text)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(128 + signal.SIGINT)  # as a shell reports it
