"""A month's bill is what its parts cost, and an idle month costs about two dollars."""

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from operations.bill import command, model
from operations.bill.awake import expected_share
from operations.bill.model import (
    Counted,
    Counts,
    Month,
    Price,
    Prices,
    Standing,
    UnknownRegion,
    bill,
    used,
)
from tests.operations.command_line import deploy, documented, ran, run

MINUTE, DAY = 60.0, 86_400.0
SECRET = 0.4
PRICES = Prices.read()


def shares_of_ses_fee(issues: int) -> dict[str, float]:
    """Return what the bill of a million readers says of their images."""
    mails = ("--list", "1000000", "--sign-ups", "0", "--rate", "500")
    found = documented("bill", "--region", "us-east-1", *mails, "--issues", str(issues))
    return {each["name"]: each["of_ses_fee"] for each in found["not_in_the_total"]}


def test_what_is_free_is_not_paid_and_what_is_over_is() -> None:
    prices = Prices(
        "2026-11", "us-east-1", {"secrets": Price(0.4, 0, "", ""), "traces": Price(5, 10, "", "")}
    )

    items = bill({"secrets": 3, "traces": 8}, prices)
    more = bill({"secrets": 3, "traces": 12}, prices)

    assert [item.dollars for item in items] == [pytest.approx(1.2), 0]
    assert [item.dollars for item in more] == [pytest.approx(1.2), 10]


@pytest.mark.parametrize("region", model.regions())
def test_every_price_of_every_region_has_a_source_and_a_date(region: str) -> None:
    prices = Prices.read(region)
    everything = Month.usual(10, 1).model_copy(update={"firewall": True, "zone": True})
    uses = used(everything, Counted.read(), Standing.read()) | model.cdn(everything)
    uses |= model.images(everything, Counted.read()) | model.clicks(everything, Counted.read())

    assert uses.keys() == prices.of.keys() == command.NAMES.keys()
    for name, price in prices.of.items():
        assert price.each > 0, name
        assert re.match(r"https://([a-z0-9.-]+\.)?(amazon|amazonaws|awsstatic)\.com/", price.source)
        day, _, against = price.checked.partition(": ")
        assert date.fromisoformat(day) <= datetime.now(UTC).date()
        assert against


def test_no_price_is_stated_twice() -> None:
    stored = json.loads((Path(model.__file__).parent / "prices.json").read_text())

    for region in stored["regions"].values():
        names = [
            name
            for listed in (*stored["everywhere"], *region["lists"])
            for name in listed["prices"]
        ]
        assert len(names) == len(set(names))


def test_five_regions_are_priced_and_differ_where_aws_does() -> None:
    assert len(model.regions()) >= 5
    virginia, frankfurt, tokyo = map(Prices.read, ("us-east-1", "eu-central-1", "ap-northeast-1"))

    assert [prices.of["acu_hours"].each for prices in (virginia, frankfurt, tokyo)] == [
        *(0.12, 0.14, 0.15)
    ]
    assert frankfurt.of["mails"].each == virginia.of["mails"].each == 0.0001


def test_a_region_without_known_prices_is_not_guessed() -> None:
    with pytest.raises(UnknownRegion, match="prices of eu-west-1 are not known here, only those"):
        Prices.read("eu-west-1")

    result = run("bill", "--region", "eu-west-1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Pass --region" in result.stderr


def test_the_scheduler_never_uses_up_what_is_free() -> None:
    # Its price is one region's: what is free must be enough for the busiest month.
    busiest = Month(readers=1_000_000, issues=30, sign_ups=0, visits=0, rate=14)

    calls = used(busiest, Counted.read(), Standing.read())["scheduler_calls"]

    assert calls < PRICES.of["scheduler_calls"].free


def test_a_firewall_costs_seven_dollars_and_its_requests() -> None:
    month = Month(readers=0, issues=0, sign_ups=0, visits=1_000_000)

    items = bill(model.firewall(month, Counted.read(), Standing.read()), PRICES)

    assert [item.dollars for item in items] == [5, 2, pytest.approx(0.6)]


def test_a_zone_costs_half_a_dollar_and_the_lookups_of_receivers() -> None:
    month = Month(readers=10_000, issues=4, sign_ups=0, visits=1_000_000)

    items = bill(model.zone(month, Counted.read()), PRICES)

    # Three records a mail; whoever looks a page up asks for an alias, which is free.
    assert [item.dollars for item in items] == [0.5, pytest.approx(40_000 * 3 * 0.4 / 1e6)]


def test_a_cdn_is_free_for_a_small_list_and_cheap_for_a_large_one() -> None:
    def dollars(readers: int) -> float:
        month = Month(readers=readers, issues=4, sign_ups=0, visits=0)
        return command.total(bill(model.cdn(month), PRICES))

    assert dollars(10_000) == pytest.approx(SECRET)
    # 3 x 4 million images of 100 kB: 2 million requests and 176 GB beyond what is free.
    assert dollars(1_000_000) == pytest.approx(SECRET + 2 * 1.2 + 176 * 0.085)


@pytest.mark.parametrize("issues", [1, 2, 3])
def test_a_million_readers_images_cost_at_most_a_fiftieth_of_ses_s_fee_with_a_cdn(
    issues: int,
) -> None:
    shares = shares_of_ses_fee(issues)

    assert shares["With a CDN"] <= 0.02
    assert shares["Images"] > 0.3


def test_what_is_free_does_not_reach_for_a_fourth_issue_to_a_million() -> None:
    # docs/decisions/0030: from 3.6 million mails a month on, a CDN costs more than that.
    assert shares_of_ses_fee(4)["With a CDN"] == pytest.approx(0.044, abs=0.001)


def test_images_are_paid_by_request_and_by_gigabyte_and_share_what_is_free() -> None:
    month = Month(readers=1_000_000, issues=1, sign_ups=0, visits=0)
    counted, standing = Counted.read(), Standing.read()

    items = {
        item.name: item.dollars
        for item in model.added(
            used(month, counted, standing), model.images(month, counted), PRICES
        )
    }

    assert items["api_requests"] == pytest.approx(3 * 3.5)  # 3 million loads
    assert items["bucket_reads"] == pytest.approx(3 * 0.4)
    assert items["transfer_gigabytes"] == pytest.approx((300 - 100) * 0.09)
    alone = model.bill(model.images(month, counted), PRICES)
    assert items["traces"] >= next(item.dollars for item in alone if item.name == "traces")


def test_a_million_clicks_cost_five_dollars_beside_their_traces_and_wake_no_database() -> None:
    month = Month(readers=1_000_000, issues=4, sign_ups=0, visits=0)
    counted, standing = Counted.read(), Standing.read()

    clicks = model.clicks(month, counted)
    added = model.added(used(month, counted, standing), clicks, PRICES)
    items = {item.name: item.dollars for item in added}

    assert items["api_requests"] == pytest.approx(4 * 3.5)
    # Each is sent to the queue, and received and deleted with nine others.
    assert items["sqs_requests"] == pytest.approx(4 * 1.2 * 0.4)
    assert items["bucket_reads"] == pytest.approx(4 * 0.4)
    assert command.total(added) - items["traces"] == pytest.approx(4 * 4.6, rel=0.05)
    counting = month.model_copy(update={"links": True})
    assert model.used(counting, counted, standing)["acu_hours"] == pytest.approx(
        used(month, counted, standing)["acu_hours"]
    )
    assert (
        model.used(counting, counted, standing)["api_requests"]
        - used(month, counted, standing)["api_requests"]
        == 4_000_000
    )


def test_a_database_of_ones_own_is_not_counted() -> None:
    month = Month.usual(10_000, 4).model_copy(update={"own_database": True})

    amounts = used(month, Counted.read(), Standing.read())

    assert not [name for name in amounts if command.NAMES[name].startswith("Aurora")]


def test_an_idle_month_costs_about_two_dollars() -> None:
    # What an idle stack may have at most for its two dollars; and what the template has.
    standing = Standing(secrets=2, alarm_metrics=17, dashboards=1, polled_queues=3)

    for stands in (standing, Standing.read()):
        items = bill(used(Month.idle(), Counted.read(), stands), PRICES)

        assert 0.5 < sum(item.dollars for item in items) < 2.15


def test_polling_costs_what_a_queue_with_a_limited_concurrency_costs() -> None:
    standing = Standing(secrets=0, alarm_metrics=0, dashboards=0, polled_queues=3)

    requests = used(Month.idle(), Counted.read(), standing)["sqs_requests"]

    (item,) = bill({"sqs_requests": requests}, PRICES)
    assert requests == 1_950_000
    assert item.dollars == pytest.approx(0.95 * 0.4)


def test_mails_cost_as_many_as_there_are_readers_and_issues() -> None:
    month = Month(readers=10_000, issues=4, sign_ups=100, visits=0)

    amount = used(month, Counted.read(), Standing.read())["mails"]
    (a_la_carte,) = bill({"mails": amount}, PRICES)
    (on_the_plan,) = bill({"mails": amount}, PRICES, mail_price=0.00016)

    assert amount == 4 * 10_000 + 100  # each sign-up gets one
    assert a_la_carte.dollars == pytest.approx(4.01)
    assert on_the_plan.dollars == pytest.approx(6.416)


def test_counts_can_be_multiplied_and_added() -> None:
    twice = Counts(invocations=2, mails=1).times(2) + Counts(invocations=1)

    assert (twice.invocations, twice.mails, twice.publishes) == (5, 2, 0)


def test_sending_keeps_the_database_awake_as_long_as_it_takes() -> None:
    standing = Standing.read()

    def hours(rate: float) -> float:
        month = Month(readers=100_000, issues=1, sign_ups=0, visits=0, rate=rate)
        without = month.model_copy(update={"issues": 0})
        return (
            used(month, Counted.read(), standing)["acu_hours"]
            - used(without, Counted.read(), standing)["acu_hours"]
        )

    assert hours(14) - hours(28) == pytest.approx(100_000 / 14 / 0.98 / 3600 / 2, rel=0.05)


def test_metrics_of_an_alarm_are_counted_each_and_expressions_are_not(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(
        """
Resources:
  Three: {Type: AWS::SecretsManager::Secret, Properties: {Name: !Sub "${AWS::StackName}"}}
  Four: {Type: AWS::SecretsManager::Secret, Condition: IsAskedFor, Properties: {}}
"""
    )
    monitoring = tmp_path / "monitoring.yaml"
    monitoring.write_text(
        """
Resources:
  One: {Type: AWS::CloudWatch::Alarm, Properties: {MetricName: a}}
  Two:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Metrics: [{Id: a, MetricStat: {}}, {Id: b, MetricStat: {}}, {Id: c, Expression: a + b}]
"""
    )
    front = tmp_path / "front.yaml"
    front.write_text("Resources: {Wall: {Type: AWS::WAFv2::WebACL, Properties: {Rules: [1, 2]}}}")

    assert Standing.read(template, monitoring, front) == Standing(
        secrets=1, alarm_metrics=3, dashboards=0, polled_queues=0, firewall_rules=2
    )


def test_sessions_at_random_cover_what_overlaps_once() -> None:
    assert expected_share(0, 20) == 0
    assert expected_share(1, 20) * DAY == pytest.approx(320, rel=0.01)
    assert 0.99 < expected_share(10_000, 20) <= 1
    # 55 of them, as a day of 50 robots and 5 readers: less than 55 x 5 min 20 s.
    assert 15_000 < expected_share(55, 20) * DAY < 55 * 320


def test_the_command_prints_every_line_and_a_total() -> None:
    printed = ran("bill", "--list", "10000", "--issues", "4", "--region", "us-east-1")

    assert "10,000 readers, 4 issues, 500 sign-ups" in printed
    assert printed.count("SES, mails") == 2
    assert "A month in which nothing happens" in printed
    totals = [line.split() for line in printed.splitlines() if line.split()[:1] == ["Total"]]
    assert totals == [["Total", "12.18"], ["Total", "2.14"]]


def test_amounts_are_rounded_to_what_is_known_of_them() -> None:
    lines = {
        line.strip()[:26].strip(): line.split()
        for line in ran("bill", "--region", "us-east-1").splitlines()
    }

    assert lines["Lambda, GB-seconds (Arm)"][-3:] == ["0.56", "400,000", "0.00"]
    assert lines["CloudWatch, logs (GB)"][-3:] == ["<0.01", "5", "0.00"]
    assert lines["Secrets Manager, reads"][-3:] == ["90", "-", "<0.01"]


def test_what_a_stack_could_have_besides_is_priced_and_not_in_the_total() -> None:
    without = documented("bill", "--region", "us-east-1")
    with_both = documented("bill", "--region", "us-east-1", "--firewall", "--zone")

    extra = {each["name"]: each["dollars"] for each in without["not_in_the_total"]}
    assert extra == {
        "Images": 0.62,
        "With a CDN": SECRET,
        "Firewall": 7.0,
        "Domain's zone": 0.55,
        "Clicks": 0.18,
    }
    rest = [each["name"] for each in with_both["not_in_the_total"]]
    assert rest == ["Images", "With a CDN", "Clicks"]
    more = with_both["this_month"]["total"] - without["this_month"]["total"]
    assert more == pytest.approx(7.55, abs=0.011)
    assert with_both["idle_month"]["total"] - without["idle_month"]["total"] == pytest.approx(7.5)


def test_a_stack_is_priced_with_its_own_region_and_parameters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    parameters = {"FirewallRequestsPerFiveMinutes": "1000", "HostedZoneId": "Z1"}
    parameters |= {"CdnPriceClass": "PriceClass_100", "CountLinks": "true"}
    deploy(monkeypatch, {}, parameters=parameters | {"DatabaseUrlSecretArn": "arn:aws:x"})

    priced = documented("bill", "--stack", "news")

    assert priced["region"] == "eu-central-1"
    names = {item["name"] for item in priced["this_month"]["items"]}
    assert {"firewall_acls", "zones"} <= names
    (secrets,) = (each for each in priced["this_month"]["items"] if each["name"] == "secrets")
    assert secrets["used"] == Standing.read().secrets + 1
    assert "acu_hours" not in names
    assert "bucket_reads" in names  # of the links that are counted
    assert "Clicks" not in {each["name"] for each in priced["not_in_the_total"]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--list", "-5"], "greater than or equal to 0"),
        (["--list", "abc"], "unable to parse string as an integer"),
        (["--issues", "-1"], "greater than or equal to 0"),
        (["--visits", "1.5"], "unable to parse string as an integer"),
        (["--rate", "0"], "it must be above 0"),
        (["--rate", "nan"], "it must be above 0"),
        (["--mail-price", "-1"], "it must be 0 or more"),
        (["--mail-price", "free"], "unable to parse string as a number"),
    ],
)
def test_an_invalid_number_is_refused_in_words(arguments: list[str], says: str) -> None:
    result = run("bill", *arguments)

    assert result.exit_code == 2
    assert says in " ".join(result.stderr.replace("│", "").split())
    assert arguments[0] in result.stderr


def test_a_newsletter_without_readers_pays_for_what_stands_and_for_its_visits() -> None:
    printed = ran("bill", "--list", "0", "--issues", "0", "--region", "us-east-1")

    assert "0 readers, 0 issues, 0 sign-ups, 3,000 visits" in printed
