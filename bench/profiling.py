"""Samples with py-spy where deliver's processor time goes.

Only samples of the thread that holds Python's lock count, so waiting threads don't. Code that runs
without the lock (sending in the kernel, hashing a request) is in no sample.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from bench.delivery import UNBOUND, Fleet
from bench.sink import Conditions
from bench.tables import table as table_of
from local.state import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from bench.stage import Stage

PY_SPY = REPOSITORY / ".venv-bench" / "bin" / "py-spy"
SAMPLES = 250  # a second
LONGEST = 3600  # seconds; py-spy ends with the process that it samples

# A sample belongs to the area of its innermost frame that matches one of these.
AREAS: Mapping[str, tuple[str, ...]] = {
    "links: signing tokens": (
        "broadsheet/signed_tokens.py",
        "broadsheet/signing.py",
        "itsdangerous/",
    ),
    "links: escaping, variables": ("broadsheet/mail/substitutions.py", "broadsheet/settings.py"),
    "pydantic": ("pydantic/",),
    "SES: writing JSON": ("botocore/serialize.py",),
    "SES: signing the request": ("botocore/auth.py",),
    "SES: reading the answer": ("botocore/parsers.py",),
    "SES: HTTP": (
        *("urllib3/", "http/client.py", "botocore/httpsession.py", "botocore/awsrequest.py"),
        "socket.py",
    ),
    "SES: the rest of botocore": ("botocore/",),
    "SES: our entries": ("broadsheet/mail/ses/",),
    "PostgreSQL: psycopg": ("psycopg/",),
    "PostgreSQL: our rows": ("broadsheet/database/",),
    "deliver itself": ("broadsheet/services/", "broadsheet/queues/", "broadsheet/domain/"),
    "threads": ("threading.py", "concurrent/"),
    "logs and metrics": ("broadsheet/telemetry.py", "aws_lambda_powertools/", "logging/"),
}
OTHER = "the rest"


class Profile(BaseModel):
    """One run's processor seconds per 100,000 mails, and each area's share of the samples."""

    model_config = ConfigDict(frozen=True)

    mails: int
    latency: float
    cpu_workers: float
    samples: int
    shares: dict[str, float]


def run(stage: Stage, mails: int, latency: float, workers: int, results: Path) -> Profile:
    """Deliver an issue while py-spy samples; its stacks stay in files beside the results."""
    results.mkdir(parents=True, exist_ok=True)
    with Fleet(stage, workers) as fleet:
        stage.seed(mails)
        stage.sink.set(Conditions(latency=latency, max_send_rate=UNBOUND))
        stacks = [results / f"deliver-{place}.stacks" for place, _ in enumerate(fleet.deliver)]
        samplers = [
            _sample(worker.pid, file) for worker, file in zip(fleet.deliver, stacks, strict=True)
        ]
        before = sum(worker.cpu for worker in fleet.deliver)
        fleet.send(mails)
        used = sum(worker.cpu for worker in fleet.deliver) - before
    for sampler in samplers:
        sampler.wait()
    counts = _by_area(line for file in stacks for line in file.read_text().splitlines())
    return Profile(
        mails=mails,
        latency=latency,
        cpu_workers=used / mails * 100_000,
        samples=counts.total(),
        shares={area: number / counts.total() for area, number in counts.most_common()},
    )


def _sample(pid: int, file: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(PY_SPY, "record", "--gil", "--format", "raw"),
            *("--rate", str(SAMPLES), "--duration", str(LONGEST)),
            *("--output", file, "--pid", str(pid)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _by_area(stacks: Iterable[str]) -> Counter[str]:
    """Count samples by area; a line reads ``frame;frame;… number``, innermost frame last."""
    counts: Counter[str] = Counter()
    for line in stacks:
        stack, _, number = line.rpartition(" ")
        if stack:  # empty between two frames
            counts[area_of(stack.split(";"))] += int(number)
    return counts


def area_of(stack: list[str]) -> str:
    for frame in reversed(stack):
        for area, places in AREAS.items():
            if any(place in frame for place in places):
                return area
    return OTHER


def table(profile: Profile) -> str:
    """Return a table of the areas, the largest first."""
    return table_of(
        (
            f"deliver, {profile.mails:,} mails, {profile.latency * 1000:.0f} ms",
            "%",
            "CPU s / 100,000",
        ),
        [
            (area, share * 100, share * profile.cpu_workers)
            for area, share in profile.shares.items()
        ],
    )
