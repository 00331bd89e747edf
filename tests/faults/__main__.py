"""``python -m tests.faults --rounds 200 --seed 1``: plays rounds and prints their table."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from local.state import REPOSITORY
from tests.faults import plans, rounds, stage
from tests.faults.judgement import Verdict
from tests.faults.plans import RoundPlan

LANES = 3  # rounds played at once; each lane has its own processes
RESULTS = REPOSITORY / "build" / "faults.json"
KEPT = REPOSITORY / "build" / "faults"


def main() -> int:
    """Play the rounds and print the table; return 1 if any went wrong."""
    arguments = _arguments()
    count = arguments.audience if arguments.form == plans.BIG else arguments.rounds
    planned = plans.FORMS[arguments.form](arguments.seed, count)
    if arguments.lane is not None:
        _play_lane(planned[arguments.lane :: LANES])
        return 0
    started = time.monotonic()
    verdicts = play_in_lanes(arguments.form, arguments.seed, count)
    say(table(verdicts))
    minutes = (time.monotonic() - started) / 60
    say(f"\n{len(verdicts)} rounds in {minutes:.1f} minutes")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1))
    wrong = [verdict for verdict in verdicts if not verdict.is_expected]
    return 1 if wrong or len(verdicts) < len(planned) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument(
        "--rounds", type=_one_or_more, default=20, help="number of rounds, in the form long"
    )
    parser.add_argument(
        "--audience", type=_one_or_more, default=100_000, help="number of readers, in the form big"
    )
    parser.add_argument("--seed", type=int, default=1, help="the first round's seed")
    parser.add_argument("--form", choices=list(plans.FORMS), default="long", help="which rounds")
    parser.add_argument("--lane", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _one_or_more(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def play_in_lanes(form: str, seed: int, count: int = 1) -> list[Verdict]:
    """Play rounds, several at once; print each verdict as it arrives."""
    paths = os.pathsep.join([str(REPOSITORY / "layers" / "common"), str(REPOSITORY)])
    verdicts: list[Verdict] = []
    lanes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.faults"),
                *("--form", form, "--seed", str(seed), "--rounds", str(count)),
                *("--audience", str(count)),
                *("--lane", str(lane)),
            ],
            env=os.environ | {"PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            text=True,
        )
        for lane in range(min(LANES, len(plans.FORMS[form](seed, count))))
    ]

    def read(lane: subprocess.Popen[str]) -> None:
        assert lane.stdout
        for line in lane.stdout:
            if line.startswith('{"seed"'):  # not a metric of the authors' API
                verdict = Verdict(**json.loads(line))
                verdicts.append(verdict)
                say(line_of(verdict))

    readers = [threading.Thread(target=read, args=(lane,)) for lane in lanes]
    try:
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    finally:
        for lane in lanes:
            lane.terminate()  # still running only after an interruption
        for lane in lanes:
            lane.wait()
    return sorted(verdicts, key=lambda verdict: verdict.seed)


def _play_lane(planned: Sequence[RoundPlan]) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _exit_cleanly)
    KEPT.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="faults-", dir="/tmp") as folder,
        stage.running(Path(folder)) as here,
    ):
        for plan in planned:
            verdict = rounds.play(here, plan)
            if not verdict.is_good:
                kept = KEPT / Path(verdict.folder).name
                verdict.folder = str(shutil.move(verdict.folder, kept))
            say(json.dumps(asdict(verdict)))


def _exit_cleanly(*_: object) -> None:
    """Exit through every cleanup, and ignore a second Ctrl-C meanwhile."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: None)
    sys.exit(1)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def line_of(verdict: Verdict) -> str:
    lost = " (events lost)" if verdict.loses_events else ""
    words = f"seed {verdict.seed}: {verdict.mails} mails in {verdict.seconds} s"
    words += f" at pace {verdict.scale}{lost}"
    words += f", {verdict.throttles} throttled" if verdict.throttles else ""
    words += f", broken: {verdict.sabotage}" if verdict.sabotage else ""
    words += "".join(f", {name}: {figure:g}" for name, figure in verdict.stop.items())
    words += f", {', '.join(verdict.faults)}"
    return "\n    ".join([words, *(f"WRONG: {one}" for one in verdict.wrong)])


def table(verdicts: Sequence[Verdict]) -> str:
    """Return the table: a line per fault, with its strikes and SES's record of those rounds."""
    lines = [f"{'fault':58}{'struck':>8}{'rounds':>8}{'mails':>9}{'missing':>9}{'duplicated':>12}"]
    for heading, chosen in (
        ("", [verdict for verdict in verdicts if not verdict.loses_events]),
        ("with events lost:", [verdict for verdict in verdicts if verdict.loses_events]),
    ):
        if not chosen:
            continue
        lines += [heading] if heading else []
        names = sorted({name for verdict in chosen for name in verdict.struck})
        for name in names:
            hit = [verdict for verdict in chosen if name in verdict.struck]
            lines.append(_row(name, sum(v.struck[name] for v in hit), hit))
        lines.append(_row("all", sum(Counter(v.struck).total() for v in chosen), chosen))
    return "\n".join(lines)


def _row(name: str, struck: int, verdicts: Sequence[Verdict]) -> str:
    return (
        f"{name:58}{struck:8}{len(verdicts):8}{sum(v.mails for v in verdicts):9}"
        f"{sum(v.missing for v in verdicts):9}{sum(v.duplicated for v in verdicts):12}"
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
