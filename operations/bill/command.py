"""The bill's command: prints each line of a month's bill, and of an idle month's."""

from math import floor, log10
from typing import Annotated, Any, NamedTuple

import boto3
import typer

from operations import options
from operations.bill import model
from operations.bill.model import Counted, Item, Month, Prices, Standing, added, bill, used
from operations.console import console, print_json, say, table
from operations.options import Json, Region

NAMES = {
    "api_requests": "API Gateway, requests",
    "lambda_requests": "Lambda, requests",
    "lambda_gb_seconds": "Lambda, GB-seconds (Arm)",
    "sqs_requests": "SQS, requests (polling too)",
    "sns_publishes": "SNS, events of SES",
    "scheduler_calls": "Scheduler, calls",
    "secrets": "Secrets Manager, secrets",
    "secret_reads": "Secrets Manager, reads",
    "alarm_metrics": "CloudWatch, alarms' metrics",
    "dashboards": "CloudWatch, dashboards",
    "metrics": "CloudWatch, custom metrics",
    "log_gigabytes": "CloudWatch, logs (GB)",
    "traces": "X-Ray, traces",
    "mails": "SES, mails",
    "acu_hours": "Aurora, ACU-hours",
    "database_gigabytes": "Aurora, storage (GB)",
    "database_io": "Aurora, I/O requests",
    "firewall_acls": "WAF, web ACLs",
    "firewall_rules": "WAF, rules",
    "firewall_requests": "WAF, requests",
    "zones": "Route 53, zones",
    "zone_queries": "Route 53, queries",
    "bucket_writes": "S3, writes",
    "bucket_reads": "S3, reads",
    "bucket_gigabytes": "S3, storage (GB)",
    "transfer_gigabytes": "Traffic to the internet (GB)",
    "cdn_requests": "CloudFront, requests",
    "cdn_gigabytes": "CloudFront, traffic (GB)",
}
SIGNIFICANT = 2  # digits of an amount below ten: the counts behind it are not more exact
LEAST_SHOWN, CENT = 0.01, 0.01


class Extra(NamedTuple):
    """What a stack may have or do besides, and what it would add."""

    name: str
    how: str
    items: list[Item]

    @property
    def dollars(self) -> float:
        return sum(item.dollars for item in self.items)


def extras(month: Month, counted: Counted, standing: Standing, prices: Prices) -> list[Extra]:
    """Return what the total leaves out, with the price of each."""
    found = images(month, counted, standing, prices)
    if not month.firewall:
        items = bill(model.firewall(month, counted, standing), prices)
        found.append(Extra("Firewall", "FirewallRequestsPerFiveMinutes", items))
    if not month.zone:
        found.append(
            Extra("Domain's zone", "HostedZoneId", bill(model.zone(month, counted), prices))
        )
    if not month.links:
        how = f"CountLinks: {model.CLICKS_A_READER} a reader and issue, of people and scanners: "
        how += f"{_amount(month.clicks)} clicks"
        items = added(used(month, counted, standing), model.clicks(month, counted), prices)
        found.append(Extra("Clicks", how, items))
    return found


def images(month: Month, counted: Counted, standing: Standing, prices: Prices) -> list[Extra]:
    """Return the price of the issues' images, without a CDN and with one."""
    loaded = model.images(month, counted)
    how = f"{model.IMAGES_A_READER} a reader and issue, of {model.IMAGE_BYTES // 1000} kB: "
    how += f"{_amount(loaded['bucket_reads'])} loads, {_amount(loaded['transfer_gigabytes'])} GB"
    cdn = model.cdn(month)
    return [
        Extra("Images", how, added(used(month, counted, standing), loaded, prices)),
        Extra(
            "With a CDN",
            f"CdnPriceClass: {_amount(cdn['cdn_requests'])} requests, "
            f"{_amount(cdn['cdn_gigabytes'])} GB; 10 million and 1 TB are free",
            bill(cdn, prices),
        ),
    ]


def show(title: str, items: list[Item]) -> None:
    """Print a bill with its total."""
    rows = table("", "Used", "Free", "$", title=title, numbers=("Used", "Free", "$"))
    for item in items:
        free = _amount(item.free) if item.free else "-"
        rows.add_row(NAMES[item.name], _amount(item.used), free, _dollars(item.dollars))
    rows.add_section()
    rows.add_row("Total", "", "", _dollars(total(items)), style="bold")
    console().print(rows)
    say()


def show_extras(found: list[Extra], fee: float) -> None:
    """Print what the total leaves out, and how much of SES's fee for the mails each is."""
    columns = ("$", "% of SES")
    rows = table("", "How", *columns, title="Not in the total", numbers=columns)
    for extra in found:
        rows.add_row(extra.name, extra.how, _dollars(extra.dollars), _share(extra.dollars, fee))
    console().print(rows)
    say()


def total(items: list[Item]) -> float:
    """Return the sum of a bill."""
    return sum(item.dollars for item in items)


def _amount(amount: float) -> str:
    """Round an amount to what is known of it."""
    if amount == 0 or amount >= 10:  # noqa: PLR2004 - two digits before the point
        return f"{amount:,.0f}"
    if amount < LEAST_SHOWN:
        return f"<{LEAST_SHOWN}"
    digits = SIGNIFICANT - 1 - floor(log10(amount))
    return f"{amount:.{digits}f}".rstrip("0").rstrip(".")


def _dollars(dollars: float) -> str:
    return "<0.01" if 0 < dollars < CENT / 2 else f"{dollars:.2f}"


def _share(dollars: float, fee: float) -> str:
    return f"{100 * dollars / fee:.1f}" if fee else "-"


def _heading(month: Month, prices: Prices, counted: Counted) -> str:
    return (
        f"{month.readers:,} readers, {month.issues} issues, {month.sign_ups:,} sign-ups, "
        f"{month.visits:,} visits, {month.unsubscribes:,} unsubscribes, {month.rate:g} mails a "
        f"second.\nPrices of {prices.as_of} in {prices.region}, without taxes. What AWS gives "
        "for free for ever is subtracted; it is\nthe account's, so that a second stack pays in "
        f"full. Usage was counted on {counted.counted_on} by a test.\n"
    )


def _document(items: list[Item]) -> dict[str, Any]:
    lines = [item._asdict() | {"label": NAMES[item.name]} for item in items]
    return {"items": lines, "total": round(total(items), 2)}


def _of_stack(name: str, region: str | None) -> tuple[str, dict[str, bool]]:
    """Return a stack's region, and what of the bill depends on its parameters."""
    parameters = options.chosen(name, region).parameters
    return boto3.client("cloudformation").meta.region_name, {
        "firewall": parameters.get("FirewallRequestsPerFiveMinutes", "0") != "0",
        "zone": bool(parameters.get("HostedZoneId")),
        "cdn": bool(parameters.get("CdnPriceClass")),
        "links": parameters.get("CountLinks") == "true",
        "own_database": bool(parameters.get("DatabaseUrlSecretArn")),
    }


def command(  # noqa: PLR0913 - what nobody can count beforehand can be set
    readers: Annotated[int, typer.Option("--list", min=0, help="Confirmed readers.")] = 10_000,
    issues: Annotated[int, typer.Option(min=0, help="Issues a month.")] = 4,
    region: Region = None,
    stack: Annotated[
        str | None, typer.Option(help="A stack whose region and parameters count.")
    ] = None,
    *,
    sign_ups: Annotated[
        int | None, typer.Option(min=0, help="Sign-ups a month; else 5 % of the list.")
    ] = None,
    visits: Annotated[
        int | None, typer.Option(min=0, help="Visits of pages a month; else 100 a day.")
    ] = None,
    rate: Annotated[
        float,
        typer.Option(callback=options.positive, help="Mails a second that SES allows."),
    ] = 14,
    mail_price: Annotated[
        float | None,
        typer.Option(callback=options.not_negative, help="Dollars a mail; else à la carte."),
    ] = None,
    firewall: Annotated[bool, typer.Option("--firewall", help="With the firewall.")] = False,
    zone: Annotated[bool, typer.Option("--zone", help="With a zone in Route 53.")] = False,
    cdn: Annotated[bool, typer.Option("--cdn", help="With CloudFront.")] = False,
    links: Annotated[bool, typer.Option("--links", help="With counted links.")] = False,
    own_database: Annotated[
        bool, typer.Option("--own-database", help="With a PostgreSQL of yours, not counted.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print what a month costs, line by line, and what an idle month costs."""
    has = {"firewall": firewall, "zone": zone, "cdn": cdn, "links": links}
    has["own_database"] = own_database
    if stack:
        region, has = _of_stack(stack, region)
    prices = Prices.read(region or model.DEFAULT_REGION)
    usual = Month.usual(readers, issues)
    month = usual.model_copy(
        update=has
        | {
            "sign_ups": usual.sign_ups if sign_ups is None else sign_ups,
            "visits": usual.visits if visits is None else visits,
            "rate": rate,
            "mail_price": mail_price,
        }
    )
    _print(month, Month.idle().model_copy(update=has), prices, as_json=as_json)


def _print(month: Month, idle: Month, prices: Prices, *, as_json: bool) -> None:
    counted, standing = Counted.read(), Standing.read()
    this_month = bill(used(month, counted, standing), prices, month.mail_price)
    nothing = bill(used(idle, counted, standing), prices)
    beside = extras(month, counted, standing, prices)
    (fee,) = (item.dollars for item in this_month if item.name == "mails")
    if as_json:
        print_json(
            {
                "region": prices.region,
                "prices_of": prices.as_of,
                "month": month.model_dump(exclude_none=True),
                "this_month": _document(this_month),
                "idle_month": _document(nothing),
                "not_in_the_total": [
                    {
                        "name": extra.name,
                        "dollars": round(extra.dollars, 2),
                        "of_ses_fee": round(extra.dollars / fee, 4) if fee else None,
                    }
                    for extra in beside
                ],
            }
        )
        return
    say(_heading(month, prices, counted))
    show("This month", this_month)
    show_extras(beside, fee)
    show("A month in which nothing happens", nothing)
