"""The arithmetic: from what happens in a month to what is used, and from that to a bill."""

from __future__ import annotations

import json
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

from broadsheet.domain.rates import ISSUES_SHARE
from operations import template_file
from operations.bill.awake import expected_share
from operations.errors import OperationFailed

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]

DAYS = 30
HOURS = 24 * DAYS
POLLS_A_QUEUE = 650_000  # a month: with a MaximumConcurrency, five pollers of 20 s never stop
DATABASE_GIGABYTES_EMPTY = 1.0  # an empty one is some tens of megabytes; Aurora rounds up
DATABASE_BYTES_A_READER = 2_000  # row, indexes, consents and sign-ups; a margin above the measured
DATABASE_BYTES_A_MAIL = 500  # a row of the ledger with its indexes; the same
# Capacity while awake: half a unit is the least that runs; one while an issue is sent.
ACU_WAITING, ACU_SENDING = 0.5, 1.0
SESSION_SECONDS = (
    20.0  # of a reader's wish: a database wakes in 15, and is worked with for a moment
)
SENDING_TAIL_SECONDS = 900.0  # SES reports deliveries for some time after the last mail
IO_A_MAIL = 2.0  # written pages: one of the ledger, one of its index; an upper bound, as rows share
# Lookups of a zone by whoever receives a mail: DKIM, DMARC and the bounce domain's SPF. An upper
# bound, as receivers cache them. Those of the pages' own name are alias queries, which are free.
ZONE_QUERIES_A_MAIL = 3.0
# What readers load, from here or from a CDN: nobody can count it beforehand. That each loads each
# image is an upper bound: many never open the mail, and some providers keep a copy for all theirs.
IMAGES_A_READER, IMAGE_BYTES, PAGE_BYTES = 3, 100_000, 20_000
# With counted links: an upper bound too, as most readers click none; scanners follow some for them.
CLICKS_A_READER = 1
CALLS_TO_COUNT_A_CLICK = 2 / 10  # of SQS: whoever asks for counts receives and deletes ten at once
DEFAULT_REGION = "us-east-1"


class Counts(BaseModel):
    """What one of something causes, as ``tests/operations/test_bill_counts.py`` counted it."""

    model_config = ConfigDict(frozen=True)

    api_requests: float = 0
    invocations: float = 0
    gigabyte_seconds: float = 0
    queue_requests: float = 0
    publishes: float = 0
    mails: float = 0
    log_bytes: float = 0

    def times(self, number: float) -> Counts:
        """Return what so many of it cause."""
        return Counts(**{name: value * number for name, value in self})

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{name: value + getattr(other, name) for name, value in self})


class Counted(BaseModel):
    """``counts.json``: the counts of everything that happens, and when they were taken."""

    model_config = ConfigDict(frozen=True)

    counted_on: str
    how: str
    visit: Counts
    sign_up: Counts
    confirmation: Counts
    unsubscribe: Counts
    image: Counts  # one that a reader loads
    click: Counts  # on a counted link, until it waits in the queue
    issue: Counts  # beside its mails
    minute_of_sending: Counts
    mail: Counts
    daily_look: Counts

    @classmethod
    def read(cls) -> Self:
        """Read the stored counts."""
        return cls.model_validate_json((HERE / "counts.json").read_text())


class UnknownRegion(OperationFailed):
    """No public source has this region's prices; the message names the regions that have some."""


class Price(NamedTuple):
    """A unit's price in dollars, and how many a month are free for ever.

    ``source``: AWS's own page or list. ``checked``: when, and against which public copy of it.
    """

    each: float
    free: float
    source: str
    checked: str


class Prices(NamedTuple):
    """A region's prices, as ``prices.json`` has them."""

    as_of: str
    region: str
    of: dict[str, Price]

    @classmethod
    def read(cls, region: str = DEFAULT_REGION) -> Self:
        """Read the stored prices. Raises ``UnknownRegion``."""
        stored = _stored_prices()
        if region not in stored["regions"]:
            raise UnknownRegion(
                f"The prices of {region} are not known here, only those of {', '.join(regions())}. "
                "Pass --region with the one that is nearest to yours."
            )
        free: dict[str, float] = stored["free_every_month"]
        of = {
            name: Price(each, free.get(name, 0), listed["source"], listed["checked"])
            for listed in (*stored["everywhere"], *stored["regions"][region]["lists"])
            for name, each in listed["prices"].items()
        }
        return cls(stored["as_of"], region, of)


def regions() -> list[str]:
    """Return the regions whose prices are known."""
    return sorted(_stored_prices()["regions"])


def _stored_prices() -> dict[str, Any]:
    stored: dict[str, Any] = json.loads((HERE / "prices.json").read_text())
    return stored


class Standing(NamedTuple):
    """What a stack has as long as it stands, whatever happens."""

    secrets: int
    alarm_metrics: int
    dashboards: int
    polled_queues: int
    firewall_rules: int = 0

    @classmethod
    def read(
        cls,
        template: Path = REPOSITORY / "template.yaml",
        monitoring: Path = REPOSITORY / "infra" / "monitoring.yaml",
        front: Path = REPOSITORY / "infra" / "front.yaml",
    ) -> Self:
        """Count in the templates."""
        resources = [
            each
            for file in (template, monitoring, front)
            for each in template_file.read(file)["Resources"].values()
        ]

        def of_type(kind: str) -> list[dict[str, Any]]:
            return [each["Properties"] for each in resources if each["Type"] == kind]

        return cls(
            # The CDN's is conditional, and its line of the bill has it.
            secrets=sum(
                each["Type"] == "AWS::SecretsManager::Secret" and "Condition" not in each
                for each in resources
            ),
            alarm_metrics=sum(
                # Each metric of an alarm is paid for; an expression over them is not.
                sum("MetricStat" in metric for metric in alarm.get("Metrics", [])) or 1
                for alarm in of_type("AWS::CloudWatch::Alarm")
            ),
            dashboards=len(of_type("AWS::CloudWatch::Dashboard")),
            polled_queues=len(of_type("AWS::Lambda::EventSourceMapping")),
            firewall_rules=sum(len(each["Rules"]) for each in of_type("AWS::WAFv2::WebACL")),
        )


class Month(BaseModel):
    """What happens in a month. ``rate``: mails a second that SES allows.

    ``firewall``, ``zone``, ``cdn``, ``links``: whether the stack has a WAF, a zone in Route 53,
    CloudFront, counted links.
    ``own_database``: whether it uses a PostgreSQL outside of the stack.
    """

    model_config = ConfigDict(frozen=True)

    readers: int = Field(ge=0)
    issues: int = Field(ge=0)
    sign_ups: int = Field(ge=0)
    visits: int = Field(ge=0)
    rate: float = Field(default=14, gt=0)
    mail_price: float | None = None
    firewall: bool = False
    zone: bool = False
    cdn: bool = False
    links: bool = False
    own_database: bool = False

    @classmethod
    def idle(cls) -> Self:
        """Return a month in which nobody comes and nothing is published."""
        return cls(readers=0, issues=0, sign_ups=0, visits=0)

    @classmethod
    def usual(cls, readers: int, issues: int) -> Self:
        """Assume a list that grows by 5 % a month, and a hundred visits a day."""
        return cls(readers=readers, issues=issues, sign_ups=ceil(readers * 0.05), visits=100 * DAYS)

    @property
    def unsubscribes(self) -> int:
        """Assume that 0.3 % leave with each issue."""
        return ceil(self.readers * self.issues * 0.003)

    @property
    def clicks(self) -> int:
        """Assume that each mail causes some."""
        return self.readers * self.issues * CLICKS_A_READER

    @property
    def sending_seconds(self) -> float:
        """Return how long all issues take to send."""
        return self.issues * self.readers / (self.rate * ISSUES_SHARE)


class Item(NamedTuple):
    """A line of the bill. ``dollars``: after what is free for ever."""

    name: str
    used: float
    free: float
    dollars: float


def used(month: Month, counted: Counted, standing: Standing) -> dict[str, float]:
    """Return how much of everything a month uses, by the names that prices have."""
    happened = _happened(month, counted)
    amounts = {
        "api_requests": happened.api_requests,
        "lambda_requests": happened.invocations,
        "lambda_gb_seconds": happened.gigabyte_seconds,
        "sqs_requests": happened.queue_requests + POLLS_A_QUEUE * standing.polled_queues,
        "sns_publishes": happened.publishes,
        "scheduler_calls": DAYS + month.sending_seconds / 60,
        "secrets": standing.secrets,
        # Each function's environment reads up to three, at most once a minute while it works.
        "secret_reads": 3 * happened.invocations,
        "alarm_metrics": standing.alarm_metrics,
        "dashboards": standing.dashboards,
        "metrics": _metrics(month),
        "log_gigabytes": happened.log_bytes / 1e9,
        "traces": happened.invocations,
        "mails": happened.mails,
    }
    if not month.own_database:
        amounts |= _database(month, happened)
    if month.firewall:
        amounts |= firewall(month, counted, standing)
    if month.zone:
        amounts |= zone(month, counted)
    if month.cdn:
        amounts["secrets"] += 1
    if month.links:
        more = clicks(month, counted)
        amounts |= {name: amounts.get(name, 0) + amount for name, amount in more.items()}
    return amounts


def firewall(month: Month, counted: Counted, standing: Standing) -> dict[str, float]:
    """Return what the firewall (``FirewallRequestsPerFiveMinutes``) uses."""
    return {
        "firewall_acls": 1,
        "firewall_rules": standing.firewall_rules,
        "firewall_requests": _happened(month, counted).api_requests
        + (month.clicks if month.links else 0),
    }


def zone(month: Month, counted: Counted) -> dict[str, float]:
    """Return what a zone in Route 53 (``HostedZoneId``) uses."""
    queries = ZONE_QUERIES_A_MAIL * _happened(month, counted).mails
    return {"zones": 1, "zone_queries": queries}


def cdn(month: Month) -> dict[str, float]:
    """Return what a CDN uses (``CdnPriceClass``): the images of all issues, the pages, a secret.

    What it asks of the stack for them is left out: some requests for each image, from AWS's dozen
    regional caches. The calls of its function are fewer than the two million that are free.
    """
    images = month.readers * month.issues * IMAGES_A_READER
    return {
        "secrets": 0 if month.cdn else 1,  # else the total has it
        "cdn_requests": images + month.visits + (month.clicks if month.links else 0),
        "cdn_gigabytes": (images * IMAGE_BYTES + month.visits * PAGE_BYTES) / 1e9,
    }


def images(month: Month, counted: Counted) -> dict[str, float]:
    """Return what the images of all issues use without a CDN, and those of a year in the bucket."""
    loads = month.readers * month.issues * IMAGES_A_READER
    loaded = counted.image.times(loads)
    stored = month.issues * IMAGES_A_READER
    return {
        "api_requests": loaded.api_requests,
        "lambda_requests": loaded.invocations,
        "lambda_gb_seconds": loaded.gigabyte_seconds,
        "log_gigabytes": loaded.log_bytes / 1e9,
        "traces": loaded.invocations,
        "bucket_writes": stored,
        "bucket_reads": loads,
        "bucket_gigabytes": 12 * stored * IMAGE_BYTES / 1e9,
        "transfer_gigabytes": loads * IMAGE_BYTES / 1e9,
    }


def clicks(month: Month, counted: Counted) -> dict[str, float]:
    """Return what the clicks on counted links (``CountLinks``) use.

    None wakes the database: they wait for who looks, and the daily look counts the rest. That each
    reads the links from S3 is an upper bound: *archive* keeps them for half a minute.
    """
    clicked = counted.click.times(month.clicks)
    return {
        "api_requests": clicked.api_requests,
        "lambda_requests": clicked.invocations,
        "lambda_gb_seconds": clicked.gigabyte_seconds,
        "sqs_requests": clicked.queue_requests + CALLS_TO_COUNT_A_CLICK * month.clicks,
        "log_gigabytes": clicked.log_bytes / 1e9,
        "traces": clicked.invocations,
        "bucket_reads": month.clicks,
    }


def _happened(month: Month, counted: Counted) -> Counts:
    return (
        counted.visit.times(month.visits)
        + counted.sign_up.times(month.sign_ups)
        + counted.confirmation.times(month.sign_ups)
        + counted.unsubscribe.times(month.unsubscribes)
        + counted.issue.times(month.issues)
        + counted.minute_of_sending.times(month.sending_seconds / 60)
        + counted.mail.times(month.readers * month.issues)
        + counted.daily_look.times(DAYS)
    )


def _database(month: Month, happened: Counts) -> dict[str, float]:
    wishes = 2 * month.sign_ups + month.unsubscribes  # a sign-up, and its confirmation
    bytes_a_reader = DATABASE_BYTES_A_READER + DATABASE_BYTES_A_MAIL * month.issues
    return {
        "acu_hours": _acu_hours(month, wishes),
        "database_gigabytes": DATABASE_GIGABYTES_EMPTY + month.readers * bytes_a_reader / 1e9,
        "database_io": IO_A_MAIL * happened.mails,
    }


def bill(used: dict[str, float], prices: Prices, mail_price: float | None = None) -> list[Item]:
    """Price what was used."""
    items = []
    for name, amount in used.items():
        price = prices.of[name]
        each = mail_price if name == "mails" and mail_price is not None else price.each
        items.append(Item(name, amount, price.free, max(0.0, amount - price.free) * each))
    return items


def added(
    base: dict[str, float], more: dict[str, float], prices: Prices, mail_price: float | None = None
) -> list[Item]:
    """Price what is used beside the rest, which has used up its part of what is free."""
    before = {item.name: item.dollars for item in bill(base, prices, mail_price)}
    both = {name: base.get(name, 0) + amount for name, amount in more.items()}
    return [
        Item(item.name, more[item.name], item.free, item.dollars - before.get(item.name, 0))
        for item in bill(both, prices, mail_price)
    ]


def _acu_hours(month: Month, wishes: int) -> float:
    sending = (month.sending_seconds + month.issues * SENDING_TAIL_SECONDS) / 3600
    looks = 1  # a day
    share = expected_share(wishes / DAYS + looks, SESSION_SECONDS)
    waiting = max(0.0, HOURS - sending) * share
    return ACU_SENDING * min(sending, HOURS) + ACU_WAITING * waiting


def _metrics(month: Month) -> float:
    """Return custom metrics in metric-months: each is paid by the hours that report it."""
    readers = ("SignUps", "ConfirmationMails", "Confirmations", "Unsubscribes")
    hours = min(HOURS, 2 * month.sign_ups + month.unsubscribes)
    sending = month.sending_seconds / 3600 + month.issues
    issues = ("IssuesPublished", "IssuesFinished", "MailsAccepted", "MailsFailed")
    return (len(readers) * hours + len(issues) * min(HOURS, sending)) / HOURS
