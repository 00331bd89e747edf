"""A month's bill is what its parts cost, and an idle month costs less than two dollars."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from operations.bill import __main__ as command
from operations.bill.awake import awake_seconds, expected_share
from operations.bill.model import (
    Counted,
    Counts,
    Month,
    Price,
    Prices,
    Standing,
    bill,
    used,
)

MINUTE, DAY = 60.0, 86_400.0
PRICES = Prices.read()


def test_what_is_free_is_not_paid_and_what_is_over_is() -> None:
    prices = Prices(
        "2026-11", "us-east-1", {"secrets": Price(0.4, 0, "", ""), "traces": Price(5, 10, "", "")}
    )

    items = bill({"secrets": 3, "traces": 8}, prices)
    more = bill({"secrets": 3, "traces": 12}, prices)

    assert [item.dollars for item in items] == [pytest.approx(1.2), 0]
    assert [item.dollars for item in more] == [pytest.approx(1.2), 10]


def test_every_price_has_a_source_and_every_use_a_price_and_a_name() -> None:
    uses = used(Month.usual(10, 1), Counted.read(), Standing.read())

    assert uses.keys() == PRICES.of.keys() == command.NAMES.keys()
    assert all(price.source.startswith("https://aws.amazon.com/") for price in PRICES.of.values())
    for price in PRICES.of.values():
        day, _, against = price.checked.partition(": ")
        assert date.fromisoformat(day) <= datetime.now(UTC).date()
        assert against


def test_an_idle_month_costs_less_than_two_dollars() -> None:
    # Fifteen alarms, two secrets and a dashboard: more than the template may hold.
    standing = Standing(secrets=2, alarm_metrics=15, dashboards=1, polled_queues=3)

    for stands in (standing, Standing.read()):
        items = bill(used(Month.idle(), Counted.read(), stands), PRICES)

        assert 0.5 < sum(item.dollars for item in items) < 2


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


def test_counts_add_up() -> None:
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
  One: {Type: AWS::CloudWatch::Alarm, Properties: {MetricName: a}}
  Two:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Metrics: [{Id: a, MetricStat: {}}, {Id: b, MetricStat: {}}, {Id: c, Expression: a + b}]
  Three: {Type: AWS::SecretsManager::Secret, Properties: {Name: !Sub "${AWS::StackName}"}}
"""
    )

    assert Standing.read(template) == Standing(
        secrets=1, alarm_metrics=3, dashboards=0, polled_queues=0
    )


def test_a_database_is_awake_until_five_minutes_after_the_last_session() -> None:
    assert awake_seconds([]) == 0
    assert awake_seconds([(0, 10)]) == 310
    assert awake_seconds([(0, 10), (1000, 1010)]) == 620
    assert awake_seconds([(100, 110), (0, 10)]) == 410  # the second kept it awake
    assert awake_seconds([(0, 1000), (10, 20)]) == 1300


def test_sessions_at_random_cover_what_overlaps_once() -> None:
    assert expected_share(0, 20) == 0
    assert expected_share(1, 20) * DAY == pytest.approx(320, rel=0.01)
    assert 0.99 < expected_share(10_000, 20) <= 1
    # 55 of them, as a day of 50 robots and 5 readers: less than 55 x 5 min 20 s.
    assert 15_000 < expected_share(55, 20) * DAY < 55 * 320


def test_the_command_prints_every_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["bill", "--list", "10000", "--issues", "4"])

    assert command.main() == 0

    printed = capsys.readouterr().out
    assert "10,000 readers, 4 issues, 500 sign-ups" in printed
    assert printed.count("SES, mails") == 2
    assert "A month in which nothing happens:" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--list", "-5"], "argument --list: '-5' is no whole number of 0 or more"),
        (["--list", "abc"], "argument --list: 'abc' is no whole number of 0 or more"),
        (["--issues", "-1"], "argument --issues: '-1' is no whole number of 0 or more"),
        (["--visits", "1.5"], "argument --visits: '1.5' is no whole number of 0 or more"),
        (["--rate", "0"], "argument --rate: '0' is no number above 0"),
        (["--rate", "nan"], "argument --rate: 'nan' is no number above 0"),
        (["--mail-price", "-1"], "argument --mail-price: '-1' is no number of 0 or more"),
        (["--mail-price", "free"], "argument --mail-price: 'free' is no number of 0 or more"),
    ],
)
def test_what_is_no_number_of_anything_is_refused_in_words(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.setattr("sys.argv", ["bill", *arguments])

    with pytest.raises(SystemExit) as ended:
        command.main()

    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_newsletter_without_readers_pays_for_what_stands_and_for_its_visits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["bill", "--list", "0", "--issues", "0"])

    assert command.main() == 0

    assert "0 readers, 0 issues, 0 sign-ups, 3,000 visits" in capsys.readouterr().out
