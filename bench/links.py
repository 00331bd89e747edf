"""Measures what counted links (``CountLinks``) take of a delivery: the same issue both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from bench import delivery
from bench.delivery import DeliveryResult, Fleet
from bench.tables import table as table_of

if TYPE_CHECKING:
    from bench.stage import Stage


class LinksResult(BaseModel):
    """A delivery with addresses as they are written, and one whose links are counted."""

    model_config = ConfigDict(frozen=True)

    written: DeliveryResult
    counted: DeliveryResult


def run(stage: Stage, mails: int, workers: int, times: int) -> LinksResult:
    """Deliver the same issue both ways, by turns."""
    with Fleet(stage, workers) as plain, Fleet(stage, workers, counts_links=True) as counting:
        return compare(stage, plain, counting, mails, times)


def compare(stage: Stage, plain: Fleet, counting: Fleet, mails: int, times: int = 1) -> LinksResult:
    """Deliver the same issue by both fleets; of each, the run of median cost counts."""
    written, counted = list[DeliveryResult](), list[DeliveryResult]()
    for _ in range(times):
        written.append(delivery.run_with(stage, plain, mails, 0.0))
        counted.append(delivery.run_with(stage, counting, mails, 0.0))
        if not stage.rows("SELECT number FROM issue_links"):
            raise delivery.WrongDelivery("no link is counted")
    return LinksResult(written=delivery.middle(written), counted=delivery.middle(counted))


def table(result: LinksResult) -> str:
    """Return a table of both."""
    headings = (
        *("links", "mails", "mails/s", "to finish s", "POST /issues ms"),
        *("CPU s / 100,000: deliver", "database", "with dispatch", "bytes/mail to SES"),
    )
    return table_of(
        headings,
        [
            (
                name,
                one.mails,
                one.mails_per_second,
                one.to_finish,
                one.publish * 1000,
                one.cpu_workers,
                one.cpu_database,
                one.cpu,
                one.bytes_to_ses,
            )
            for name, one in (("as written", result.written), ("counted", result.counted))
        ],
    )
