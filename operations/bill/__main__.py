"""``python -m operations.bill``: prints each line of a month's bill, and of an idle month's."""

import argparse
import sys

from operations.arguments import count, price, rate
from operations.bill.model import Counted, Item, Month, Prices, Standing, bill, used

NAMES = {
    "api_requests": "API Gateway, requests",
    "lambda_requests": "Lambda, requests",
    "lambda_gb_seconds": "Lambda, GB-seconds (Arm)",
    "sqs_requests": "SQS, requests (polling too)",
    "sns_publishes": "SNS, events of SES",
    "scheduler_calls": "Scheduler, ticks",
    "secrets": "Secrets Manager, secrets",
    "secret_reads": "Secrets Manager, reads",
    "alarm_metrics": "CloudWatch, alarms' metrics",
    "dashboards": "CloudWatch, dashboards",
    "metrics": "CloudWatch, custom metrics",
    "log_gigabytes": "CloudWatch, logs (GB)",
    "traces": "X-Ray, traces",
    "acu_hours": "Aurora, ACU-hours",
    "database_gigabytes": "Aurora, storage (GB)",
    "database_io": "Aurora, I/O requests",
    "mails": "SES, mails",
}


def show(title: str, items: list[Item]) -> float:
    """Print a bill; give its sum."""
    print(f"{title}\n")
    print(f"  {'':<30}{'used':>12}{'free':>12}{'$':>9}")
    for item in items:
        amounts = f"{item.used:>12,.6g}{item.free:>12,.0f}"
        print(f"  {NAMES[item.name]:<30}{amounts}{item.dollars:>9.2f}")
    total = sum(item.dollars for item in items)
    print(f"  {'':<30}{'':>24}{total:>9.2f}\n")
    return total


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m operations.bill", description="A month's bill."
    )
    parser.add_argument(
        "--list", type=count, default=10_000, dest="readers", help="confirmed readers"
    )
    parser.add_argument("--issues", type=count, default=4, help="a month")
    parser.add_argument("--sign-ups", type=count, help="a month; else 5 %% of the list")
    parser.add_argument("--visits", type=count, help="of pages, a month; else 100 a day")
    parser.add_argument("--rate", type=rate, help="mails a second that SES allows; else 14")
    parser.add_argument("--mail-price", type=price, help="dollars a mail; else a la carte")
    chosen = parser.parse_args()
    given = {
        name: value
        for name in ("sign_ups", "visits", "rate", "mail_price")
        if (value := getattr(chosen, name)) is not None
    }
    month = Month.usual(chosen.readers, chosen.issues).model_copy(update=given)
    counted, standing, prices = Counted.read(), Standing.read(), Prices.read()
    print(
        f"{month.readers:,} readers, {month.issues} issues, {month.sign_ups:,} sign-ups, "
        f"{month.visits:,} visits, {month.unsubscribes:,} unsubscribes, {month.rate:g} mails a "
        f"second.\nPrices of {prices.as_of} in {prices.region}, after what is free for ever.\n"
        f"What each of these asks for was counted on {counted.counted_on}, by a test of the "
        "functions with PostgreSQL,\nthe local stack's SES server, and moto for SQS; the calls of "
        "Lambda's own pollers are reckoned.\n"
    )
    show("This month:", bill(used(month, counted, standing), prices, month.mail_price))
    show("A month in which nothing happens:", bill(used(Month.idle(), counted, standing), prices))
    return 0


if __name__ == "__main__":
    sys.exit(main())
