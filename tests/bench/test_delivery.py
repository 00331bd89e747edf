"""A measured delivery is real, and counts only if the whole audience got it once."""

from collections.abc import Iterator

import pytest

from bench import delivery, governor, links, stage
from bench.delivery import Fleet, WrongDelivery
from bench.sink import Conditions
from bench.stage import Stage
from bench.tables import NOT_MEASURED

MAILS = 200


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage.running(tmp_path_factory.mktemp("bench")) as running:
        yield running


@pytest.fixture(scope="module")
def fleet(here: Stage) -> Iterator[Fleet]:
    with Fleet(here, workers=1) as warm:
        yield warm


@pytest.fixture
def issue_id(here: Stage, fleet: Fleet) -> str:
    """An issue delivered to everybody."""
    here.seed(MAILS)
    here.sink.set(Conditions(max_send_rate=delivery.UNBOUND))
    return fleet.send(MAILS).issue_id


def test_a_run_reports_its_speed_and_cost(here: Stage) -> None:
    result = delivery.run(here, MAILS, 0.0, workers=1)

    assert result.mails_per_second > 0
    assert 0 < result.to_first_mail < result.to_finish
    assert result.cpu_workers > 0
    assert result.bytes_to_ses > 500, "a link, headers and tags for each"
    assert NOT_MEASURED in delivery.steps_table([result]), "nobody requests the books meanwhile"


def test_counted_links_are_measured_beside_links_as_they_are_written(
    here: Stage, fleet: Fleet
) -> None:
    with Fleet(here, workers=1, counts_links=True) as counting:
        result = links.compare(here, fleet, counting, MAILS)

    # Links that are counted are looked for; nobody waits for the stand-in of S3.
    assert max(result.written.publish, result.counted.publish) < 0.9
    assert [line.split("|")[1].strip() for line in links.table(result).splitlines()[2:]] == [
        *("as written", "counted"),
    ]


def test_statements_are_counted_on_the_wire(here: Stage) -> None:
    traffic = delivery.count(here, MAILS, workers=1)

    assert sum("INSERT INTO deliveries" in text for text in traffic.by_text) == 1
    assert traffic.by_text["BEGIN"] + traffic.by_text["COMMIT"] == traffic.transaction_control
    assert traffic.bytes_sent > MAILS * 16, "an id for each"


def test_a_second_mail_is_noticed(here: Stage, fleet: Fleet, issue_id: str) -> None:
    here.sink.send(here.sink.last_call())

    with pytest.raises(WrongDelivery, match="0 missing, 50 mailed twice"):
        fleet.check(issue_id, MAILS)


def test_a_missing_mail_is_noticed(here: Stage, fleet: Fleet, issue_id: str) -> None:
    here.sink.set(Conditions(max_send_rate=delivery.UNBOUND))

    with pytest.raises(WrongDelivery, match=f"{MAILS} missing, 0 mailed twice"):
        fleet.check(issue_id, MAILS)


def test_a_mail_outside_the_audience_is_noticed(here: Stage, fleet: Fleet, issue_id: str) -> None:
    here.rows("UPDATE subscribers SET complained_at = now() WHERE email = 'reader-1@page.example'")

    with pytest.raises(WrongDelivery, match="1 mailed outside the audience"):
        fleet.check(issue_id, MAILS)


def test_an_audience_that_leaves_somebody_out_is_noticed(
    here: Stage, fleet: Fleet, issue_id: str
) -> None:
    with pytest.raises(WrongDelivery, match=f"not all of {MAILS + 1} were accepted"):
        fleet.check(issue_id, MAILS + 1)


def test_throttles_are_counted_when_the_rate_is_exceeded(here: Stage, issue_id: str) -> None:
    call = here.sink.last_call()
    here.sink.set(Conditions(max_send_rate=60, enforces_rate=True))

    here.sink.send(call)
    here.sink.send(call)

    assert here.sink.record().accepted == pytest.approx(60, abs=2)
    assert here.sink.record().throttled == pytest.approx(40, abs=2)


def test_the_used_rate_is_measured_after_the_start(here: Stage) -> None:
    utilization = governor.run(here, 100, workers=1, seconds=3)

    assert utilization.throttles == 0
    assert 0.9 < utilization.used < 1.3
